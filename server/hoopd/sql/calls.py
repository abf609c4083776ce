"""What the functions, operators and casts of a statement mean, judged when all types in reach are known.

Rule of doubt (DESIGN.md, section 7): argument types are not resolved as the server would; every candidate that could be
meant counts, and the worst decides. A candidate all of whose ways in need a type that users made counts only if such a
type is in reach: a column of a relation that is named, a cast, what a function takes or gives that is not opaque by
itself, or code that is opaque anyway; or if its places of such types hold what has no type of its own (``'x'``, NULL,
``$1``), or what a user's cast makes of PostgreSQL's own types unasked. A function that takes
rows always counts, since any row may be taken for one (``f(row(1, 2))``); an operator for rows counts where a relation
with such rows is named, or where the statement makes rows.

Triggers, and functions in defaults, checks, index expressions and row-security policies, are shown as uses that are not
trusted (see ``walk``). Not judged: support functions of operator classes, which only superusers can make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    _types_of_calls(found, names, is_expression)
    for schema, name, count, untyped in found.calls:
        _call(found, names, (schema, name, count, untyped), is_expression)
    for schema, name, left, right in found.operators:
        _operator(found, names, schema, name, (left, right))
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
    found.user_types |= catalog.inside(found.user_types)
    if not all(map(catalog.reads_harmlessly, found.user_types)):
        found.runs_at_parse = True


def _types_of_calls(found: Findings, names: Names, is_expression: Callable[[Function], bool]) -> None:
    """Types that functions bring into reach: of casts that are written as calls, and of what users' functions take and
    give that are not opaque by themselves.
    """
    before = -1
    while before < len(found.user_types):
        before = len(found.user_types)
        brought: set[int] = set()
        for call in found.calls:
            schema, name, count, _ = call
            user_type = names.type(schema, name) if count == 1 else None
            if user_type is not None:
                brought.add(user_type.oid)
            for function in _candidates(found, names, call):
                if function.language == "constructor" or is_expression(function):
                    brought |= {function.returns, *function.arg_types}
        found.user_types |= names.catalog.inside(brought)


_COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})


def _in_play(
    found: Findings, names: Names, types: Sequence[int], untyped: Sequence[bool], *, rows: bool, taken: frozenset[int]
) -> bool:
    """Whether a candidate with these argument types could be meant: see the rule of doubt above.

    ``rows``: values of any composite type may be there. ``taken``: types that others are taken for.
    """
    if found.user_types or found.type_calls or Effect.opaque in found.effects:
        return True
    for place, oid in enumerate(types):
        one = names.catalog.types_by_oid.get(oid)
        if one is None or one.typtype not in "bcerm" or oid < FIRST_USER_OID:
            continue
        row = names.catalog.types_by_oid.get(one.element, one)  # of an array, what is in it
        if row.typtype == "c" and (rows or row.oid in found.row_types):
            continue
        if not (place >= len(untyped) or untyped[place] or oid in taken):
            return False
    return True


_Call = tuple[str | None, str, int, tuple[bool, ...]]


def _candidates(found: Findings, names: Names, call: _Call) -> list[Function]:
    schema, name, count, untyped = call
    known = untyped if count != ANY_COUNT else ()
    taken = names.catalog.taken_for
    return [
        f
        for f in names.functions(schema, name)
        if (count == ANY_COUNT or f.takes(count))
        and _in_play(found, names, f.arg_types, () if f.variadic else known, rows=True, taken=taken)
    ]


def _call(found: Findings, names: Names, call: _Call, is_expression: Callable[[Function], bool]) -> None:
    schema, name, count, _ = call
    candidates = _candidates(found, names, call)
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


def _operator(found: Findings, names: Names, schema: str | None, name: str, untyped: tuple[bool, bool]) -> None:
    candidates = [o for o in names.operators(schema, name) if _may_be(found, names, o, untyped)]
    for operator in candidates:
        found.runs_at_parse = found.runs_at_parse or max(operator.left, operator.right) >= FIRST_USER_OID
        found.call(operator.schema, operator.name, None)
    if not candidates and not (schema in (None, "pg_catalog") and name in BUILTIN_OPERATORS):
        found.call(schema, name, None, known=False)


def _may_be(found: Findings, names: Names, operator: Operator, untyped: tuple[bool, bool]) -> bool:
    """Whether an operator of users' may be meant.

    Not that of a base type, which superusers alone can make, where values of PostgreSQL's own types are compared: they
    have comparisons of their own.
    """
    if not found.user_types and _own_comes_first(names, operator, untyped):
        return False
    taken = names.catalog.taken_for
    if operator.name in _COMPARISONS and operator.left == operator.right:
        one = names.catalog.types_by_oid.get(operator.left)
        taken = frozenset() if one is not None and one.typtype == "b" and not one.element else taken
    types: Sequence[int] = (operator.left, operator.right) if operator.left else (operator.right,)
    return _in_play(found, names, types, untyped[-len(types) :], rows=found.makes_rows, taken=taken)


_TEXT = 25


def _own_comes_first(names: Names, operator: Operator, untyped: tuple[bool, bool]) -> bool:
    """Whether PostgreSQL's own operator is chosen where a side has no type of its own (documentation, 10.2): that side
    is taken for the type of the other one, and where both have none for text.
    """
    own = names.catalog.own_operators
    types = (operator.left, operator.right)
    users = [oid >= FIRST_USER_OID for oid in types]
    if not all(untyped[place] for place in (0, 1) if users[place]) or not any(users):
        return False
    known = [types[place] for place in (0, 1) if not untyped[place]]
    return (operator.name, known[0] if known else _TEXT) in own


def _casts(found: Findings, names: Names) -> None:
    """A cast by a user's function runs wherever its types meet; one between PostgreSQL's own types, anywhere."""
    reach = found.user_types | names.catalog.inside(found.row_types)
    for cast in names.catalog.casts:
        users = {oid for oid in (cast.source, cast.target) if oid >= FIRST_USER_OID}
        if cast.runs and (not users or users & reach):
            shown = ", ".join(_type_name(names, oid) for oid in sorted(users)) or "PostgreSQL's own types"
            found.call(None, f"cast of {shown}", None)


def _type_name(names: Names, oid: int) -> str:
    one = names.catalog.types_by_oid.get(oid)
    return f"{one.schema}.{one.name}" if one is not None else f"type {oid}"
