"""The live sessions of this gateway, and the keys by which a CancelRequest finds one (THREATS class 11)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hoopd.domain.errors import LimitExceeded
from hoopd.domain.ids import SessionId

MAX_SESSIONS = 2_000
MAX_PER_PRINCIPAL = 200


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
    """Cancel keys are the gateway's own: 31 random bits as the process id, 32 as the secret, never the database's."""

    def __init__(self) -> None:
        self._live: dict[int, Live] = {}

    def __len__(self) -> int:
        return len(self._live)

    def new_key(self, principal: tuple[str, str]) -> tuple[int, bytes]:
        """A process id that is free, and a secret.

        Raises:
            LimitExceeded: the gateway, or the person, has as many sessions as may be.
        """
        if len(self._live) >= MAX_SESSIONS:
            raise LimitExceeded(f"the gateway has {MAX_SESSIONS} sessions open, its limit: try again later")
        if sum(live.principal == principal for live in self._live.values()) >= MAX_PER_PRINCIPAL:
            raise LimitExceeded(f"you have {MAX_PER_PRINCIPAL} sessions open, the limit of one person: close some")
        while True:
            pid = secrets.randbits(31) or 1
            if pid not in self._live:
                return pid, secrets.token_bytes(4)

    def add(self, live: Live) -> None:
        self._live[live.pid] = live

    def remove(self, pid: int) -> None:
        self._live.pop(pid, None)

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
