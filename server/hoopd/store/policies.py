"""Versions of the policy: every text that was ever in force, who put it there, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hoopd.domain.ids import PolicyVersion
from hoopd.store.pool import Store

CHANNEL = "hoop_policy"
"""Notified with the version when one is put."""

_CURRENT = "SELECT version, text, by, at, source FROM hoop.policies ORDER BY version DESC LIMIT 1"


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

    async def put_if_differs(self, text: str, *, by: str, source: str) -> PolicyText:
        """Make ``text`` the next version, unless it is the one in force; returns the one in force then.

        Several gateways that start with the same file make one version. Raises ``Unavailable``.
        """
        async with self._store.connection() as connection:
            await connection.execute("LOCK TABLE hoop.policies IN SHARE ROW EXCLUSIVE MODE")
            row = await (await connection.execute(_CURRENT)).fetchone()
            current = None if row is None else PolicyText(*row)
            if current is not None and current.text == text:
                return current
            version = PolicyVersion(1 if current is None else current.version + 1)
            new = PolicyText(version, text, by, self._clock(), source)
            await connection.execute(
                "INSERT INTO hoop.policies (version, text, by, at, source) VALUES (%s, %s, %s, %s, %s)",
                (new.version, new.text, new.by, new.at, new.source),
            )
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(version)))
            return new
