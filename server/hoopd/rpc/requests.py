"""The Requests service: authenticate, convert, call the broker.

The bearer of a call says who may look. Who decides is said by the approval token of ``Decide`` and by nothing else:
without one that was got for approving there is no decision (INV-6).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

import grpc.aio

from hoop.v1 import requests_pb2 as pb
from hoop.v1 import requests_pb2_grpc
from hoopd.approvals.broker import Broker, DecideResult
from hoopd.approvals.lifecycle import OPEN_STATES, objection
from hoopd.approvals.people import Person, may_see, name_of, reviewer_of
from hoopd.approvals.quorum import Seated, seat
from hoopd.approvals.sight import Sight, seen, whole
from hoopd.approvals.snapshots import digest
from hoopd.domain.errors import InvalidInput, NotSignedIn
from hoopd.domain.ids import RequestId, statement_id
from hoopd.domain.mask import MaskRule
from hoopd.domain.principal import Principal
from hoopd.domain.request import Request, RequestState, StatementFacts, Verdict, Word
from hoopd.identity.settings import Purpose
from hoopd.recording.codec import micros
from hoopd.rpc.authentication import principal_of

Context = grpc.aio.ServicerContext[Any, Any]


class ApprovalVerifier(Protocol):
    """What ``hoopd.identity.TokenVerifier`` does."""

    async def verify(self, token: str, purpose: Purpose) -> Principal: ...


class Masks(Protocol):
    """What ``hoopd.rpc.masks.ViewerMasks`` does."""

    def masks_for(self, viewer: Principal, connection: str) -> Sequence[MaskRule] | None: ...


class RequestsServicer(requests_pb2_grpc.RequestsServicer):
    """What reviewers and requesters call. Errors are translated by ``rpc.authentication``."""

    def __init__(self, broker: Broker, tokens: ApprovalVerifier, masks: Masks) -> None:
        self._broker = broker
        self._tokens = tokens
        self._masks = masks

    async def List(self, request: pb.ListRequestsRequest, context: Context) -> pb.ListRequestsResponse:
        viewer = principal_of(context)
        found = await self._broker.list(viewer, _states(request), request.limit or 100)
        return pb.ListRequestsResponse(requests=[self._message(each, viewer) for each in found])

    async def Show(self, request: pb.ShowRequestRequest, context: Context) -> pb.Request:
        viewer = principal_of(context)
        return self._message(await self._broker.show(request.id, viewer), viewer)

    async def Watch(self, request: pb.WatchRequestsRequest, context: Context) -> AsyncIterator[pb.Request]:
        viewer = principal_of(context)
        await context.send_initial_metadata(())  # so that a watcher of nothing knows that it watches
        async for changed in self._broker.watch(viewer):
            yield self._message(changed, viewer)

    async def Decide(self, request: pb.DecideRequest, context: Context) -> pb.DecideResponse:
        principal_of(context)
        verdict = _verdict(request.verdict)
        try:
            reviewer = await self._approver(request.approval_token)
        except NotSignedIn as error:
            return pb.DecideResponse(result="refused", message=error.message)
        said = await self._broker.decide(
            RequestId(request.id), verdict, reviewer, request.comment.strip(), request.digest
        )
        return self._answer(said, reviewer)

    async def Cancel(self, request: pb.CancelRequestRequest, context: Context) -> pb.Request:
        viewer = principal_of(context)
        return self._message(await self._broker.cancel(RequestId(request.id), viewer), viewer)

    async def _approver(self, token: str) -> Principal:
        """Who decides. The bearer of the call is never asked (INV-6)."""
        if not token:
            raise NotSignedIn("a decision needs a sign-in made for it")
        return await self._tokens.verify(token, Purpose.approval)

    def _answer(self, said: DecideResult, reviewer: Principal) -> pb.DecideResponse:
        visible = may_see(said.request, reviewer)
        shown = self._message(said.request, reviewer) if visible else pb.Request(id=said.request.id)
        return pb.DecideResponse(request=shown, result=said.result, message=said.message)

    def _message(self, request: Request, viewer: Principal) -> pb.Request:
        snapshot = request.snapshot
        if viewer.key == (snapshot.issuer, snapshot.subject):
            sight = whole(snapshot)
        else:
            sight = seen(snapshot, self._masks.masks_for(viewer, snapshot.connection))
        return message(request, viewer, sight, self._broker.now())


def message(request: Request, viewer: Principal, sight: Sight, now: datetime) -> pb.Request:
    """A request as ``viewer`` is shown it: nothing but what ``sight`` hides is left out; and if they may approve now.

    The digest is that of the whole, since that is what would run (INV-5).
    """
    snapshot = request.snapshot
    why_not = objection(request, reviewer_of(viewer), Verdict.approve, now)
    first = snapshot.facts[0] if snapshot.facts else None
    return pb.Request(
        id=request.id,
        state=request.state,
        session=snapshot.session,
        statement=statement_id(snapshot.session, snapshot.statement),
        connection=snapshot.connection,
        labels=dict(snapshot.labels),
        principal=_person(snapshot),
        database=snapshot.database,
        role=snapshot.role,
        search_path=snapshot.search_path,
        sql=sight.sql,
        sql_masked=sight.sql_masked,
        masked_columns=sight.columns,
        redacted=snapshot.redacted,
        params=[pb.Param(type=p.type, value=p.value, masked=p.masked) for p in sight.params],
        facts=_facts(first) if first else None,
        batch=[_facts(each) for each in snapshot.facts],
        rules=snapshot.rules,
        seats=[_seat(each) for each in seat(snapshot.terms, request.words)],
        reason=snapshot.reason,
        created_us=micros(request.created),
        hold_until_us=micros(request.hold_until),
        expires_us=micros(request.expires),
        words=[_word(word) for word in request.words],
        digest=digest(snapshot),
        can_decide=why_not is None,
        cannot_decide_because=why_not or "",
        application=snapshot.application,
        transaction=snapshot.transaction,
        policy_version=snapshot.policy_version,
        message=request.message,
    )


def _states(request: pb.ListRequestsRequest) -> Collection[RequestState]:
    if request.all:
        return list(RequestState)
    try:
        return [RequestState(state) for state in request.states] or OPEN_STATES
    except ValueError as error:
        known = ", ".join(RequestState)
        raise InvalidInput(f"{error.args[0].split()[0]} is no state of a request", hint=f"One of {known}.") from error


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError as error:
        raise InvalidInput("a verdict is approve or reject") from error


def _person(person: Person) -> pb.Person:
    return pb.Person(subject=person.subject, email=person.email or "", groups=sorted(person.groups))


def _facts(facts: StatementFacts) -> pb.RequestFacts:
    return pb.RequestFacts(
        kind=facts.kind,
        effects=facts.effects,
        accesses=facts.accesses,
        functions=facts.functions,
        predicate=facts.predicate or "",
        notes=facts.notes,
    )


def _seat(place: Seated) -> pb.SeatState:
    return pb.SeatState(
        rule=place.seats.rule,
        needed=place.seats.needed,
        approved_by=[name_of(person) for person in place.people],
        **{"from": sorted(place.seats.groups)},  # a word of Python
    )


def _word(word: Word) -> pb.Word:
    return pb.Word(verdict=word.verdict, by=_person(word.by), comment=word.comment, at_us=micros(word.at))
