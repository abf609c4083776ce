"""The recorder: what it acknowledges is in the journal, and what it cannot record does not run (INV-2, INV-3)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hoopd.domain.errors import LimitExceeded, Unavailable
from hoopd.domain.events import SessionEnded
from hoopd.recording import journal
from hoopd.recording.codec import decode
from hoopd.recording.journal import JournalReader
from hoopd.recording.keys import RecordKeys
from hoopd.recording.recorder import GATEWAY_LOST, Recorder


def kinds(path: Path, story) -> list[str]:
    reader = JournalReader(path, story.session)
    return [decode(event.body).WhichOneof("body") for event in reader.read(until=path.stat().st_size)]


async def test_an_acknowledged_event_is_in_the_file_before_append_returns(recorder, story, tmp_path) -> None:
    """INV-3: no buffer of ours is between append and the file."""
    record = recorder.open(story.session)
    path = tmp_path / "journal" / f"{story.session}.journal"
    for number, event in enumerate([story.start(), story.decided(1, "SELECT 1"), story.started(1)], start=1):
        record.append(event)
        assert len(kinds(path, story)) == number
    assert path.stat().st_mode & 0o777 == 0o600
    record.close()


async def test_a_finished_session_is_shipped_sealed_and_its_journal_removed(
    recorder, memory_store, story, tmp_path
) -> None:
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(event)
    assert recorder.holds(story.session)
    assert await recorder.shipper.drain(10)
    assert not recorder.holds(story.session)
    assert list((tmp_path / "journal").glob("*.journal")) == []
    last = memory_store.batches[-1].session
    # The denied statement was given its end: one event more than the story has.
    assert (last.events, last.seal is not None, last.ended_because) == (13, True, "client closed")


async def test_a_write_whose_answer_was_lost_is_sent_again_as_it_was(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(event)
    memory_store.answer_lost = True
    with pytest.raises(Unavailable):
        await recorder.shipper.ship()
    await recorder.shipper.ship()
    assert len(memory_store.batches) == 2
    assert memory_store.batches[0] == memory_store.batches[1]


async def test_no_statement_may_run_while_the_store_is_away(recorder, memory_store, story) -> None:
    """INV-2 with journal.max_lag 0: refused as soon as the shipper knows, and allowed again as soon as it is back."""
    record = recorder.open(story.session)
    record.append(story.start())
    record.append(story.decided(1, "SELECT 1"))
    memory_store.away = True
    with pytest.raises(Unavailable):
        await recorder.shipper.ship()
    with pytest.raises(Unavailable, match="store does not answer"):
        record.append(story.started(1))
    with pytest.raises(Unavailable):
        recorder.open("s-another")
    record.append(story.decided(2, "SELECT 2"))  # what happened meanwhile is still recorded
    memory_store.away = False
    await recorder.shipper.ship()
    record.append(story.started(2))
    record.append(SessionEnded("client closed", ""))


async def test_sessions_go_on_up_to_max_lag(tmp_path, memory_store, keys, clock, story) -> None:
    recorder = Recorder(tmp_path, memory_store, keys, clock, max_lag=timedelta(minutes=1))
    recorder.start()
    await recorder.shipper.ship()
    record = recorder.open(story.session)
    record.append(story.start())
    memory_store.away = True
    with pytest.raises(Unavailable):
        await recorder.shipper.ship()
    record.append(story.started(1))
    clock.now += timedelta(seconds=61)
    assert recorder.lagging
    with pytest.raises(Unavailable):
        record.append(story.started(2))
    record.close()
    recorder.close()


async def test_nothing_runs_before_the_store_was_reached_once(tmp_path, memory_store, keys, clock, story) -> None:
    """INV-2: a recorder whose shipper does not run refuses."""
    recorder = Recorder(tmp_path, memory_store, keys, clock)
    recorder.start()
    with pytest.raises(Unavailable):
        recorder.open(story.session)
    recorder.close()


async def test_times_never_go_back(recorder, memory_store, story, clock) -> None:
    record = recorder.open(story.session)
    for event in story.whole():
        clock.now -= timedelta(seconds=10)
        record.append(event)
    await recorder.shipper.drain(10)
    times = [decode(event.body).time_us for batch in memory_store.batches for event in batch.events]
    assert times == sorted(times)


async def test_a_record_starts_with_the_start_and_takes_nothing_after_the_end(recorder, story) -> None:
    record = recorder.open(story.session)
    with pytest.raises(ValueError, match="starts with SessionStarted"):
        record.append(story.decided(1, "SELECT 1"))
    record.append(story.start())
    with pytest.raises(ValueError, match="only one"):
        record.append(story.start())
    record.append(SessionEnded("client closed", ""))
    with pytest.raises(Unavailable):
        record.append(story.started(1))


async def test_a_session_that_is_let_go_is_ended_by_the_recorder(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    record.append(story.start())
    record.append(story.decided(1, "SELECT 1"))
    record.append(story.started(1))
    record.close()
    await recorder.shipper.drain(10)
    await recorder.shipper.ship()
    assert not recorder.holds(story.session)
    assert memory_store.batches[-1].session.ended_because == "record lost"
    assert memory_store.batches[-1].statements[-1].outcome == "unknown"


async def test_a_record_in_which_nothing_happened_leaves_nothing(recorder, memory_store, story, tmp_path) -> None:
    recorder.open(story.session).close()
    await recorder.shipper.ship()
    assert not recorder.holds(story.session)
    assert list((tmp_path / "journal").glob("*.journal")) == []
    assert memory_store.batches == []


async def test_two_gateways_cannot_have_one_directory(recorder, tmp_path, memory_store, keys, clock) -> None:
    with pytest.raises(Unavailable, match="Another gateway uses"):
        Recorder(tmp_path, memory_store, keys, clock).start()


async def test_an_event_too_large_is_refused_and_the_session_goes_on(recorder, story, monkeypatch) -> None:
    """INV-9."""
    record = recorder.open(story.session)
    record.append(story.start())
    monkeypatch.setattr(journal, "MAX_BODY", 1000)
    with pytest.raises(LimitExceeded, match="1000 bytes"):
        record.append(story.decided(1, "x" * 1001))
    record.append(story.decided(1, "SELECT 1"))
    record.append(SessionEnded("client closed", ""))


async def test_what_a_killed_gateway_left_is_closed_shipped_and_sealed(
    tmp_path: Path, memory_store, keys: RecordKeys, clock: Callable[[], datetime], story
) -> None:
    """INV-3: what has no end is unknown."""
    killed = Recorder(tmp_path, memory_store, keys, clock)
    killed.start()
    await killed.shipper.ship()
    record = killed.open(story.session)
    for event in story.whole()[:3]:
        record.append(event)
    path = tmp_path / "journal" / f"{story.session}.journal"
    with path.open("ab") as file:  # the last write(2) of the dead was cut short
        file.write(b"\x00\x00\x01\x00torn")
    killed.close()

    recorder = Recorder(tmp_path, memory_store, keys, clock)
    (found,) = recorder.start()
    assert (found.events, found.unknown, found.cut, found.kept) == (5, 1, 8, None)
    assert kinds(path, story)[-2:] == ["finished", "session_ended"]
    assert await recorder.shipper.drain(10)
    await recorder.shipper.ship()
    batch = memory_store.batches[-1]
    assert batch.session.ended_because == GATEWAY_LOST
    assert batch.session.seal is not None
    assert [row.outcome for row in batch.statements] == ["unknown"]
    assert not path.exists()
    recorder.close()
    record.close()


async def test_recovery_that_is_killed_itself_goes_on_where_it_was(
    tmp_path: Path, memory_store, keys: RecordKeys, clock, story
) -> None:
    killed = Recorder(tmp_path, memory_store, keys, clock)
    killed.start()
    await killed.shipper.ship()
    record = killed.open(story.session)
    for event in story.whole()[:3]:
        record.append(event)
    killed.close()
    for _ in range(3):
        again = Recorder(tmp_path, memory_store, keys, clock)
        (found,) = again.start()
        assert found.events == 5
        again.close()
    record.close()


async def test_a_statement_of_many_events_is_shipped_in_several_batches(
    recorder, memory_store, story, monkeypatch
) -> None:
    monkeypatch.setattr("hoopd.recording.tail.BATCH_BYTES", 100)
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(event)
    assert await recorder.shipper.drain(10)
    assert len(memory_store.batches) > 3
    assert [event.seq for batch in memory_store.batches for event in batch.events] == list(range(1, 14))
    by_number = {row.statement: row for batch in memory_store.batches for row in batch.statements}
    assert {number: row.outcome for number, row in by_number.items()} == {1: "done", 2: "done", 3: "denied"}
    assert by_number[2].request == "r-7f3kaaaa"
    assert by_number[2].approvals[0].by == "bob@example.com"


async def test_a_session_that_the_store_refuses_stops_alone(recorder, memory_store, story) -> None:
    from hoopd.recording.ports import StoreRefused

    record, other = recorder.open(story.session), recorder.open("s-other")
    record.append(story.start())
    write = memory_store.write

    async def refuse(batch) -> None:
        if batch.session.id == story.session:
            raise StoreRefused("The store refused it.")
        await write(batch)

    memory_store.write = refuse
    other.append(story.start())
    await recorder.shipper.ship()
    with pytest.raises(Unavailable, match="refused it"):
        record.append(story.started(1))
    other.append(story.started(1))
    memory_store.write = write
    await recorder.shipper.ship()
    record.append(story.started(1))
    record.close()
    other.close()
