"""Functions in SQL whose body is one expression of nothing but its arguments and of what is harmless, as if it were
written out.

What reads a table, changes something, calls other code, or could mean something else with other arguments or settings
is not one of them, and stays opaque (INV-2).
"""

from __future__ import annotations

from collections.abc import Callable

from hoopd.domain.statement import SessionState
from hoopd.sql import calls, walk
from hoopd.sql.catalog import FIRST_USER_OID, Catalog, Function, Names
from hoopd.sql.facts import Effect
from hoopd.sql.findings import Findings
from hoopd.sql.parser import ParseFailure, parse

LONGEST = 2_000
"""Characters of a body that is looked at."""
KEPT = 5_000
_PSEUDO = frozenset({2249, 2275, 2276, 2277, 2278, 2281, 2283, 2776, 3500, 3831, 4537, 4538, 5077, 5078, 5079, 5080})
"""Types that stand for others, rows of any shape among them (``pg_type.dat``)."""


def expressions(names: Names, state: SessionState, handlers: walk.Handlers) -> Callable[[Function], bool]:
    """Tells such functions, as they are in this session."""

    def is_expression(function: Function) -> bool:
        known = names.catalog.expressions
        key = (function, names.path, names.temporary_unknown, state.server_version)
        if key not in known:
            if len(known) >= KEPT:
                known.clear()
            known[key] = False  # for one that calls itself
            known[key] = _may_be(function, names.catalog) and _is_expression(function, names, state, handlers)
        return known[key]

    return is_expression


def _may_be(function: Function, catalog: Catalog) -> bool:
    types = (*function.arg_types, function.returns)
    return (
        0 < len(function.body) <= LONGEST
        and not function.variadic
        and not function.defaults  # which are expressions of their own
        and not _PSEUDO.intersection(types)
        and all(map(catalog.reads_harmlessly, types))
        and all(max(cast.source, cast.target) >= FIRST_USER_OID for cast in catalog.casts if cast.runs)
    )


def _is_expression(function: Function, names: Names, state: SessionState, handlers: walk.Handlers) -> bool:
    try:
        statements = parse(function.body)
    except (ParseFailure, RecursionError):
        return False
    if len(statements) != 1 or statements[0].node_type != "SelectStmt":
        return False
    found = Findings()
    types = (*function.arg_types, function.returns)  # the result is made into what it is declared to be
    found.user_types.update(oid for oid in types if oid >= FIRST_USER_OID)
    found.names = True
    try:
        walk.Walk(names, state, found, handlers).run("SelectStmt", statements[0].node)
        calls.judge(found, names, expressions(names, state, handlers))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return False
    return (
        not found.accesses
        and not found.attributes
        and found.effects <= {Effect.read}
        and found.settings is None
        and not (found.barrier or found.forbidden or found.error or found.doubts or found.by_name)
        and all(use.trusted for use in found.functions)
    )
