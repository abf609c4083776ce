"""A CancelRequest that reached another gateway, or worker, than the one that holds the session.

It is told to all of them through the store. What is told is no key to anything: a proof over the cancel key and the
person who used it, made with a secret that the gateways share and the store does not have (THREATS class 11).
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable

from hoopd.domain.errors import Unavailable
from hoopd.runtime.registry import Live, Registry

log = logging.getLogger("hoopd.session")


class Cancels:
    """``key`` is what the gateways share; ``tell`` reaches all of them, this one too, and may raise Unavailable."""

    def __init__(self, key: bytes, tell: Callable[[str], Awaitable[None]]) -> None:
        self._key = key
        self._tell = tell
        self._registry: Registry | None = None

    def serve(self, registry: Registry) -> None:
        """From now on, what is heard of is looked for in ``registry``."""
        self._registry = registry

    async def pass_on(self, principal: tuple[str, str], pid: int, secret: bytes) -> None:
        """A cancel whose session is not here. Silent whether it is anywhere, as PostgreSQL."""
        try:
            await self._tell(f"{pid}:{self._proof(principal, pid, secret)}")
        except Unavailable as problem:
            log.warning("a cancel could not be passed on: %s", problem.message)

    def heard(self, payload: str | None) -> None:
        """Cancel the session that is meant, if it is here."""
        number, _, proof = (payload or "").partition(":")
        if self._registry is None or not (number.isascii() and number.isdigit()):
            return

        def is_meant(live: Live) -> bool:
            return hmac.compare_digest(self._proof(live.principal, live.pid, live.secret).encode(), proof.encode())

        self._registry.cancel_where(int(number), is_meant)

    def _proof(self, principal: tuple[str, str], pid: int, secret: bytes) -> str:
        parts = (*(each.encode() for each in principal), str(pid).encode(), secret)
        data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, data, "sha256").hex()
