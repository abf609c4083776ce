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
from hoopd.runtime.bounds import Bounds

_TOO_MANY = "53300"
"""PostgreSQL's too_many_connections."""


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

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - frozen
        self._bounds = bounds
        self._live: dict[int, Live] = {}
        self._taken: dict[int, tuple[str, str]] = {}
        self._entering: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """The sessions that are open or opening."""
        return len(self._taken)

    @contextmanager
    def entering(self, principal: tuple[str, str]) -> Iterator[None]:
        """Count a client connection until it has signed in. Raises LimitExceeded where there are too many (INV-9)."""
        most = self._bounds.entering_per_person
        if self._entering[principal] >= most:
            raise LimitExceeded(
                f"{most} of your connections have not signed in yet, the limit of one person: close some"
            )
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
        most, each = self._bounds.sessions, self._bounds.sessions_per_person
        if len(self._taken) >= most:
            text = f"the gateway has {most} sessions open, its limit: try again later"
            raise LimitExceeded(text, sqlstate=_TOO_MANY)
        if sum(taker == principal for taker in self._taken.values()) >= each:
            text = f"you have {each} sessions open, the limit of one person: close some"
            raise LimitExceeded(text, sqlstate=_TOO_MANY)
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

        def is_meant(live: Live) -> bool:
            return live.principal == principal and hmac.compare_digest(live.secret, secret)

        return self.cancel_where(pid, is_meant)

    def cancel_where(self, pid: int, is_meant: Callable[[Live], bool]) -> bool:
        """Cancel what the session of ``pid`` is doing, if there is one here and it ``is_meant``."""
        live = self._live.get(pid)
        if live is None or not is_meant(live):
            return False
        live.cancel()
        return True

    def end_all(self, cause: str, sqlstate: str, message: str) -> None:
        for live in list(self._live.values()):
            live.end(cause, sqlstate, message)
