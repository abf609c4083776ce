"""The flow of columns through INSERT, UPDATE, DELETE and MERGE: into other tables, and out by RETURNING.

Whatever is written counts as derived; whatever chooses the rows as inferable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hoopd.sql import from_items
from hoopd.sql.namespace import NOTHING, Col, Item, Level

if TYPE_CHECKING:
    from hoopd.sql.lineage import Env, Flow

Node = Mapping[str, Any]
_OPTION_NAMES = {"RETURNING_OPTION_OLD": "old", "RETURNING_OPTION_NEW": "new"}


def _write(flow: Flow, targets: Iterable[Node], level: Level, env: Env) -> None:
    """The right sides of SET, or a MERGE's values."""
    for item in targets:
        value = item.get("ResTarget", {}).get("val") if "ResTarget" in item else item
        if value:
            flow.derived |= flow.sources(value, level, env)


def _returning(flow: Flow, node: Node, level: Level, target: Item, env: Env) -> list[Col]:
    """RETURNING sees the target, the other items, and the target's old and new rows (documentation, 6.4)."""
    clause = node.get("returningClause") or {}
    if not clause.get("exprs"):
        return []
    names = {"old", "new"}
    for item in clause.get("options", ()):
        option = item["ReturningOption"]
        names.discard(_OPTION_NAMES.get(option.get("option", "RETURNING_OPTION_OLD"), ""))
        names.add(option["value"])
    taken = {item.alias for item in level.items}
    versions = [Item(n, target.columns, open=target.open, guess=target.guess) for n in sorted(names - taken)]
    around = Level(Level(level.parent, versions), level.items, level.columns)
    return flow.targets(clause["exprs"], around, env)


def _insert(flow: Flow, node: Node, parent: Level | None, env: Env) -> list[Col]:
    target = from_items.table_item(flow, node["relation"])
    if node.get("selectStmt"):
        columns = flow.query(node["selectStmt"], parent, env)
        flow.derived |= NOTHING.union(*(c.sources for c in columns))
    level = Level(parent, [target], list(target.columns))
    conflict = node.get("onConflictClause")
    if conflict:
        excluded = Item("excluded", target.columns, open=target.open, guess=target.guess)
        both = Level(parent, [target, excluded])
        _write(flow, conflict.get("targetList", ()), both, env)
        flow.infer(conflict.get("whereClause"), both, env)
        flow.inferable |= flow.sources(conflict.get("infer"), level, env, "InferClause")
    return _returning(flow, node, level, target, env)


def _change(flow: Flow, node: Node, parent: Level | None, env: Env, others: str) -> tuple[Level, Item]:
    target = from_items.table_item(flow, node["relation"])
    level = Level(parent, [target], list(target.columns))
    for item in node.get(others, ()):
        level.columns += from_items.follow(flow, item, level, env)
    flow.infer(node.get("whereClause"), level, env)
    return level, target


def _update(flow: Flow, node: Node, parent: Level | None, env: Env) -> list[Col]:
    level, target = _change(flow, node, parent, env, "fromClause")
    _write(flow, node.get("targetList", ()), level, env)
    return _returning(flow, node, level, target, env)


def _delete(flow: Flow, node: Node, parent: Level | None, env: Env) -> list[Col]:
    level, target = _change(flow, node, parent, env, "usingClause")
    return _returning(flow, node, level, target, env)


def _merge(flow: Flow, node: Node, parent: Level | None, env: Env) -> list[Col]:
    target = from_items.table_item(flow, node["relation"])
    level = Level(parent)
    level.columns += from_items.follow(flow, node["sourceRelation"], level, env)
    level.items.append(target)
    level.columns += target.columns
    flow.infer(node.get("joinCondition"), level, env)
    for item in node.get("mergeWhenClauses", ()):
        when = item["MergeWhenClause"]
        flow.infer(when.get("condition"), level, env)
        _write(flow, when.get("targetList", ()), level, env)
        _write(flow, when.get("values", ()), level, env)
    return _returning(flow, node, level, target, env)


CHANGES: Mapping[str, Callable[[Any, Node, Level | None, Any], list[Col]]] = {
    "InsertStmt": _insert,
    "UpdateStmt": _update,
    "DeleteStmt": _delete,
    "MergeStmt": _merge,
}
