"""The record of one session, as the part that runs the session sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from hoopd.domain.events import Event, SessionEnded, SessionStarted, StatementStarted
from hoopd.domain.ids import SessionId
from hoopd.recording.codec import message_of
from hoopd.recording.journal import JournalWriter, Sync
from hoopd.recording.unfinished import Unfinished


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

    @property
    def usable(self) -> bool:
        """Whether events are still taken: not ended, and no write has failed."""
        return not self._writer.closed

    def append(self, event: Event) -> None:
        """Write one event to the journal, synchronously; it survives ``kill -9`` of the gateway when this returns.

        Raises ``Unavailable`` when it cannot be written (then nothing more ever is: end the session), and for
        ``StatementStarted`` and ``SessionStarted`` also when the store is away for longer than ``journal.max_lag``
        (then nothing was written: deny the statement, INV-2). Raises ``LimitExceeded`` for an event too large to be
        recorded (nothing was written, the session can go on). In each case the statement must not run (INV-3).
        """
        if isinstance(event, SessionStarted) != (self._writer.seq == 0):
            raise ValueError("a record starts with SessionStarted, and has only one")
        if isinstance(event, SessionStarted | StatementStarted):
            self._ready()
        try:
            for each in self._unfinished.closing(event, lost=False) if isinstance(event, SessionEnded) else [event]:
                self._write(each)
        finally:
            if self._unfinished.ended:
                self._writer.close()
            self._written()

    def close(self) -> None:
        """Let go of the record. One that was not ended is ended by the recorder (or removed, when it is empty)."""
        self._writer.close()
        self._written()

    def _write(self, event: Event) -> None:
        at = event.at if isinstance(event, SessionStarted) else self._clock()
        if self._unfinished.last is not None:
            at = max(at, self._unfinished.last)
        message = message_of(self.session, self._writer.seq + 1, at, event)
        to_disk = self._sync is Sync.disk and isinstance(event, StatementStarted | SessionEnded)
        self._writer.append(message.SerializeToString(deterministic=True), to_disk=to_disk)
        self._unfinished.see(message)
