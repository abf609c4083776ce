"""Events: the links of the chains, as bytes. They are written once and never changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from hoopd.domain.ids import SessionId
from hoopd.recording.ports import EventRow
from hoopd.store.pool import Store

PAGE = 100
PAGE_BYTES = 4 * 1024 * 1024

_PUT = """
INSERT INTO hoop.events (session, seq, body, hash)
SELECT %s, seq, body, hash FROM unnest(%s::bigint[], %b::bytea[], %b::bytea[]) AS new (seq, body, hash)
ON CONFLICT (session, seq) DO NOTHING
"""

# As many as fit into the bytes, and one at least: the sum in front of a row is of those before it.
_PAGE = """
SELECT seq, body, hash FROM (
    SELECT seq, body, hash, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before FROM (
        SELECT seq, body, hash FROM hoop.events WHERE session = %s AND seq > %s ORDER BY seq LIMIT %s
    ) AS next
) AS page
WHERE before < %s ORDER BY seq
"""


async def put(connection: AsyncConnection[TupleRow], session: SessionId, events: Sequence[EventRow]) -> None:
    """Write the events that the store does not have yet."""
    await connection.execute(
        _PUT,
        (
            session,
            [event.seq for event in events],
            [event.body for event in events],
            [event.hash for event in events],
        ),
    )


async def page(connection: AsyncConnection[TupleRow], session: SessionId, after: int | None) -> tuple[EventRow, ...]:
    """The next events behind the one with the number ``after`` (None: from the first, whatever its number)."""
    behind = -(2**63) if after is None else after
    rows = await (await connection.execute(_PAGE, (session, behind, PAGE, PAGE_BYTES))).fetchall()
    return tuple(EventRow(seq, bytes(body), bytes(digest)) for seq, body, digest in rows)


class EventRepository:
    """The record of a session as it is read for replay."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_session(self, session: SessionId) -> AsyncIterator[EventRow]:
        """The events in order. Holds no connection while the reader is slow. Raises ``Unavailable``."""
        after: int | None = None
        while True:
            async with self._store.connection() as connection:
                portion = await page(connection, session, after)
            if not portion:
                return
            for event in portion:
                yield event
            after = portion[-1].seq
