"""The record of one session as the session sees it."""

from dataclasses import replace

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.events import SessionEnded
from hoopd.recording import journal
from hoopd.recording.codec import decode
from hoopd.recording.journal import Sync
from hoopd.recording.recorder import Recorder


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
