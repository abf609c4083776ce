"""Spans and moments as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from hoopctl.commands.times import moment, seconds
from hoopctl.errors import UsageProblem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"), [("2s", 2), ("500ms", 0.5), ("1.5h", 5400), ("3 d", 259200), ("1w", 604800), ("0s", 0)]
)
def test_spans(text: str, expected: float) -> None:
    assert seconds("--max-pause", text) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2y", "two hours", "2h30m", "٣h"])
def test_what_is_no_span_names_the_option(text: str) -> None:
    with pytest.raises(UsageProblem, match="--max-pause"):
        seconds("--max-pause", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOON - timedelta(hours=2)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:30", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01 12:30:05.25Z", datetime(2026, 3, 1, 12, 30, 5, 250000, tzinfo=UTC)),
        ("2026-03-01T12:30:00+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment("--since", text, NOON) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "99999999w", "0001-01-01T00:00+14:00"])
def test_what_is_no_moment_names_the_option(text: str) -> None:
    with pytest.raises(UsageProblem, match="--since"):
        moment("--since", text, NOON)
