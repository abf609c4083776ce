"""The items of FROM: tables, CTEs, subselects, joins, functions. Each gives its columns, and its names to a level.

Documentation 7.2.1. Must leave in ``level.items`` only what the rest of the query can name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hoopd.sql.builtin_functions import RECORD_FUNCTIONS, TRUSTED_FUNCTIONS
from hoopd.sql.catalog import Catalog, Relation
from hoopd.sql.facts import ColumnName, Derivation
from hoopd.sql.namespace import NOTHING, Col, Item, Level, Sources, Unfollowed, renamed, union

if TYPE_CHECKING:
    from hoopd.sql.lineage import Env, Flow

Node = Mapping[str, Any]
_KEY_VALUE = ("key", "value")
_RECORDS: Mapping[str, tuple[str, ...]] = {
    "json_each": _KEY_VALUE,
    "json_each_text": _KEY_VALUE,
    "jsonb_each": _KEY_VALUE,
    "jsonb_each_text": _KEY_VALUE,
    "json_array_elements": ("value",),
    "json_array_elements_text": ("value",),
    "jsonb_array_elements": ("value",),
    "jsonb_array_elements_text": ("value",),
    "aclexplode": ("grantor", "grantee", "privilege_type", "is_grantable"),
    "pg_options_to_table": ("option_name", "option_value"),
    "pg_partition_tree": ("relid", "parentrelid", "isleaf", "level"),
    "pg_partition_ancestors": ("relid",),
    "pg_get_keywords": ("word", "catcode", "barelabel", "catdesc", "baredesc"),
}


def follow(flow: Flow, tagged: Node, level: Level, env: Env) -> tuple[Col, ...]:
    """The columns that an item adds to ``*``; its names are added to ``level``. Raises Unfollowed."""
    ((tag, node),) = tagged.items()
    handler = _ITEMS.get(tag)
    if handler is None:
        raise Unfollowed(f"the flow through {tag} is not known")
    return handler(flow, node, level, env)


def relation_columns(catalog: Catalog, relation: Relation) -> tuple[Col, ...]:
    """A relation's columns, each with those of the same name in all of its family."""
    cached: tuple[Col, ...] | None = catalog.flows.get(relation.oid)
    if cached is not None:
        return cached
    family = [(r, {c.name for c in r.columns or ()}) for r in catalog.family(relation)]
    columns = tuple(
        Col(
            column.name,
            frozenset(ColumnName(r.schema, r.name, column.name) for r, names in family if column.name in names),
            Derivation.column,
        )
        for column in relation.columns or ()
    )
    catalog.flows[relation.oid] = columns
    return columns


def table_item(flow: Flow, node: Node, alias: str | None = None) -> Item:
    """The item of a RangeVar that is a relation, not a CTE."""
    names = flow.names
    schema, name = node.get("schemaname"), node["relname"]
    shown = alias or (node.get("alias") or {}).get("aliasname") or name
    relation = names.relation(schema, name)
    own_schema = None if shown != name or node.get("alias") else (schema or (relation.schema if relation else None))
    if relation is not None and relation.columns is not None:
        return Item(shown, relation_columns(names.catalog, relation), own_schema)
    if names.catalog.complete:
        raise Unfollowed(f"{name} is not in the catalog")
    at = relation.schema if relation is not None else schema or names.first_schema
    return Item(shown, (), own_schema or at, guess=(at, name))


def alias_of(node: Node) -> tuple[str | None, list[str]]:
    """Alias and alias columns of an item."""
    alias = node.get("alias") or {}
    return alias.get("aliasname"), [item["String"].get("sval", "") for item in alias.get("colnames", ())]


def _table(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
    alias, names = alias_of(node)
    cte = env.get(node["relname"]) if "schemaname" not in node else None
    if cte is not None:
        item = Item(alias or node["relname"], flow.cte_columns(cte))
    else:
        item = table_item(flow, node)
    if names:
        if item.guess is not None:
            raise Unfollowed("alias columns of a table whose columns are not known")
        item = Item(item.alias, renamed(item.columns, names), item.schema)
    level.items.append(item)
    return item.columns


def _subselect(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
    alias, names = alias_of(node)
    parent = level if node.get("lateral") else level.parent
    columns = renamed(flow.query(node["subquery"], parent, env), names)
    level.items.append(Item(alias, columns))
    return columns


def _join(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
    before = len(level.items)
    left = follow(flow, node["larg"], level, env)
    right = follow(flow, node["rarg"], level, env)
    inside = level.items[before:]
    shared = [item["String"].get("sval", "") for item in node.get("usingClause", ())]
    if node.get("isNatural"):
        if any(i.open is not None or i.guess is not None for i in inside):
            raise Unfollowed("the columns that a NATURAL JOIN compares are not known")
        shared = [c.name for c in left if any(c.name == other.name for other in right)]
    merged = [_merged(inside, left, right, name) for name in shared]
    flow.compared(merged)
    flow.infer(node.get("quals"), Level(level.parent, inside) if inside else level, env)
    rest = [c for c in (*left, *right) if c.name not in shared]
    columns: tuple[Col, ...] = (*merged, *rest)
    using = (node.get("join_using_alias") or {}).get("aliasname")
    if using:
        level.items.append(Item(using, tuple(merged)))
    return _aliased(node, level, before, columns)


def _merged(inside: Sequence[Item], left: Sequence[Col], right: Sequence[Col], name: str) -> Col:
    found = [c for c in (*left, *right) if c.name == name]
    found += [c for item in inside if (c := item.open_hit(name)) is not None]
    if not found:
        raise Unfollowed(f"the column {name} of USING is not known")
    return union(found, name)


def _aliased(node: Node, level: Level, before: int, columns: tuple[Col, ...]) -> tuple[Col, ...]:
    """An alias of a join hides the names inside it."""
    alias, names = alias_of(node)
    if alias is None:
        return columns
    inside = level.items[before:]
    if any(i.guess is not None for i in inside):
        raise Unfollowed("the columns of a join with an alias are not known")
    opened = [i.open for i in inside if i.open is not None]
    item = Item(alias, renamed(columns, names), open=NOTHING.union(*opened) if opened else None)
    del level.items[before:]
    level.items.append(item)
    return item.columns


def _function(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
    alias, names = alias_of(node)
    calls = [one["List"]["items"] for one in node["functions"]]
    sources = NOTHING.union(*(flow.sources(items[0], level, env) for items in calls))
    flow.derived |= sources
    columns: list[str] | None = []
    for items in calls:
        own = _function_columns(node, items, alias if len(calls) == 1 else None)
        columns = columns + own if columns is not None and own is not None else None
    if columns is not None and node.get("ordinality"):
        columns.append("ordinality")
    return _computed(level, alias or _call_name(calls[0][0]), columns, names, sources)


def _computed(
    level: Level, alias: str | None, columns: Sequence[str] | None, names: Sequence[str], sources: Sources
) -> tuple[Col, ...]:
    """An item whose columns all derive from ``sources``; open where they are not known."""
    known = [Col(name, sources, Derivation.derived) for name in columns or ()]
    if columns is None:
        item = Item(alias, tuple(Col(n, sources, Derivation.derived) for n in names), open=sources)
    else:
        item = Item(alias, renamed(known, names))
    level.items.append(item)
    return item.columns


def _call_name(tagged: Node) -> str | None:
    words = [w["String"].get("sval", "") for w in tagged.get("FuncCall", {}).get("funcname", ()) if "String" in w]
    return words[-1] if words else None


def _function_columns(node: Node, items: Sequence[Node], alias: str | None) -> list[str] | None:
    """The names of a function's columns, None if not known."""
    definition = node.get("coldeflist") or (items[1].get("List", {}).get("items", ()) if len(items) > 1 else ())
    if definition:
        return [one["ColumnDef"]["colname"] for one in definition]
    name = _call_name(items[0])
    if name is None:
        return None
    if name in _RECORDS:
        return list(_RECORDS[name])
    if name in RECORD_FUNCTIONS or name not in TRUSTED_FUNCTIONS:
        return None
    return [alias or name]


def _table_function(kind: str) -> Callable[[Flow, Node, Level, Env], tuple[Col, ...]]:
    """XMLTABLE and JSON_TABLE: every column derives from all that they look at."""

    def handle(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
        alias, names = alias_of(node)
        sources = flow.sources(node, level, env, kind)
        flow.derived |= sources
        if kind == "RangeTableFunc":
            columns = [one["RangeTableFuncCol"]["colname"] for one in node.get("columns", ())]
        else:
            columns = _json_columns(node)
        return _computed(level, alias, columns, names, sources)

    return handle


def _json_columns(node: Node) -> list[str]:
    """The columns of JSON_TABLE as the server numbers them: a path's own, then those of the paths nested in it."""
    names: list[str] = []
    nested: list[str] = []
    for one in node.get("columns", ()):
        column = one["JsonTableColumn"]
        if column.get("coltype") == "JTC_NESTED":
            nested += _json_columns(column)
        else:
            names.append(column["name"])
    return names + nested


def _sample(flow: Flow, node: Node, level: Level, env: Env) -> tuple[Col, ...]:
    columns = follow(flow, node["relation"], level, env)
    flow.inferable |= flow.sources(node.get("args", []), level, env)
    flow.infer(node.get("repeatable"), level, env)
    return columns


_ITEMS: Mapping[str, Callable[[Any, Node, Level, Any], tuple[Col, ...]]] = {
    "RangeVar": _table,
    "RangeSubselect": _subselect,
    "JoinExpr": _join,
    "RangeFunction": _function,
    "RangeTableFunc": _table_function("RangeTableFunc"),
    "JsonTable": _table_function("JsonTable"),
    "RangeTableSample": _sample,
}
