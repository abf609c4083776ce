"""For definitions and maintenance: the lock that a statement takes on each table that it names, whether it writes the
table anew, and whether it can be rolled back.

After PostgreSQL's documentation (13.3.1, ALTER TABLE, and each command's page), and held against real servers by
``tests/oracle``. Where versions or details that are not seen here differ, the stronger word is given. For people who
review; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hoopd.sql.catalog import Names
from hoopd.sql.facts import LockMode, TableLock

Node = Mapping[str, Any]

_WEAK = LockMode.share_update_exclusive
_ALTER: Mapping[str, LockMode] = {
    "AT_SetStatistics": _WEAK,
    "AT_ClusterOn": _WEAK,
    "AT_DropCluster": _WEAK,
    "AT_SetOptions": _WEAK,
    "AT_ResetOptions": _WEAK,
    "AT_SetRelOptions": _WEAK,
    "AT_ResetRelOptions": _WEAK,
    "AT_ValidateConstraint": _WEAK,
    "AT_AttachPartition": _WEAK,
    **dict.fromkeys(
        (
            "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_EnableTrigAll", "AT_EnableTrigUser",
            "AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser",
        ),
        LockMode.share_row_exclusive,
    ),
}  # fmt: skip
"""Of the parts of ALTER TABLE; every other takes the strongest."""
_REWRITES = frozenset(
    {"AT_AlterColumnType", "AT_SetLogged", "AT_SetUnLogged", "AT_SetAccessMethod", "AT_SetExpression"}
)
_PLAIN_DEFAULTS = frozenset({"A_Const", "TypeCast"})
_COMMON = frozenset({"text", "date", "uuid", "json", "jsonb", "bytea", "inet", "cidr", "xml", "money", "name", "oid"})
"""Types that the grammar does not write with their schema, and that are no domains."""
_ON_TABLE = frozenset({"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"})
_TABLES = frozenset({"OBJECT_TABLE", "OBJECT_MATVIEW", "OBJECT_VIEW", "OBJECT_FOREIGN_TABLE", "OBJECT_SEQUENCE"})
_MODES = dict(enumerate(LockMode, start=1))


def locks_of(node_type: str, node: Node, names: Names) -> tuple[TableLock, ...]:
    """The locks on tables that stronger than a change of rows takes, each table once with its strongest."""
    strongest: dict[tuple[str | None, str], TableLock] = {}
    for var, mode, rewrites, family in _wanted(node_type, node):
        for lock in _resolved(var, mode, rewrites, names, family=family):
            key = (lock.schema, lock.name)
            known = strongest.get(key)
            if known is None:
                strongest[key] = lock
            else:
                most = max(known.mode, lock.mode, key=lambda mode: mode.strength)
                strongest[key] = TableLock(most, *key, known.rewrites or lock.rewrites)
    return tuple(strongest.values())


def is_final(node_type: str, node: Node) -> bool:
    """Whether PostgreSQL refuses it in a transaction block, since it cannot be rolled back."""
    match node_type:
        case "CreatedbStmt" | "DropdbStmt" | "CreateTableSpaceStmt" | "DropTableSpaceStmt" | "AlterSystemStmt":
            return True
        case "VacuumStmt":
            return bool(node.get("is_vacuumcmd"))
        case "IndexStmt" | "DropStmt":
            return bool(node.get("concurrent"))
        case "ReindexStmt":
            whole = node.get("kind") in ("REINDEX_OBJECT_SCHEMA", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_DATABASE")
            return whole or _option(node.get("params"), "concurrently")
        case "ClusterStmt":
            return "relation" not in node
        case "AlterTableStmt":
            return any(_part(c).get("def", {}).get("PartitionCmd", {}).get("concurrent") for c in node.get("cmds", ()))
        case _:
            return False


_Wanted = tuple[Node, LockMode, bool, bool]
"""A RangeVar, the lock on it, whether it is written anew, and whether those below it are locked alike."""


def _wanted(node_type: str, node: Node) -> Iterator[_Wanted]:
    handler = _HANDLERS.get(node_type)
    return handler(node) if handler is not None else iter(())


def _below(var: Node) -> bool:
    return bool(var.get("inh"))


def _renamed(node: Node) -> Iterator[_Wanted]:
    if "relation" in node:
        mode = _WEAK if node.get("renameType") == "OBJECT_INDEX" else LockMode.access_exclusive
        yield node["relation"], mode, False, _below(node["relation"])


def _index(node: Node) -> Iterator[_Wanted]:
    mode = _WEAK if node.get("concurrent") else LockMode.share
    yield node["relation"], mode, False, _below(node["relation"])


def _on(field: str, mode: LockMode) -> Callable[[Node], Iterator[_Wanted]]:
    """A statement on the one table that ``field`` names."""

    def handle(node: Node) -> Iterator[_Wanted]:
        yield node[field], mode, False, False

    return handle


def _trigger(node: Node) -> Iterator[_Wanted]:
    yield node["relation"], LockMode.share_row_exclusive, False, _below(node["relation"])


def _view(node: Node) -> Iterator[_Wanted]:
    if node.get("replace"):
        yield node["view"], LockMode.access_exclusive, False, False


def _statistics(node: Node) -> Iterator[_Wanted]:
    for item in node.get("relations", ()):
        if "RangeVar" in item:
            yield item["RangeVar"], _WEAK, False, False


def _truncate(node: Node) -> Iterator[_Wanted]:
    for item in node.get("relations", ()):
        yield item["RangeVar"], LockMode.access_exclusive, True, _below(item["RangeVar"])


def _refresh(node: Node) -> Iterator[_Wanted]:
    mode = LockMode.exclusive if node.get("concurrent") else LockMode.access_exclusive
    yield node["relation"], mode, True, False


def _cluster(node: Node) -> Iterator[_Wanted]:
    if "relation" in node:
        yield node["relation"], LockMode.access_exclusive, True, True


def _vacuum(node: Node) -> Iterator[_Wanted]:
    full = _option(node.get("options"), "full")
    for item in node.get("rels", ()):
        if "relation" in item.get("VacuumRelation", {}):
            yield item["VacuumRelation"]["relation"], LockMode.access_exclusive if full else _WEAK, full, True


def _reindex(node: Node) -> Iterator[_Wanted]:
    if node.get("kind") == "REINDEX_OBJECT_TABLE":
        mode = _WEAK if _option(node.get("params"), "concurrently") else LockMode.share
        yield node["relation"], mode, False, True


def _lock(node: Node) -> Iterator[_Wanted]:
    mode = _MODES.get(node.get("mode", 0), LockMode.access_exclusive)
    for item in node.get("relations", ()):
        yield item["RangeVar"], mode, False, _below(item["RangeVar"])


def _comment(node: Node) -> Iterator[_Wanted]:
    if isinstance(node.get("object"), dict):
        yield from _named(node.get("objtype", ""), [node["object"]], _WEAK)


def _drop(node: Node) -> Iterator[_Wanted]:
    return _named(node.get("removeType", ""), node.get("objects", ()), LockMode.access_exclusive)


def _alter(node: Node) -> Iterator[_Wanted]:
    relation, exclusive = node["relation"], LockMode.access_exclusive
    family, view = _below(relation), node.get("objtype") == "OBJECT_VIEW"
    for item in node.get("cmds", ()):
        part = _part(item)
        subtype = part.get("subtype", "AT_AddColumn")
        mode = exclusive if view else _ALTER.get(subtype, exclusive)
        rewrites = subtype in _REWRITES
        given = part.get("def", {})
        if subtype == "AT_AddColumn":
            rewrites = _rewrites_for(given.get("ColumnDef", {}))
            yield from _references(given.get("ColumnDef", {}).get("constraints", ()))
        elif subtype == "AT_AddConstraint":
            constraint = given.get("Constraint", {})
            if constraint.get("contype") == "CONSTR_FOREIGN":
                mode = LockMode.share_row_exclusive
            yield from _references((given,))
        elif subtype in ("AT_AttachPartition", "AT_DetachPartition", "AT_DetachPartitionFinalize"):
            command = given.get("PartitionCmd", {})
            mode = _WEAK if subtype != "AT_DetachPartition" or command.get("concurrent") else exclusive
            if "name" in command:
                yield command["name"], exclusive, False, True
            family = False
        elif subtype in ("AT_AddInherit", "AT_DropInherit") and "RangeVar" in given:
            yield given["RangeVar"], _WEAK, False, False
        yield relation, mode, rewrites, family


def _create(node: Node) -> Iterator[_Wanted]:
    """A new table locks those that it refers to."""
    for item in node.get("inhRelations", ()):
        partition = "partbound" in node
        yield item["RangeVar"], LockMode.access_exclusive if partition else _WEAK, False, False
    for element in node.get("tableElts", ()):
        if "ColumnDef" in element:
            yield from _references(element["ColumnDef"].get("constraints", ()))
        yield from _references((element,))


def _references(constraints: Any) -> Iterator[_Wanted]:
    for item in constraints:
        target = item.get("Constraint", {}).get("pktable")
        if target is not None:
            yield target, LockMode.share_row_exclusive, False, False


def _rewrites_for(column: Node) -> bool:
    """A new column is only noted in the catalog where its default is a constant; a type may be a domain with checks."""
    for item in column.get("constraints", ()):
        constraint = item.get("Constraint", {})
        match constraint.get("contype"):
            case "CONSTR_IDENTITY" | "CONSTR_GENERATED":
                return True
            case "CONSTR_DEFAULT":
                ((kind, _),) = constraint["raw_expr"].items()
                if kind not in _PLAIN_DEFAULTS:
                    return True
    words = [word.get("String", {}).get("sval", "") for word in column.get("typeName", {}).get("names", ())]
    return bool(words) and (words[-1].endswith("serial") or (words[0] != "pg_catalog" and words[-1] not in _COMMON))


def _named(kind: str, objects: Any, mode: LockMode) -> Iterator[_Wanted]:
    for item in objects:
        words = [word["String"].get("sval", "") for word in item.get("List", {}).get("items", ()) if "String" in word]
        if kind in _ON_TABLE | {"OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"}:
            words = words[:-1]
        elif kind not in _TABLES:
            continue
        if words:
            var = {"relname": words[-1], **({"schemaname": words[-2]} if len(words) > 1 else {})}
            yield var, mode, False, False


def _resolved(var: Node, mode: LockMode, rewrites: bool, names: Names, *, family: bool) -> Iterator[TableLock]:
    schema, name = var.get("schemaname"), var.get("relname", "")
    found = names.relation(schema, name)
    if found is None:
        if schema is None and not names.catalog.complete:
            schema = names.first_schema
        yield TableLock(mode, schema, name, rewrites)
        return
    waiting, seen = [found], {found.oid}
    while waiting:
        one = waiting.pop()
        yield TableLock(mode, one.schema, one.name, rewrites)
        for oid in one.children if family else ():
            child = names.catalog.by_oid.get(oid)
            if child is not None and oid not in seen:
                seen.add(oid)
                waiting.append(child)


def _part(item: Node) -> Node:
    found: Node = item.get("AlterTableCmd", {})
    return found


def _option(options: Any, name: str) -> bool:
    """Whether an option of VACUUM or REINDEX is on; the last word counts."""
    on = False
    for item in options or ():
        option = item.get("DefElem", {})
        if option.get("defname") == name:
            given = option.get("arg")
            ((_, body),) = given.items() if given else (("", {"boolval": True}),)
            word = str(body.get("sval", body.get("ival", body.get("boolval", 0)))).lower()
            on = word not in ("false", "off", "0", "no")
    return on


_HANDLERS: Mapping[str, Callable[[Node], Iterator[_Wanted]]] = {
    "AlterTableStmt": _alter,
    "RenameStmt": _renamed,
    "AlterObjectSchemaStmt": _renamed,
    "IndexStmt": _index,
    "CreateTrigStmt": _trigger,
    "RuleStmt": _on("relation", LockMode.access_exclusive),
    "CreatePolicyStmt": _on("table", LockMode.access_exclusive),
    "AlterPolicyStmt": _on("table", LockMode.access_exclusive),
    "CreateStatsStmt": _statistics,
    "CreateStmt": _create,
    "ViewStmt": _view,
    "TruncateStmt": _truncate,
    "RefreshMatViewStmt": _refresh,
    "ClusterStmt": _cluster,
    "VacuumStmt": _vacuum,
    "ReindexStmt": _reindex,
    "LockStmt": _lock,
    "CommentStmt": _comment,
    "DropStmt": _drop,
}
