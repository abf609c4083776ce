"""The one place that knows the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """UTC, aware."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds for measuring; never set back."""
    return time.monotonic()
