"""The flow of columns through INSERT, UPDATE, DELETE and MERGE: into other tables, and out by RETURNING.

Whatever is written counts as derived; whatever chooses the rows as inferable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hoopd.sql import from_items
from hoopd.sql.namespace import Col, Item, Level, Sources

if TYPE_CHECKING:
    from hoopd.sql.lineage import Env, Flow

Node = Mapping[str, Any]
_OPTION_NAMES = {"RETURNING_OPTION_OLD": "old", "RETURNING_OPTION_NEW": "new"}


def _set(flow: Flow, targets: Iterable[Node], target: Item, level: Level, env: Env) -> None:
    """The right sides of SET."""
    for item in targets:
        one = item["ResTarget"]
        if one.get("val"):
            flow.assigned(target, one["name"], flow.sources(one["val"], level, env))


def _into(flow: Flow, names: Sequence[Node], target: Item, values: Sequence[Sources]) -> None:
    """The values of a new row, for the columns that are named, or for the first of the target."""
    places: list[str | None] = [one["ResTarget"]["name"] for one in names] or [c.name for c in target.columns]
    for place, sources in enumerate(values):
        flow.assigned(target, places[place] if place < len(places) else None, sources)


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
        _into(flow, node.get("cols", ()), target, [c.sources for c in columns])
    level = Level(parent, [target], list(target.columns))
    conflict = node.get("onConflictClause")
    if conflict:
        excluded = Item("excluded", target.columns, open=target.open, guess=target.guess)
        both = Level(parent, [target, excluded])
        _set(flow, conflict.get("targetList", ()), target, both, env)
        flow.infer(conflict.get("whereClause"), both, env)
        flow.inferable |= _keys(flow, conflict.get("infer") or {}, level, env)
    return _returning(flow, node, level, target, env)


def _keys(flow: Flow, infer: Node, level: Level, env: Env) -> Sources:
    """ON CONFLICT (…): what is there already decides which rows are made, and which are changed."""
    plain = [item["IndexElem"]["name"] for item in infer.get("indexElems", ()) if item["IndexElem"].get("name")]
    named = [{"ColumnRef": {"fields": [{"String": {"sval": name}}]}} for name in plain]
    return flow.sources(infer, level, env, "InferClause") | flow.sources(named, level, env)


def _change(flow: Flow, node: Node, parent: Level | None, env: Env, others: str) -> tuple[Level, Item]:
    target = from_items.table_item(flow, node["relation"])
    level = Level(parent, [target], list(target.columns))
    for item in node.get(others, ()):
        level.columns += from_items.follow(flow, item, level, env)
    flow.infer(node.get("whereClause"), level, env)
    return level, target


def _update(flow: Flow, node: Node, parent: Level | None, env: Env) -> list[Col]:
    level, target = _change(flow, node, parent, env, "fromClause")
    _set(flow, node.get("targetList", ()), target, level, env)
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
        values = [flow.sources(value, level, env) for value in when.get("values", ())]
        if values:
            _into(flow, when.get("targetList", ()), target, values)
        else:
            _set(flow, when.get("targetList", ()), target, level, env)
    return _returning(flow, node, level, target, env)


CHANGES: Mapping[str, Callable[[Any, Node, Level | None, Any], list[Col]]] = {
    "InsertStmt": _insert,
    "UpdateStmt": _update,
    "DeleteStmt": _delete,
    "MergeStmt": _merge,
}
