"""The gateway's clock."""

from datetime import UTC, datetime, timedelta

from hoopd.runtime.clock import now


def test_it_gives_the_time_in_utc() -> None:
    before = datetime.now(UTC)
    told = now()
    assert told.utcoffset() == timedelta(0)
    assert before <= told <= datetime.now(UTC)
