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


@dataclass(slots=True)
class Copied:
    """The data of one COPY so far. ``refusal`` is the error that the client gets in place of PostgreSQL's."""

    incoming: bool
    binary: bool
    size: int = 0
    rows: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    refusal: ErrorFields | None = None
    tuples: BinaryTuples | None = None

    def take(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        if self.tuples is not None:
            self.rows += self.tuples.count(data)
        elif self.incoming:
            self.rows += data.count(b"\n")

    def event(self, statement: StatementNo) -> DataCopied:
        """For the record, once it is over."""
        return DataCopied(statement, self.incoming, self.binary, self.size, self.digest.hexdigest())


class BinaryTuples:
    """Counts the tuples of a binary COPY stream, however it is cut (documentation, COPY, Binary Format)."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._skip = _SIGNATURE
        self._fields = -1
        """Fields of the tuple that are still to come; -1: the length of the header's extension comes next."""

    def count(self, data: bytes) -> int:
        """How many tuples begin in ``data``, the next piece of the stream."""
        found, at = 0, 0
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
                found += self._next(int.from_bytes(self._head, "big", signed=True))
                self._head.clear()
        return found

    def _next(self, value: int) -> int:
        """Take a length or a number of fields; 1 where a tuple begins."""
        if self._fields == -1:
            self._fields, self._skip = 0, max(0, value)
            return 0
        if self._fields == 0:
            self._fields = max(0, value)
            return 1 if value >= 0 else 0
        self._fields -= 1
        self._skip = max(0, value)
        return 0
