"""What must hold of everything that goes to the database, whatever way the machine came to send it (INV-1, INV-3).

Verdicts give licences: one for each question that was answered in the statement's favour, good for one message, with
the exact text that was asked about. A message of the client's goes out on a licence, or not at all; what it does there
is held against the licence again when the server comes to it, with the text that the server has under that name by
then. Everything else has to be the gateway's own. The oracle knows no phase and no table of the machine.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from hoopd.domain import events as recorded
from hoopd.domain.decision import Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.request import RequestState
from hoopd.domain.statement import SessionState
from hoopd.pgwire import frontend
from hoopd.pgwire.framing import Frame
from hoopd.session import bounding, commands, events
from hoopd.session.judgement import Verdict
from hoopd.sql.facts import Effect
from hoopd.sql.named import Named
from tests.fuzz.model_server import SECRET, frames_of, normal

OWN = "hoopd_"
FAILING = b"hoopd refused this statement"
GIVEN_UP = frontend.make_copy_fail("the gateway refused the data")
OWN_TEXT = re.compile(rb"SHOW [a-z_]+|" + FAILING)


def _texts(named: Named) -> dict[str, str]:
    statements = {name: named.statement(name) for name in ("s1", "s2")}
    cursors = {name: named.cursor(name) for name in ("p1", "p2")}
    return {name: one.sql for name, one in statements.items() if one is not None} | {
        name: one.facts.sql for name, one in cursors.items() if one is not None
    }


class Finding(AssertionError):
    """Something that must not happen did."""


@dataclass(slots=True)
class Question:
    """One message of the client's on its way through the decision."""

    ticket: int
    text: str
    state: SessionState
    verdict: Verdict | None = None
    raising: int | None = None
    approved: bool = False
    confirming: int | None = None
    consuming: int | None = None
    confirmed: bool = False
    dead: bool = False
    cancelled: bool = False
    params: tuple[str | None, ...] = ()
    names: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Licence:
    """``full``: may run; else it may be prepared only. ``state`` is what the session was when it was judged."""

    text: str
    state: SessionState
    verdict: Verdict
    full: bool
    params: tuple[str | None, ...] = ()
    policy: PolicyVersion | None = None
    names: dict[str, str] = field(default_factory=dict)
    """What its question said that stands behind a name."""


@dataclass(frozen=True, slots=True)
class Own:
    """The gateway's own message, or one that runs nothing. ``again``: a Parse of the client's that it repeats."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class ToExecute:
    """An Execute: under which policy it went out, and what was decided on it when that is another than at Bind."""

    policy: PolicyVersion | None
    licence: Licence | None


@dataclass
class Oracle:
    """Told of everything; raises Finding. ``honest``: the server has what it was sent, and says what it has."""

    honest: bool = True
    policy: PolicyVersion | None = None
    masking: bool = False
    question: Question | None = None
    licence: Licence | None = None
    sent_by_client: set[bytes] = field(default_factory=set)
    parsed: set[bytes] = field(default_factory=set)
    prepared: list[tuple[str, str]] = field(default_factory=list)
    started: int = 0
    decided: set[int] = field(default_factory=set)
    finished: Counter[int] = field(default_factory=Counter)
    closed: str | None = None
    copying: bool = False
    over: bool = False
    judged: int = 0
    to_server: int = 0

    # What the machine is told

    def told(self, event: events.Event) -> None:
        match event:
            case events.ClientSent(frame=frame):
                self.sent_by_client.add(frame.data)
            case events.ServerSent(frame=frame):
                self.copying = frame.kind == "G" or (self.copying and frame.kind not in "CEZ")
            case events.Judged(ticket=ticket, verdict=verdict):
                self._verdict(ticket, verdict)
            case events.Settled(ticket=ticket, outcome=outcome):
                if self.question is not None and ticket == self.question.raising:
                    self.question.approved = outcome is RequestState.approved
            case events.Consumed(ticket=ticket, ok=ok):
                self._consumed(ticket, ok)
            case events.CancelAsked():
                if self.question is not None:
                    self.question.cancelled = True
            case events.JudgingFailed(ticket=ticket):
                self._dies(ticket)

    def _verdict(self, ticket: int, verdict: Verdict) -> None:
        asked = self.question
        if asked is None or asked.dead:
            return
        if ticket == asked.ticket:
            asked.verdict = verdict
            if verdict.decision.outcome is Outcome.deny or asked.cancelled:
                asked.dead = True
                return
            self._license(full=verdict.decision.outcome is Outcome.allow)
        elif ticket == asked.confirming:
            before = asked.verdict
            assert before is not None
            same = (
                before.decision.outcome is verdict.decision.outcome and before.decision.rules == verdict.decision.rules
            )
            asked.confirmed = asked.approved and same
            asked.verdict = verdict

    def _consumed(self, ticket: int, ok: bool) -> None:
        asked = self.question
        if asked is None or ticket != asked.consuming:
            return
        if ok and asked.confirmed and not asked.dead and not asked.cancelled:
            self._license(full=True)

    def _license(self, *, full: bool) -> None:
        asked = self.question
        assert asked is not None
        assert asked.verdict is not None
        policy = asked.verdict.decision.policy_version
        self.licence = Licence(asked.text, asked.state, asked.verdict, full, asked.params, policy, asked.names)
        self.started = 0
        self.prepared.clear()
        if full:
            self.question = None

    def _dies(self, ticket: int) -> None:
        asked = self.question
        if asked is not None and ticket in (asked.ticket, asked.raising, asked.confirming):
            asked.dead = True

    # What the machine wants done

    def wants(self, command: commands.Command) -> list[tuple[Frame, object]]:
        """Hold one command against the rules; what of it goes to the server, with its authority."""
        if self.over:
            raise Finding(f"after the end: {command}")
        match command:
            case commands.ToServer(data=data):
                return [(frame, self._authority(frame)) for frame in frames_of(data)]
            case commands.ToClient(data=data):
                if self.honest and SECRET.encode() in data and self.masking:
                    raise Finding(f"a masked value goes to the client: {data!r}")
            case commands.Judge(ticket=ticket, text=text, state=state, named=named):
                self._asked(ticket, text, state, _texts(named))
            case commands.Raise(ticket=ticket) if self.question is not None:
                self.question.raising = ticket
            case commands.Consume(ticket=ticket) if self.question is not None:
                self.question.consuming = ticket
            case commands.Withdraw() if self.question is not None:
                self.question.dead = True
            case commands.Record(event=event):
                self._recorded(event)
            case commands.End():
                self._ended()
            case _:
                pass
        return []

    def _asked(self, ticket: int, text: str, state: SessionState, names: dict[str, str]) -> None:
        self.judged += 1
        self.licence = None
        asked = self.question
        if asked is not None and asked.approved and asked.confirming is None and not asked.dead:
            if asked.text != text:
                raise Finding(f"approved {asked.text!r}, and asks again about {text!r}")
            asked.confirming, asked.state, asked.names = ticket, state, names
        else:
            self.question = Question(ticket, text, state, names=names)

    def _recorded(self, event: object) -> None:
        match event:
            case recorded.StatementPrepared(name=name, sql=sql):
                self.prepared.append((name, sql))
            case recorded.StatementDecided(statement=number, params=params):
                self.decided.add(number)
                if self.question is not None:
                    self.question.params = tuple(param.value for param in params)
                if self.licence is not None:
                    self.licence.params = tuple(param.value for param in params)
            case recorded.StatementStarted(statement=number):
                if number not in self.decided:
                    raise Finding(f"statement {number} starts, and no decision on it is recorded")
                self.started += 1
            case recorded.StatementFinished(statement=number):
                self.finished[number] += 1
            case recorded.RowsReturned(rows=rows):
                if self.honest and self.masking and any(SECRET in (cell or "") for row in rows for cell in row):
                    raise Finding("a masked value is recorded")

    def _ended(self) -> None:
        self.over = True
        if not self.honest:
            return
        if set(self.finished) != self.decided or any(count != 1 for count in self.finished.values()):
            without, often = self.decided - set(self.finished), {n for n, count in self.finished.items() if count > 1}
            raise Finding(f"the record's statements have not one end each: without {without}, with several {often}")

    # What goes out

    def _authority(self, frame: Frame) -> object:
        self.to_server += 1
        try:
            return self._authority_of(frame)
        finally:
            closes = frame.kind == "C" and frame.body[:1] == b"S"
            self.closed = frontend.read_close(frame.body).name if closes else None

    def _authority_of(self, frame: Frame) -> object:
        match frame.kind:
            case "Q":
                return self._query(frame)
            case "P":
                return self._parse(frame)
            case "B":
                return self._bind(frame)
            case "E":
                return self._execute(frame)
            case "D" | "C" | "H" | "S":
                return Own()
            case "d" | "c" | "f" if self.copying:
                self.copying = frame.kind == "d"  # nothing of a COPY may follow its end
                return Own() if frame.data == GIVEN_UP else self._from_client(frame)
            case _:
                raise Finding(f"a message of type {frame.kind!r} goes to the database")

    def _from_client(self, frame: Frame) -> Own:
        if frame.data not in self.sent_by_client:
            raise Finding(f"the client never sent {frame.data!r}")
        return Own()

    def _query(self, frame: Frame) -> object:
        text = frame.body[:-1]
        if text == FAILING or text in bounding.TEXTS.values():
            return Own()
        self._from_client(frame)
        licence = self._use(text, full=True)
        if self.started != len(licence.verdict.statements):
            raise Finding(f"sent and {self.started} starts recorded: {text!r}")
        return licence

    def _parse(self, frame: Frame) -> object:
        parse = frontend.read_parse(frame.body)
        if (parse.name.startswith(OWN) or parse.name == "") and OWN_TEXT.fullmatch(parse.sql):
            return Own()
        if parse.name.startswith(OWN):
            raise Finding(f"a text of the client's gets a name of the gateway's: {frame.data!r}")
        self._from_client(frame)
        if frame.data in self.parsed and self.closed == parse.name:
            return Own(again=True)
        licence = self._use(parse.sql, full=False)
        if (parse.name, licence.verdict.sql) not in self.prepared:
            raise Finding(f"a Parse goes out that is not recorded: {frame.data!r}")
        self.parsed.add(frame.data)
        return licence

    def _bind(self, frame: Frame) -> object:
        bind = frontend.read_bind(frame.body)
        if bind.portal.startswith(OWN) and bind.statement.startswith(OWN) and not bind.values:
            return Own()
        if bind.portal.startswith(OWN) or bind.statement.startswith(OWN):
            raise Finding(f"a Bind of the client's meets a name of the gateway's: {frame.data!r}")
        self._from_client(frame)
        licence = self._use(None, full=True)
        if licence.verdict.statements:
            if self.started != 1:
                raise Finding(f"a Bind goes out and {self.started} starts are recorded: {frame.data!r}")
            if licence.params != tuple(v.decode() if v is not None else None for v in bind.values):
                raise Finding(f"decided on {licence.params}, and bound {bind.values}")
        return licence

    def _execute(self, frame: Frame) -> object:
        asked = frontend.read_execute(frame.body)
        if asked.portal.startswith(OWN) and frame.data == frontend.make_execute(asked.portal):
            return Own()
        self._from_client(frame)
        licence, self.licence = self.licence, None
        return ToExecute(self.policy, licence)

    def _use(self, text: bytes | None, *, full: bool) -> Licence:
        """Use the licence up."""
        licence, self.licence = self.licence, None
        if licence is None or (full and not licence.full):
            raise Finding(f"sent without a decision: {text!r}")
        if text is not None and licence.text.encode() != text:
            raise Finding(f"decided on {licence.text!r}, and sent {text!r}")
        return licence

    # What the server comes to run

    def is_own(self, authority: object) -> bool:
        return isinstance(authority, Own)

    def query_runs(self, authority: object, path: str) -> None:
        if self.honest and isinstance(authority, Licence):
            self._same_path(authority, path)

    def bind_runs(self, authority: object, text: str, path: str) -> None:
        if not self.honest:
            return
        if isinstance(authority, Own):
            if not OWN_TEXT.fullmatch(text.upper().encode()) and not re.fullmatch(r"show [a-z_]+", text):
                raise Finding(f"the gateway's own Bind meets {text!r}")
            return
        assert isinstance(authority, Licence)
        if normal(authority.text) != text:
            raise Finding(f"decided on {authority.text!r}, and the server binds {text!r}")
        self._same_path(authority, path)

    def execute_runs(self, authority: object, bound: object) -> None:
        if not self.honest:
            return
        if isinstance(authority, Own):
            if not isinstance(bound, Own):
                raise Finding("the gateway's own Execute meets a portal that is not its own")
            return
        if not isinstance(bound, Licence):
            raise Finding("the server executes a portal whose Bind nobody decided on")
        assert isinstance(authority, ToExecute)
        if authority.policy not in (None, bound.policy):
            again = authority.licence
            if again is None or normal(again.text) != normal(bound.text):
                raise Finding(f"executed under policy {authority.policy}, and decided on under {bound.policy}")
            if again.verdict.decision.outcome.strictness > bound.verdict.decision.outcome.strictness:
                raise Finding("executed, and the policy in force says no")
            bound.policy = again.policy

    def named_runs(self, authority: object, what: str, text: str) -> None:
        """``what``, an EXECUTE or FETCH, comes to run ``text``: that is what it was decided on as, or as code."""
        if not self.honest or isinstance(authority, Own):
            return
        assert isinstance(authority, Licence)
        batch = [one.facts for one in authority.verdict.statements]
        place = next((place for place, facts in enumerate(batch) if normal(facts.sql) == what), None)
        if place is None:
            raise Finding(f"{what!r} runs {text!r}, and was decided on as {authority.text!r}")
        if Effect.opaque in batch[place].effects:
            return
        name = what.split()[1]
        known = authority.names.get(name, "")
        for facts in batch[:place]:
            if facts.prepares is not None and facts.prepares.name == name:
                known = facts.prepares.sql
            elif facts.opens is not None and facts.opens.name == name:
                known = facts.sql
        if not normal(known).endswith(text):
            raise Finding(f"{what!r} was decided on as {known!r}, and runs {text!r}")

    def committed(self, authority: object, text: str, rows: int) -> None:
        """INV-8, DESIGN.md section 8: the bound that was allowed or approved holds on the rows really changed."""
        if not self.honest or not isinstance(authority, Licence):
            return
        for one in authority.verdict.statements:
            most = one.decision.limits.changed_rows
            if (normal(one.facts.sql) == text or one.facts.by_name) and most is not None and rows > most:
                raise Finding(f"{rows} rows are committed where {most} were allowed: {text!r}")

    def _same_path(self, licence: Licence, path: str) -> None:
        if licence.state.search_path != path:
            text = f"{licence.text!r} was decided on with search_path {licence.state.search_path!r}"
            raise Finding(f"{text}, and runs with {path!r}")
