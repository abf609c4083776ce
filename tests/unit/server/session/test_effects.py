"""What is noted of a statement when it is sent."""

from __future__ import annotations

import pytest

from hoopd.masking.values import MaskContext
from hoopd.session import effects
from hoopd.session.core import Core
from hoopd.session.tables import Portal, Prepared
from hoopd.sql.facts import Effect, Facts, FunctionUse, ObjectAccess, ObjectKind, Opened, PreparedText
from tests.unit.server.session.play import STATE, facts

UNKNOWN = (FunctionUse("app", "f", "v", trusted=False),)


@pytest.fixture
def core() -> Core:
    made = Core(state=STATE, context=MaskContext(b"k" * 32))
    made.statements["s"] = Prepared("s", "select 1", b"", ("select",))
    made.portals["c"] = Portal("c", None, None, declared=True)
    made.portals["p"] = Portal("p", None, None)
    return made


def noted(core: Core) -> set[str]:
    """Which of its flags are up."""
    flags = {name for name in ("barrier_ahead", "read_back_due", "code_ran", "names_doubted") if getattr(core, name)}
    flags |= {name for name in ("settings_local", "catalog_changed", "temporary_objects") if getattr(core.state, name)}
    doubted = {**core.statements, **core.portals}
    return flags | {f"{name} doubted" for name, entry in doubted.items() if entry.doubtful}


def setting(name: str, **more: object) -> Facts:
    access = ObjectAccess(Effect.session, ObjectKind.setting, None, name)
    return facts("set", "set", effects=frozenset({Effect.session}), accesses=(access,), **more)


SQLS = {"s doubted", "c doubted", "names_doubted"}
CHECKS = {"barrier_ahead", "read_back_due", "code_ran", "settings_local", *SQLS, "p doubted"}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (facts("select 1"), set()),
        (setting("search_path", barrier=True), {"barrier_ahead", "read_back_due", "settings_local"}),
        (setting("client_min_messages"), {"barrier_ahead", "read_back_due"}),
        (facts("commit", "commit", effects=frozenset({Effect.transaction})), {"barrier_ahead"}),
        (facts("create", "create_table", effects=frozenset({Effect.ddl})), {"catalog_changed"}),
        (facts("select f()", functions=UNKNOWN), {"code_ran", *SQLS}),
        (facts("do", "do", effects=frozenset({Effect.opaque})), {*CHECKS, "catalog_changed", "temporary_objects"}),
        (facts("insert", "insert", effects=frozenset({Effect.write}), runs_at_parse=True), CHECKS),
        (facts("prepare", "prepare", prepares=PreparedText("s", "x", "x")), {"barrier_ahead"}),
        (facts("prepare", "prepare", prepares=PreparedText("s", "x", "x"), runs_at_parse=True), CHECKS),
        (facts("declare", "declare", opens=Opened("c", holds=False)), {"barrier_ahead"}),
    ],
    ids=lambda value: value.sql if isinstance(value, Facts) else "",
)
def test_what_is_noted(core: Core, what: Facts, expected: set[str]) -> None:
    """THREATS 9"""
    effects.note_effects(core, [what])
    assert noted(core) == expected


def test_a_commit_reads_back_what_was_set_for_its_transaction(core: Core) -> None:
    core.set_state(settings_local=True)
    effects.note_effects(core, [facts("commit", "commit", effects=frozenset({Effect.transaction}))])
    assert core.read_back_due


def test_only_reads_are_only_reads(core: Core) -> None:
    effects.note_effects(core, [facts("select 1"), facts("select 2")])
    assert core.only_read
    effects.note_effects(core, [facts("select 1"), facts("delete", "delete", effects=frozenset({Effect.write}))])
    assert not core.only_read


def test_an_access_to_temporary_objects_is_one_that_only_the_session_sees(core: Core) -> None:
    access = ObjectAccess(Effect.ddl, ObjectKind.table, "pg_temp", "t")
    made = facts("create temp table t ()", "create_table", effects=frozenset({Effect.ddl}), accesses=(access,))
    effects.note_effects(core, [made])
    assert noted(core) == {"catalog_changed", "temporary_objects"}
