"""A journal as batches: in order, the same one until it is acknowledged, sealed with the last."""

import pytest

from hoopd.recording.journal import JournalFailed
from hoopd.recording.tail import Tail


@pytest.fixture
def tail(recorder, story, keys, tmp_path) -> Tail:
    record = recorder.open(story.session)
    for event in story.whole():
        record.append(event)
    path = tmp_path / "journal" / f"{story.session}.journal"
    return Tail(path, story.session, keys, size=path.stat().st_size)


def test_a_batch_stays_until_it_is_acknowledged(tail: Tail) -> None:
    batch = tail.batch()
    assert batch is not None
    assert tail.batch() is batch
    assert tail.behind
    assert not tail.done
    tail.acknowledge()
    assert tail.done
    assert not tail.behind
    assert tail.batch() is None


def test_nothing_behind_what_was_acknowledged_is_read(recorder, story, keys, tmp_path) -> None:
    record = recorder.open(story.session)
    record.append(story.start())
    path = tmp_path / "journal" / f"{story.session}.journal"
    tail = Tail(path, story.session, keys, size=path.stat().st_size)
    record.append(story.decided(1, "SELECT 1"))
    batch = tail.batch()
    assert batch is not None
    assert [event.seq for event in batch.events] == [1]
    tail.acknowledge()
    assert not tail.behind
    tail.size = path.stat().st_size
    assert tail.behind
    record.close()


def test_only_the_end_is_sealed(tail: Tail, keys, monkeypatch) -> None:
    monkeypatch.setattr("hoopd.recording.tail.BATCH_BYTES", 1)
    seals = []
    while (batch := tail.batch()) is not None:
        seals.append(batch.session.seal)
        assert (batch.session.events, batch.session.head) == (batch.events[-1].seq, batch.events[-1].hash)
        tail.acknowledge()
    assert seals[:-1] == [None] * 12
    assert seals[-1] is not None


def test_a_journal_that_was_changed_is_not_shipped(tail: Tail) -> None:
    """THREATS 24."""
    tail.path.write_bytes(tail.path.read_bytes().replace(b"DELETE", b"SELECT"))
    with pytest.raises(JournalFailed, match="was changed"):
        tail.batch()


def test_the_lag_is_what_was_not_acknowledged(tail: Tail) -> None:
    assert tail.lag == tail.size > 0
    tail.batch()
    assert tail.lag == tail.size, "a batch that was made is not yet in the store"
    tail.acknowledge()
    assert tail.lag == 0
