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
            case "finished":
                self._open.pop(message.finished.statement, None)
            case "session_ended":
                self.ended = True
            case _:
                pass

    def ends(self) -> list[StatementFinished]:
        """An end for each statement that has none, in order."""
        return [
            StatementFinished(
                statement=StatementNo(number),
                outcome=outcome,
                tag="",
                rows=None,
                duration_ms=0.0,
                sqlstate="",
                message="" if outcome is StatementOutcome.denied else "its end was not seen",
            )
            for number, outcome in sorted(self._open.items())
        ]

    def closing(self, cause: str, message: str) -> list[StatementFinished | SessionEnded]:
        """All that is still to be written for the record to be whole; empty when it is."""
        return [] if self.ended else [*self.ends(), SessionEnded(cause, message)]
