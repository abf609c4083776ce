"""Which columns the literals and parameters of a text meet: what a reviewer under masks must not be shown (INV-4).

Looked at only when a statement is held. Where the flow is lost, every constant of the statement meets every column in
reach, and beside code that cannot be seen through, any column at all; so does a literal that the flow did not come by.
Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hoopd.domain.request import Meeting
from hoopd.domain.statement import SessionState
from hoopd.sql.catalog import Catalog, Relation
from hoopd.sql.constants import ANYTHING, ConstantFlow, type_modifiers
from hoopd.sql.facts import ColumnName, Effect, Facts, ObjectKind
from hoopd.sql.from_items import relation_columns
from hoopd.sql.namespace import NOTHING, Sources, Unfollowed
from hoopd.sql.parser import ParseFailure, Statement, deep_recursion, inside, parse, tokens

Node = Mapping[str, Any]
MAX_COLUMNS = 20_000
"""Names of columns kept for one text; past it all is taken to meet any (INV-9)."""
_QUERIES = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_AROUND = frozenset({"ExplainStmt", "CreateTableAsStmt", "ViewStmt", "PrepareStmt", "DeclareCursorStmt", "CopyStmt"})
"""Statements with a query inside: followed there, while constants elsewhere in them count as not followed."""
_LITERALS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST", "ICONST", "FCONST"})
_WORDS = frozenset({"TRUE_P", "FALSE_P"})
_OF_ANY_TABLE = frozenset({"alter_type", "alter_domain"})
"""Columns of any table may be of that type."""
_BEFORE = frozenset({"ASCII_45", "ASCII_40", "SQL_COMMENT", "C_COMMENT"})
"""What may stand between the place of a negative number, which is that of its minus, and its digits."""
_RELATIONS = frozenset(
    {
        ObjectKind.table,
        ObjectKind.partitioned_table,
        ObjectKind.partition,
        ObjectKind.view,
        ObjectKind.materialized_view,
        ObjectKind.foreign_table,
        ObjectKind.unknown,
    }
)


@dataclass(frozen=True, slots=True)
class _Use:
    """One literal (``start`` to ``end`` in bytes of the text) or parameter, and what it meets."""

    start: int
    end: int
    number: int | None
    columns: frozenset[ColumnName]


def meetings(text: str, batch: Sequence[Facts], state: SessionState, catalog: Catalog) -> tuple[Meeting, ...]:
    """What the literals and parameters of ``text`` meet; those in no meeting meet no column.

    ``batch`` is what analysis says of ``text``, or of what it was before credentials were taken out of it.
    """
    try:
        with deep_recursion():
            statements = parse(text)
            scanned = _Scanned(text)
            names, reach = catalog.names(state), _Reach(catalog)
            uses: list[_Use] = []
            for statement, facts in zip(statements, batch, strict=True):
                modifiers = frozenset(type_modifiers(statement.node))
                flow = ConstantFlow(names, unknown=_unknown_words(facts), modifiers=modifiers)
                uses += _statement(statement, facts, flow, scanned, reach)
            return scanned.grouped(uses)
    except (ParseFailure, RecursionError, LookupError, TypeError, ValueError, AttributeError):
        # As in ``analysis``: what is not understood is taken to meet everything.
        return (_whole(text),)


def _whole(text: str) -> Meeting:
    params = {int(number) for number in re.findall(r"\$(\d{1,5})", text, re.ASCII)}
    return Meeting(((0, len(text)),), tuple(sorted(params)), (), anything=True)


class _Scanned:
    """A text's tokens, by their places."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8")
        self.tokens = tokens(text)
        self.starts = [token.start for token in self.tokens]

    def within(self, start: int, end: int) -> range:
        return range(bisect_left(self.starts, start), bisect_left(self.starts, end))

    def literal_at(self, location: int) -> int | None:
        """The number of the token that a constant at ``location`` was made of; None where it is a word."""
        place = bisect_left(self.starts, location)
        if place == len(self.tokens) or self.tokens[place].start != location:
            return None
        if self.tokens[place].name == "ASCII_45":
            while self.tokens[place].name in _BEFORE:
                place += 1
        return place if self.tokens[place].name in _LITERALS | _WORDS else None

    def number(self, place: int) -> int:
        token = self.tokens[place]
        return int(self.data[token.start + 1 : token.end])

    def grouped(self, uses: Iterable[_Use]) -> tuple[Meeting, ...]:
        """Uses with the same columns together."""
        groups: dict[frozenset[ColumnName], list[_Use]] = {}
        for use in uses:
            if use.columns:
                groups.setdefault(use.columns, []).append(use)
        if sum(map(len, groups)) > MAX_COLUMNS:
            every = [use for group in groups.values() for use in group]
            groups = {frozenset({ANYTHING}): every}
        made = [self._meeting(columns, group) for columns, group in groups.items()]
        return tuple(sorted(made, key=lambda one: (one.spans, one.params)))

    def _meeting(self, columns: frozenset[ColumnName], uses: Iterable[_Use]) -> Meeting:
        spans, numbers = set(), set()
        for use in uses:
            if use.number is None:
                spans.add((self._characters(use.start), self._characters(use.end)))
            else:
                numbers.add(use.number)
        named = tuple(sorted((one.schema, one.table, one.column) for one in columns - {ANYTHING}))
        return Meeting(tuple(sorted(spans)), tuple(sorted(numbers)), named, anything=ANYTHING in columns)

    @cached_property
    def _wide(self) -> list[int]:
        """Where the bytes are that begin no character."""
        return [place for place, byte in enumerate(self.data) if 0x80 <= byte < 0xC0]

    def _characters(self, place: int) -> int:
        return place - bisect_left(self._wide, place)


class _Reach:
    """Columns that a statement could touch, and those behind views."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._widened: dict[Sources, Sources] = {}

    def of(self, facts: Facts, node: Node) -> Sources:
        """Every column of every relation that a statement reaches; ``ANYTHING`` where that cannot be told."""
        found: set[ColumnName] = set()
        if Effect.opaque in facts.effects or facts.error is not None or facts.kind in _OF_ANY_TABLE:
            found.add(ANYTHING)
        for access in facts.accesses:
            if access.kind not in _RELATIONS:
                continue
            relation = self._catalog.relations.get((access.schema or "", access.name))
            if relation is not None:
                found |= self._columns(relation)
            elif access.effect is Effect.ddl:
                found.update(ColumnName(access.schema or "", access.name, name) for name in _defined(node))
            else:
                found.add(ANYTHING)
        return self.widened(frozenset(found))

    def widened(self, columns: Sources) -> Sources:
        """With every column that may stand behind one of a view."""
        known = self._widened.get(columns)
        if known is None:
            found = set(columns)
            for schema, table in {(one.schema, one.table) for one in columns}:
                relation = self._catalog.relations.get((schema, table))
                for oid in relation.reads if relation is not None else ():
                    below = self._catalog.by_oid.get(oid)
                    found |= self._columns(below) if below is not None else {ANYTHING}
                if relation is not None and relation.calls:
                    found.add(ANYTHING)
            known = self._widened[columns] = frozenset(found)
        return known

    def _columns(self, relation: Relation) -> Sources:
        if relation.columns is None:
            return frozenset({ANYTHING})
        return NOTHING.union(*(col.sources for col in relation_columns(self._catalog, relation)))


def _statement(statement: Statement, facts: Facts, flow: ConstantFlow, scanned: _Scanned, reach: _Reach) -> list[_Use]:
    followed = _follow(flow, statement.node_type, statement.node)
    literals: dict[int, Sources] = {}
    for modifier in flow.modifiers:
        if (at := scanned.literal_at(modifier)) is not None:
            literals[at] = NOTHING
    params: dict[int, Sources] = {}
    for one, columns in flow.meets.of.items():
        if one.table == "ParamRef":
            params[int(one.column)] = frozenset(columns)
        elif (at := scanned.literal_at(int(one.column))) is not None:
            literals[at] = literals.get(at, NOTHING) | columns
    uses = []
    for place in scanned.within(statement.start, statement.end):
        token = scanned.tokens[place]
        if token.name == "PARAM":
            number: int | None = scanned.number(place)
            known = params.get(scanned.number(place))
        elif token.name in _LITERALS or place in literals:
            number, known = None, literals.get(place)
        else:
            continue
        met = known if followed and known is not None else (known or NOTHING) | reach.of(facts, statement.node)
        uses.append(_Use(token.start, token.end, number, reach.widened(met)))
    return uses


def _follow(flow: ConstantFlow, tag: str, node: Node) -> bool:
    """Whether the statement's query was followed to its end."""
    try:
        while tag in _AROUND and node.get("query"):
            ((tag, node),) = node["query"].items()
        if tag not in _QUERIES:
            return False
        flow.query({tag: node}, None, {})
    except Unfollowed:
        return False
    return True


def _unknown_words(facts: Facts) -> frozenset[str]:
    """Names of functions, operators and types that are code not known to be harmless."""
    types = {a.name for a in facts.accesses if a.effect is Effect.opaque and a.kind is ObjectKind.type}
    return frozenset({use.name for use in facts.functions if not use.trusted} | types)


def _defined(node: Node) -> Iterator[str]:
    """The names of columns that a definition gives."""
    return (held["colname"] for name, held in inside(node) if name == "ColumnDef" and held.get("colname"))
