"""Where gateways that share a store tell each other of cancels; nothing is kept."""

from __future__ import annotations

from hoopd.store.pool import Store

CHANNEL = "hoop_cancels"


class CancelBoard:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def tell(self, payload: str) -> None:
        """Tell every gateway. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
