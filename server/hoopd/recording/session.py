"""The record of one session, as the part that runs the session sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hoopd.domain.events import Event, SessionEnded, SessionStarted, StatementStarted
from hoopd.domain.ids import SessionId
from hoopd.recording.journal import JournalWriter, Sync
from hoopd.recording.unfinished import Unfinished
from hoopd.recording.wire import body_of

MOST_ADDED = 256 * 1024
"""Bytes of events that wait for ``commit``; at this they are written without it (INV-9)."""


class SessionRecord:
    """Appends the events of one session. Made by ``Recorder.open``.

    The first event is ``SessionStarted``, the last ``SessionEnded``; statements that have no end by then are given one:
    ``unknown``, or ``denied`` or ``cancelled`` where they never ran. Times never go back, whatever the clock does.
    """

    def __init__(
        self,
        session: SessionId,
        writer: JournalWriter,
        clock: Callable[[], datetime],
        sync: Sync,
        *,
        ready: Callable[[], None],
        written: Callable[[], None],
    ) -> None:
        self.session = session
        self._writer = writer
        self._clock = clock
        self._sync = sync
        self._ready = ready
        self._written = written
        self._unfinished = Unfinished()
        self._to_disk = False

    @property
    def usable(self) -> bool:
        """Whether events are still taken: not ended, and no write has failed."""
        return not self._writer.closed

    def append(self, event: Event) -> None:
        """``note`` and ``commit``: the event survives ``kill -9`` of the gateway when this returns."""
        self.note(event)
        self.commit()

    def note(self, event: Event) -> None:
        """Take one event, which counts for nothing before ``commit``: until then nothing may go out that depends on it.

        Raises ``LimitExceeded`` for an event too large to be recorded (it was not taken, the session can go on), and
        ``Unavailable`` for ``StatementStarted`` and ``SessionStarted`` when the store is away for longer than
        ``journal.max_lag`` (it was not taken: deny the statement, INV-2), or as ``commit`` does. In each case the
        statement must not run (INV-3).
        """
        kind = type(event)
        if (kind is SessionStarted) != (self._writer.seq == 0):
            raise ValueError("a record starts with SessionStarted, and has only one")
        if kind is StatementStarted or kind is SessionStarted:
            self._ready()
        if isinstance(event, SessionEnded):
            for each in self._unfinished.closing(event, lost=False):
                self._note(each)
        else:
            self._note(event)
        if self._writer.added > MOST_ADDED:
            self.commit()

    def commit(self) -> None:
        """Write what was noted, synchronously: it survives ``kill -9`` of the gateway when this returns.

        Raises ``Unavailable`` when it cannot be written: then nothing more ever is, so end the session.
        """
        if not self._writer.added:
            return
        to_disk, self._to_disk = self._to_disk, False
        try:
            self._writer.flush(to_disk=to_disk)
        finally:
            if self._unfinished.ended:
                self._writer.close()
            self._written()

    def close(self) -> None:
        """Let go of the record. One that was not ended is ended by the recorder (or removed, when it is empty)."""
        self._writer.close()
        self._written()

    def _note(self, event: Event) -> None:
        at = event.at if isinstance(event, SessionStarted) else self._clock()
        last = self._unfinished.last
        if last is not None and last > at:
            at = last
        self._writer.add(body_of(self.session, self._writer.seq + 1, at, event))
        if self._sync is Sync.disk and isinstance(event, StatementStarted | SessionEnded):
            self._to_disk = True
        self._unfinished.note(event, at)
