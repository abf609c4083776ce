"""The live sessions of this gateway, and the keys by which a CancelRequest finds one (THREATS class 11)."""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hoopd.domain.errors import LimitExceeded
from hoopd.domain.ids import SessionId

MAX_SESSIONS = 2_000
MAX_PER_PRINCIPAL = 200
MAX_ENTERING = 200
"""Client connections of one person that have not signed in to their tunnel yet."""


def new_session_id() -> SessionId:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return SessionId("s-" + "".join(secrets.choice(alphabet) for _ in range(12)))


@dataclass(frozen=True, slots=True)
class Live:
    """A session and what can be asked of it from outside its own stream."""

    session: SessionId
    principal: tuple[str, str]
    pid: int
    secret: bytes
    cancel: Callable[[], None]
    end: Callable[[str, str, str], None]


class Registry:
    """Cancel keys are the gateway's own, never the database's: 31 random bits as the process id, and as the secret 32,
    or 256 where the client speaks protocol 3.2.
    """

    def __init__(self) -> None:
        self._live: dict[int, Live] = {}
        self._taken: dict[int, tuple[str, str]] = {}
        self._entering: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """The sessions that are open or opening."""
        return len(self._taken)

    @contextmanager
    def entering(self, principal: tuple[str, str]) -> Iterator[None]:
        """Count a client connection until it has signed in. Raises LimitExceeded where there are too many (INV-9)."""
        if self._entering[principal] >= MAX_ENTERING:
            raise LimitExceeded(f"{MAX_ENTERING} of your connections have not signed in yet, the limit of one person")
        self._entering[principal] += 1
        try:
            yield
        finally:
            self._entering[principal] -= 1
            if not self._entering[principal]:
                del self._entering[principal]

    @contextmanager
    def key(self, principal: tuple[str, str], size: int) -> Iterator[tuple[int, bytes]]:
        """A process id and a secret of ``size`` bytes, taken for as long as the block lasts: one session, opening or
        open.

        Raises:
            LimitExceeded: the gateway, or the person, has as many sessions as may be.
        """
        if len(self._taken) >= MAX_SESSIONS:
            raise LimitExceeded(f"the gateway has {MAX_SESSIONS} sessions open, its limit: try again later")
        if sum(taker == principal for taker in self._taken.values()) >= MAX_PER_PRINCIPAL:
            raise LimitExceeded(f"you have {MAX_PER_PRINCIPAL} sessions open, the limit of one person: close some")
        pid = 0
        while pid == 0 or pid in self._taken:
            pid = secrets.randbits(31)
        self._taken[pid] = principal
        try:
            yield pid, secrets.token_bytes(size)
        finally:
            del self._taken[pid]
            self._live.pop(pid, None)

    def add(self, live: Live) -> None:
        """The session of a taken key can be cancelled and ended from now on, until the key is given back."""
        self._live[live.pid] = live

    def cancel(self, principal: tuple[str, str], pid: int, secret: bytes) -> bool:
        """Cancel what the session of that key is doing, if it is the same person's. Silent otherwise, as PostgreSQL."""
        live = self._live.get(pid)
        if live is None or live.principal != principal or not hmac.compare_digest(live.secret, secret):
            return False
        live.cancel()
        return True

    def end_all(self, cause: str, sqlstate: str, message: str) -> None:
        for live in list(self._live.values()):
            live.end(cause, sqlstate, message)
