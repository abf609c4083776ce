"""The Audit service as plain types. Text is as the gateway sent it: ``output.printable`` comes before a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hoop.v1 import audit_pb2 as pb
from hoop.v1 import audit_pb2_grpc
from hoopctl.client.gateway import Gateway
from hoopctl.clock import from_micros
from hoopctl.errors import HoopctlError
from hoopctl.requests import Param

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Approval:
    verdict: str
    by: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that was asked for. ``outcome``, ``rows`` and ``duration_ms`` are None where they are not known."""

    time: datetime
    session: str
    id: str
    principal: str
    connection: str
    sql: str
    params: tuple[Param, ...]
    kind: str
    effects: tuple[str, ...]
    decision: str
    rules: tuple[str, ...]
    request: str | None
    approvals: tuple[Approval, ...]
    outcome: str | None
    rows: int | None
    duration_ms: float | None
    masked: tuple[str, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session; ``ended`` is None while it is open. ``statements`` are all of it, or the one that was asked for."""

    id: str
    principal: str
    connection: str
    application: str
    host: str
    started: datetime
    ended: datetime | None
    ended_because: str | None
    events: int
    head: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a record. ``kind`` is its name, such as ``StatementStarted``; ``text`` tells it to people."""

    seq: int
    time: datetime
    kind: str
    statement: str | None
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """What verification found of one session. ``bad_event`` counts from 1, None where no event is at fault."""

    session: str
    ok: bool
    events: int
    bad_event: int | None
    message: str
    open: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for; empty or None does not matter. ``since`` is inside, ``until`` outside."""

    text: str = ""
    user: str = ""
    connection: str = ""
    decision: str = ""
    outcome: str = ""
    session: str = ""
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100


class AuditClient:
    """What auditors ask of a gateway. Calls raise HoopctlError as ``channel.translate`` makes it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stub = audit_pb2_grpc.AuditStub(gateway.channel)

    async def search(self, wanted: Wanted) -> AsyncIterator[Statement]:
        """The statements that fit and that the caller may see, newest first."""
        asked = pb.SearchRequest(
            text=wanted.text,
            user=wanted.user,
            connection=wanted.connection,
            decision=wanted.decision,
            outcome=wanted.outcome,
            session=wanted.session,
            since_us=_micros(wanted.since),
            until_us=_micros(wanted.until),
            limit=wanted.limit,
        )
        async for row in self._gateway.stream(self._stub.Search, asked):
            yield _statement(row)

    async def show(self, name: str) -> Session:
        """A session with its statements, or with the one that ``name`` (``s-…/12``) says."""
        said = await self._gateway.call(self._stub.Show, pb.ShowSessionRequest(id=name))
        return Session(
            id=said.session,
            principal=said.principal,
            connection=said.connection,
            application=said.application,
            host=said.host,
            started=from_micros(said.started_us),
            ended=from_micros(said.ended_us) if said.HasField("ended_us") else None,
            ended_because=said.ended_because or None,
            events=said.events,
            head=said.head,
            statements=tuple(_statement(row) for row in said.statements),
        )

    async def replay(self, session: str) -> AsyncIterator[Step]:
        """The events of a session, in order."""
        async for event in self._gateway.stream(self._stub.Replay, pb.ReplayRequest(session=session)):
            yield Step(
                seq=event.seq,
                time=from_micros(event.time_us),
                kind=event.kind,
                statement=event.statement or None,
                text=event.text,
                columns=tuple(event.columns),
                rows=tuple(
                    tuple(cell.value if cell.HasField("value") else None for cell in row.cells) for row in event.rows
                ),
            )

    async def verify(self, session: str) -> AsyncIterator[Verified]:
        """Verify one session, or with an empty id all that the caller may see.

        Raises HoopctlError also when the gateway stops before it has verified them all.
        """
        seen = 0
        async for result in self._gateway.stream(self._stub.Verify, pb.VerifyRequest(session=session)):
            if result.done:
                if result.sessions != seen:
                    raise HoopctlError(f"The gateway verified {result.sessions} sessions and told of {seen}.")
                return
            seen += 1
            yield Verified(
                result.session, result.ok, result.events, result.bad_event or None, result.message, result.open
            )
        raise HoopctlError(
            f"The gateway stopped after {seen} sessions; the others are not verified.", hint="Try again."
        )


def _micros(moment: datetime | None) -> int:
    return 0 if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _statement(row: pb.StatementRow) -> Statement:
    return Statement(
        time=from_micros(row.time_us),
        session=row.session,
        id=row.statement,
        principal=row.principal,
        connection=row.connection,
        sql=row.sql,
        params=tuple(Param(p.type, p.value if p.HasField("value") else None, p.masked) for p in row.params),
        kind=row.kind,
        effects=tuple(row.effects),
        decision=row.decision,
        rules=tuple(row.rules),
        request=row.request or None,
        approvals=tuple(Approval(a.verdict, a.by, a.comment, from_micros(a.at_us)) for a in row.approvals),
        outcome=row.outcome or None,
        rows=row.rows if row.HasField("rows") else None,
        duration_ms=row.duration_ms if row.HasField("duration_ms") else None,
        masked=tuple(row.masked),
        error=row.error or None,
    )
