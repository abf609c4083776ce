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

# All bodies and hashes as one value, and where each begins: an array of them costs more than all the rest.
_PUT = """
INSERT INTO hoop.events (session, seq, body, hash)
SELECT %(session)s, seq, substring(given.bytes FROM start FOR size),
    substring(given.bytes FROM start + size FOR hash_size)
FROM (SELECT %(bytes)b::bytea AS bytes) AS given,
    unnest(%(seqs)s::bigint[], %(starts)s::int[], %(sizes)s::int[], %(hash_sizes)s::int[])
    AS new (seq, start, size, hash_size)
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
    starts, start = [], 1
    for event in events:
        starts.append(start)
        start += len(event.body) + len(event.hash)
    await connection.execute(
        _PUT,
        {
            "session": session,
            "bytes": b"".join([part for event in events for part in (event.body, event.hash)]),
            "seqs": _array([event.seq for event in events]),
            "starts": _array(starts),
            "sizes": _array([len(event.body) for event in events]),
            "hash_sizes": _array([len(event.hash) for event in events]),
        },
    )


def _array(numbers: Sequence[int]) -> str:
    """As PostgreSQL writes it."""
    return "{" + ",".join(map(str, numbers)) + "}"


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
