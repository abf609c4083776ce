"""The rows that search works on, derived from the events of one session in order.

The shipper writes what this gives; verification derives it again and compares. So it must depend on nothing but the
events. Memory is bounded by the statements that are under way at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import Any

from hoop.v1 import record_pb2 as pb
from hoopd.domain.decision import Outcome
from hoopd.domain.events import StatementOutcome
from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param
from hoopd.recording.codec import moment
from hoopd.recording.ports import Approval, SessionRow, StatementRow

_BIGGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Derived:
    """A row, and the event that made it. ``finished``: no event changes it any more."""

    row: StatementRow
    made_by: int
    finished: bool = False


class _Known:
    """A statement as far as it is told; its row is made when it is taken, since most are told to their end by then."""

    __slots__ = ("finished", "made_by", "row")

    def __init__(self, row: dict[str, Any], made_by: int) -> None:
        self.row, self.made_by, self.finished = row, made_by, False


class StatementIndex:
    """Feed it each event once, in order, with ``see``."""

    def __init__(self) -> None:
        self.session: SessionRow | None = None
        """As the events seen so far tell it; without head, count, gateway and seal, which are not told by events."""
        self.statements = 0
        """How many statements there have been."""
        self._highest = 0
        self._open: dict[int, _Known] = {}
        self._changed: dict[int, _Known] = {}

    def see(self, message: pb.RecordEvent) -> None:
        match message.WhichOneof("body"):
            case "session_started":
                self._session_started(message)
            case "decided":
                self._decided(message)
            case "request_raised":
                self._change(message, message.request_raised.statement, request=_plain(message.request_raised.request))
            case "request_settled":
                settled = message.request_settled
                self._change(
                    message,
                    settled.statement,
                    request=_plain(settled.request),
                    approvals=tuple(_approval(word) for word in settled.words),
                )
            case "finished":
                self._finished(message)
            case "session_ended":
                self._session_ended(message)
            case _:
                pass

    def take(self) -> list[Derived]:
        """The rows that are new or changed since the last call, in order of their statements."""
        changed = sorted(self._changed.items())
        self._changed.clear()
        return [Derived(StatementRow(**known.row), known.made_by, known.finished) for _, known in changed]

    def _session_started(self, message: pb.RecordEvent) -> None:
        started = message.session_started
        self.session = SessionRow(
            id=SessionId(message.session),
            gateway="",
            issuer=_plain(started.issuer),
            subject=_plain(started.subject),
            email=_plain(started.email) or None,
            connection=_plain(started.connection),
            database=_plain(started.database),
            role=_plain(started.role),
            application=_plain(started.application),
            host=_plain(started.host),
            reason=_plain(started.reason),
            started=moment(message.time_us),
            ended=None,
            ended_because=None,
            events=0,
            head=b"",
            seal=None,
        )

    def _session_ended(self, message: pb.RecordEvent) -> None:
        if self.session is not None:
            ended = message.session_ended
            because = _plain(f"{ended.cause}: {ended.message}" if ended.message else ended.cause)
            self.session = replace(self.session, ended=moment(message.time_us), ended_because=because)

    def _decided(self, message: pb.RecordEvent) -> None:
        session, decided = self.session, message.decided
        if session is None:
            return
        if decided.statement > self._highest:
            self._highest = decided.statement
            self.statements += 1
        denied = decided.decision == Outcome.deny.value
        row = {
            "session": session.id,
            "statement": min(decided.statement, _BIGGEST),
            "at": moment(message.time_us),
            "issuer": session.issuer,
            "subject": session.subject,
            "principal": session.principal,
            "connection": session.connection,
            "sql": _plain(decided.sql),
            "params": tuple(_param(param) for param in decided.params),
            "kind": _plain(decided.kind),
            "effects": _plains(decided.effects),
            "decision": _plain(decided.decision),
            "rules": _plains(decided.rules),
            "request": None,
            "approvals": (),
            "outcome": StatementOutcome.denied.value if denied else None,
            "rows": None,
            "duration_ms": None,
            "masked": (),
            "error": _plain(decided.message) if denied else "",
            "changed_by": message.seq,
        }
        known = self._open.get(decided.statement)
        if known is None:
            known = self._open[decided.statement] = _Known(row, message.seq)
        else:  # decided again when it was released: still the same statement
            known.row = row | {each: known.row[each] for each in ("at", "request", "approvals")}
        self._changed[decided.statement] = known

    def _finished(self, message: pb.RecordEvent) -> None:
        finished = message.finished
        known = self._open.pop(finished.statement, None)
        if known is None:
            return
        unseen = finished.outcome == StatementOutcome.unknown.value
        row = known.row
        row["outcome"] = _plain(finished.outcome)
        row["rows"] = min(finished.rows, _BIGGEST) if finished.HasField("rows") else None
        # What never ran took no time that anybody could know; the event has 0 for it.
        row["duration_ms"] = None if unseen or not isfinite(finished.duration_ms) else finished.duration_ms or None
        row["masked"] = _plains(finished.masked)
        row["error"] = _plain(finished.message) or row["error"]
        row["changed_by"] = message.seq
        known.finished = True
        self._changed[finished.statement] = known

    def _change(self, message: pb.RecordEvent, statement: int, **changes: object) -> None:
        known = self._open.get(statement)
        if known is not None:
            known.row.update(changes, changed_by=message.seq)
            self._changed[statement] = known


def _plain(value: str) -> str:
    """As PostgreSQL's text takes it: without NUL. The event itself keeps it."""
    return value.replace("\x00", "\\x00")


def _plains(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(_plain(value) for value in values)


def _param(param: pb.RecordParam) -> Param:
    return Param(_plain(param.type), _plain(param.value) if param.HasField("value") else None, param.masked)


def _approval(word: pb.RecordApproval) -> Approval:
    at: datetime = moment(word.at_us)
    return Approval(_plain(word.verdict), _plain(word.by), _plain(word.comment), at)
