"""Which functions a statement runs, and whether code runs that has no function's name."""

from __future__ import annotations

from hoopd.sql.facts import Effect, Facts, ObjectAccess, ObjectKind

_CAST = "cast of "
"""How analysis calls the function of a cast that users made, whose own name is not known."""

Called = tuple[str | None, str]
"""Schema (None where it could not be resolved) and name."""


def called(facts: Facts) -> frozenset[Called]:
    """Every function that runs and is known by a name, trusted or not."""
    uses = {(use.schema, use.name) for use in facts.functions if not _is_cast(use.schema, use.name)}
    return frozenset(uses | {(access.schema, access.name) for access in _calls(facts)})


def runs_nameless_code(facts: Facts) -> bool:
    """A DO block, a rule of a table, a type or cast that users made, what an unknown prepared statement runs."""
    opaque = {access for access in facts.accesses if access.effect is Effect.opaque}
    if Effect.opaque in facts.effects and not opaque:
        return True
    return _calls(facts) != opaque or any(_is_cast(use.schema, use.name) for use in facts.functions)


def is_call(access: ObjectAccess) -> bool:
    """Not what is done to a function, such as DROP."""
    return access.effect is Effect.opaque and access.kind is ObjectKind.function


def _calls(facts: Facts) -> set[ObjectAccess]:
    uses = {(use.schema, use.name) for use in facts.functions}
    return {
        access
        for access in facts.accesses
        if is_call(access)
        and (access.known or (access.schema, access.name) in uses)
        and not _is_cast(access.schema, access.name)
    }


def _is_cast(schema: str | None, name: str) -> bool:
    return schema is None and name.startswith(_CAST)
