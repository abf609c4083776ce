"""One conversation: a client, a database and people who answer when they like, around one session machine.

Everything that happens comes from ``choose``, so that the seed of it tells the conversation again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome, ReviewTerms, Seats
from hoopd.domain.ids import PolicyVersion, RequestId, StatementNo
from hoopd.domain.limits import NO_LIMITS, Limits
from hoopd.domain.principal import Principal
from hoopd.domain.request import RequestState
from hoopd.domain.statement import SessionState
from hoopd.masking.values import MaskContext
from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import FrameReader
from hoopd.policy.loading import load
from hoopd.policy.matching import Circumstances
from hoopd.session import commands, events, limits
from hoopd.session.client import MAX_INBOX_BYTES
from hoopd.session.judgement import PolicyInForce, Verdict, judge
from hoopd.session.machine import SessionMachine
from hoopd.session.state import Phase
from hoopd.sql.catalog import Catalog, Column, Relation
from hoopd.sql.named import NOTHING_NAMED, Named
from tests.fuzz.client_messages import Client
from tests.fuzz.model_server import ModelServer, frames_of, normal
from tests.fuzz.oracle import Finding, Oracle

STATE = SessionState(search_path="public", role="none", user="service", transaction="I", server_version=180006)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = ReviewTerms((Seats("rule", frozenset({"dba"}), 1),), timedelta(minutes=4), timedelta(minutes=30))
ALLOW_ALL = """
version: 1
rules:
  - name: all
    match: {effects: [read, write, ddl, privilege, session, transaction, lock, maintenance, external, opaque]}
    then: allow
"""
MASKS = 'masks:\n  - {columns: ["public.people.card"], with: full, predicates: deny}\n'
POLICIES = {False: load(ALLOW_ALL, "fuzz"), True: load(ALLOW_ALL + MASKS, "fuzz")}
CATALOG = Catalog(
    {
        ("public", "people"): Relation(20001, "public", "people", "r", (Column("id", 20), Column("card", 25))),
        ("public", "things"): Relation(20002, "public", "things", "r", (Column("id", 20), Column("name", 25))),
    },
    frozenset({"public", "pg_catalog", "information_schema"}),
    fingerprint="one",
)
CIRCUMSTANCES = Circumstances(
    Principal("iss", "alice", "alice@example.com", frozenset(), frozenset(), datetime(2100, 1, 1, tzinfo=UTC)),
    Connection("db", "h", 5432, "d"),
)
SOON = timedelta(seconds=1)
LARGEST_MESSAGE = 2_000
MOST_STEPS = 2_000
KEPT_TRACE = 400


@lru_cache(maxsize=20_000)
def judged(text: str, state: SessionState, masking: bool) -> Verdict:
    """The real verdict where everything that the gateway can judge is allowed."""
    return judged_now(text, state, masking, NOTHING_NAMED)


def judged_now(text: str, state: SessionState, masking: bool, named: Named) -> Verdict:
    in_force = PolicyInForce(POLICIES[masking], PolicyVersion(1))
    return judge(text, state, CATALOG, in_force, CIRCUMSTANCES, b"k" * 32, named)


@dataclass
class Conversation:
    """``run`` plays it to its end. ``weights`` of allow, review, deny and no answer."""

    choose: random.Random
    tricks: frozenset[str] = frozenset()
    trace: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_TRACE))

    def __post_init__(self) -> None:
        choose = self.choose
        self.lying = choose.random() < 0.15
        self.masking = choose.random() < 0.15
        self.quick = choose.random() < 0.3
        self.weights = choose.choice(((90, 5, 3, 2), (50, 30, 15, 5), (20, 70, 5, 5)))
        self.version = PolicyVersion(1)
        self.oracle = Oracle(honest=not self.lying)
        self.server = ModelServer(choose, self.oracle, tricks=self.tricks, lying=self.lying)
        self.machine = SessionMachine(STATE, MaskContext(b"k" * 32))
        self.reader = FrameReader(LARGEST_MESSAGE)
        self.unsent = Client(choose).stream()
        self.questions: list[Callable[[], events.Event | None]] = []
        self.old: list[events.Event] = []
        # As the gateway keeps verdicts: the same question has the same object for its answer.
        self.kept: dict[tuple[int, Outcome, PolicyVersion, Limits], tuple[Verdict, Verdict]] = {}
        self.timed: list[StatementNo] = []
        self.limits = choose.choice(
            (NO_LIMITS, NO_LIMITS, Limits(changed_rows=4), Limits(rows=2), Limits(2, 20, 4, SOON))
        )
        self.closes = choose.random() < 0.3
        self.closed = False

    def run(self) -> None:
        """Raises Finding, or whatever the machine lets out."""
        self._carry_out(self.machine.open())
        for _ in range(MOST_STEPS):
            steps = self._possible()
            if not steps:
                break
            self.choose.choice(steps)()
            if self.choose.random() < 0.02:
                self._something_else()
            self._check_bounds()
            self._check_tables()
            if self.machine.phase is Phase.ended:
                break
        self._check_end()

    def _possible(self) -> list[Callable[[], None]]:
        steps: list[Callable[[], None]] = []
        if self.unsent and self.machine.inbox_bytes <= MAX_INBOX_BYTES:
            steps += [self._client_sends]
        if self.server.todo:
            steps += [self.server.work] * (3 if self.quick else 1)
        if self.server.out:
            steps += [self._server_says] * (3 if self.quick else 1)
        if self.questions:
            steps += [self._answer] * (3 if self.quick else 1)
        return steps

    # What happens

    def feed(self, event: events.Event) -> None:
        self._feed([event], lambda: self.machine.receive(event))

    def _feed(self, told: Sequence[events.Event], receive: Callable[[], list[commands.Command]]) -> None:
        self.oracle.policy = self.version
        self.machine.note_policy(self.version)
        for event in told:
            self.trace.append(f"<< {_shown(event)}")
            self.oracle.told(event)
        ended = self.machine.phase is Phase.ended
        out = receive()
        last = told[-1] if told else None
        if out and isinstance(last, events.Judged) and last.verdict.masking:  # a late one says nothing
            self.oracle.masking = True
        if ended and out:
            raise Finding(f"said after the end: {out}")
        self._carry_out(out)

    def _carry_out(self, out: list[commands.Command]) -> None:
        for command in out:
            self.trace.append(f"   >> {_shown(command)}")
            for frame, authority in self.oracle.wants(command):
                self.server.receive(frame, authority)
            match command:
                case commands.Judge(ticket=ticket, text=text, state=state, named=named):
                    self.questions.append(lambda: self._verdict(ticket, text, state, named))
                case commands.Raise(ticket=ticket):
                    self.questions.append(lambda: self._raised(ticket))
                case commands.Consume(ticket=ticket):
                    self.questions.append(lambda: events.Consumed(ticket, self.choose.random() < 0.9))
                case commands.CancelServer():
                    self.server.cancel()
                case commands.Time(statement=number):
                    self.timed.append(number)
                case commands.End(message=message):
                    if "internal error" in message and not self.lying:
                        raise Finding(f"the session ends: {message}")
                case commands.ToClient(data=data):
                    if b"XX000" in data and not self.lying:
                        raise Finding(f"the client is told of a defect: {data!r}")
                case _:
                    pass

    def _client_sends(self) -> None:
        size = self.choose.choice((1, 5, 40, 400, len(self.unsent)))
        data, self.unsent = self.unsent[:size], self.unsent[size:]
        try:
            frames = list(self.reader.feed(data))
            if frames and self.choose.random() < 0.5:
                self._feed([events.ClientSent(frame) for frame in frames], lambda: self.machine.client_sent(frames))
            else:
                for frame in frames:
                    self.feed(events.ClientSent(frame))
        except WireError as problem:
            self.unsent = b""
            self.feed(events.EndAsked("client", problem.sqlstate, problem.message))
        if not self.unsent and self.closes:
            self.closed = True
            self.feed(events.ClientClosed())

    def _server_says(self) -> None:
        count = min(len(self.server.out), self.choose.choice((1, 2, 20)))
        together = self.choose.random() < 0.5
        if together:
            frames = [frame for _ in range(count) for frame in frames_of(self.server.out.popleft())]
            as_read = list(FrameReader(1 << 26, rows=True).feed(b"".join(frame.data for frame in frames)))
            self._feed([events.ServerSent(frame) for frame in frames], lambda: self.machine.server_sent(as_read))
            return
        for _ in range(count):
            for frame in frames_of(self.server.out.popleft()):
                self.feed(events.ServerSent(frame))

    def _answer(self) -> None:
        event = self.questions.pop(self.choose.randrange(len(self.questions)))()
        if event is not None:
            self.old.append(event)
            self.feed(event)

    def _something_else(self) -> None:
        """What comes from nowhere: a cancel, an answer twice, another policy, an end."""
        match self.choose.randrange(12):
            case 0 | 1 | 2 | 3:
                self.feed(events.CancelAsked())
            case 4 | 5 | 6:
                self.version = PolicyVersion(int(self.version) + 1)
                self.trace.append(f"-- policy {self.version}")
            case 7 | 8 | 9:
                if self.old:
                    self._once_more(self.choose.choice(self.old))
            case 10:
                self.feed(self.choose.choice((events.ClientGone(), events.ServerGone("lost"))))
            case 11 if self.timed:
                self.feed(events.TimeUp(self.choose.choice(self.timed)))
            case _:
                self.feed(events.EndAsked("gateway", "57P01", "stopping"))

    def _once_more(self, event: events.Event) -> None:
        """A late answer, to a question that is not open any more: nothing may come of it."""
        if self.machine._core.work is not None and self.machine._core.work.ticket == event.ticket:
            return
        self.trace.append(f"<< late {_shown(event)}")
        out = self.machine.receive(event)
        if out:
            raise Finding(f"a late answer is heeded: {out}")

    # Answers

    def _verdict(self, ticket: int, text: str, state: SessionState, named: Named) -> events.Event:
        by_name = "execute" in text.lower() or "fetch" in text.lower()
        found = judged_now(text, state, self.masking, named) if by_name else judged(text, state, self.masking)
        outcome = self.choose.choices((Outcome.allow, Outcome.review, Outcome.deny, None), self.weights)[0]
        if outcome is None:
            return events.JudgingFailed(ticket, "58000", "the catalog cannot be read")
        if not found.statements:
            outcome = Outcome.allow
        key = (id(found), outcome, self.version, self.limits)
        if key not in self.kept or by_name:
            self.kept[key] = found, _decided(found, outcome, self.version, self.limits)
        return events.Judged(ticket, self.kept[key][1])

    def _raised(self, ticket: int) -> events.Event:
        if self.choose.random() < 0.1:
            return events.JudgingFailed(ticket, "58000", "the store does not answer")
        self.questions.append(lambda: self._settled(ticket))
        return events.Raised(ticket, RequestId(f"r-{ticket}"), ("dba",), ("rule",), NOW)

    def _settled(self, ticket: int) -> events.Event:
        if self.choose.random() < 0.2:
            self.questions.append(lambda: self._settled(ticket))
            return events.Reminded(ticket, ("dba",), 200)
        states = (RequestState.approved, RequestState.rejected, RequestState.expired, RequestState.cancelled)
        return events.Settled(ticket, self.choose.choices(states, (7, 1, 1, 1))[0], (), "")

    # What must hold

    def _check_bounds(self) -> None:
        """INV-9. What one chunk of the client's brings is read before anybody looks at the limit again."""
        if self.machine.inbox_bytes > MAX_INBOX_BYTES + 100 * LARGEST_MESSAGE:
            raise Finding(f"the inbox holds {self.machine.inbox_bytes} bytes")
        if self.reader.buffered > LARGEST_MESSAGE + 5:
            raise Finding(f"the reader of frames holds {self.reader.buffered} bytes")
        if self.machine._core.out:
            raise Finding("commands are left behind")

    def _check_tables(self) -> None:
        """INV-1, THREATS 9. When all is answered, a name that is sure to be a statement's is that in the server too."""
        core = self.machine._core
        idle = self.machine.phase is Phase.ready and not (core.expected or core.inbox or core.work)
        if self.lying or not idle or self.server.todo or self.server.out or self.server.held:
            return
        for name, entry in core.statements.items():
            there = self.server.statements.get(name)
            if not entry.doubtful and (there is None or there.text != normal(entry.sql)):
                raise Finding(f"the statement {name!r} is {entry.sql!r} here and {there} in the server")
        unknown = set(self.server.statements) - set(core.statements) - {""}
        if unknown and not core.names_doubted:
            raise Finding(f"the server has statements that are not known here: {unknown}")

    def _check_end(self) -> None:
        """All is answered: the machine waits for nobody, or it has said so."""
        if self.machine.phase is Phase.ended:
            if not self.oracle.over:
                raise Finding("ended, and no End")
            return
        if self.lying or self.unsent or (self.reader.buffered and not self.closed):
            return
        if self.closed and self.machine.phase in (Phase.ready, Phase.copying):
            raise Finding("the client has closed, and nothing ends the session")
        if self.server.copying or self.machine.phase is Phase.ready:
            return
        if self.server.held:  # a client that sends no Flush and no Sync waits for itself
            self.server.flush()
            while (self.server.out or self.server.todo) and self.machine.phase is not Phase.ended:
                (self._server_says if self.server.out else self.server.work)()
        if self.machine.phase not in (Phase.ready, Phase.ended) and not self.questions:
            raise Finding(f"waits for ever, {self.machine.phase.name}")


def _decision(outcome: Outcome, version: PolicyVersion) -> Decision:
    message = "not like this" if outcome is Outcome.deny else None
    return Decision(
        outcome, (f"rule {outcome}",), version, message, review=TERMS if outcome is Outcome.review else None
    )


def _decided(found: Verdict, outcome: Outcome, version: PolicyVersion, most: Limits) -> Verdict:
    """``found`` with another word on it; what could not be judged keeps its own."""
    if found.decision.outcome is Outcome.deny:
        return found
    made = replace(_decision(outcome, version), limits=most)
    if limits.refusal([(one.facts, made) for one in found.statements]) is not None:
        made = _decision(Outcome.deny, version)
    return replace(found, decision=made, statements=tuple(replace(s, decision=made) for s in found.statements))


def _shown(what: object) -> str:
    match what:
        case events.ClientSent(frame=frame) | events.ServerSent(frame=frame):
            return f"{type(what).__name__} {frame.kind} {frame.body!r}"
        case commands.ToServer(data=data) | commands.ToClient(data=data):
            return f"{type(what).__name__} {data!r}"
        case events.Judged(ticket=ticket, verdict=verdict):
            return f"Judged {ticket} {verdict.decision.outcome} {verdict.sql!r}"
        case commands.Judge(ticket=ticket, text=text, state=state):
            return f"Judge {ticket} {text!r} path={state.search_path} {state.transaction}"
        case commands.Record(event=event):
            return f"Record {type(event).__name__} {getattr(event, 'statement', '')} {getattr(event, 'outcome', '')}"
        case commands.Raise(ticket=ticket) | commands.Consume(ticket=ticket):
            return f"{type(what).__name__} {ticket}"
        case _:
            return str(what)[:200]
