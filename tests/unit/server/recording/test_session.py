"""The record of one session as the session sees it."""

from dataclasses import replace

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.events import SessionEnded
from hoopd.recording import journal
from hoopd.recording.codec import decode
from hoopd.recording.journal import Sync
from hoopd.recording.recorder import Recorder
from hoopd.recording.session import MOST_ADDED


async def test_the_end_gives_an_end_to_what_has_none(recorder, memory_store, story) -> None:
    """INV-3."""
    record = recorder.open(story.session)
    for event in [story.start(), story.decided(1, "SELECT 1"), story.started(1), story.decided(2, "SELECT 2")]:
        record.append(event)
    assert record.usable
    record.append(SessionEnded("client", ""))
    assert not record.usable
    record.close()
    await recorder.shipper.drain(10)
    rows = {row.statement: row for batch in memory_store.batches for row in batch.statements}
    assert (rows[1].outcome, rows[2].outcome) == ("unknown", "cancelled")


async def test_the_start_has_the_time_that_the_session_gives(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    record.append(story.start())
    await recorder.shipper.drain(10)
    assert memory_store.batches[0].session.started == story.start().at
    record.close()


async def test_only_what_may_run_waits_for_the_disk(tmp_path, memory_store, keys, clock, story, monkeypatch) -> None:
    """journal.sync: disk."""
    synced = []
    fdatasync = journal.os.fdatasync
    monkeypatch.setattr(journal.os, "fdatasync", lambda descriptor: (synced.append(1), fdatasync(descriptor)))
    recorder = Recorder(tmp_path, memory_store, keys, clock, sync=Sync.disk)
    recorder.start()
    await recorder.shipper.ship()
    record = recorder.open(story.session)
    counts = []
    for event in [*story.whole()[:5], SessionEnded("client", "")]:
        record.append(event)
        counts.append(len(synced))
    assert counts == [0, 0, 1, 1, 1, 2]
    recorder.close()


async def test_nothing_is_written_for_a_statement_that_is_refused(recorder, memory_store, story, tmp_path) -> None:
    """INV-2: the refusal comes before the write, so the record does not say that it ran."""
    record = recorder.open(story.session)
    record.append(story.start())
    record.append(story.decided(1, "SELECT 1"))
    size = (tmp_path / "journal" / f"{story.session}.journal").stat().st_size
    memory_store.away = True
    with pytest.raises(Unavailable):
        await recorder.shipper.ship()
    with pytest.raises(Unavailable):
        record.append(story.started(1))
    assert (tmp_path / "journal" / f"{story.session}.journal").stat().st_size == size
    assert record.usable
    record.close()


async def test_events_carry_their_number_and_session(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(replace(event, at=story.start().at) if hasattr(event, "at") else event)
    await recorder.shipper.drain(10)
    messages = [decode(event.body) for batch in memory_store.batches for event in batch.events]
    assert [message.seq for message in messages] == list(range(1, 14))
    assert {message.session for message in messages} == {story.session}


async def test_what_is_noted_is_there_when_it_is_committed(recorder, memory_store, story, tmp_path) -> None:
    path = tmp_path / "journal" / f"{story.session}.journal"
    record = recorder.open(story.session)
    record.append(story.start())
    size = path.stat().st_size
    record.note(story.decided(1, "SELECT 1"))
    record.note(story.started(1))
    assert path.stat().st_size == size
    record.commit()
    assert path.stat().st_size > size
    record.note(SessionEnded("client", ""))
    record.commit()
    assert not record.usable
    await recorder.shipper.drain(10)
    seqs = [event.seq for batch in memory_store.batches for event in batch.events]
    assert seqs == list(range(1, 6))


async def test_what_waits_for_a_commit_is_bounded(recorder, story, tmp_path) -> None:
    """INV-9"""
    record = recorder.open(story.session)
    record.append(story.start())
    size = (tmp_path / "journal" / f"{story.session}.journal").stat().st_size
    record.note(story.decided(1, "x" * (MOST_ADDED + 1)))
    assert (tmp_path / "journal" / f"{story.session}.journal").stat().st_size > size + MOST_ADDED
    record.close()


async def test_a_commit_waits_for_the_disk_if_anything_in_it_has_to(
    tmp_path, memory_store, keys, clock, story, monkeypatch
) -> None:
    """journal.sync: disk."""
    synced = []
    monkeypatch.setattr(journal.os, "fdatasync", synced.append)
    recorder = Recorder(tmp_path, memory_store, keys, clock, sync=Sync.disk)
    recorder.start()
    await recorder.shipper.ship()
    record = recorder.open(story.session)
    for event in story.whole()[:3]:
        record.note(event)
    record.commit()
    assert len(synced) == 1
    record.append(story.finished(1))
    assert len(synced) == 1
    record.close()
    recorder.close()
