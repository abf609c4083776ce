"""One pass over a statement's tree: every node, with the CTEs that are in scope, and what it does.

Iterative, so that a deep tree costs no stack. Invariants: every node is visited; a node or field that is not known
makes the statement opaque (INV-2). Where columns flow is the matter of ``lineage``; what functions and operators mean
is judged at the end, by ``calls``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hoopd.domain.statement import SessionState
from hoopd.sql import kinds, predicates
from hoopd.sql.catalog import SYSTEM_SCHEMAS, Names, Relation
from hoopd.sql.facts import Effect, FunctionUse, ObjectAccess, ObjectKind
from hoopd.sql.findings import Findings, volatility_word
from hoopd.sql.named import NOTHING_NAMED, Named
from hoopd.sql.parser import FIELDS

Node = Mapping[str, Any]
_LEAVES = frozenset(
    """A_Const A_Star Alias Integer Float Boolean String BitString ParamRef RoleSpec SetToDefault
    JsonFormat AccessPriv ReplicaIdentityStmt TriggerTransition ReturningOption""".split()  # noqa: SIM905
)
_PLAIN = frozenset(
    """List ResTarget BoolExpr NullTest BooleanTest CoalesceExpr MinMaxExpr A_ArrayExpr A_Indices GroupingFunc
    GroupingSet CollateClause NamedArgExpr CaseWhen WindowDef WithClause RangeSubselect RangeTableSample
    RangeTableFunc RangeTableFuncCol RangeFunction XmlExpr XmlSerialize MultiAssignRef InferClause OnConflictClause
    IndexElem LockingClause ReturningClause MergeWhenClause CTESearchClause CTECycleClause CurrentOfExpr DefElem
    ColumnDef Constraint TableLikeClause PartitionSpec PartitionElem PartitionBoundSpec PartitionRangeDatum PartitionCmd
    AlterTableCmd ATAlterConstraint ObjectWithArgs FunctionParameter VacuumRelation StatsElem CreateOpClassItem
    PublicationTable PublicationObjSpec IntoClause JsonOutput JsonReturning JsonBehavior JsonArgument
    JsonKeyValue JsonTablePathSpec JsonTableColumn JsonValueExpr""".split()  # noqa: SIM905
)
_SINCE = {
    "JsonFuncExpr": 170000,
    "JsonTable": 170000,
    "JsonParseExpr": 170000,
    "JsonScalarExpr": 170000,
    "JsonSerializeExpr": 170000,
    "MergeSupportFunc": 170000,
    "JsonObjectConstructor": 160000,
    "JsonArrayConstructor": 160000,
    "JsonArrayQueryConstructor": 160000,
    "JsonObjectAgg": 160000,
    "JsonArrayAgg": 160000,
    "JsonAggConstructor": 160000,
    "JsonIsPredicate": 160000,
}
"""Expressions that an older server reads otherwise, mostly as a call of a user's function (release notes)."""
_SETS_OFF = frozenset({Effect.ddl, Effect.privilege})
_EXPLAIN_OFF = frozenset({"false", "off", "0"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds for a part of the tree: names of CTEs in sight, and what naming a relation there does to it."""

    ctes: frozenset[str] = frozenset()
    effect: Effect = Effect.read
    ddl: bool = False
    """Inside a definition: types are named, not run."""


_Item = tuple[str, Node, Scope]
Handlers = Mapping[str, Callable[["Walk", Node, Scope], None]]


class Walk:
    """Walks one statement; ``found`` holds what it met. Not for use twice."""

    def __init__(
        self, names: Names, state: SessionState, found: Findings, handlers: Handlers, named: Named = NOTHING_NAMED
    ) -> None:
        self.handlers = handlers
        self.names = names
        self.state = state
        self.named = named
        self.found = found
        self._waiting: list[_Item] = []

    def run(self, node_type: str, node: Node, scope: Scope | None = None) -> None:
        self._waiting.append((node_type, node, scope or Scope()))
        while self._waiting:
            self._visit(*self._waiting.pop())
        if not self.found.effects.isdisjoint(_SETS_OFF):
            for use in self.names.catalog.event_triggers:
                self._hidden(use)

    def _visit(self, node_type: str, node: Node, scope: Scope) -> None:
        if node_type in _LEAVES:
            return
        if node_type in _SINCE and self.state.server_version < _SINCE[node_type]:
            self.unreadable(f"this server reads {node_type} as something else")
        if node_type.endswith("Stmt"):
            kind, effects = kinds.kind_of(node_type, node)
            if kind != "select" or not self.found.kinds:
                self.found.kinds.setdefault(kind)
                self.found.effects |= effects
        handler = self.handlers.get(node_type)
        if handler is not None:
            handler(self, node, scope)
        elif node_type.endswith("Stmt"):
            self._utility(node_type, node, scope)
        else:
            if node_type not in _PLAIN and node_type not in _SINCE:
                self.unreadable(f"the part {node_type} of the statement is not known here")
            self.children(node_type, node, scope)

    def unreadable(self, why: str) -> None:
        """Something that may mean anything."""
        self.found.effects.add(Effect.opaque)
        self.found.barrier = True
        self.found.runs_at_parse = True
        self.found.doubts.append(why)

    def children(self, node_type: str, node: Node, scope: Scope, *but: str) -> None:
        """Put all parts of a node in line, except the fields named in ``but``."""
        fields = FIELDS.get(node_type, {})
        for key, value in node.items():
            if key in but or not isinstance(value, (dict, list)):
                continue
            field_type = fields.get(key)
            if field_type is None:
                self.unreadable(f"the part {node_type}.{key} of the statement is not known here")
                continue
            self.push(field_type, value, scope)

    def push(self, field_type: str, value: Any, scope: Scope) -> None:
        """Put a node, or a list of them, in line; ``field_type`` Node: tagged with its type."""
        for item in value if isinstance(value, list) else (value,):
            if not item:
                continue
            if field_type == "Node":
                for tag, body in item.items():
                    self._waiting.append((tag, body, scope))
            else:
                self._waiting.append((field_type, item, scope))

    def _utility(self, node_type: str, node: Node, scope: Scope) -> None:
        """A statement with no handler of its own: the relations in it suffer its effect."""
        _, effects = kinds.kind_of(node_type, node)
        main = next((e for e in _MAIN if e in effects), Effect.opaque)
        self.children(node_type, node, replace(scope, effect=main, ddl=Effect.ddl in effects))
        if node_type not in _NAMELESS:
            self.found.names = True

    # Relations

    def relation(self, node: Node, effect: Effect) -> Relation | None:
        """Record what is done to the relation that a RangeVar names, and to those that it reaches.

        A write counts for each relation that the name may come to mean while the server waits for a lock; what a read
        comes to is held against the answer (``MaskPlan.relations``).
        """
        self.found.names = True
        schema, name = node.get("schemaname"), node["relname"]
        if schema is None and node.get("relpersistence") == "t":
            schema = "pg_temp"
        if schema is None and self.names.temporary_unknown:
            self.unreadable(f"{name} may be a temporary object that only the session itself sees")
        found = self.names.relation(schema, name)
        if found is None:
            self._unknown_relation(schema, name, effect)
            return None
        self.reach(found, effect)
        if schema is None and effect is Effect.write:
            for another in self.names.behind(found):
                self.reach(another, effect)
        return found

    def _unknown_relation(self, schema: str | None, name: str, effect: Effect) -> None:
        if schema is None and (not self.names.catalog.complete or effect is Effect.ddl):
            schema = self.names.first_schema
        kind = ObjectKind.unknown if self.names.catalog.complete else ObjectKind.table
        self.found.access(effect, kind, schema, name, known=False)
        self.found.barrier = self.found.barrier or schema == "pg_temp"

    def reach(self, relation: Relation, effect: Effect) -> None:
        """``effect`` on a relation of the catalog: itself, its rules and triggers, and what a view reads through it."""
        found = self.found
        found.relations.setdefault(relation.oid)
        found.access(effect, relation.kind, relation.schema, relation.name)
        if effect is Effect.write:
            self._written(relation)
        if relation.relkind != "m" or effect is not Effect.read:  # of a materialized view, its rows are read
            self._runs(relation)
        self._planned(relation)
        for oid in relation.reads:
            other = self.names.catalog.by_oid.get(oid)
            if other is not None:  # also where it was met before: that may have been for another effect
                found.relations.setdefault(oid)
                found.through_views.add((other.schema, other.name))
                found.access(effect, other.kind, other.schema, other.name)
                self._planned(other)
                if effect is Effect.write:
                    self._written(other)
                if relation.locks and effect is Effect.read:
                    found.access(Effect.lock, other.kind, other.schema, other.name)

    def _runs(self, relation: Relation) -> None:
        """What a view's own query does beside reading."""
        for schema, name, volatility in relation.calls:
            self.found.call(schema, name, volatility)
        for oid in relation.makes:
            if not self.names.catalog.reads_harmlessly(oid):
                one = self.names.catalog.types_by_oid.get(oid)
                if one is None:
                    self.found.opaque(ObjectKind.type, None, f"type {oid}", known=False)
                else:
                    self.found.opaque(ObjectKind.type, one.schema, one.name)
        if relation.locks:
            self.found.access(Effect.lock, relation.kind, relation.schema, relation.name)

    def _planned(self, relation: Relation) -> None:
        """Code that runs when a query of the relation is planned or filtered, though nobody calls it, and other servers
        that are asked for its rows, or for those of its partitions."""
        if relation.row_security:
            for use in relation.hidden_calls:
                self._hidden(use)
        for one in self.names.catalog.family(relation):
            if one.kind is ObjectKind.foreign_table:
                self.found.effects.add(Effect.external)
            for use in one.planned_calls:
                self._hidden(use)

    def _written(self, relation: Relation) -> None:
        """Rules are opaque; triggers, those of partitions included, and code in the table itself are shown."""
        if relation.schema in SYSTEM_SCHEMAS:
            self.unreadable("writing to a catalog changes what the server itself does")
        for one in self.names.catalog.family(relation):
            if one.has_rules:
                self.found.opaque(one.kind, one.schema, one.name)
            for use in (*one.triggers, *one.hidden_calls):
                self._hidden(use)
            for column in one.columns or ():
                self._checked(column.type_oid)

    def _checked(self, type_oid: int) -> None:
        """A value that is written into a column of a domain, or of rows with one, is checked."""
        waiting, seen = [type_oid], {type_oid}
        while waiting:
            one = self.names.catalog.types_by_oid.get(waiting.pop())
            if one is None:
                continue
            for use in one.checks:
                self._hidden(use)
            inside = {*one.parts, *([one.element] if one.element else [])} - seen
            seen |= inside
            waiting += inside

    def cascade(self, relation: Relation, deletes: bool, updates: bool) -> None:
        """Foreign keys change other tables when rows of this one go or change their keys (documentation, 5.5.5)."""
        waiting = [relation]
        seen = {relation.oid}
        while waiting:
            at = waiting.pop()
            for oid in {*(at.on_delete if deletes else ()), *(at.on_update if updates else ())} - seen:
                seen.add(oid)
                other = self.names.catalog.by_oid.get(oid)
                if other is not None:
                    self.found.cascades.setdefault(ObjectAccess(Effect.write, other.kind, other.schema, other.name))
                    self._written(other)
                    waiting.append(other)

    def _hidden(self, use: tuple[str, str, str]) -> None:
        schema, name, volatility = use
        self.found.functions.setdefault(FunctionUse(schema, name, volatility_word(volatility), trusted=False))
        self.found.barrier = True

    def names_of(self, node: Any) -> list[str]:
        """The words of a dotted name: a list of String nodes."""
        return [item["String"].get("sval", "") for item in node if "String" in item]


def _range_var(walk: Walk, node: Node, scope: Scope) -> None:
    if scope.effect is Effect.read and "schemaname" not in node and node["relname"] in scope.ctes:
        return
    walk.relation(node, scope.effect)


def with_scope(walk: Walk, node: Node, scope: Scope) -> Scope:
    """The scope that a WITH clause opens; its queries are put in line, each with the CTEs that it may name.

    PostgreSQL documentation, 7.8: a query names those before it, with RECURSIVE all of them.
    """
    clause = node.get("withClause")
    if not clause:
        return scope
    names = scope.ctes
    every = frozenset(item["CommonTableExpr"]["ctename"] for item in clause["ctes"])
    for item in clause["ctes"]:
        cte = item["CommonTableExpr"]
        seen = scope.ctes | every if clause.get("recursive") else names
        inner = replace(scope, ctes=seen, effect=Effect.read)
        walk.push("Node", cte["ctequery"], inner)
        walk.children("CommonTableExpr", cte, inner, "ctequery", "aliascolnames", "ctecolnames")
        names = names | {cte["ctename"]}
    return replace(scope, ctes=names)


def _select(walk: Walk, node: Node, scope: Scope) -> None:
    inner = replace(with_scope(walk, node, scope), effect=Effect.read, ddl=False)
    if "intoClause" in node:
        walk.relation(node["intoClause"]["rel"], Effect.ddl)
        walk.found.barrier = True
    if node.get("lockingClause"):
        walk.found.effects.add(Effect.lock)
        _lock(walk, node.get("fromClause", ()), inner)
    walk.children("SelectStmt", node, inner, "withClause", "intoClause")


def _lock(walk: Walk, items: Any, scope: Scope) -> None:
    """FOR UPDATE and its kin lock the rows of the tables in FROM (documentation, 13.3.2)."""
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if "RangeVar" in item:
            var = item["RangeVar"]
            if "schemaname" in var or var["relname"] not in scope.ctes:
                walk.relation(var, Effect.lock)
        elif "JoinExpr" in item:
            waiting += [item["JoinExpr"].get("larg", {}), item["JoinExpr"].get("rarg", {})]


def _data_change(node_type: str, but: tuple[str, ...]) -> Callable[[Walk, Node, Scope], None]:
    def handle(walk: Walk, node: Node, scope: Scope) -> None:
        inner = replace(with_scope(walk, node, scope), effect=Effect.read, ddl=False)
        target = walk.relation(node["relation"], Effect.write)
        if target is not None:
            walk.cascade(target, deletes=node_type == "DeleteStmt", updates=node_type != "DeleteStmt")
        walk.children(node_type, node, inner, "withClause", "relation")
        if any(_names_columns(node.get(part)) for part in but):
            if target is not None:
                walk.reach(target, Effect.read)
            else:
                walk.relation(node["relation"], Effect.read)
        if node_type in ("UpdateStmt", "DeleteStmt"):
            own = predicates.judge(node.get("whereClause"))
            walk.found.predicate = predicates.worst(walk.found.predicate, own)

    return handle


def _names_columns(part: Any) -> bool:
    waiting = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if "ColumnRef" in value:
                return True
            waiting.extend(value.values())
    return False


def _merge(walk: Walk, node: Node, scope: Scope) -> None:
    inner = replace(with_scope(walk, node, scope), effect=Effect.read, ddl=False)
    target = walk.relation(node["relation"], Effect.write)
    if target is not None:
        walk.reach(target, Effect.read)
        walk.cascade(target, deletes=True, updates=True)
    else:
        walk.relation(node["relation"], Effect.read)
    walk.children("MergeStmt", node, inner, "withClause", "relation")
    changes = {c.get("MergeWhenClause", {}).get("commandType") for c in node.get("mergeWhenClauses", ())}
    if changes & {"CMD_UPDATE", "CMD_DELETE"}:
        own = predicates.judge(node.get("joinCondition"))
        walk.found.predicate = predicates.worst(walk.found.predicate, own)


def explain_runs(node: Node) -> bool:
    """Whether EXPLAIN runs what it explains: the last ANALYZE option counts (``defGetBoolean``)."""
    runs = False
    for item in node.get("options", ()):
        option = item.get("DefElem", {})
        if option.get("defname") == "analyze":
            runs = _option_text(option.get("arg")) not in _EXPLAIN_OFF
    return runs


def _option_text(arg: Any) -> str | None:
    if not arg:
        return None
    ((_, body),) = arg.items()
    value = body.get("sval", body.get("ival", body.get("boolval", 0)))
    return str(value).lower()


def _explain(walk: Walk, node: Node, scope: Scope) -> None:
    if explain_runs(node):
        walk.children("ExplainStmt", node, scope)
        return
    inner = Findings()
    other = Walk(walk.names, walk.state, inner, walk.handlers, walk.named)
    ((tag, body),) = node["query"].items()
    other.run(tag, body, scope)
    _merge_planned(walk.found, inner)
    if tag == "ExecuteStmt":
        walk.push("Node", body.get("params", []), scope)  # they are evaluated all the same


def _merge_planned(found: Findings, inner: Findings) -> None:
    """What is only planned is read; but code that runs while planning, and settings, stay what they are."""
    kept = {Effect.opaque, Effect.external, Effect.session}
    found.effects |= inner.effects & kept
    for access in inner.accesses:
        effect = access.effect if access.effect in kept else Effect.read
        found.accesses.setdefault(ObjectAccess(effect, access.kind, access.schema, access.name, access.known))
    for name in ("functions", "calls", "attributes", "operators", "relations"):
        getattr(found, name).update(getattr(inner, name))
    found.through_views |= inner.through_views
    found.user_types |= inner.user_types
    found.names = found.names or inner.names
    found.runs_at_parse = found.runs_at_parse or inner.runs_at_parse
    found.type_calls = found.type_calls or inner.type_calls
    found.makes_rows = found.makes_rows or inner.makes_rows
    found.barrier = found.barrier or Effect.opaque in inner.effects
    found.doubts += inner.doubts
    found.error = found.error or inner.error
    found.by_name = found.by_name or inner.by_name
    if inner.forbidden:
        found.forbid(inner.forbidden)


_MAIN = (
    Effect.ddl, Effect.privilege, Effect.external, Effect.maintenance, Effect.lock, Effect.write, Effect.session,
    Effect.transaction, Effect.opaque, Effect.read,
)  # fmt: skip
_NAMELESS = frozenset(
    {"TransactionStmt", "VariableSetStmt", "VariableShowStmt", "DeallocateStmt", "ClosePortalStmt", "DiscardStmt"}
)

HANDLERS: Handlers = {
    "RangeVar": _range_var,
    "SelectStmt": _select,
    "InsertStmt": _data_change("InsertStmt", ("returningClause", "onConflictClause")),
    "UpdateStmt": _data_change("UpdateStmt", ("returningClause", "whereClause", "targetList")),
    "DeleteStmt": _data_change("DeleteStmt", ("returningClause", "whereClause")),
    "MergeStmt": _merge,
    "ExplainStmt": _explain,
}
"""For queries and relations; ``expressions`` and ``utility`` have those for the rest."""
