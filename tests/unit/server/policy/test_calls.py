"""Which functions run, and whether code runs that has no function's name: doubt counts as such code (INV-2)."""

from __future__ import annotations

import pytest

from hoopd.policy.calls import called, is_call, runs_nameless_code
from hoopd.sql.facts import Effect, Facts, FunctionUse, ObjectAccess, ObjectKind
from tests.unit.server.policy.test_evaluation import access, statement


def use(schema: str | None, name: str, trusted: bool = False) -> FunctionUse:
    return FunctionUse(schema, name, None, trusted)


CALL = ObjectAccess(Effect.opaque, ObjectKind.function, "app", "f")
UNRESOLVED = ObjectAccess(Effect.opaque, ObjectKind.function, None, "g", known=False)


def test_every_function_counts_once() -> None:
    facts = statement(CALL, UNRESOLVED, functions=(use("app", "f"), use(None, "g"), use("pg_catalog", "lower", True)))

    assert called(facts) == {("app", "f"), (None, "g"), ("pg_catalog", "lower")}
    assert not runs_nameless_code(facts)


@pytest.mark.parametrize(
    "facts",
    [
        statement(effects=[Effect.opaque], kind="do"),
        statement(access("opaque public.ruled")),
        statement(CALL, access("opaque app.t", ObjectKind.type), functions=(use("app", "f"),)),
        statement(UNRESOLVED, kind="execute"),
        statement(functions=(use(None, "cast of app.t"),)),
        statement(ObjectAccess(Effect.opaque, ObjectKind.function, None, "cast of app.t")),
    ],
)
def test_code_without_a_function_s_name(facts: Facts) -> None:
    assert runs_nameless_code(facts)
    assert (None, "cast of app.t") not in called(facts)


def test_what_is_done_to_a_function_is_no_call() -> None:
    assert is_call(CALL)
    assert not is_call(access("ddl app.f", ObjectKind.function))
    assert not is_call(access("opaque app.f"))
