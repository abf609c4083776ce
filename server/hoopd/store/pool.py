"""The pool of connections to the store.

A connection is checked when it is taken, so a restarted store costs no failed query. Bounded in connections and in the
time that anyone waits for one (INV-9). No query of an aggregate lives here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from hoopd.domain.errors import InvalidInput
from hoopd.store.errors import translated

CONNECT_SECONDS = 5
RECONNECT_SECONDS = 3.0
"""After so long the pool begins anew with its waits between attempts, which grow: so however long the store was away,
the gateway sees within seconds that it is back."""
STATEMENT_SECONDS = 30

# What the pool warns of, at each attempt, is said once by those who need the store.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def conninfo(dsn: str, **settings: str | int) -> str:
    """The DSN with what every connection of the gateway to its store has, where the DSN does not say otherwise.

    ``settings`` win over both. Raises ``InvalidInput`` for text that is no DSN.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise InvalidInput(
            "store.dsn is not a PostgreSQL connection string.",
            hint="Give it as postgresql://user@host:5432/database, or as key=value words.",
        ) from error
    options: dict[str, str | int] = {
        "application_name": "hoopd store",
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout=60s",
    }
    return make_conninfo(dsn, **{key: value for key, value in options.items() if key not in given} | settings)


class Store:
    """The pool. ``max_size`` connections at most; ``timeout`` seconds to wait for one."""

    def __init__(self, dsn: str, *, max_size: int = 10, timeout: float = 5.0) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            conninfo(dsn),
            min_size=1,
            max_size=max_size,
            timeout=timeout,
            reconnect_timeout=RECONNECT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            open=False,
            name="store",
        )

    @property
    def dsn(self) -> str:
        """For ``Listener`` and ``migrate``. Holds a credential: never shown or logged (INV-7)."""
        return self._dsn

    async def open(self) -> None:
        """Connect. Raises ``Unavailable`` when the store does not answer within the timeout."""
        try:
            with translated():
                await self._pool.open(wait=True, timeout=self._timeout)
        except BaseException:
            await self._pool.close()
            raise

    async def close(self) -> None:
        await self._pool.close(timeout=self._timeout)

    async def check(self) -> None:
        """One round trip. Raises ``Unavailable`` when the store does not answer."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection of the pool, in one transaction: committed at the end, rolled back on an exception.

        Raises ``Unavailable`` for whatever psycopg raises inside.
        """
        asked = _cancellations()
        try:
            with translated():
                async with self._pool.connection() as connection:
                    _heed(asked)
                    yield connection
        finally:
            _heed(asked)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """As ``connection``, read only, and every query in it sees the same moment (REPEATABLE READ)."""
        async with self.connection() as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection


def _cancellations() -> int:
    """How often this task was asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _heed(asked: int) -> None:
    """Raise the cancellation that came since there were ``asked`` and was lost.

    The pool waits with ``asyncio.wait_for``, which before Python 3.12 drops a cancellation that comes in the moment in
    which what it waits for is there (cpython#86296): the task would then run on for ever, and whoever ends it wait.
    """
    if _cancellations() > asked:
        raise asyncio.CancelledError
