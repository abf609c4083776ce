"""One journal on its way into the store: reads it forward and makes the batches that are written.

A batch stays until it is acknowledged, so a write whose answer was lost is sent again as it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hoopd.domain.ids import SessionId
from hoopd.recording.codec import decode, micros
from hoopd.recording.index import Derived, StatementIndex
from hoopd.recording.journal import JournalFailed, JournalReader
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import Batch, EventRow, SessionRow

BATCH_BYTES = 128 * 1024
"""Small, since a batch is read and indexed between two turns of the event loop: about ten milliseconds."""


class Tail:
    """``size`` is how far the journal may be read: what its writer has acknowledged."""

    def __init__(self, path: Path, session: SessionId, keys: RecordKeys, *, size: int = 0) -> None:
        self.session = session
        self.path = path
        self.size = size
        self._reader = JournalReader(path, session)
        self._index = StatementIndex()
        self._keys = keys
        self._batch: Batch | None = None
        self._kept = 0
        self._done = False

    @property
    def behind(self) -> bool:
        """Whether there is something that the store does not have."""
        return self._batch is not None or (not self._done and self._reader.offset < self.size)

    @property
    def lag(self) -> int:
        """Bytes of the journal that the store does not have."""
        return self.size - self._kept

    @property
    def done(self) -> bool:
        """Whether the end of the session is in the store, sealed."""
        return self._done and self._batch is None

    def batch(self) -> Batch | None:
        """The batch to be written next, the same one until ``acknowledge``; None when all is written.

        Raises ``JournalFailed`` when the journal cannot be read, or is not what was written to it.
        """
        if self._batch is None and self.behind:
            events = self._reader.read(until=self.size, at_most=BATCH_BYTES)
            damage = self._reader.damage
            if damage is not None:
                raise JournalFailed(f"The journal {self.path} was changed: at byte {damage.offset}, {damage.what}.")
            for event in events:
                self._index.see(decode(event.body))
            self._batch = self._make(events, self._index.take())
        return self._batch

    def acknowledge(self) -> None:
        """The store has the batch."""
        self._batch = None
        self._kept = self._reader.offset
        self._done = self._ended

    @property
    def _ended(self) -> bool:
        session = self._index.session
        return session is not None and session.ended is not None

    def _make(self, events: list[EventRow], changed: list[Derived]) -> Batch:
        rows = tuple(derived.row for derived in changed)
        return Batch(self._session_row(events[-1]), tuple(events), rows)

    def _session_row(self, last: EventRow) -> SessionRow:
        session = self._index.session
        assert session is not None, "the first event of a record is the session's start"
        seal = None
        if session.ended is not None:
            seal = self._keys.seal(session.id, last.seq, last.hash, micros(session.ended))
        return replace(session, gateway=self._keys.id, events=last.seq, head=last.hash, seal=seal)
