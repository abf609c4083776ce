"""A CancelRequest that reached another gateway, or worker, than the one that holds the session.

It is told to all of them through the store. What is told is no key to anything: a proof over the cancel key, the
person who used it and the time, made with a secret that the gateways share and the store does not have. It counts once,
and not for long, so that who can read the store's notifications cannot send it again (THREATS class 11).
"""

from __future__ import annotations

import hmac
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

from hoopd.domain.errors import Unavailable
from hoopd.recording.codec import micros
from hoopd.runtime.registry import Live, Registry

log = logging.getLogger("hoopd.session")

SECONDS = 30
"""For how long what is told counts, by the clocks of two gateways."""
KEPT = 10_000
"""Proofs that have counted and are remembered; while there are more within ``SECONDS``, the new ones do not count."""


class Cancels:
    """``key`` is what the gateways share; ``tell`` reaches all of them, this one too, and may raise Unavailable.
    ``clock`` gives UTC."""

    def __init__(self, key: bytes, tell: Callable[[str], Awaitable[None]], clock: Callable[[], datetime]) -> None:
        self._key = key
        self._tell = tell
        self._clock = clock
        self._counted: deque[tuple[int, str]] = deque()
        self._registry: Registry | None = None

    def serve(self, registry: Registry) -> None:
        """From now on, what is heard of is looked for in ``registry``."""
        self._registry = registry

    async def pass_on(self, principal: tuple[str, str], pid: int, secret: bytes) -> None:
        """A cancel whose session is not here. Silent whether it is anywhere, as PostgreSQL."""
        now = self._now()
        try:
            await self._tell(f"{pid}:{now}:{self._proof(principal, pid, secret, now)}")
        except Unavailable as problem:
            log.warning("a cancel could not be passed on: %s", problem.message)

    def heard(self, payload: str | None) -> None:
        """Cancel the session that is meant, if it is here."""
        match (payload or "").split(":"):
            case [number, time, proof] if _is_number(number) and _is_number(time):
                pid, told = int(number), int(time)
            case _:
                return

        def is_meant(live: Live) -> bool:
            expected = self._proof(live.principal, live.pid, live.secret, told)
            return hmac.compare_digest(expected.encode(), proof.encode())

        if self._registry is not None and self._is_new(told, proof) and self._registry.cancel_where(pid, is_meant):
            self._counted.append((told, proof))

    def _is_new(self, told: int, proof: str) -> bool:
        now = self._now()
        while self._counted and now - self._counted[0][0] > 2 * SECONDS * 1_000_000:
            self._counted.popleft()
        fresh = abs(now - told) <= SECONDS * 1_000_000
        return fresh and len(self._counted) < KEPT and all(proof != known for _, known in self._counted)

    def _now(self) -> int:
        return micros(self._clock())

    def _proof(self, principal: tuple[str, str], pid: int, secret: bytes, told: int) -> str:
        parts = (*(each.encode() for each in principal), str(pid).encode(), secret, str(told).encode())
        data = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, data, "sha256").hex()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
