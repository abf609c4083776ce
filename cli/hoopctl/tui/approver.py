"""The reviewer's hand: says words on requests, and keeps the sign-in for it in memory while it is good (INV-6).

Headless. The token is in no file, keyring, log or message; it goes when the inbox closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from hoopctl.identity.device_flow import Verification
from hoopctl.identity.tokens import ApprovalToken
from hoopctl.requests import Decided, Request, Verdict
from hoopctl.tui.port import RequestsPort

_MARGIN = timedelta(seconds=10)


class Approver:
    """One reviewer at one gateway. Decisions go one after another."""

    def __init__(self, port: RequestsPort) -> None:
        self._port = port
        self._token: ApprovalToken | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def signed_in(self) -> bool:
        """Whether the next word needs no sign-in, as far as this side can know."""
        return self._token is not None and self._port.now() + _MARGIN < self._token.expires_at

    async def decide(
        self, request: Request, verdict: Verdict, comment: str, show: Callable[[Verification | None], None]
    ) -> Decided:
        """Say a word, signing in when it is needed; once more when the gateway no longer takes the sign-in.

        ``show`` is called with what the reviewer must do, and with None when it has been done.

        Raises HoopctlError as the port does.
        """
        async with self._one_at_a_time:
            kept = self.signed_in
            said = await self._say(request, verdict, comment, show)
            if said.sign_in_again and kept:
                said = await self._say(request, verdict, comment, show)
            return said

    async def _say(
        self, request: Request, verdict: Verdict, comment: str, show: Callable[[Verification | None], None]
    ) -> Decided:
        said = await self._port.decide(request, verdict, comment, await self._signed_in(show))
        if said.sign_in_again:
            self._token = None
        return said

    async def _signed_in(self, show: Callable[[Verification | None], None]) -> ApprovalToken:
        if self._token is None or not self.signed_in:
            self._token = await self._port.sign_in(show)
            show(None)
        return self._token
