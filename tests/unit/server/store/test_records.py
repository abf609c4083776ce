"""The record in a real PostgreSQL: shipped as it was written, read at one moment, and tampering with it found."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.events import (
    SessionEnded,
    StatementStarted,
)
from hoopd.domain.ids import SessionId, StatementNo
from hoopd.recording.keys import RecordKeys
from hoopd.recording.recorder import Recorder
from hoopd.recording.verification import VerifyOutcome, verify_stored
from hoopd.store.pool import Store
from hoopd.store.records import Records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = SessionId("s-4kq7aaaabbbb")


async def verified(store: Store, keys: RecordKeys, recorder: Recorder) -> VerifyOutcome:
    outcome = await verify_stored(Records(store), SESSION, keys, recorder.holds)
    assert outcome is not None
    return outcome


async def test_what_was_shipped_verifies(store: Store, keys, recorder, recorded) -> None:
    assert await verified(store, keys, recorder) == VerifyOutcome(SESSION, True, 62, 0, "62 events, sealed", False)


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
    store: Store, keys, recorder, recorded, happened
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


async def test_what_is_sent_again_changes_nothing(store: Store, keys, recorder, tmp_path: Path, happened) -> None:
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


async def test_a_store_that_is_away_is_unavailable_to_the_shipper(store: Store, recorder: Recorder, happened) -> None:
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
