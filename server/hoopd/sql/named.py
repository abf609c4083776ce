"""Statements and cursors that a session has by name, as analysis sees them (SQL PREPARE, DECLARE; documentation, 43.7).

PostgreSQL has one namespace for each, whichever way an entry was made. What an EXECUTE or FETCH does is what stands
behind its name, so that a name which is not surely known makes it opaque (INV-1, INV-2). Pure: who keeps the session's
entries is ``session.names``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hoopd.domain.decision import Decision
from hoopd.sql.facts import Effect, Facts, ObjectAccess, ObjectKind, PreparedText, SqlError
from hoopd.sql.findings import Findings
from hoopd.sql.parser import MAX_BYTES, ParseFailure, Statement, parse, tokens
from hoopd.sql.predicates import bare

Node = Mapping[str, Any]
_PREPARABLE = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
"""What SQL PREPARE takes. Other statements that the protocol prepared may be executed by name too: as opaque ones."""
_OPENS, _CLOSES = "ASCII_40", "ASCII_41"
_HOLD = 0x20
"""CURSOR_OPT_HOLD."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a cursor or portal runs, as it was judged; ``decision``: what it was opened on, None within one batch."""

    facts: Facts
    decision: Decision | None = None


class Named(Protocol):
    """The entries of one session that are surely what they were judged to be."""

    @property
    def certain(self) -> bool:
        """Whether a name that is not here is not in the server either: no code has run that could have made it."""

    @property
    def longest(self) -> int:
        """Characters of the longest text that is there, and would be analysed for the few of an EXECUTE."""

    def statement(self, name: str) -> PreparedText | None: ...
    def cursor(self, name: str) -> Cursor | None: ...


class NothingNamed:
    """A session that has none."""

    certain = True
    longest = 0

    def statement(self, name: str) -> PreparedText | None:
        return None

    def cursor(self, name: str) -> Cursor | None:
        return None


NOTHING_NAMED = NothingNamed()


class Batch:
    """The entries as they would be between the statements of one text, if all of them so far succeeded.

    Nothing is taken from it that does not hold: a statement that fails ends the batch.
    """

    def __init__(self, session: Named, types: tuple[int, ...] = ()) -> None:
        self.types = types
        self._session = session
        self._lost = False
        self._statements: dict[str, PreparedText | None] = {}
        self._cursors: dict[str, Cursor | None] = {}
        self._all_deallocated = self._all_closed = False
        self._executed = 0
        self._seen: set[str] = set()

    @property
    def certain(self) -> bool:
        return self._session.certain and not self._lost

    @property
    def longest(self) -> int:
        return self._session.longest

    def statement(self, name: str) -> PreparedText | None:
        if self._lost:
            return None
        if name in self._statements or self._all_deallocated:
            return self._statements.get(name)
        return self._session.statement(name)

    def cursor(self, name: str) -> Cursor | None:
        if self._lost:
            return None
        if name in self._cursors or self._all_closed:
            return self._cursors.get(name)
        return self._session.cursor(name)

    def executed(self, entry: PreparedText) -> str | None:
        """Count an EXECUTE of ``entry``; its text, if it came from before the batch and was not given yet.

        Raises:
            ParseFailure: the batch runs more text by name than is judged at once (INV-9).
        """
        self._executed += len(entry.sql)
        if self._executed > MAX_BYTES:
            message = f"the statements that are executed by name have more than {MAX_BYTES} characters together"
            raise ParseFailure(SqlError(message, None, "54000", "Send it in smaller parts."))
        if entry.name in self._seen or entry.name in self._statements:
            return None
        self._seen.add(entry.name)
        return entry.shown

    def done(self, facts: Facts) -> None:
        """One statement of the batch is behind."""
        self._lost = self._lost or runs_code(facts)
        if facts.prepares is not None:
            self._statements[facts.prepares.name] = facts.prepares
        if facts.opens is not None:
            self._cursors[facts.opens.name] = Cursor(facts)
        if facts.deallocates == ():
            self._statements, self._all_deallocated = {}, True
        self._statements.update(dict.fromkeys(facts.deallocates or ()))
        if facts.closes == ():
            self._cursors, self._all_closed = {}, True
        self._cursors.update(dict.fromkeys(facts.closes or ()))


def meaning(facts: Facts) -> tuple[object, ...]:
    """What the names in a statement stand for: equal meanings are the same objects and functions.

    PostgreSQL keeps what it made of a prepared statement until its path or an object in it changes. A new object that
    comes before one of them in the path is neither, so that what is judged anew may not be what runs. Columns are no
    part of it: where those change, so has the object.
    """
    objects = frozenset((one.effect, one.kind, one.schema, one.name) for one in (*facts.accesses, *facts.cascades))
    return objects, frozenset(facts.functions)


def runs_code(facts: Facts) -> bool:
    """Whether code of the database may run that could give a name another meaning."""
    if facts.prepares is not None:
        return facts.runs_at_parse
    return facts.barrier or Effect.opaque in facts.effects or (facts.runs_at_parse and Effect.write in facts.effects)


# PREPARE


def prepared_text(statement: Statement, arguments: Findings, judge: Callable[[Statement], Facts]) -> PreparedText:
    """What PREPARE makes. ``arguments``: what was found in the types of its parameters, which are fixed from now on;
    ``judge`` gives the facts of the statement inside.

    Raises:
        ParseFailure: the text of the statement inside cannot be told.
    """
    data = statement.sql.encode()
    depth = 0
    for token in tokens(statement.sql):
        depth += (token.name == _OPENS) - (token.name == _CLOSES)
        if token.name == "AS" and depth == 0:
            inner = data[token.end :].decode().strip()
            (one,) = parse(inner)
            if bare({one.node_type: one.node}) == bare(statement.node["query"]):
                made = tuple(access for access in arguments.accesses if access.effect is Effect.opaque)
                types, meant = frozenset(arguments.user_types), meaning(judge(one))
                return PreparedText(statement.node["name"], inner, statement.sql, made, types, meant)
            break
    raise ParseFailure(SqlError("the gateway cannot read this PREPARE", None, "0A000"))


# EXECUTE


@dataclass(slots=True)
class Executed:
    """The tree of a statement with what its EXECUTE stands for in it, under ``query``; ``entry`` is what was found."""

    node: Node
    entry: PreparedText | None = None
    by_name: bool = False
    inside: Statement | None = None


def resolved(node_type: str, node: Node, named: Batch) -> Executed:
    """Put the prepared statement into the tree of EXECUTE, EXPLAIN EXECUTE or CREATE TABLE … AS EXECUTE."""
    if node_type == "ExecuteStmt":
        entry = named.statement(node["name"])
        if entry is None:
            return Executed(node, by_name=True)
        inner = parse(entry.sql)
        if len(inner) != 1 or inner[0].node_type not in _PREPARABLE:
            return Executed(node, entry, by_name=True)
        return Executed({**node, "query": {inner[0].node_type: inner[0].node}}, entry, True, inner[0])
    query = node.get("query")
    if node_type in ("ExplainStmt", "CreateTableAsStmt") and isinstance(query, dict) and "ExecuteStmt" in query:
        found = resolved("ExecuteStmt", query["ExecuteStmt"], named)
        return Executed({**node, "query": {"ExecuteStmt": found.node}}, found.entry, True, found.inside)
    return Executed(node)


def missing_statement(name: str) -> SqlError:
    return SqlError(f'prepared statement "{name}" does not exist', None, "26000")


# DECLARE, FETCH


def holds(node: Node) -> bool:
    """Whether a DECLARE's cursor outlives its transaction (WITH HOLD)."""
    return bool(int(node.get("options", 0)) & _HOLD)


def fetched(statement: Statement, named: Named) -> Facts:
    """FETCH and MOVE do what their cursor does, with the columns that it had when it was opened."""
    name, moves = statement.node["portalname"], bool(statement.node.get("ismove"))
    kind = "move" if moves else "fetch"
    cursor = named.cursor(name)
    if cursor is None and named.certain:
        error = SqlError(f'cursor "{name}" does not exist', None, "34000")
        return Facts(statement.sql, kind, names_depend=True, error=error, by_name=True)
    if cursor is None:
        unknown = ObjectAccess(Effect.opaque, ObjectKind.function, None, name, known=False)
        why = f"what the cursor {name} runs is not known"
        return Facts(
            statement.sql,
            kind,
            frozenset({Effect.opaque}),
            (unknown,),
            unfollowed=why,
            barrier=True,
            names_depend=True,
            by_name=True,
            kinds=(kind,),
        )
    return replace(
        cursor.facts,
        sql=statement.sql,
        kind=kind,
        kinds=tuple(dict.fromkeys((kind, *cursor.facts.kinds))),
        output=None if moves else cursor.facts.output,
        names_depend=True,
        runs_at_parse=False,
        prepares=None,
        opens=None,
        continues=name,
        by_name=True,
        executes=(),
        expands=(),
    )
