"""The clock of the gateway: the one place that asks the system for the time.

Whoever needs the time takes a ``Callable[[], datetime]`` as an argument, so that a test can give its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present time, in UTC."""


def now() -> datetime:
    """The present time, in UTC."""
    return datetime.now(UTC)
