"""The journal: acknowledged means readable, after kill -9, a full disk and a torn tail (INV-3)."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.recording import chain
from hoopd.recording.journal import JournalFailed, JournalReader, JournalWriter, Sync, header, journals, probe_journal

SESSION = "s-4kq7aaaabbbb"

KILLED = """
    import os, sys
    from pathlib import Path
    from hoopd.recording.journal import JournalWriter
    writer = JournalWriter.create(Path(sys.argv[1]), "s-4kq7aaaabbbb")
    number = 0
    while True:
        number += 1
        writer.append(b"event %d " % number + b"x" * (number % 700))
        os.write(1, b"%d\\n" % number)
"""

FULL = """
    import resource, sys
    from pathlib import Path
    from hoopd.domain.errors import Unavailable
    from hoopd.recording.journal import JournalWriter
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    writer = JournalWriter.create(Path(sys.argv[1]), "s-4kq7aaaabbbb")
    taken = 0
    try:
        while True:
            writer.append(b"x" * 999)
            taken += 1
    except Unavailable as error:
        print(taken, writer.size, writer.closed, error.message, sep="|")
    try:
        writer.append(b"y")
    except Unavailable as error:
        print(error.message)
"""


def run(program: str, directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(directory)], stdout=subprocess.PIPE)


def read_all(path: Path) -> tuple[list[bytes], JournalReader]:
    reader = JournalReader(path, SESSION)
    bodies = []
    while events := reader.read(until=path.stat().st_size):
        bodies += [event.body for event in events]
    return bodies, reader


@pytest.mark.parametrize("after", [1, 50, 777])
def test_everything_acknowledged_is_readable_after_kill_9(tmp_path: Path, after: int) -> None:
    """INV-3: no event that append returned from is lost, whenever the process dies."""
    process = run(KILLED, tmp_path)
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= after:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split(b"\n")[:-1]
    process.stdout.close()
    process.wait()
    acknowledged = int(rest[-1]) if rest else acknowledged
    bodies, _ = read_all(tmp_path / f"{SESSION}.journal")
    assert len(bodies) >= acknowledged >= after
    assert bodies[acknowledged - 1].startswith(b"event %d " % acknowledged)


def test_a_full_disk_is_unavailable_and_the_journal_takes_no_more(tmp_path: Path) -> None:
    """INV-2, INV-3: the part that still fitted is cut off, and nothing is written behind a gap."""
    process = run(FULL, tmp_path)
    out, _ = process.communicate()
    first, second = out.decode().splitlines()
    taken, size, closed, message = first.split("|")
    assert message == "The gateway's journal cannot be written: File too large."
    assert closed == "True"
    assert "closed" in second
    path = tmp_path / f"{SESSION}.journal"
    assert path.stat().st_size == int(size)
    bodies, reader = read_all(path)
    assert len(bodies) == int(taken) == 9
    assert reader.damage is None


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
    writer.append(b"a body that does not fit into seven bytes")
    monkeypatch.undo()
    assert read_all(writer.path)[0] == [b"a body that does not fit into seven bytes"]
    writer.close()


@pytest.mark.parametrize(("sync", "waits"), [(Sync.process, 0), (Sync.disk, 2)])
def test_a_new_journal_waits_for_the_disk_where_events_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: Sync, waits: int
) -> None:
    """For the file and for its name; all sessions would wait with the new one."""
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(1), fsync(descriptor)))
    JournalWriter.create(tmp_path, SESSION, sync).close()
    assert len(synced) == waits


def test_one_event_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    written: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        written.append(bytes(data))
        return len(data)

    monkeypatch.setattr(os, "write", write)
    writer.append(b"one")
    monkeypatch.undo()
    assert len(written) == 1
    assert written[0].endswith(b"one")
    writer.close()


def test_events_that_were_added_are_one_write_and_nothing_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    for body in (b"one", b"two", b"three"):
        writer.add(body)
    assert writer.added
    assert read_all(writer.path)[0] == []
    written: list[int] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda *given: (written.append(1), write(*given))[1])
    writer.flush()
    writer.flush()
    monkeypatch.undo()
    assert len(written) == 1
    assert read_all(writer.path)[0] == [b"one", b"two", b"three"]
    assert not writer.added
    writer.close()
    with pytest.raises(Unavailable):
        writer.add(b"four")


def test_a_write_that_fails_takes_back_all_that_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-3: of events that were noted together none is there alone."""
    writer = JournalWriter.create(tmp_path, SESSION)
    writer.append(b"one")
    writer.add(b"two")
    writer.add(b"three")
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data)[:45])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(Unavailable, match="No space left"):
        writer.flush()
    monkeypatch.undo()
    assert read_all(writer.path)[0] == [b"one"]
    with pytest.raises(Unavailable):
        writer.add(b"four")


@pytest.mark.parametrize("cut", [1, 3, 20, 38])
def test_a_torn_tail_is_told_from_damage(tmp_path: Path, cut: int) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    writer.append(b"one")
    whole = writer.size
    writer.append(b"two")
    writer.close()
    os.truncate(writer.path, writer.size - cut)
    bodies, reader = read_all(writer.path)
    assert bodies == [b"one"]
    assert reader.damage is not None
    assert (reader.damage.torn, reader.damage.offset) == (True, whole)


def test_an_event_changed_in_the_middle_is_damage(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    for body in (b"one", b"two", b"three"):
        writer.append(body)
    writer.close()
    writer.path.write_bytes(writer.path.read_bytes().replace(b"two", b"TWO"))
    bodies, reader = read_all(writer.path)
    assert bodies == [b"one"]
    assert reader.damage is not None
    assert not reader.damage.torn
    assert "event 2" in reader.damage.what


def test_a_journal_of_another_session_is_damage(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, "s-another")
    writer.append(b"one")
    writer.close()
    reader = JournalReader(writer.path, SESSION)
    assert reader.read(until=writer.size) == []
    assert reader.damage is not None


def test_reading_is_bounded_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """INV-9."""
    writer = JournalWriter.create(tmp_path, SESSION)
    for number in range(10):
        writer.append(bytes([number]) * 100)
    reader = JournalReader(writer.path, SESSION)
    portions = []
    while events := reader.read(until=writer.size, at_most=250):
        portions.append(len(events))
    assert portions == [2] * 5
    assert reader.read(until=writer.size) == []
    writer.append(b"more")
    assert [event.body for event in reader.read(until=writer.size)] == [b"more"]
    writer.close()


def test_what_is_behind_until_is_not_read(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    writer.append(b"one")
    size = writer.size
    writer.append(b"two")
    assert [event.body for event in JournalReader(writer.path, SESSION).read(until=size)] == [b"one"]
    writer.close()


def test_to_disk_waits_for_the_disk_and_its_failure_takes_the_event_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    writer.append(b"one")
    assert not synced
    writer.append(b"two", to_disk=True)
    assert len(synced) == 1

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Unavailable, match="Input/output error"):
        writer.append(b"three", to_disk=True)
    assert read_all(writer.path)[0] == [b"one", b"two"]


def test_a_session_has_one_journal(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    with pytest.raises(JournalFailed, match="File exists"):
        JournalWriter.create(tmp_path, SESSION)
    assert journals(tmp_path) == [(SESSION, writer.path)]
    writer.close()


def test_reopening_cuts_off_what_is_not_whole(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    writer.append(b"one")
    writer.close()
    with writer.path.open("ab") as file:
        file.write(b"torn")
    again = JournalWriter.reopen(writer.path, size=writer.size, seq=1, head=writer.head)
    again.append(b"two")
    again.close()
    assert read_all(writer.path)[0] == [b"one", b"two"]


def test_the_first_event_is_linked_to_its_session(tmp_path: Path) -> None:
    writer = JournalWriter.create(tmp_path, SESSION)
    assert writer.path.read_bytes() == header(SESSION)
    writer.append(b"one")
    assert writer.head == chain.link(chain.origin(SESSION), b"one")
    assert writer.head != chain.link(chain.origin("s-another"), b"one")
    writer.close()


def test_a_probe_of_the_disk_leaves_nothing_and_says_what_fails(tmp_path: Path, monkeypatch) -> None:
    probe_journal(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(JournalFailed, match="cannot be written: No such file or directory"):
        probe_journal(tmp_path / "gone")
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data) - 1)
    with pytest.raises(JournalFailed, match="cannot be written: No space left on device"):
        probe_journal(tmp_path)
    assert list(tmp_path.iterdir()) == []
