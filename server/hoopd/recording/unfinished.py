"""Which statements of a session have no end yet, and the events that end them when nobody else will.

Used where a session ends, and where the journal of a gateway that was killed is found: a statement whose end was not
seen has the outcome ``unknown``, one that was denied was never sent.
"""

from __future__ import annotations

from datetime import datetime

from hoop.v1 import record_pb2 as pb
from hoopd.domain.decision import Outcome
from hoopd.domain.events import SessionEnded, StatementFinished, StatementOutcome
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
        self.last = moment(message.time_us)
        match message.WhichOneof("body"):
            case "decided":
                denied = message.decided.decision == Outcome.deny.value
                self._open[message.decided.statement] = StatementOutcome.denied if denied else StatementOutcome.unknown
            case "started":
                self._open[message.started.statement] = StatementOutcome.unknown
                self._started.add(message.started.statement)
            case "finished":
                self._open.pop(message.finished.statement, None)
                self._started.discard(message.finished.statement)
            case "session_ended":
                self.ended = True
            case _:
                pass

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
