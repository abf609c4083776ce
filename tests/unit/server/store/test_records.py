"""The record in a real PostgreSQL: shipped as it was written, read at one moment, and tampering with it found."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.errors import Unavailable
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
from hoopd.recording.verification import VerifyOutcome, verify_stored
from hoopd.store import events
from hoopd.store.events import EventRepository
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.store.sessions import SessionRepository

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = SessionId("s-4kq7aaaabbbb")


def happened(statements: int, session: SessionId = SESSION, subject: str = "alice") -> list[Event]:
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
    for event in [*happened(20), SessionEnded("client closed", "")]:
        record.append(event)
    assert await recorder.shipper.drain(60)


async def verified(store: Store, keys: RecordKeys, recorder: Recorder) -> VerifyOutcome:
    outcome = await verify_stored(Records(store), SESSION, keys, recorder.holds)
    assert outcome is not None
    return outcome


async def test_what_was_shipped_verifies(store: Store, keys, recorder, recorded) -> None:
    assert await verified(store, keys, recorder) == VerifyOutcome(SESSION, True, 62, 0, "62 events, sealed", False)


async def test_pages_of_events_are_bounded_in_bytes(store: Store, keys, recorder, recorded, monkeypatch) -> None:
    """INV-9."""
    monkeypatch.setattr(events, "PAGE", 7)
    monkeypatch.setattr(events, "PAGE_BYTES", 150)
    assert (await verified(store, keys, recorder)).events == 62
    assert [event.seq async for event in EventRepository(store).of_session(SESSION)] == list(range(1, 63))
    async with store.connection() as connection:
        assert 1 <= len(await events.page(connection, SESSION, None)) < 7
        monkeypatch.setattr(events, "PAGE_BYTES", 1)
        assert len(await events.page(connection, SESSION, None)) == 1


@pytest.mark.parametrize(
    ("tampering", "bad_event"),
    [
        ("UPDATE hoop.events SET body = set_byte(body, 40, 65) WHERE seq = 31", 31),
        ("DELETE FROM hoop.events WHERE seq = 31", 31),
        ("DELETE FROM hoop.events WHERE seq > 50", 51),
        ("DELETE FROM hoop.events", 1),
        (
            "UPDATE hoop.events a SET body = b.body FROM hoop.events b WHERE (a.seq, b.seq) IN ((10, 11), (11, 10))",
            10,
        ),
        ("INSERT INTO hoop.events SELECT session, 63, body, hash FROM hoop.events WHERE seq = 5", 63),
        ("INSERT INTO hoop.events SELECT session, 0, body, hash FROM hoop.events WHERE seq = 5", 1),
        ("UPDATE hoop.sessions SET events = 61", 62),
        ("UPDATE hoop.sessions SET head = set_byte(head, 0, get_byte(head, 0) # 1)", 62),
        ("UPDATE hoop.sessions SET seal = NULL", 62),
        ("UPDATE hoop.sessions SET ended = ended + interval '1 second'", 62),
        ("UPDATE hoop.sessions SET ended = NULL, ended_because = NULL, seal = NULL", 62),
        ("UPDATE hoop.sessions SET gateway = 'another'", 62),
        ("UPDATE hoop.sessions SET subject = 'bob'", 1),
        ("UPDATE hoop.statements SET sql = 'SELECT 2' WHERE statement = 7", 20),
        ("UPDATE hoop.statements SET outcome = 'error' WHERE statement = 7", 22),
        ("DELETE FROM hoop.statements WHERE statement = 7", 20),
    ],
)
async def test_tampering_in_the_store_is_found(
    store: Store, keys, recorder, recorded, database: str, tampering: str, bad_event: int
) -> None:
    """THREATS 24."""
    with psycopg.connect(database) as connection:
        connection.execute(tampering)
    outcome = await verified(store, keys, recorder)
    assert not outcome.ok
    assert outcome.bad_event == bad_event, outcome.message


async def test_a_session_that_began_or_ended_while_it_was_asked_for_is_no_alarm(
    store: Store, keys, recorder, recorded
) -> None:
    record = recorder.open("s-open")
    for event in happened(1, SessionId("s-open"))[:3]:
        record.append(event)
    await recorder.shipper.drain(60)
    answers = iter([False, True])
    outcome = await verify_stored(Records(store), "s-open", keys, lambda _: next(answers))
    assert outcome is not None
    assert (outcome.ok, outcome.open) == (True, True)
    record.close()


async def test_no_such_session(store: Store, keys, recorder) -> None:
    assert await verify_stored(Records(store), "s-none", keys, recorder.holds) is None


async def test_what_is_sent_again_changes_nothing(store: Store, keys, recorder, tmp_path: Path) -> None:
    """A journal that was shipped and not yet removed when the gateway died."""
    record = recorder.open(SESSION)
    for event in happened(3):
        record.append(event)
    await recorder.shipper.drain(60)
    record.append(SessionEnded("client closed", ""))
    journal = (tmp_path / "journal" / f"{SESSION}.journal").read_bytes()
    await recorder.shipper.drain(60)
    before = await _everything(store)
    recorder.close()
    (tmp_path / "journal" / f"{SESSION}.journal").write_bytes(journal)
    again = Recorder(tmp_path, Records(store), keys, lambda: NOON)
    again.start()
    assert await again.shipper.drain(60)
    again.close()
    assert await _everything(store) == before


async def _everything(store: Store) -> list:
    async with store.connection() as connection:
        return [
            await (await connection.execute("SELECT * FROM hoop.sessions")).fetchall(),
            await (await connection.execute("SELECT * FROM hoop.events ORDER BY seq")).fetchall(),
            await (await connection.execute("SELECT * FROM hoop.statements ORDER BY statement")).fetchall(),
        ]


async def test_a_store_that_is_away_is_unavailable_to_the_shipper(store: Store, recorder: Recorder) -> None:
    """INV-2, INV-3."""
    record = recorder.open(SESSION)
    for event in happened(1)[:2]:
        record.append(event)
    await store.close()
    with pytest.raises(Unavailable):
        await recorder.shipper.ship()
    with pytest.raises(Unavailable):
        record.append(StatementStarted(StatementNo(1)))
    record.close()


async def test_sessions_are_seen_by_their_people_and_by_auditors(store: Store, recorder: Recorder) -> None:
    for name, subject in (("s-a", "alice"), ("s-b", "bob"), ("s-c", "alice")):
        record = recorder.open(SessionId(name))
        for event in happened(1, SessionId(name), subject):
            record.append(replace(event, at=NOON) if isinstance(event, SessionStarted) else event)
        record.append(SessionEnded("client closed", ""))
    await recorder.shipper.drain(60)
    repository = SessionRepository(store)
    assert [each async for each in repository.ids(None)] == ["s-a", "s-b", "s-c"]
    assert [each async for each in repository.ids(("idp", "alice"))] == ["s-a", "s-c"]
    assert await repository.get(SessionId("s-b"), ("idp", "alice")) is None
    found = await repository.get(SessionId("s-b"), None)
    assert found is not None
    assert (found.subject, found.application) == ("bob", "psql\\x00")


async def test_pages_of_sessions_join(store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopd.store.sessions.PAGE", 2)
    names = [SessionId(f"s-{number}") for number in range(5)]
    for name in names:
        record = recorder.open(name)
        record.append(happened(0, name)[0])
        record.append(SessionEnded("client closed", ""))
    await recorder.shipper.drain(60)
    assert [each async for each in SessionRepository(store).ids(None)] == names
