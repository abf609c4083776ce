"""Who in this process waits for which requests to change.

A subscription is made before the state is read, so a change is either seen by the read or wakes the subscriber: no
wake-up is lost. Pending changes of a subscriber are a set of ids, so a slow one costs memory for each request once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hoopd.domain.errors import LimitExceeded
from hoopd.domain.ids import RequestId


class Subscription:
    """Changed ids since they were last taken. ``only`` limits it to one request."""

    def __init__(self, only: RequestId | None) -> None:
        self.only = only
        self.missed = False
        """Some changes may not have been told: read everything again."""
        self._changed: dict[RequestId, None] = {}
        self._woken = asyncio.Event()

    def notice(self, request_id: RequestId | None) -> None:
        """A request changed; None: some may have, and nobody knows which."""
        if request_id is None:
            self.missed = True
        elif self.only in (None, request_id):
            self._changed[request_id] = None
        else:
            return
        self._woken.set()

    def take(self) -> list[RequestId]:
        """The changed ids, oldest first; they are forgotten here."""
        self._woken.clear()
        taken = list(self._changed)
        self._changed.clear()
        return taken

    async def until_changed(self, seconds: float) -> None:
        """Return on a change (at once, if there was one since ``take``) or after ``seconds``."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return


class Subscriptions:
    """All subscriptions of this process, at most ``limit`` (INV-9)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: set[Subscription] = set()

    @contextmanager
    def subscribe(self, only: RequestId | None = None) -> Iterator[Subscription]:
        """Be told of changes, of one request or of all.

        Raises:
            LimitExceeded: too many subscribe already.
        """
        if len(self._all) >= self._limit:
            raise LimitExceeded(f"this gateway has {self._limit} waits on requests", hint="Try again later.")
        subscription = Subscription(only)
        self._all.add(subscription)
        try:
            yield subscription
        finally:
            self._all.discard(subscription)

    def notice(self, payload: str | None) -> None:
        """The callback for ``Changes``."""
        for subscription in self._all:
            subscription.notice(None if payload is None else RequestId(payload))
