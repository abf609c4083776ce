"""Times as the JSON lines have them."""

from datetime import UTC, datetime, timedelta, timezone

from hoopctl import clock


def test_times_are_written_in_utc_with_microseconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert clock.rfc3339(moment) == "2026-01-02T01:04:05.000000Z"


def test_microseconds_of_the_gateway_keep_every_digit() -> None:
    assert clock.from_micros(1_700_000_000_123_457) == datetime(2023, 11, 14, 22, 13, 20, 123457, tzinfo=UTC)


def test_now_is_in_utc_and_monotonic_never_goes_back() -> None:
    assert clock.now().tzinfo is UTC
    first = clock.monotonic()
    assert clock.monotonic() >= first
