"""Recovery of journals that are worse than torn: nothing of them is thrown away, and the record says so."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from hoopd.recording.codec import decode
from hoopd.recording.journal import JournalFailed, JournalReader, JournalWriter
from hoopd.recording.recovery import recover
from hoopd.recording.shipper import UNENDED


@pytest.fixture
def left(recorder, story, tmp_path) -> Path:
    """The journal of a session whose first statement was running."""
    record = recorder.open(story.session)
    for event in [*story.whole()[:3], story.decided(2, "SELECT 2")]:
        record.append(event)
    record._writer.close()
    return tmp_path / "journal" / f"{story.session}.journal"


def told(path: Path, story) -> list:
    return [decode(event.body) for event in JournalReader(path, story.session).read(until=path.stat().st_size)]


def test_statements_without_an_end_are_unknown_even_if_no_start_is_known(left: Path, story, clock) -> None:
    """The machine may have crashed, and with it the last that was written (INV-3)."""
    found = recover(left, story.session, clock, "gateway lost")
    assert (found.events, found.unknown, found.cut) == (7, 2, 0)
    last = told(left, story)
    assert [message.finished.outcome for message in last[4:6]] == ["unknown", "unknown"]
    assert last[6].session_ended.cause == "gateway lost"


def test_a_damaged_journal_is_kept_aside_whole(left: Path, story, clock) -> None:
    damaged = left.read_bytes().replace(b"SELECT 2", b"SELECT 3")
    damaged += frame(b"x")
    left.write_bytes(damaged)
    found = recover(left, story.session, clock, "gateway lost")
    assert found.kept is not None
    assert found.kept.read_bytes() == damaged
    assert found.kept.stat().st_mode & 0o777 == 0o600
    assert found.kept.name in told(left, story)[-1].session_ended.message
    assert found.events == 5  # start, decided, started, its unknown end, the session's end


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + b"h" * 32 + body


def test_a_file_that_is_no_journal_is_put_aside_and_not_again(tmp_path: Path, story, clock) -> None:
    path = tmp_path / f"{story.session}.journal"
    path.write_bytes(b"something else altogether, and long enough to be no torn first line\n")
    found = recover(path, story.session, clock, "gateway lost")
    assert found.events == 0
    assert found.kept is not None
    assert found.kept.exists()
    assert not path.exists()


@pytest.mark.parametrize("size", [0, 5])
def test_a_file_without_its_first_line_had_nothing_in_it(tmp_path: Path, story, clock, size: int) -> None:
    writer = JournalWriter.create(tmp_path, story.session)
    writer.close()
    os.truncate(writer.path, size)
    assert recover(writer.path, story.session, clock, "gateway lost").events == 0
    assert not writer.path.exists()


def test_a_body_that_this_version_cannot_read_is_left_alone(tmp_path: Path, story, clock) -> None:
    writer = JournalWriter.create(tmp_path, story.session)
    writer.append(b"\xff\xff")
    writer.close()
    before = writer.path.read_bytes()
    with pytest.raises(JournalFailed, match="cannot read"):
        recover(writer.path, story.session, clock, "gateway lost")
    assert writer.path.read_bytes() == before


async def test_a_record_whose_write_failed_is_ended_when_the_disk_takes_it_again(
    recorder, memory_store, story, clock, monkeypatch
) -> None:
    """INV-3: the session stops, the record keeps what was acknowledged, and its end follows."""
    record = recorder.open(story.session)
    for event in story.whole()[:3]:
        record.append(event)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(JournalFailed, match="No space left on device"):
        record.append(story.finished(1))
    assert not record.usable
    await recorder.shipper.ship()
    await recorder.shipper.ship()
    assert recorder.holds(story.session), "its end could not be written yet"
    assert not recorder.lagging, "the store is well, and other sessions may run"
    monkeypatch.setattr(os, "write", write)
    clock.now += timedelta(seconds=6)
    while await recorder.shipper.ship():
        pass
    await recorder.shipper.ship()
    assert not recorder.holds(story.session)
    batch = memory_store.batches[-1]
    assert (batch.session.ended_because, batch.session.seal is not None) == (UNENDED, True)
    assert batch.statements[-1].outcome == "unknown"
