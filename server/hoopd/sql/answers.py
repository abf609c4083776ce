"""From a statement's tree to the columns of its answer, and what counts when they cannot be followed.

INV-4: whatever is not followed to the end counts every column of every relation in reach as derived, and has no output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hoopd.sql.catalog import Names
from hoopd.sql.facts import ColumnName, Derivation, Effect, OutputColumn
from hoopd.sql.findings import Findings
from hoopd.sql.from_items import relation_columns
from hoopd.sql.lineage import Flow
from hoopd.sql.namespace import NOTHING, Col, Unfollowed

Node = Mapping[str, Any]
_QUERIES = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_STORED = {"CreateTableAsStmt": "query", "ViewStmt": "query"}
"""Statements that keep what a query gives."""
_MADE = frozenset({"PrepareStmt", "DeclareCursorStmt", "ExecuteStmt"})
"""Statements around a query whose columns are those of what they make or run (``named`` puts it into EXECUTE)."""


@dataclass(frozen=True, slots=True)
class Answer:
    output: tuple[OutputColumn, ...] | None
    unfollowed: str | None
    inferable: tuple[ColumnName, ...]
    derived: tuple[ColumnName, ...]
    named: frozenset[ColumnName] = frozenset()
    """All columns that it names, used or not."""


def follow(node_type: str, node: Node, found: Findings, names: Names) -> Answer:
    """The answer of one statement, whose walk gave ``found``.

    What may be a call behind a dot (``found.attributes``) becomes one unless it was seen to be a column.
    """
    flow = Flow(names, suspects=frozenset(found.attributes))
    try:
        if found.doubts:
            raise Unfollowed(found.doubts[0])
        columns = _columns(flow, node_type, node, found)
    except Unfollowed as reason:
        for call in (call for calls in found.attributes.values() for call in calls):
            found.call(*call)
        return _unfollowed(str(reason), found, names)
    return Answer(columns, None, tuple(sorted(flow.inferable)), tuple(sorted(flow.derived)), frozenset(flow.named))


def _columns(flow: Flow, node_type: str, node: Node, found: Findings) -> tuple[OutputColumn, ...] | None:
    if node_type in _QUERIES:
        columns = flow.query({node_type: node}, None, {})
        gives = columns and not node.get("intoClause")
        return tuple(_output(c) for c in columns) if gives else _empty(node_type, node)
    if node_type == "ExplainStmt":
        return _explain(flow, node["query"], found)
    if node_type in _MADE and "query" in node:
        ((tag, inner),) = node["query"].items()
        return _columns(flow, tag, inner, found)
    if node_type in _STORED:
        _store(flow, node[_STORED[node_type]])
        return None
    if found.attributes or (Effect.read in found.effects and found.relations):
        raise Unfollowed("what this statement reads is not followed")
    return None


def _empty(node_type: str, node: Node) -> tuple[OutputColumn, ...] | None:
    """``SELECT`` with no columns still gives rows."""
    return () if node_type == "SelectStmt" and not node.get("intoClause") else None


def _output(col: Col) -> OutputColumn:
    return OutputColumn(col.name, tuple(sorted(col.sources)), col.derivation)


def _explain(flow: Flow, query: Node, found: Findings) -> tuple[OutputColumn, ...]:
    """A plan tells of every column that it touches, by its estimates, and when it runs by the rows it counts."""
    ((tag, node),) = query.items()
    columns = _columns(flow, tag, node, found)
    for column in columns or ():
        flow.inferable.update(column.sources)
    flow.inferable |= flow.derived
    return (OutputColumn("QUERY PLAN", (), Derivation.derived),)


def _store(flow: Flow, query: Node) -> None:
    query = query.get("ExecuteStmt", {}).get("query") or query
    columns = flow.query(query, None, {})
    flow.derived |= NOTHING.union(*(c.sources for c in columns))


def _unfollowed(why: str, found: Findings, names: Names) -> Answer:
    reached = _reached(found.relations, names)
    return Answer(None, why, (), tuple(sorted(reached)))


def _reached(oids: Iterable[int], names: Names) -> set[ColumnName]:
    every: set[ColumnName] = set()
    for oid in oids:
        relation = names.catalog.by_oid.get(oid)
        if relation is not None:
            every.update(*(col.sources for col in relation_columns(names.catalog, relation)))
    return every
