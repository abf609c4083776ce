"""The clock of the command: the one place that asks the system for the time.

Whoever needs the time takes a ``Clock`` as an argument, so that a test can give its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present time, in UTC."""


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock


def monotonic() -> float:
    """Seconds that never go back; only differences mean anything."""
    return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """``moment`` as RFC 3339 in UTC with microseconds, as every JSON line has it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_micros(micros: int) -> datetime:
    """A moment from microseconds since 1970 in UTC, as the gateway sends times."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
