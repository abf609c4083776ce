"""Functions in SQL as the planner writes them out in place of their calls: whether a part of one is constant then.

Pure. See ``bodies`` for what such a function does when it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hoopd.sql.builtin_functions import TRUSTED_FUNCTIONS
from hoopd.sql.parser import ParseFailure, inside, parse

_SIMPLIFIED = frozenset(
    {"CaseExpr", "CoalesceExpr", "MinMaxExpr", "SubLink", "BoolExpr", "A_Indirection", "fromClause", "withClause"}
)
"""Parts of which the planner may keep some alone."""


def passes_its_arguments_on(body: str) -> bool:
    """Whether a function in SQL is one expression in which every call hangs on an argument: inlined, no part of it is
    constant."""
    try:
        statements = parse(body)
    except (ParseFailure, RecursionError):
        return False
    if len(statements) != 1 or statements[0].node_type != "SelectStmt":
        return False
    if not _SIMPLIFIED.isdisjoint(_keys(statements[0].node)):
        return False
    return all(_hangs(call) for call in _calls(statements[0].node))


def _hangs(call: Any) -> bool:
    if not {"ParamRef", "ColumnRef"}.isdisjoint(_keys(call)):
        return True
    words = [word["String"].get("sval", "") for word in call.get("funcname", ())]
    return len(words) == 1 and words[0] in TRUSTED_FUNCTIONS


def _calls(node: Any) -> Iterator[Any]:
    for key, value in inside(node):
        if key in ("FuncCall", "A_Expr"):
            yield value


def _keys(node: Any) -> Iterator[str]:
    return (key for key, _ in inside(node))
