"""LISTEN on a connection of its own, for as long as ``run`` runs.

A notification is a hint, never the news itself: after every (re)connection each callback is called with None, which
says "some may have been missed, look again". Callbacks run in the event loop, must be quick and must not raise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import psycopg
from psycopg import AsyncConnection, sql

from hoopd.store.pool import conninfo

HEARTBEAT_SECONDS = 10.0
_RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)

Callback = Callable[[str | None], None]

log = logging.getLogger("hoopd.store")


class Listener:
    """Calls back for each notification on ``channels``. One connection; reconnects by itself.

    ``on_lost`` is called each time the connection is lost or cannot be made.
    """

    def __init__(self, dsn: str, channels: Sequence[str], *, on_lost: Callable[[], None] | None = None) -> None:
        self._dsn = dsn
        self._callbacks: dict[str, list[Callback]] = {channel: [] for channel in channels}
        self._on_lost = on_lost
        self.connected = asyncio.Event()
        """Set while LISTEN is in force: what is notified from then on is not missed."""

    def subscribe(self, channel: str, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` with the payload of each notification on ``channel``; returns how to stop it.

        Raises ``KeyError`` for a channel that was not named when the listener was made.
        """
        callbacks = self._callbacks[channel]
        callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in callbacks:
                callbacks.remove(callback)

        return unsubscribe

    async def run(self) -> None:
        """Listen until cancelled. Never raises for a store that is away."""
        failures = 0
        while True:
            try:
                async with await AsyncConnection.connect(conninfo(self._dsn), autocommit=True) as connection:
                    await self._listen(connection)
                    failures = 0
                    while True:
                        await self._pass_on(connection)
            except psycopg.Error as error:
                self.connected.clear()
                if failures == 0:
                    log.warning("listening on the store was interrupted (%s); trying again", type(error).__name__)
                if self._on_lost is not None:
                    self._on_lost()
                await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
            finally:
                self.connected.clear()

    async def _listen(self, connection: AsyncConnection) -> None:
        for channel in self._callbacks:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self.connected.set()
        for callbacks in self._callbacks.values():
            for callback in tuple(callbacks):
                callback(None)

    async def _pass_on(self, connection: AsyncConnection) -> None:
        async for notification in connection.notifies(timeout=HEARTBEAT_SECONDS):
            for callback in tuple(self._callbacks.get(notification.channel, ())):
                callback(notification.payload)
        # A peer that vanished without a word shows itself here.
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await connection.execute("SELECT 1")
        except TimeoutError as error:
            raise psycopg.OperationalError("the store did not answer a heartbeat") from error
