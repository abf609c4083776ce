"""Statements: what search works on. Derived from the events in the transaction that writes those."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param
from hoopd.recording.ports import Approval, StatementRow
from hoopd.store.pool import Store
from hoopd.store.sessions import Owner

PAGE = 50
MOST = 100_000
"""Rows of one search (INV-9)."""

_COLUMNS = sql.SQL(
    "session, statement, at, issuer, subject, principal, connection, sql, params, kind, effects, decision, rules,"
    " request, approvals, outcome, rows, duration_ms, masked, error, changed_by"
)

_PUT = """
INSERT INTO hoop.statements AS known (session, statement, at, issuer, subject, principal, connection, sql, params, kind,
    effects, decision, rules, request, approvals, outcome, rows, duration_ms, masked, error, changed_by)
SELECT session, statement, at, issuer, subject, principal, connection, sql, params, kind,
    effects, decision, rules, request, approvals, outcome, rows, duration_ms, masked, error, changed_by
FROM json_populate_recordset(NULL::hoop.statements, %s::json)
ON CONFLICT (session, statement) DO UPDATE SET sql = EXCLUDED.sql, params = EXCLUDED.params, kind = EXCLUDED.kind,
    effects = EXCLUDED.effects, decision = EXCLUDED.decision, rules = EXCLUDED.rules, request = EXCLUDED.request,
    approvals = EXCLUDED.approvals, outcome = EXCLUDED.outcome, rows = EXCLUDED.rows,
    duration_ms = EXCLUDED.duration_ms, masked = EXCLUDED.masked, error = EXCLUDED.error,
    changed_by = EXCLUDED.changed_by
WHERE known.changed_by < EXCLUDED.changed_by
"""


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """What to look for; what is None or empty does not matter.

    ``text``: words of the SQL, any part of it, or a request's or statement's id. ``user``: e-mail, its part before
    the @, or subject.
    ``since`` is inside, ``until`` outside. ``limit``: rows at most, the newest ones.
    """

    owner: Owner = None
    text: str = ""
    user: str = ""
    connection: str = ""
    decision: str = ""
    outcome: str = ""
    session: str = ""
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100


async def put(connection: AsyncConnection[TupleRow], rows: Sequence[StatementRow]) -> None:
    """Write the rows, unless the store has a later state of them (a batch that is sent again)."""
    if rows:
        given = json.dumps([_values(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
        await connection.execute(_PUT, (given,))


async def some(
    connection: AsyncConnection[TupleRow], session: SessionId, numbers: Collection[int]
) -> dict[int, StatementRow]:
    """The rows of these statements of a session, by their number."""
    query = sql.SQL("SELECT {} FROM hoop.statements WHERE session = %s AND statement = ANY(%s)").format(_COLUMNS)
    rows = await (await connection.execute(query, (session, list(numbers)))).fetchall()
    return {row.statement: row for row in map(_row, rows)}


async def count(connection: AsyncConnection[TupleRow], session: SessionId) -> int:
    """How many rows the session has."""
    cursor = await connection.execute("SELECT count(*) FROM hoop.statements WHERE session = %s", (session,))
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


class StatementRepository:
    """Search."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def search(self, query: StatementQuery) -> AsyncIterator[StatementRow]:
        """The statements that fit, newest first. Holds no connection while the reader is slow.

        Raises ``Unavailable``.
        """
        left = min(query.limit, MOST)
        conditions, values = _conditions(query)
        before: tuple[datetime, str, int] | None = None
        while left > 0:
            page = await self._page(conditions, values, before, min(left, PAGE))
            for row in page:
                yield row
            left -= len(page)
            if len(page) < PAGE:
                return
            before = (page[-1].at, page[-1].session, page[-1].statement)

    async def of_session(self, session: SessionId, *, only: int | None = None) -> AsyncIterator[StatementRow]:
        """The statements of a session in order, or only the one with the number ``only``."""
        after = 0 if only is None else only - 1
        query = sql.SQL(
            "SELECT {} FROM hoop.statements WHERE session = %s AND statement > %s ORDER BY statement LIMIT {}"
        ).format(_COLUMNS, PAGE)
        while True:
            async with self._store.connection() as connection:
                rows = await (await connection.execute(query, (session, after))).fetchall()
            for row in map(_row, rows):
                if only is not None and row.statement != only:
                    return
                yield row
                after = row.statement
            if len(rows) < PAGE:
                return

    async def _page(
        self, conditions: list[sql.Composable], values: list[Any], before: tuple[datetime, str, int] | None, size: int
    ) -> list[StatementRow]:
        if before is not None:
            conditions = [*conditions, sql.SQL("(at, session, statement) < (%s, %s, %s)")]
            values = [*values, *before]
        query = sql.SQL(
            "SELECT {} FROM hoop.statements WHERE {} ORDER BY at DESC, session DESC, statement DESC LIMIT {}"
        )
        async with self._store.connection() as connection:
            cursor = await connection.execute(query.format(_COLUMNS, sql.SQL(" AND ").join(conditions), size), values)
            return [_row(row) for row in await cursor.fetchall()]


def _conditions(query: StatementQuery) -> tuple[list[sql.Composable], list[Any]]:
    conditions: list[sql.Composable] = [sql.SQL("TRUE")]
    values: list[Any] = []

    def add(condition: sql.SQL, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    if query.owner is not None:
        add(sql.SQL("(issuer, subject) = (%s, %s)"), *query.owner)
    if text := _plain(query.text).strip():
        add(
            sql.SQL(
                "(sql ILIKE %s OR words @@ websearch_to_tsquery('simple'::regconfig, %s) OR request = %s"
                " OR session || '/' || statement = %s)"
            ),
            f"%{_escaped(text)}%",
            *(text,) * 3,
        )
    if query.user:
        user = _plain(query.user)
        add(
            sql.SQL("(lower(principal) = lower(%s) OR subject = %s OR lower(principal) LIKE lower(%s))"),
            user,
            user,
            f"{_escaped(user)}@%",
        )
    for column in ("connection", "decision", "outcome", "session"):
        if wanted := _plain(getattr(query, column)):
            add(sql.SQL("{} = %s").format(sql.Identifier(column)), wanted)  # type: ignore[arg-type]
    if query.since is not None:
        add(sql.SQL("at >= %s"), query.since)
    if query.until is not None:
        add(sql.SQL("at < %s"), query.until)
    return conditions, values


def _plain(text: str) -> str:
    return text.replace("\x00", "")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _values(row: StatementRow) -> dict[str, Any]:
    return {
        "session": row.session,
        "statement": row.statement,
        "at": row.at.isoformat(),
        "issuer": row.issuer,
        "subject": row.subject,
        "principal": row.principal,
        "connection": row.connection,
        "sql": row.sql,
        "params": [[param.type, param.value, param.masked] for param in row.params],
        "kind": row.kind,
        "effects": row.effects,
        "decision": row.decision,
        "rules": row.rules,
        "request": row.request,
        "approvals": [[word.verdict, word.by, word.comment, word.at.isoformat()] for word in row.approvals],
        "outcome": row.outcome,
        "rows": row.rows,
        "duration_ms": row.duration_ms,
        "masked": row.masked,
        "error": row.error,
        "changed_by": row.changed_by,
    }


def _row(row: TupleRow) -> StatementRow:
    session, statement, at, issuer, subject, principal, connection, text, params, kind, effects, *rest = row
    decision, rules, request, approvals, outcome, rows, duration_ms, masked, error, changed_by = rest
    return StatementRow(
        session=session,
        statement=statement,
        at=at,
        issuer=issuer,
        subject=subject,
        principal=principal,
        connection=connection,
        sql=text,
        params=tuple(Param(*param) for param in params),
        kind=kind,
        effects=tuple(effects),
        decision=decision,
        rules=tuple(rules),
        request=request,
        approvals=tuple(
            Approval(verdict, by, comment, datetime.fromisoformat(said).astimezone(UTC))
            for verdict, by, comment, said in approvals
        ),
        outcome=outcome,
        rows=rows,
        duration_ms=duration_ms,
        masked=tuple(masked),
        error=error,
        changed_by=changed_by,
    )
