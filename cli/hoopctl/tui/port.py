"""What the inbox asks of the world outside: the gateway and the identity provider, as one object."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hoopctl.identity.device_flow import Verification
from hoopctl.identity.tokens import ApprovalToken
from hoopctl.requests import Decided, Request, Verdict


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether changes come from the gateway now; ``problem`` says why not."""

    up: bool
    problem: str = ""


class RequestsPort(Protocol):
    """All calls raise HoopctlError with a sentence for the reviewer."""

    @property
    def reviewer(self) -> str:
        """Who is looking, for people."""
        ...

    @property
    def server(self) -> str:
        """The gateway's address, for people."""
        ...

    def now(self) -> datetime:
        """The present time, in UTC."""
        ...

    def follow(self) -> AsyncIterator[Request | LinkState]:
        """What is open, then every change, and how the link is; reconnects by itself."""
        ...

    async def sign_in(self, show: Callable[[Verification], None]) -> ApprovalToken:
        """A sign-in made for approving: ``show`` is told where and how, then it waits for the person."""
        ...

    async def decide(self, request: Request, verdict: Verdict, comment: str, token: ApprovalToken) -> Decided:
        """Say a word on ``request`` as it was shown."""
        ...
