"""The Requests service as plain types, and a watch that survives the gateway's restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import grpc.aio

from hoop.v1 import requests_pb2 as pb
from hoop.v1 import requests_pb2_grpc
from hoopctl.client.channel import translate
from hoopctl.client.gateway import Gateway
from hoopctl.clock import from_micros
from hoopctl.errors import Denied, HoopctlError, NotFound, NotSignedIn, Unreachable, UsageProblem
from hoopctl.requests import Decided, Facts, Param, Person, Request, Seat, Verdict, Word

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
LIST_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """Whether changes come from the gateway now; ``problem`` says why not."""

    up: bool
    problem: str = ""


class RequestsClient:
    """What reviewers and requesters ask of a gateway. Calls raise HoopctlError as ``channel.translate`` makes it."""

    def __init__(self, gateway: Gateway, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._gateway = gateway
        self._stub = requests_pb2_grpc.RequestsStub(gateway.channel)
        self._pause = pause

    async def listed(self, states: Iterable[str] = (), *, all_states: bool = False, limit: int = 100) -> list[Request]:
        """Requests that the caller may see, newest first: open ones, or those in ``states``, or all."""
        asked = pb.ListRequestsRequest(states=list(states), all=all_states, limit=limit)
        answer = await self._gateway.call(self._stub.List, asked)
        return [plain(each) for each in answer.requests]

    async def show(self, request_id: str) -> Request:
        """The request whose id is, or begins with, ``request_id``. Raises NotFound or UsageProblem."""
        return plain(await self._gateway.call(self._stub.Show, pb.ShowRequestRequest(id=request_id)))

    async def cancel(self, request_id: str) -> Request:
        """Take a request of one's own back."""
        return plain(await self._gateway.call(self._stub.Cancel, pb.CancelRequestRequest(id=request_id)))

    async def decide(self, request: Request, verdict: Verdict, comment: str, token: str) -> Decided:
        """Say a word on ``request`` as it was shown. ``token`` is of a sign-in made for approving (INV-6)."""
        asked = pb.DecideRequest(
            id=request.id, verdict=verdict, comment=comment, approval_token=token, digest=request.digest
        )
        answer = await self._gateway.call(self._stub.Decide, asked)
        seen = plain(answer.request) if answer.request.digest else None
        known = answer.HasField("request")
        return Decided(answer.result, answer.message, seen, sign_in_again=answer.result == "refused" and not known)

    async def follow(self) -> AsyncIterator[Request | Link]:
        """What is open, then every change, and how the link is; reconnects until the caller stops.

        After a reconnection what ended meanwhile is given too. Raises NotSignedIn when there is no token to be had.
        """
        known: set[str] = set()
        failures = 0
        while True:
            try:
                async for news in self._once(known):
                    failures = 0 if isinstance(news, Request) else failures
                    yield news
                problem = "The gateway has ended the watch."
            except (Denied, UsageProblem):
                raise
            except HoopctlError as error:
                problem = await self._renewed_after(error)
            yield Link(up=False, problem=problem)
            await self._pause(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def _renewed_after(self, error: HoopctlError) -> str:
        """What is wrong with the link; a token that is no longer taken is renewed, if the provider can be reached."""
        if isinstance(error, NotSignedIn):
            if self._gateway.bearer is None:
                raise error
            try:
                await self._gateway.bearer.renewed()
            except Unreachable as unreachable:
                return unreachable.message
        return error.message

    async def _once(self, known: set[str]) -> AsyncIterator[Request | Link]:
        call = self._stub.Watch(pb.WatchRequestsRequest(), metadata=await self._gateway.metadata())
        try:
            await call.initial_metadata()
            if not call.done():
                yield Link(up=True)
                for ended in await self._ended_meanwhile(known):
                    yield ended
            async for message in call:
                request = plain(message)
                (known.add if request.is_open else known.discard)(request.id)
                yield request
        except grpc.aio.AioRpcError as error:
            raise translate(error, self._gateway.server) from None
        finally:
            call.cancel()

    async def _ended_meanwhile(self, known: set[str]) -> list[Request]:
        """What was open when the link was lost and is not any more."""
        if not known:
            return []
        still_open = {request.id for request in await self.listed(limit=LIST_LIMIT)}
        ended = []
        for request_id in sorted(known - still_open):
            try:
                request = await self.show(request_id)
            except NotFound:
                continue
            if not request.is_open:
                known.discard(request_id)
                ended.append(request)
        return ended


def plain(message: pb.Request) -> Request:
    """``message`` without generated code."""
    batch = tuple(_facts(each) for each in message.batch)
    if not batch and message.HasField("facts"):
        batch = (_facts(message.facts),)
    return Request(
        id=message.id,
        state=message.state,
        session=message.session,
        statement=message.statement,
        connection=message.connection,
        labels=dict(message.labels),
        requester=_person(message.principal),
        database=message.database,
        role=message.role,
        search_path=message.search_path,
        sql=message.sql,
        params=tuple(Param(p.type, p.value if p.HasField("value") else None, p.masked) for p in message.params),
        batch=batch,
        rules=tuple(message.rules),
        seats=tuple(Seat(s.rule, tuple(getattr(s, "from")), s.needed, tuple(s.approved_by)) for s in message.seats),
        reason=message.reason,
        created=from_micros(message.created_us),
        hold_until=from_micros(message.hold_until_us),
        expires=from_micros(message.expires_us),
        words=tuple(Word(w.verdict, _person(w.by), w.comment, from_micros(w.at_us)) for w in message.words),
        digest=message.digest,
        can_decide=message.can_decide,
        cannot_decide_because=message.cannot_decide_because or None,
        application=message.application,
        transaction=message.transaction,
        policy_version=message.policy_version,
        message=message.message,
        sql_masked=message.sql_masked,
        redacted=message.redacted,
        masked_columns=tuple(message.masked_columns),
    )


def _person(message: pb.Person) -> Person:
    return Person(message.subject, message.email or None, tuple(message.groups))


def _facts(message: pb.RequestFacts) -> Facts:
    return Facts(
        message.kind,
        tuple(message.effects),
        tuple(message.accesses),
        tuple(message.functions),
        message.predicate or None,
        tuple(message.notes),
    )
