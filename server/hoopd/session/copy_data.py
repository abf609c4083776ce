"""The data of one COPY on its way: its size, its hash, its rows. Nothing is kept of the data itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from hoopd.domain.events import DataCopied
from hoopd.domain.ids import StatementNo
from hoopd.pgwire.errors import ErrorFields

APPROVED_ROWS = 100_000
APPROVED_BYTES = 64 * 1024 * 1024
"""What an approved COPY FROM STDIN may bring: reviewers have not seen it. One that a rule allows has no such bound."""

_SIGNATURE = 11 + 4
"""What a binary stream begins with, and its flags, in bytes."""


class Lines:
    """Counts the lines of text, whose ends are LF, CR LF or CR (documentation, COPY, Text Format)."""

    def __init__(self) -> None:
        self._ends = {b"\n": 0, b"\r": 0}
        self._open = False

    @property
    def found(self) -> int:
        return max(self._ends.values()) + self._open

    def take(self, data: bytes) -> None:
        if data:
            for end in self._ends:
                self._ends[end] += data.count(end)
            self._open = not data.endswith((b"\n", b"\r"))


class BinaryTuples:
    """Counts the tuples of a binary COPY stream, however it is cut (documentation, COPY, Binary Format)."""

    def __init__(self) -> None:
        self.found = 0
        self._head = bytearray()
        self._skip = _SIGNATURE
        self._fields = -1
        """Fields of the tuple that are still to come; -1: the length of the header's extension comes next."""

    def take(self, data: bytes) -> None:
        """The next piece of the stream."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            wanted = 2 if self._fields == 0 else 4
            piece = data[at : at + wanted - len(self._head)]
            self._head += piece
            at += len(piece)
            if len(self._head) == wanted:
                self._next(int.from_bytes(self._head, "big", signed=True))
                self._head.clear()

    def _next(self, value: int) -> None:
        """A length, or the number of fields with which a tuple begins."""
        if self._fields == 0:
            self.found += value >= 0
            self._fields = max(0, value)
        else:
            self._fields = max(0, self._fields - 1)
            self._skip = max(0, value)


@dataclass(slots=True)
class Copied:
    """The data of one COPY so far. ``refusal`` is the error that the client gets in place of PostgreSQL's."""

    incoming: bool
    binary: bool
    size: int = 0
    synced: bool = False
    """A Sync came before any data."""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    refusal: ErrorFields | None = None
    counter: Lines | BinaryTuples | None = None

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        if self.counter is not None:
            self.counter.take(data)

    @property
    def rows(self) -> int:
        """Rows so far, where they are counted. Line ends that CSV quotes count too, so there are no more than this."""
        return self.counter.found if self.counter is not None else 0

    def event(self, statement: StatementNo) -> DataCopied:
        """For the record, once it is over."""
        return DataCopied(statement, self.incoming, self.binary, self.size, self.digest.hexdigest())
