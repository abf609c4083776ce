"""What the broker asks of a store. ``store.requests`` implements it on PostgreSQL.

Every method raises ``Unavailable`` when the store does not answer; nothing is ever guessed (INV-2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Principal
from hoopd.domain.request import Request, RequestState

CHANNEL = "hoop_requests"
"""Where a store tells of changes: the payload is the id of the request."""


class RequestRepository(Protocol):
    """Requests that outlive a process and are shared by gateways."""

    async def insert(self, request: Request, gateway: str) -> bool:
        """Store a new request, raised by ``gateway``; False when the id is taken. Tells every gateway."""
        ...

    async def get(self, request_id: RequestId) -> Request | None: ...

    async def move(self, before: Request, after: Request) -> bool:
        """Replace ``before`` by ``after`` if the store still has ``before``'s state and words: compare and swap.

        False when something else happened in between; then nothing is changed. Tells every gateway.
        """
        ...

    async def find(self, start: str, principal: Principal, limit: int) -> Sequence[Request]:
        """Requests that ``principal`` may see (``people.may_see``) whose id begins with ``start``."""
        ...

    async def list(self, principal: Principal, states: Collection[RequestState], limit: int) -> Sequence[Request]:
        """Requests in ``states`` that ``principal`` may see, newest first."""
        ...

    async def count_open(self, issuer: str, subject: str) -> int:
        """How many of a person's requests are in one of ``lifecycle.OPEN_STATES``."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Request]:
        """Requests that ``lifecycle.is_due`` at ``now``, of any gateway, oldest deadline first."""
        ...

    async def open_of(self, gateway: str) -> Sequence[Request]:
        """Open requests that ``gateway`` raised."""
        ...


class Changes(Protocol):
    """Hints that requests changed, on any gateway. ``store.listener.Listener`` is one."""

    connected: asyncio.Event
    """Set while hints come; what changes from then on is told."""

    def subscribe(self, channel: str, callback: Callable[[str | None], None]) -> Callable[[], None]:
        """Call ``callback`` with the id of each request that changes on ``CHANNEL``; returns how to stop it.

        None stands for "some may have been missed, look again".
        """
        ...
