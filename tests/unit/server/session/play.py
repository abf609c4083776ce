"""A session machine played by hand: what each side sends, and what the machine says to that, as readable lines.

Nothing is left unasserted: ``play.said()`` gives every command since the last call, and a test that ends with
unread commands fails in ``Play.__exit__``.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from hoopd.domain.decision import Decision, Outcome, ReviewTerms, Seats
from hoopd.domain.ids import PolicyVersion, RequestId
from hoopd.domain.limits import NO_LIMITS, Limits
from hoopd.domain.request import RequestState, Word
from hoopd.domain.statement import SessionState
from hoopd.masking.plan import MaskPlan
from hoopd.masking.values import MaskContext
from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields, parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.session import commands, events
from hoopd.session.judgement import JudgedStatement, Verdict
from hoopd.session.machine import SessionMachine
from hoopd.sql.facts import Effect, Facts
from hoopd.sql.named import NOTHING_NAMED, Named

STATE = SessionState(search_path="public", role="none", user="hoop_service", transaction="I", server_version=180006)
TERMS = ReviewTerms((Seats("writes", frozenset({"dba"}), 1),), timedelta(minutes=4), timedelta(minutes=30))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def facts(sql: str, kind: str = "select", **more: object) -> Facts:
    return Facts(sql, kind, **{"effects": frozenset({Effect.read}), "names_depend": True, **more})  # type: ignore[arg-type]


def decision(outcome: Outcome, message: str | None = None) -> Decision:
    review = TERMS if outcome is Outcome.review else None
    return Decision(outcome, (f"rule {outcome}",), PolicyVersion(1), message, review=review)


def verdict(
    *statements: Facts, outcome: Outcome = Outcome.allow, plan: MaskPlan | None = None, limits: Limits = NO_LIMITS
) -> Verdict:
    made = replace(decision(outcome, "not like this" if outcome is Outcome.deny else None), limits=limits)
    plan = plan or MaskPlan(Outcome.allow)
    judged = tuple(JudgedStatement(one, made, plan, one.sql) for one in statements)
    return Verdict(judged, made, "; ".join(one.sql for one in statements), plan.in_force)


class Play:
    """One machine, opened: its first read-back is already answered."""

    def __init__(self) -> None:
        self.machine = SessionMachine(STATE, MaskContext(b"k" * 32))
        self._said: list[str] = []
        self._client, self._server = FrameReader(1 << 26), FrameReader(1 << 26)
        self.ticket = 0
        self.named: Named = NOTHING_NAMED
        self.types: tuple[int, ...] = ()
        self._take(self.machine.open())
        self.read_back()
        self.server(ready())
        assert self.said()[-1] == "client Z I"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            assert self._said == [], "said, and not asserted"

    def client(self, *data: bytes) -> Self:
        for frame in self._frames(b"".join(data)):
            self._take(self.machine.receive(events.ClientSent(frame)))
        return self

    def server(self, *data: bytes) -> Self:
        for frame in self._frames(b"".join(data)):
            self._take(self.machine.receive(events.ServerSent(frame)))
        return self

    def event(self, event: events.Event) -> Self:
        self._take(self.machine.receive(event))
        return self

    def judged(self, found: Verdict) -> Self:
        return self.event(events.Judged(self.ticket, found))

    def raised(self) -> Self:
        expires = NOW + timedelta(minutes=30)
        return self.event(events.Raised(self.ticket, RequestId("r-1"), ("dba",), ("writes",), expires))

    def settled(self, state: RequestState, *words: Word) -> Self:
        return self.event(events.Settled(self.ticket, state, words, ""))

    def read_back(self, path: str = "public", role: str = "none", notices: str = "notice") -> Self:
        for value in (notices, path, role):
            self.server(encode("1"), encode("2"), row(value), complete("SHOW"), encode("3"), encode("3"))
        return self

    def said(self) -> list[str]:
        said, self._said = self._said, []
        return said

    def skip(self) -> Self:
        self.said()
        return self

    @staticmethod
    def _frames(data: bytes) -> list[Frame]:
        return list(FrameReader(1 << 26).feed(data))

    def _take(self, out: list[commands.Command]) -> None:
        for command in out:
            if isinstance(command, commands.Judge):
                self.named, self.types = command.named, command.types
            ticket = getattr(command, "ticket", None)
            if ticket is not None and not isinstance(command, commands.Withdraw):
                self.ticket = ticket
            self._said += list(self._lines(command))

    def _lines(self, command: commands.Command) -> list[str]:
        match command:
            case commands.ToClient(data=data):
                return [f"client {_shown(frame, to_client=True)}" for frame in self._frames(data)]
            case commands.ToServer(data=data):
                return [f"server {_shown(frame, to_client=False)}" for frame in self._frames(data)]
            case commands.Judge(text=text):
                return [f"judge {text}"]
            case commands.Record(event=event):
                outcome = getattr(event, "outcome", None)
                return [f"record {type(event).__name__}" + (f" {outcome}" if outcome else "")]
            case commands.Tell(event=event_name):
                return [f"tell {event_name}"]
            case commands.End(cause=cause):
                return [f"end {cause}"]
            case _:
                return [type(command).__name__.lower()]


def _shown(frame: Frame, *, to_client: bool) -> str:
    if to_client and frame.kind in "EN":
        fields = parse_error(frame.body)
        return f"{frame.kind} {fields.sqlstate} {fields.message}"
    if to_client and frame.kind == "D":
        cells = [None if c is None else c.decode() for c in backend.read_data_row(frame.body)]
        return f"D {cells}"
    if frame.kind in "ZC" and to_client:
        return f"{frame.kind} {frame.body.rstrip(bytes(1)).decode()}"
    if frame.kind == "Q":
        return f"Q {frontend.read_query(frame.body).decode()}"
    if frame.kind == "P" and not to_client:
        parse = frontend.read_parse(frame.body)
        return f"P {parse.name} {parse.sql.decode()}".replace("  ", " ")
    if frame.kind == "B":
        bind = frontend.read_bind(frame.body)
        return f"B {bind.portal}:{bind.statement}"
    return frame.kind


def query(sql: str) -> bytes:
    return frontend.make_query(sql.encode())


def parse(sql: str, name: str = "") -> bytes:
    return frontend.make_parse(name, sql.encode())


def bind(portal: str = "", statement: str = "", *values: str) -> bytes:
    body = portal.encode() + b"\0" + statement.encode() + b"\0" + struct.pack("!H", 0) + struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!I", len(value.encode())) + value.encode()
    return encode("B", body + struct.pack("!H", 0))


execute = frontend.make_execute
SYNC, FLUSH = frontend.SYNC, frontend.FLUSH


def ready(status: str = "I") -> bytes:
    return backend.make_ready(status)


def row(*cells: str | None) -> bytes:
    return backend.make_data_row([None if cell is None else cell.encode() for cell in cells])


def complete(tag: str) -> bytes:
    return encode("C", tag.encode() + b"\0")


def columns(*names: str, type_oid: int = 25) -> bytes:
    body = struct.pack("!H", len(names))
    for name in names:
        body += name.encode() + b"\0" + struct.pack("!IhIhih", 0, 0, type_oid, -1, -1, 0)
    return encode("T", body)


def parameters(*oids: int) -> bytes:
    return encode("t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def failure(sqlstate: str, message: str, detail: str | None = None, severity: str = "ERROR") -> bytes:
    return backend.make_error(ErrorFields(severity, sqlstate, message, detail=detail))


PARSE_COMPLETE, BIND_COMPLETE, NO_DATA, CLOSE_COMPLETE = encode("1"), encode("2"), encode("n"), encode("3")

__all__ = ["Play", "replace"]
