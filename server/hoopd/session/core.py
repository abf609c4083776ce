"""The state of one session, and the small moves that every part of the machine makes on it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.events import (
    Event,
    NoticeSeen,
    RowsReturned,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.ids import PolicyVersion, RequestId, StatementNo
from hoopd.domain.statement import Param, SessionState
from hoopd.masking.values import MaskContext
from hoopd.pgwire import backend
from hoopd.pgwire.errors import ErrorFields
from hoopd.pgwire.framing import Frame
from hoopd.pgwire.frontend import Bind, Parse
from hoopd.session.commands import Command, End, Finish, Judge, Record, ToClient, ToServer
from hoopd.session.judgement import JudgedStatement, Verdict
from hoopd.session.results import ResultRelay
from hoopd.session.state import Move, Phase, move
from hoopd.session.tables import Description, Expected, Portal, Prepared, Running
from hoopd.sql.named import NOTHING_NAMED, Named

FRAME_BYTES = 100
"""What a frame takes in memory beside its body, about."""

KEPT_NOTICES = 100
NOTICE_CHARACTERS = 2_000
"""Of one statement's notices, and of the words of each: the client gets all of them, the record so many (INV-9)."""


@dataclass(frozen=True, slots=True)
class Savepoint:
    """``serial``: that of the last portal that was made before it."""

    name: str
    serial: int


@dataclass(slots=True)
class Work:
    """The client's message that is being judged or held. ``ticket`` is the question that is open on it."""

    frame: Frame
    text: str
    ticket: int
    parse: Parse | None = None
    bind: Bind | None = None
    prepared: Prepared | None = None
    """What a Bind names, as it was when it was judged."""
    execute: Portal | None = None
    looked_at: Prepared | None = None
    """What a Describe names, or a Bind that the server has to be asked about first."""
    params: tuple[Param, ...] = ()
    param_oids: tuple[int, ...] = ()
    verdict: Verdict | None = None
    numbers: tuple[StatementNo, ...] = ()
    request: RequestId | None = None
    cancelled: bool = False
    types: tuple[int, ...] = ()
    """Of ``parse``, or of what is bound or looked at: oids of users' types that the client gave its parameters."""
    minute: int = 0
    """When the verdict was asked for, as ``Core.minute``."""


@dataclass(slots=True)
class Core:
    """All that a session knows. Only the modules of this package touch it."""

    state: SessionState
    context: MaskContext
    named: Named = NOTHING_NAMED
    """The tables below, as analysis may ask of them."""
    phase: Phase = Phase.opening
    inbox: deque[Frame] = field(default_factory=deque)
    inbox_bytes: int = 0
    expected: deque[Expected] = field(default_factory=deque)
    statements: dict[str, Prepared] = field(default_factory=dict)
    portals: dict[str, Portal] = field(default_factory=dict)
    descriptions: dict[bytes, Description] = field(default_factory=dict)
    work: Work | None = None
    skipping: bool = False
    unsynced: bool = False
    barrier_ahead: bool = False
    limited_ahead: bool = False
    """Something that the policy limits was sent, and its end is not seen."""
    only_read: bool = True
    """Nothing but reads was sent since the server was last ready."""
    read_back_due: bool = False
    masking: bool = False
    names_doubted: bool = False
    """Code has run that could have made statements and cursors by name."""
    savepoints: list[Savepoint] = field(default_factory=list)
    rolled_back: bool = False
    code_ran: bool = False
    """In this transaction: what it put off may run at its end."""
    serials: int = 0
    notice_level: str = "notice"
    """``client_min_messages``, which the gateway's own notices obey. No verdict hangs on it: not part of ``state``."""
    notice_level_local: bool = False
    """The end of this transaction may change it back."""
    policy_version: PolicyVersion | None = None
    minute: int = 0
    """Of the time, where the policy in force hangs on it; else 0. As fine as anything in a policy is."""
    tickets: int = 0
    numbers: int = 0
    out: list[Command] = field(default_factory=list)

    # Moves and output

    def go(self, by: Move) -> None:
        self.phase = move(self.phase, by)

    def emit(self, *commands: Command) -> None:
        self.out.extend(commands)

    def to_client(self, data: bytes) -> None:
        self.out.append(ToClient(data))

    def to_server(self, data: bytes) -> None:
        self.out.append(ToServer(data))

    def record(self, event: Event) -> None:
        self.out.append(Record(event))

    def ask(self, work: Work) -> None:
        """Ask for the verdict on the client's message."""
        self.work = work
        self.go(Move.judge)
        self.put_question(work)

    def put_question(self, work: Work) -> None:
        """Ask for the verdict on ``work`` as of now."""
        work.minute = self.minute
        self.emit(Judge(work.ticket, work.text, self.state, self.named, work.types))

    def ticket(self) -> int:
        self.tickets += 1
        return self.tickets

    def next_serial(self) -> int:
        self.serials += 1
        return self.serials

    def number(self) -> StatementNo:
        self.numbers += 1
        return StatementNo(self.numbers)

    def end(self, cause: str, message: str, *, sqlstate: str | None = None) -> None:
        """Close the session; with ``sqlstate`` the client is told first, as by a FATAL error."""
        if self.phase is Phase.ended:
            return
        if sqlstate is not None:
            self.to_client(backend.make_error(ErrorFields("FATAL", sqlstate, message)))
        for number in self.work.numbers if self.work is not None else ():
            self.record(StatementFinished(number, StatementOutcome.cancelled, "", None, 0.0, "", message))
        self.finish_all(StatementOutcome.unknown, "the session ended before the statement's end was seen")
        self.go(Move.end)
        self.emit(End(cause, message))

    # The inbox: what the client sent ahead of what is being done

    def put(self, frame: Frame) -> None:
        self.inbox.append(frame)
        self.inbox_bytes += _weight(frame)

    def take(self) -> Frame:
        frame = self.inbox.popleft()
        self.inbox_bytes -= _weight(frame)
        return frame

    def put_back(self, frame: Frame) -> None:
        self.inbox.appendleft(frame)
        self.inbox_bytes += _weight(frame)

    # Statements

    def decided(self, work: Work, *, only_denied: bool = False) -> None:
        """Record the decision on every statement of ``work``, giving each its number."""
        verdict = work.verdict
        assert verdict is not None
        work.numbers = tuple(self.number() for _ in verdict.statements)
        for number, judged in zip(work.numbers, verdict.statements, strict=True):
            decision = verdict.decision if only_denied or _strictest_of_batch(verdict, judged) else judged.decision
            self.record(_decided(number, judged, decision, work.params))

    def start(self, number: StatementNo, judged: JudgedStatement, request: RequestId | None) -> Running:
        """Record that a statement is about to run (INV-3), and give what relays its result."""
        self.record(StatementStarted(number))
        relay = ResultRelay(judged.plan, judged.facts.kind, self.context)
        return Running(number, judged, relay, request)

    def rows_due(self, running: Running, *, last: bool) -> None:
        chunk = running.relay.take_chunk(last=last)
        if chunk is not None:
            columns, rows, not_kept = chunk
            self.record(RowsReturned(running.number, columns, rows, not_kept))

    def noticed(self, running: Running, fields: ErrorFields) -> None:
        """Record a notice as the client was given it."""
        if running.ended or running.notices >= KEPT_NOTICES:
            return
        running.notices += 1
        words = (
            fields.message if running.notices < KEPT_NOTICES else "more notices went to the client and were not kept"
        )
        self.record(NoticeSeen(running.number, fields.severity, fields.sqlstate, words[:NOTICE_CHARACTERS]))

    def finish(
        self, running: Running, outcome: StatementOutcome, *, tag: str = "", sqlstate: str = "", message: str = ""
    ) -> None:
        """Record the end of a statement, once. The interpreter fills in the duration."""
        if running.ended:
            return
        running.ended = True
        self.rows_due(running, last=True)
        if running.copied is not None:
            self.record(running.copied.event(running.number))
        rows = backend.rows_of_tag(tag) if tag else (running.relay.rows or None)
        masked = tuple(str(column) for column in running.judged.plan.masked) if running.relay.rows else ()
        self.record(StatementFinished(running.number, outcome, tag, rows, 0.0, sqlstate, message, masked))
        if running.request is not None:
            self.emit(Finish(running.request))

    def finish_all(self, outcome: StatementOutcome, message: str) -> None:
        """Record the end of every statement that is under way."""
        for running in self.under_way():
            self.finish(running, outcome, message=message)

    def under_way(self) -> list[Running]:
        portals = list(self.portals.values())
        for expected in self.expected:
            portals += [one for one in (getattr(expected, each, None) for each in ("portal", "replaced")) if one]
        from_portals = [portal.running for portal in portals if portal.running is not None]
        from_queries = [r for expected in self.expected for r in getattr(expected, "running", ())]
        return list({id(r): r for r in (*from_portals, *from_queries) if not r.ended}.values())

    def set_state(self, **changes: object) -> None:
        """The same object where nothing changes: verdicts are looked up by it."""
        if any(getattr(self.state, name) != value for name, value in changes.items()):
            self.state = replace(self.state, **changes)  # type: ignore[arg-type]


def _weight(frame: Frame) -> int:
    """A million of empty frames is not nothing (INV-9)."""
    return len(frame.body) + FRAME_BYTES


def _strictest_of_batch(verdict: Verdict, judged: JudgedStatement) -> bool:
    """A batch runs or falls as a whole: what is held or denied for one statement is so for all."""
    return verdict.decision.outcome is not Outcome.allow and judged.decision.outcome is Outcome.allow


def _decided(
    number: StatementNo, judged: JudgedStatement, decision: Decision, params: tuple[Param, ...]
) -> StatementDecided:
    summary = judged.summary
    return StatementDecided(
        statement=number,
        sql=judged.sql,
        params=params,
        kind=summary.kind,
        effects=summary.effects,
        accesses=summary.accesses,
        decision=decision.outcome,
        rules=decision.rules,
        message=decision.message or "",
        policy_version=decision.policy_version,
    )
