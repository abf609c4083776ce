"""A migrated store, and a recorder that ships into it."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.events import (
    Event,
    SessionEnded,
    SessionStarted,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.ids import PolicyVersion, SessionId, StatementNo
from hoopd.recording.keys import RecordKeys, load_keys
from hoopd.recording.recorder import Recorder
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = SessionId("s-4kq7aaaabbbb")
Happened = Callable[..., list[Event]]


def _happened(statements: int, session: SessionId = SESSION, subject: str = "alice") -> list[Event]:
    start = SessionStarted(
        session, NOON, "idp", subject, None, frozenset(), "prod-db", "shop", "r", "psql\x00", "h", "", "", "", "t"
    )
    told: list[Event] = [start]
    for number in map(StatementNo, range(1, statements + 1)):
        decided = StatementDecided(
            number, f"SELECT {number} \x00", (), "select", ("read",), (), Outcome.allow, ("r",), "", PolicyVersion(1)
        )
        finished = StatementFinished(number, StatementOutcome.done, "SELECT 1", 1, 0.5, "", "")
        told += [decided, StatementStarted(number), finished]
    return told


@pytest.fixture
def happened() -> Happened:
    """The events of an open session: ``happened(statements, session, subject)``."""
    return _happened


@pytest.fixture
def clock() -> Callable[[], datetime]:
    ticks = iter(range(10**9))
    return lambda: NOON + timedelta(milliseconds=next(ticks))


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    await migrate(database)
    store = Store(database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def keys(tmp_path: Path) -> RecordKeys:
    return load_keys(tmp_path)


@pytest.fixture
async def recorder(tmp_path: Path, store: Store, keys: RecordKeys, clock) -> AsyncIterator[Recorder]:
    recorder = Recorder(tmp_path, Records(store), keys, clock)
    recorder.start()
    await recorder.shipper.ship()
    yield recorder
    recorder.close()


@pytest.fixture
async def recorded(recorder: Recorder) -> None:
    """One session of twenty statements, sealed: 62 events."""
    record = recorder.open(SESSION)
    for event in [*_happened(20), SessionEnded("client closed", "")]:
        record.append(event)
    assert await recorder.shipper.drain(60)
