"""Sessions: how a record began, how far it goes, and how it was sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from hoopd.domain.ids import SessionId
from hoopd.recording.ports import SessionRow
from hoopd.store.pool import Store

Owner = tuple[str, str] | None
"""Issuer and subject whose sessions alone are seen; None sees all."""

PAGE = 500

_COLUMNS = sql.SQL(
    "id, gateway, issuer, subject, email, connection, database, role, application, host, reason, started, ended,"
    " ended_because, events, head, seal"
)

_PUT = """
INSERT INTO hoop.sessions AS known (id, gateway, issuer, subject, email, connection, database, role, application, host,
    reason, started, ended, ended_because, events, head, seal)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET ended = EXCLUDED.ended, ended_because = EXCLUDED.ended_because,
    events = EXCLUDED.events, head = EXCLUDED.head, seal = EXCLUDED.seal
WHERE known.gateway = EXCLUDED.gateway AND known.events < EXCLUDED.events
"""


async def put(connection: AsyncConnection[TupleRow], row: SessionRow) -> None:
    """Write the row, unless the store has a later state of it (a batch that is sent again)."""
    await connection.execute(
        _PUT,
        (
            row.id,
            row.gateway,
            row.issuer,
            row.subject,
            row.email,
            row.connection,
            row.database,
            row.role,
            row.application,
            row.host,
            row.reason,
            row.started,
            row.ended,
            row.ended_because,
            row.events,
            row.head,
            row.seal,
        ),
    )


async def get(connection: AsyncConnection[TupleRow], session: SessionId) -> SessionRow | None:
    """The session, or None."""
    query = sql.SQL("SELECT {} FROM hoop.sessions WHERE id = %s").format(_COLUMNS)
    row = await (await connection.execute(query, (session,))).fetchone()
    return None if row is None else _row(row)


class SessionRepository:
    """Sessions as auditors and their own people look for them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, session: SessionId, owner: Owner) -> SessionRow | None:
        """The session, or None when there is none that ``owner`` may see. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            row = await get(connection, session)
        if row is None or (owner is not None and (row.issuer, row.subject) != owner):
            return None
        return row

    async def ids(self, owner: Owner) -> AsyncIterator[SessionId]:
        """All sessions that ``owner`` may see, oldest first. Holds no connection between pages."""
        after: tuple[Any, str] | None = None
        while True:
            page = await self._page(owner, after)
            for session, _ in page:
                yield session
            if len(page) < PAGE:
                return
            after = (page[-1][1], page[-1][0])

    async def _page(self, owner: Owner, after: tuple[Any, str] | None) -> list[tuple[SessionId, Any]]:
        conditions = [sql.SQL("TRUE")]
        values: list[Any] = []
        if owner is not None:
            conditions.append(sql.SQL("(issuer, subject) = (%s, %s)"))
            values += owner
        if after is not None:
            conditions.append(sql.SQL("(started, id) > (%s, %s)"))
            values += after
        query = sql.SQL("SELECT id, started FROM hoop.sessions WHERE {} ORDER BY started, id LIMIT {}").format(
            sql.SQL(" AND ").join(conditions), PAGE
        )
        async with self._store.connection() as connection:
            rows = await (await connection.execute(query, values)).fetchall()
        return [(SessionId(row[0]), row[1]) for row in rows]


def _row(row: TupleRow) -> SessionRow:
    return SessionRow(*row)
