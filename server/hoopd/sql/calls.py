"""What the functions, operators and casts of a statement mean, judged when all types in reach are known.

Rule of doubt (DESIGN.md, section 7): argument types are not resolved as the server would; every candidate that could be
meant counts, and the worst decides. A candidate all of whose ways in need a type that users made counts only if such a
type is in reach: a column of a relation that is named, a cast, or code that is opaque anyway. A function that takes
rows always counts, since any row may be taken for one (``f(row(1, 2))``); an operator for rows counts where a relation
with such rows is named, or where the statement makes rows.

Triggers, and functions in defaults, checks, index expressions and row-security policies, are shown as uses that are not
trusted (see ``walk``). Not judged: support functions of operator classes, which only superusers can make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hoopd.sql.builtin_functions import (
    STABLE_FUNCTIONS,
    STABLE_OTHERS,
    TRUSTED_FUNCTIONS,
    VOLATILE_FUNCTIONS,
    VOLATILE_OTHERS,
)
from hoopd.sql.builtin_names import BUILTIN_OPERATORS
from hoopd.sql.catalog import FIRST_USER_OID, Function, Names, Operator
from hoopd.sql.facts import Effect, FunctionUse, ObjectKind
from hoopd.sql.findings import ANY_COUNT, Findings, volatility_word

_KNOWN_WRITES = frozenset({"nextval", "setval"})
"""Not harmless, but no secret either: their effect is noted by the walk."""


def builtin_volatility(name: str) -> str:
    if name in VOLATILE_FUNCTIONS or name in _KNOWN_WRITES:
        return "volatile"
    return "stable" if name in STABLE_FUNCTIONS else "immutable"


def judge(found: Findings, names: Names, is_expression: Callable[[Function], bool]) -> None:
    """Turn the noted calls and operators into uses, and into opaque effects where they are not known to be harmless.

    ``is_expression``: of a function of users', whether it is no more than an expression of its arguments.
    """
    _types_in_reach(found, names)
    for schema, name, count in found.calls:
        _call(found, names, schema, name, count, is_expression)
    for schema, name in found.operators:
        _operator(found, names, schema, name)
    _casts(found, names)


def _types_in_reach(found: Findings, names: Names) -> None:
    catalog = names.catalog
    for oid in found.relations:
        relation = catalog.by_oid.get(oid)
        if relation is None:
            continue
        for column in relation.columns or ():
            if column.type_oid >= FIRST_USER_OID:
                found.user_types.add(column.type_oid)
        for one in catalog.types.get(relation.name, ()):
            if one.schema == relation.schema and one.typtype == "c":
                found.row_types.add(one.oid)
    if not all(map(catalog.reads_harmlessly, found.user_types)):
        found.runs_at_parse = True


def _in_play(found: Findings, names: Names, types: Iterable[int], *, rows: bool) -> bool:
    """Whether a candidate with these argument types could be meant: see the rule of doubt above.

    ``rows``: values of any composite type may be there.
    """
    if found.user_types or found.type_calls or Effect.opaque in found.effects:
        return True
    for oid in types:
        one = names.catalog.types_by_oid.get(oid)
        if one is None or one.typtype not in "bcerm" or oid < FIRST_USER_OID:
            continue
        row = names.catalog.types_by_oid.get(one.element, one)  # of an array, what is in it
        if row.typtype != "c" or not (rows or row.oid in found.row_types):
            return False
    return True


def _call(
    found: Findings,
    names: Names,
    schema: str | None,
    name: str,
    count: int,
    is_expression: Callable[[Function], bool],
) -> None:
    candidates = [
        f
        for f in names.functions(schema, name)
        if (count == ANY_COUNT or f.takes(count)) and _in_play(found, names, f.arg_types, rows=True)
    ]
    for function in candidates:
        if function.language == "constructor" or is_expression(function):
            word = volatility_word(function.volatility)
            found.functions.setdefault(FunctionUse(function.schema, function.name, word, trusted=True))
        else:
            _user_function(found, function)
    user_type = names.type(schema, name) if count == 1 else None
    if user_type is not None and not names.catalog.reads_harmlessly(user_type.oid):
        found.runs_at_parse = True
        found.opaque(ObjectKind.type, user_type.schema, name)
    builtin = schema in (None, "pg_catalog")
    if builtin and (name in TRUSTED_FUNCTIONS or name in _KNOWN_WRITES):
        found.functions.setdefault(FunctionUse("pg_catalog", name, builtin_volatility(name), trusted=True))
    elif builtin and (name in VOLATILE_OTHERS or name in STABLE_OTHERS):
        found.runs_at_parse = True
        found.call("pg_catalog", name, "v" if name in VOLATILE_OTHERS else "s")
    elif not candidates and user_type is None:
        found.runs_at_parse = True
        found.call(schema, name, None, known=False)


def _user_function(found: Findings, function: Function) -> None:
    """A literal given to an argument of a type that users made is read at Parse, by their code (a domain in a row)."""
    found.runs_at_parse = found.runs_at_parse or any(oid >= FIRST_USER_OID for oid in function.arg_types)
    found.call(function.schema, function.name, function.volatility)


def _operator(found: Findings, names: Names, schema: str | None, name: str) -> None:
    candidates: list[Operator] = [
        o for o in names.operators(schema, name) if _in_play(found, names, (o.left, o.right), rows=found.makes_rows)
    ]
    for operator in candidates:
        found.runs_at_parse = found.runs_at_parse or max(operator.left, operator.right) >= FIRST_USER_OID
        found.call(operator.schema, operator.name, None)
    if not candidates and not (schema in (None, "pg_catalog") and name in BUILTIN_OPERATORS):
        found.call(schema, name, None, known=False)


def _casts(found: Findings, names: Names) -> None:
    """A cast by a user's function runs wherever its types meet; one between PostgreSQL's own types, anywhere."""
    for cast in names.catalog.casts:
        users = {oid for oid in (cast.source, cast.target) if oid >= FIRST_USER_OID}
        if (not users and found.relations) or users & (found.user_types | found.row_types):
            shown = ", ".join(_type_name(names, oid) for oid in sorted(users)) or "PostgreSQL's own types"
            found.call(None, f"cast of {shown}", None)


def _type_name(names: Names, oid: int) -> str:
    one = names.catalog.types_by_oid.get(oid)
    return f"{one.schema}.{one.name}" if one is not None else f"type {oid}"
