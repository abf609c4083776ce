"""Times and spans as people type them in options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hoopctl.errors import UsageProblem

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(option: str, text: str) -> float:
    """A span such as ``2s``, ``500ms``, ``1.5h`` in seconds. Raises UsageProblem that names ``option``."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageProblem(f"{text!r} is no time for {option}.", hint="Give a number with ms, s, m, h, d or w: 2h.")
    return float(found[1]) * _SECONDS[found[2]]


def moment(option: str, text: str, now: datetime) -> datetime:
    """A moment: a span before ``now``, or RFC 3339 with parts left out (a date, no offset: UTC).

    Raises UsageProblem that names ``option``.
    """
    try:
        if _SPAN.fullmatch(text.strip()):
            return now - timedelta(seconds=seconds(option, text))
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageProblem(
            f"{text!r} is no time for {option}.",
            hint="Give a span before now (30m, 2h, 7d) or a UTC time (2026-03-01, 2026-03-01T12:00).",
        ) from None
