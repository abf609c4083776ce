"""Records: sessions, events and statements as one thing, written together and read at one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from hoopd.domain.ids import SessionId
from hoopd.recording.ports import Batch, EventRow, SessionReader, SessionRow, StatementRow
from hoopd.store import events, sessions, statements
from hoopd.store.pool import Store


class Records:
    """What the recorder ships to (``recording.ports.RecordStore``) and verification reads (``RecordReader``)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, batch: Batch) -> None:
        """Write the batch in one transaction; sent again, it changes nothing. Raises ``Unavailable``."""
        async with self._store.connection() as connection, connection.pipeline():
            await sessions.put(connection, batch.session)
            await events.put(connection, batch.session.id, batch.events)
            await statements.put(connection, batch.statements)

    async def check(self) -> None:
        """One round trip. Raises ``Unavailable``."""
        await self._store.check()

    @asynccontextmanager
    async def snapshot(self, session: SessionId) -> AsyncIterator[SessionReader | None]:
        """One moment of the session; None when there is no such session. Raises ``Unavailable``."""
        async with self._store.snapshot() as connection:
            row = await sessions.get(connection, session)
            yield None if row is None else _Moment(connection, row)


class _Moment:
    def __init__(self, connection: AsyncConnection[TupleRow], session: SessionRow) -> None:
        self._connection = connection
        self.session = session

    async def portions(self) -> AsyncIterator[tuple[EventRow, ...]]:
        after: int | None = None
        while portion := await events.page(self._connection, self.session.id, after):
            yield portion
            after = portion[-1].seq

    async def statements(self, numbers: Collection[int]) -> Mapping[int, StatementRow]:
        return await statements.some(self._connection, self.session.id, numbers)

    async def count(self) -> int:
        return await statements.count(self._connection, self.session.id)
