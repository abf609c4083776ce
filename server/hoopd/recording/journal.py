"""One append-only file for each session, from the event until the store has it.

Events that were added go out in one ``write(2)`` on a descriptor opened with O_APPEND; what ``flush`` has returned from
survives ``kill -9`` of the gateway, and before that it counts for nothing. ``Sync.disk`` also waits for the disk before
a statement may run, which survives a crash of the machine.

A file starts with a line that names its session; then come frames: the body's length (4 bytes), the event's hash
(32 bytes), the body. A last frame that is not whole was never acknowledged, so it may be cut off.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hoopd.domain.errors import LimitExceeded, Unavailable
from hoopd.domain.ids import SessionId
from hoopd.recording import chain
from hoopd.recording.ports import EventRow

SUFFIX = ".journal"
MAX_BODY = 64 * 1024 * 1024
"""Bytes of one event. A statement that is larger cannot be recorded, and so does not run (INV-3, INV-9)."""

_PROBE_BYTES = 4096
_FRAME = struct.Struct(">I32s")


class JournalFailed(Unavailable):
    """One session's journal cannot be written or read, or is not what was written to it."""

    sqlstate = "58030"


class Sync(StrEnum):
    """What an acknowledged event survives: the death of the gateway's process, or also that of the machine."""

    process = "process"
    disk = "disk"


def header(session: SessionId) -> bytes:
    return f"hoop-journal-1 {session}\n".encode()


class JournalWriter:
    """The open end of a journal. After the first failure nothing more is taken: the record must have no gap."""

    def __init__(self, path: Path, descriptor: int, *, size: int, seq: int, head: bytes) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self.size = size
        """Bytes that are whole and acknowledged."""
        self.seq = seq
        """Of the event that was added last."""
        self.head = head
        self._added = bytearray()

    @classmethod
    def create(cls, directory: Path, session: SessionId, sync: Sync = Sync.process) -> JournalWriter:
        """Start the journal of a session; with ``Sync.disk`` the file is on the disk when this returns.

        Raises ``Unavailable``.
        """
        path = directory / f"{session}{SUFFIX}"
        try:
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise _failed(error) from error
        writer = cls(path, descriptor, size=0, seq=0, head=chain.origin(session))
        try:
            writer._write(header(session))
            if sync is Sync.disk:
                os.fsync(descriptor)
                _sync_directory(directory)
        except OSError as error:
            writer.close()
            path.unlink(missing_ok=True)
            raise _failed(error) from error
        return writer

    @classmethod
    def reopen(cls, path: Path, *, size: int, seq: int, head: bytes) -> JournalWriter:
        """Go on behind ``size`` bytes that were found whole; what is behind them is cut off. Raises ``Unavailable``."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            os.ftruncate(descriptor, size)
        except OSError as error:
            raise _failed(error) from error
        return cls(path, descriptor, size=size, seq=seq, head=head)

    def append(self, body: bytes, *, to_disk: bool = False) -> None:
        """Add one event and write it. When this returns, the event is in the file; ``to_disk``: and on the disk.

        Raises what ``add`` and ``flush`` raise.
        """
        self.add(body)
        self.flush(to_disk=to_disk)

    def add(self, body: bytes) -> None:
        """Take one event, to be written by the next ``flush``.

        Raises ``LimitExceeded`` for a body over ``MAX_BODY`` (it is not taken), and ``Unavailable`` where no event is
        taken any more.
        """
        if self._descriptor is None:
            raise Unavailable("The session's journal is closed; nothing can be recorded in it.")
        if len(body) > MAX_BODY:
            raise LimitExceeded(f"The record takes {MAX_BODY} bytes for one event, and this one has {len(body)}.")
        self.head = chain.link(self.head, body)
        self._added += _FRAME.pack(len(body), self.head)
        self._added += body
        self.seq += 1

    @property
    def added(self) -> int:
        """Bytes that are not yet written."""
        return len(self._added)

    def flush(self, *, to_disk: bool = False) -> None:
        """Write what was added.

        Raises ``Unavailable`` when it could not be written: then the file ends where it ended before, and nothing more
        is ever taken.
        """
        if not self._added:
            return
        if self._descriptor is None:
            raise Unavailable("The session's journal is closed; nothing can be recorded in it.")
        added, self._added = bytes(self._added), bytearray()
        size = self.size
        try:
            self._write(added)
            if to_disk:
                os.fdatasync(self._descriptor)
        except OSError as error:
            self._give_up(size)
            raise _failed(error) from error

    @property
    def closed(self) -> bool:
        return self._descriptor is None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None
        written = os.write(self._descriptor, data)
        while written < len(data):  # a disk that is nearly full takes a part, and says why at the next call
            written += os.write(self._descriptor, memoryview(data)[written:])
        self.size += len(data)

    def _give_up(self, size: int) -> None:
        assert self._descriptor is not None
        self.size = size
        with suppress(OSError):  # readers cut an unfinished frame off as well
            os.ftruncate(self._descriptor, size)
        self.close()


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a journal stops making sense. ``torn``: an unfinished last frame, as a killed process leaves it."""

    offset: int
    torn: bool
    what: str


class JournalReader:
    """Reads a journal's frames from the start, as far as they are whole and chained."""

    def __init__(self, path: Path, session: SessionId) -> None:
        self.path = path
        self.session = session
        self.offset = len(header(session))
        self.seq = 0
        self.head = chain.origin(session)
        self.damage: Damage | None = None

    def read(self, *, until: int, at_most: int = 1024 * 1024) -> list[EventRow]:
        """The next whole events, about ``at_most`` bytes of them (one at least), none behind the offset ``until``.

        Empty at the end, or where ``damage`` says that there is one. Raises ``JournalFailed`` when the disk
        refuses.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                return list(self._frames(file.fileno(), until, at_most))
        except OSError as error:
            raise JournalFailed(f"The journal of {self.session} cannot be read: {error.strerror}.") from error

    def _frames(self, descriptor: int, until: int, at_most: int) -> Iterator[EventRow]:
        if self.seq == 0 and os.pread(descriptor, self.offset, 0) != header(self.session):
            self.damage = Damage(0, os.fstat(descriptor).st_size < self.offset, "its first line is not a journal's")
        stop = min(until, self.offset + at_most)
        yield from self._whole_frames(os.pread(descriptor, max(0, stop - self.offset), self.offset))
        while self.damage is None and self.offset < stop:
            frame = self._frame(descriptor, until)
            if frame is not None:
                yield frame

    def _whole_frames(self, piece: bytes) -> Iterator[EventRow]:
        """What ``_frame`` would give of the next ``piece`` of the file, as far as nothing is amiss."""
        at, size = 0, len(piece)
        while size - at >= _FRAME.size:
            length, digest = _FRAME.unpack_from(piece, at)
            begin = at + _FRAME.size
            at = begin + length
            if at > size or length > MAX_BODY:
                return
            body = piece[begin:at]
            if chain.link(self.head, body) != digest:
                return
            self.offset, self.head, self.seq = self.offset + at - begin + _FRAME.size, digest, self.seq + 1
            yield EventRow(self.seq, body, digest)

    def _frame(self, descriptor: int, until: int) -> EventRow | None:
        start = os.pread(descriptor, _FRAME.size, self.offset)
        if len(start) < _FRAME.size or self.offset + _FRAME.size > until:
            self.damage = Damage(self.offset, True, "its last event is not whole")
            return None
        length, digest = _FRAME.unpack(start)
        end = self.offset + _FRAME.size + length
        if length > MAX_BODY:
            self.damage = Damage(self.offset, False, f"an event of {length} bytes cannot be")
            return None
        body = os.pread(descriptor, length, self.offset + _FRAME.size)
        if len(body) < length or end > until:
            self.damage = Damage(self.offset, True, "its last event is not whole")
            return None
        if chain.link(self.head, body) != digest:
            self.damage = Damage(self.offset, end == until, f"event {self.seq + 1} does not match its hash")
            return None
        self.offset, self.head, self.seq = end, digest, self.seq + 1
        return EventRow(self.seq, body, digest)


def journals(directory: Path) -> list[tuple[SessionId, Path]]:
    """The journals that lie in ``directory``."""
    return [(SessionId(path.name.removesuffix(SUFFIX)), path) for path in sorted(directory.glob(f"*{SUFFIX}"))]


def probe_journal(directory: Path) -> None:
    """Write a block in ``directory``, wait until it is on the disk, and take it away. Raises ``JournalFailed``."""
    path = directory / "probe"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.write(descriptor, bytes(_PROBE_BYTES)) < _PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        raise _failed(error) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> JournalFailed:
    return JournalFailed(
        f"The gateway's journal cannot be written: {error.strerror or type(error).__name__}.",
        hint="Nothing runs that cannot be recorded; see the disk of the gateway's data_dir.",
    )
