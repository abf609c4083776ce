"""The catalog of a target database, read on a connection of the gateway's own.

Kept for all sessions of a connection; looked at again when it is older than ``FRESH_SECONDS`` or when DDL was seen.
When it cannot be read there is no verdict (INV-2). Statements carry the name ``hoopd`` in the database's log.
"""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from hoopd.domain.errors import Unavailable
from hoopd.runtime import clock
from hoopd.runtime.target import Target
from hoopd.sql.catalog import CATALOG_QUERIES, FINGERPRINT_QUERY, NEWS_QUERY, Catalog

FRESH_SECONDS = 1.0
"""How far an unmasked plain read may lag behind a change of the catalog."""
TIMEOUT_MS = 5_000
READ_SECONDS = 30.0
"""After which a database that does not answer at all counts as away."""


class CatalogReader:
    """One for each connection. Safe for many sessions; only one reads at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = asyncio.Lock()
        self._connection: AsyncConnection[TupleRow] | None = None
        self._catalog: Catalog | None = None
        self._snapshot: str | None = None
        self._checked = -1e9

    @property
    def server_version(self) -> int:
        """PostgreSQL's number of the server that the catalog was read from; 0 before."""
        connection = self._connection
        return 0 if connection is None or connection.closed else connection.info.server_version

    def fresh(self) -> Catalog | None:
        """The catalog, if it was looked at within ``FRESH_SECONDS``; never waits."""
        if self._catalog is not None and clock.monotonic() - self._checked < FRESH_SECONDS:
            return self._catalog
        return None

    def changed(self) -> None:
        """DDL was seen: what is kept counts no longer."""
        self._checked = -1e9

    async def current(self) -> Catalog:
        """The catalog as it is at this moment, or later.

        Raises:
            Unavailable: it cannot be read.
        """
        asked = clock.monotonic()
        async with self._lock:
            if self._catalog is not None and self._checked >= asked:
                return self._catalog
            for attempt in (1, 2):
                try:
                    async with asyncio.timeout(READ_SECONDS):
                        return await self._read()
                except (psycopg.Error, OSError) as problem:
                    await self._drop()
                    if attempt == 2:
                        raise self._away(problem) from None
            raise AssertionError

    def _away(self, problem: Exception) -> Unavailable:
        name = self._target.connection.name
        state = getattr(problem, "sqlstate", None)
        why = f" (SQLSTATE {state})" if state else ""
        return Unavailable(f"the catalog of {name} cannot be read{why}: nothing can be judged until it can")

    async def close(self) -> None:
        async with self._lock:
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._snapshot = None  # what answers next may be another server
        if connection is not None:
            await connection.close()

    async def _open(self) -> AsyncConnection[TupleRow]:
        if self._connection is None or self._connection.closed:
            settings = f"-c lock_timeout={TIMEOUT_MS} -c statement_timeout={TIMEOUT_MS * 4} -c search_path=pg_catalog"
            self._connection = await AsyncConnection.connect(
                **self._target.conninfo(),  # type: ignore[arg-type]
                application_name="hoopd catalog",
                options=settings,
                connect_timeout=10,
                autocommit=True,
            )
        return self._connection

    async def _read(self) -> Catalog:
        connection = await self._open()
        before = clock.monotonic()
        row = await (await connection.execute(NEWS_QUERY.encode(), (self._snapshot,))).fetchone()
        snapshot, fingerprint = row or (None, "")
        catalog = self._catalog
        if catalog is None or fingerprint not in (None, catalog.fingerprint):
            catalog = await self._read_all(connection)
        self._catalog, self._snapshot, self._checked = catalog, snapshot, before
        return catalog

    async def _read_all(self, connection: AsyncConnection[TupleRow]) -> Catalog:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = await (await connection.execute(FINGERPRINT_QUERY.encode())).fetchone()
            rows = {}
            for name, query in CATALOG_QUERIES.items():
                rows[name] = await (await connection.execute(query.encode())).fetchall()
            # A large catalog takes a while to build: the sessions of this gateway go on meanwhile.
            return await asyncio.to_thread(Catalog.build, rows, str(row[0]) if row else "")
