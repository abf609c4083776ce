"""A session's right to go on: its token has not run out, and its person may still open the connection (INV-10)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hoopd.domain.errors import HoopError, Unavailable
from hoopd.domain.principal import Principal
from hoopd.runtime import clock

log = logging.getLogger("hoopd.session")

Verify = Callable[[str], Awaitable[Principal]]
Check = Callable[[Principal], None]


class Visa:
    """Holds the newest verified principal of one session. ``verify`` and ``check`` raise HoopError."""

    def __init__(self, principal: Principal, verify: Verify, check: Check) -> None:
        self.principal = principal
        self._verify = verify
        self._check = check
        self._renewed = asyncio.Event()
        self._refused: str | None = None

    async def renew(self, token: str) -> None:
        """Take a fresh token of the same person; any other ends the session.

        Where it cannot be found out whether it is good (the provider is away), the one before holds until it expires.
        """
        try:
            principal = await self._verify(token)
            if principal.key != self.principal.key:
                self._refused = "a token of somebody else was sent for this session"
            else:
                self._check(principal)
                self.principal = principal
        except Unavailable as problem:
            log.warning("a fresh token could not be verified: %s", problem.message)
        except HoopError as problem:
            self._refused = problem.message
        self._renewed.set()

    async def until_void(self) -> str:
        """Return, with the reason, when the right has ended."""
        while self._refused is None:
            self._renewed.clear()
            left = (self.principal.expires - clock.now()).total_seconds()
            if left <= 0:
                return "the sign-in of this session has expired"
            try:
                async with asyncio.timeout(left):
                    await self._renewed.wait()
            except TimeoutError:
                continue
        return self._refused
