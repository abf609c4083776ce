"""The Audit service: authenticate, convert, call ``store.audit``. Who may see what is decided there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from hoop.v1 import audit_pb2 as pb
from hoop.v1 import audit_pb2_grpc
from hoopd.domain.errors import InvalidInput
from hoopd.domain.ids import StatementNo, statement_id
from hoopd.recording.codec import NotAnEvent, micros, moment
from hoopd.recording.ports import StatementRow
from hoopd.recording.replay import ReplayLine
from hoopd.recording.verification import VerifyOutcome
from hoopd.rpc.authentication import principal_of
from hoopd.store.audit import Audit, SessionDetail
from hoopd.store.statements import StatementQuery

DEFAULT_LIMIT = 100

Context = grpc.aio.ServicerContext[Any, Any]


class AuditServicer(audit_pb2_grpc.AuditServicer):
    """What auditors call, and people about their own sessions."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def Search(self, request: pb.SearchRequest, context: Context) -> AsyncIterator[pb.StatementRow]:
        async for row in self._audit.search(_query(request), principal_of(context)):
            yield _statement(row)

    async def Show(self, request: pb.ShowSessionRequest, context: Context) -> pb.SessionDetail:
        return _detail(await self._audit.show(request.id, principal_of(context)))

    async def Replay(self, request: pb.ReplayRequest, context: Context) -> AsyncIterator[pb.ReplayEvent]:
        async for line in self._audit.replay(request.session, principal_of(context)):
            yield _replayed(line)

    async def Verify(self, request: pb.VerifyRequest, context: Context) -> AsyncIterator[pb.VerifyResult]:
        sessions, good = 0, True
        async for outcome in self._audit.verify(request.session, principal_of(context)):
            sessions, good = sessions + 1, good and outcome.ok
            yield _verified(outcome)
        yield pb.VerifyResult(done=True, sessions=sessions, ok=good)


def _query(request: pb.SearchRequest) -> StatementQuery:
    try:
        since = moment(request.since_us) if request.since_us else None
        until = moment(request.until_us) if request.until_us else None
    except NotAnEvent as error:
        raise InvalidInput("The time to search from or to is out of range.") from error
    return StatementQuery(
        text=request.text,
        user=request.user,
        connection=request.connection,
        decision=request.decision,
        outcome=request.outcome,
        session=request.session,
        since=since,
        until=until,
        limit=request.limit or DEFAULT_LIMIT,
    )


def _statement(row: StatementRow) -> pb.StatementRow:
    return pb.StatementRow(
        time_us=micros(row.at),
        session=row.session,
        statement=statement_id(row.session, StatementNo(row.statement)),
        principal=row.principal,
        connection=row.connection,
        sql=row.sql,
        params=[pb.AuditParam(type=param.type, value=param.value, masked=param.masked) for param in row.params],
        kind=row.kind,
        effects=row.effects,
        decision=row.decision,
        rules=row.rules,
        request=row.request or "",
        approvals=[
            pb.AuditApproval(verdict=word.verdict, by=word.by, comment=word.comment, at_us=micros(word.at))
            for word in row.approvals
        ],
        outcome=row.outcome or "",
        rows=row.rows,
        duration_ms=row.duration_ms,
        masked=row.masked,
        error=row.error,
    )


def _detail(detail: SessionDetail) -> pb.SessionDetail:
    session = detail.session
    return pb.SessionDetail(
        session=session.id,
        principal=session.principal,
        connection=session.connection,
        application=session.application,
        host=session.host,
        started_us=micros(session.started),
        ended_us=None if session.ended is None else micros(session.ended),
        ended_because=session.ended_because or "",
        events=session.events,
        head=session.head.hex(),
        statements=[_statement(row) for row in detail.statements],
    )


def _replayed(line: ReplayLine) -> pb.ReplayEvent:
    return pb.ReplayEvent(
        seq=line.seq,
        time_us=micros(line.at),
        kind=line.kind,
        statement=line.statement,
        text=line.text,
        columns=line.columns,
        rows=[pb.ReplayRow(cells=[pb.Cell(value=value) for value in row]) for row in line.rows],
    )


def _verified(outcome: VerifyOutcome) -> pb.VerifyResult:
    return pb.VerifyResult(
        session=outcome.session,
        ok=outcome.ok,
        events=outcome.events,
        bad_event=outcome.bad_event,
        message=outcome.message,
        open=outcome.open,
    )
