"""The inbox without a screen: which requests it shows, in what order, and what a change means to the reviewer.

Imports no widget and no gRPC. The order never changes under the reviewer's hand: what is new comes last, what has
ended stays where it is until it is swept away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hoopctl.requests import Request

ENDED_KEPT = 200


class Change(StrEnum):
    """What a piece of news was."""

    added = "added"
    changed = "changed"
    ended = "ended"
    unchanged = "unchanged"


class Environment(StrEnum):
    """Where a statement would run, as the connection's labels tell."""

    production = "production"
    staging = "staging"
    development = "development"
    unknown = "unknown"


_ENVIRONMENT_LABELS = ("env", "environment", "stage", "tier")
_ENVIRONMENTS = {
    "production": Environment.production,
    "prod": Environment.production,
    "prd": Environment.production,
    "live": Environment.production,
    "staging": Environment.staging,
    "stage": Environment.staging,
    "preprod": Environment.staging,
    "qa": Environment.staging,
    "development": Environment.development,
    "dev": Environment.development,
    "test": Environment.development,
    "local": Environment.development,
}


def environment(request: Request) -> Environment:
    """The strictest environment that a label names."""
    named = {
        _ENVIRONMENTS.get(value.strip().lower(), Environment.unknown)
        for key, value in request.labels.items()
        if key.lower() in _ENVIRONMENT_LABELS
    }
    return next((each for each in Environment if each in named), Environment.unknown)


def time_left(request: Request, now: datetime) -> str:
    """``3m``, ``59s``, or ``0s``; empty for what has ended or runs."""
    if request.state not in {"pending", "approved"}:
        return ""
    seconds = max(0, int((request.deadline - now).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"


@dataclass(frozen=True, slots=True)
class News:
    """A change, the request as it is now, and as it was."""

    change: Change
    request: Request
    before: Request | None


class Inbox:
    """The requests that a reviewer sees."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}

    def __len__(self) -> int:
        return len(self._requests)

    def get(self, request_id: str) -> Request | None:
        return self._requests.get(request_id)

    @property
    def requests(self) -> list[Request]:
        """In the order in which they are shown."""
        return list(self._requests.values())

    @property
    def to_decide(self) -> int:
        """How many wait for this reviewer."""
        return sum(request.state == "pending" and request.can_decide for request in self._requests.values())

    def put(self, request: Request) -> News:
        """Take in a request as it is now. What had ended before it was ever seen here is not taken in."""
        before = self._requests.get(request.id)
        if before == request or (before is None and not request.is_open):
            return News(Change.unchanged, request, before)
        if before is not None and not before.is_open and request.is_open:
            # A late copy of what is known to have ended.
            return News(Change.unchanged, before, before)
        self._requests[request.id] = request
        if before is None:
            return News(Change.added, request, None)
        ended = before.is_open and not request.is_open
        return News(Change.ended if ended else Change.changed, request, before)

    def sweep(self, keep: str | None = None, at_most: int = 0) -> list[str]:
        """Forget the oldest that have ended until ``at_most`` are left, never ``keep``; returns the forgotten ids."""
        ended = [each.id for each in self._requests.values() if not each.is_open and each.id != keep]
        forgotten = ended[: max(0, len(ended) - at_most)]
        for request_id in forgotten:
            del self._requests[request_id]
        return forgotten
