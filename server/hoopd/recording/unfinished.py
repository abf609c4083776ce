"""Which statements of a session have no end yet, and the events that end them when nobody else will.

Used where a session ends, and where the journal of a gateway that was killed is found: a statement whose end was not
seen has the outcome ``unknown``, one that was denied was never sent.
"""

from __future__ import annotations

from datetime import datetime

from hoop.v1 import record_pb2 as pb
from hoopd.domain.decision import Outcome
from hoopd.domain.events import (
    Event,
    SessionEnded,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.ids import StatementNo
from hoopd.recording.codec import moment


class Unfinished:
    """Follows the events of one session. Bounded by the statements that are under way at once."""

    def __init__(self) -> None:
        self._open: dict[int, StatementOutcome] = {}
        self._started: set[int] = set()
        self.last: datetime | None = None
        self.ended = False

    def see(self, message: pb.RecordEvent) -> None:
        """An event that was read."""
        self.last = moment(message.time_us)
        match message.WhichOneof("body"):
            case "decided":
                self._decided(message.decided.statement, denied=message.decided.decision == Outcome.deny.value)
            case "started":
                self._begun(message.started.statement)
            case "finished":
                self._finished(message.finished.statement)
            case "session_ended":
                self.ended = True
            case _:
                pass

    def note(self, event: Event, at: datetime) -> None:
        """An event that happens now."""
        self.last = at
        match event:
            case StatementDecided():
                self._decided(event.statement, denied=event.decision is Outcome.deny)
            case StatementStarted():
                self._begun(event.statement)
            case StatementFinished():
                self._finished(event.statement)
            case SessionEnded():
                self.ended = True
            case _:
                pass

    def _decided(self, number: int, *, denied: bool) -> None:
        self._open[number] = StatementOutcome.denied if denied else StatementOutcome.unknown

    def _begun(self, number: int) -> None:
        self._open[number] = StatementOutcome.unknown
        self._started.add(number)

    def _finished(self, number: int) -> None:
        self._open.pop(number, None)
        self._started.discard(number)

    def closing(self, end: SessionEnded, *, lost: bool) -> list[StatementFinished | SessionEnded]:
        """All that is still to be written for the record to be whole: an end for each statement, then ``end``.

        Empty when the record has its end. ``lost``: what was written last may be missing (a machine that crashed),
        so that a statement of which no start is known may have run all the same.
        """
        if self.ended:
            return []
        return [*(self._end(number, outcome, lost) for number, outcome in sorted(self._open.items())), end]

    def _end(self, number: int, outcome: StatementOutcome, lost: bool) -> StatementFinished:
        message = "its end was not seen"
        if outcome is StatementOutcome.denied:
            message = ""
        elif not lost and number not in self._started:
            outcome, message = StatementOutcome.cancelled, "the session ended before it ran"
        return StatementFinished(StatementNo(number), outcome, "", None, 0.0, "", message)
