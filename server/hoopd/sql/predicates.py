"""Whether the WHERE of an UPDATE or DELETE chooses rows, is missing, or is true of every row.

Works on the tree alone. Must err to ``constant``: a WHERE that looks at no column chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hoopd.sql.facts import Predicate

Node = Mapping[str, Any]
_SEVERITY = (Predicate.present, Predicate.constant, Predicate.missing)
_LOOKS = frozenset({"ColumnRef", "SubLink", "CurrentOfExpr"})
_PLACES = frozenset({"location", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"})


def worst(one: Predicate | None, other: Predicate | None) -> Predicate | None:
    """The one that may touch more rows; None where neither statement has a WHERE to speak of."""
    found = [p for p in (one, other) if p is not None]
    return max(found, key=_SEVERITY.index) if found else None


def judge(where: Node | None) -> Predicate:
    """``where`` is the tagged node of a whereClause, None when there is none."""
    if not where:
        return Predicate.missing
    return Predicate.constant if _always(where) else Predicate.present


def _always(where: Node) -> bool:
    """Whether it is, or must be taken to be, true of every row. Iterative where the tree may be deep."""
    ((tag, node),) = where.items()
    if tag == "BoolExpr":
        return _bool(node)
    if tag == "A_Expr" and node.get("kind") == "AEXPR_OP" and _same_sides(node):
        return True
    return not _chooses(where)


def _bool(node: Node) -> bool:
    args = node.get("args", ())
    if node.get("boolop") == "OR_EXPR":
        return any(_always(arg) for arg in args)
    if node.get("boolop") == "AND_EXPR":
        return all(_always(arg) for arg in args)
    return all(not _chooses(arg) for arg in args)


def _same_sides(node: Node) -> bool:
    left, right = node.get("lexpr"), node.get("rexpr")
    return left is not None and right is not None and bare(left) == bare(right)


def bare(value: Any) -> Any:
    """The tree without the places in the text."""
    if isinstance(value, dict):
        return {key: bare(part) for key, part in value.items() if key not in _PLACES}
    if isinstance(value, list):
        return [bare(part) for part in value]
    return value


def _chooses(where: Node) -> bool:
    waiting: list[Any] = [where]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if not _LOOKS.isdisjoint(value):
                return True
            waiting.extend(value.values())
    return False
