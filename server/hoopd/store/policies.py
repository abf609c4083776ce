"""Versions of the policy: every text that was ever in force, who put it there, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from hoopd.domain.errors import InvalidInput
from hoopd.domain.ids import PolicyVersion
from hoopd.store.pool import Store

CHANNEL = "hoop_policy"
"""Notified with the version when one is put."""

CONFIG = "config"
"""Who puts what stands in a gateway's own file."""

_CURRENT = "SELECT version, text, by, at, source FROM hoop.policies ORDER BY version DESC LIMIT 1"
_LAST_OF = "SELECT version, text, by, at, source FROM hoop.policies WHERE by = %s ORDER BY version DESC LIMIT 1"
_ONE = "SELECT version, text, by, at, source FROM hoop.policies WHERE version = %s"
_HISTORY = "SELECT version, text, by, at, source FROM hoop.policies ORDER BY version DESC LIMIT %s"
_PUT = "INSERT INTO hoop.policies (version, text, by, at, source) VALUES (%s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class PolicyText:
    """One version. ``source`` is where the text came from, for error messages, such as a file's name."""

    version: PolicyVersion
    text: str
    by: str
    at: datetime
    source: str


class PolicyRepository:
    """The text alone: that it is a valid policy is for ``hoopd.policy`` to say, before it is put here."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def current(self) -> PolicyText | None:
        """The version in force; None before the first. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            row = await (await connection.execute(_CURRENT)).fetchone()
        return None if row is None else PolicyText(*row)

    async def get(self, version: PolicyVersion) -> PolicyText | None:
        """One version, or None. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            row = await (await connection.execute(_ONE, (version,))).fetchone()
        return None if row is None else PolicyText(*row)

    async def history(self, most: int) -> list[PolicyText]:
        """The newest versions, the one in force first. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            rows = await (await connection.execute(_HISTORY, (most,))).fetchall()
        return [PolicyText(*row) for row in rows]

    async def put_from_file(self, text: str, *, source: str) -> PolicyText:
        """Make the text of a gateway's own file the next version, if the file has changed since it was last put.

        What was applied in between stays in force when a gateway starts again with the file that it had. Several
        gateways that start with the same file make one version. Returns the one in force then. Raises ``Unavailable``.
        """
        async with self._locked() as connection:
            current = await self._newest(connection)
            row = await (await connection.execute(_LAST_OF, (CONFIG,))).fetchone()
            last = None if row is None else PolicyText(*row)
            if current is not None and text in (current.text, last.text if last is not None else None):
                return current
            return await self._put(connection, current, text, CONFIG, source)

    async def put(self, text: str, *, by: str, source: str, expected: PolicyVersion | None = None) -> PolicyText:
        """Make ``text`` the next version, unless it is the one in force; returns the one in force then.

        Raises:
            InvalidInput: the version in force is not ``expected``: somebody else was first.
            Unavailable: the store does not answer.
        """
        async with self._locked() as connection:
            current = await self._newest(connection)
            if expected is not None and (current is None or current.version != expected):
                now = f"version {current.version} by {current.by}" if current is not None else "none"
                raise InvalidInput(
                    f"the policy in force is no longer version {expected}: it is {now}",
                    hint="look at what changed (`hoopctl policy show`), and apply again",
                )
            if current is not None and current.text == text:
                return current
            return await self._put(connection, current, text, by, source)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        async with self._store.connection() as connection:
            await connection.execute("LOCK TABLE hoop.policies IN SHARE ROW EXCLUSIVE MODE")
            yield connection

    async def _newest(self, connection: AsyncConnection[TupleRow]) -> PolicyText | None:
        row = await (await connection.execute(_CURRENT)).fetchone()
        return None if row is None else PolicyText(*row)

    async def _put(
        self, connection: AsyncConnection[TupleRow], current: PolicyText | None, text: str, by: str, source: str
    ) -> PolicyText:
        version = PolicyVersion(1 if current is None else current.version + 1)
        new = PolicyText(version, text, by, self._clock(), source)
        await connection.execute(_PUT, (new.version, new.text, new.by, new.at, new.source))
        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(version)))
        return new
