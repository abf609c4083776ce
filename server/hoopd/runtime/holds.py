"""A session's held statement, between the machine and the broker.

At most one request is open for a session. Whatever happens to the session, ``abandon`` leaves none of its requests
waiting for people in vain.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hoopd.approvals.broker import Broker
from hoopd.approvals.quorum import waiting_for
from hoopd.approvals.snapshots import digest
from hoopd.domain.connection import Connection
from hoopd.domain.errors import HoopError
from hoopd.domain.ids import RequestId, SessionId
from hoopd.domain.principal import Principal
from hoopd.domain.request import Request, RequestState, Snapshot
from hoopd.runtime import clock
from hoopd.session import commands, events

log = logging.getLogger("hoopd.session")

Post = Callable[[events.Event], None]


@dataclass(frozen=True, slots=True)
class Asker:
    """What every request of a session has in common."""

    session: SessionId
    principal: Principal
    connection: Connection
    application: str
    reason: str


class Holds:
    """The requests of one session."""

    def __init__(self, broker: Broker, asker: Asker) -> None:
        self._broker = broker
        self._asker = asker
        self._raised: asyncio.Task[Request] | None = None
        self._asked: commands.Raise | None = None
        self._spending: asyncio.Task[bool] | None = None
        self._running: set[RequestId] = set()
        self._withdrawing: dict[asyncio.Task[Request], str] = {}

    @property
    def _open(self) -> Request | None:
        raised = self._raised
        return raised.result() if raised is not None and raised.done() and raised.exception() is None else None

    @property
    def until(self) -> datetime | None:
        """Until when the open request is held."""
        return self._open.hold_until if self._open is not None else None

    async def hold(self, asked: commands.Raise, post: Post) -> None:
        """Raise a request and wait for people; posts Raised, Reminded …, and Settled (or JudgingFailed)."""
        terms = asked.verdict.decision.review
        if terms is not None and terms.reason_required and not self._asker.reason:
            text = "this statement needs a reason, and this tunnel was opened without one"
            post(events.JudgingFailed(asked.ticket, "42501", f"{text}: hoopctl connect NAME --reason TEXT"))
            return
        self._asked = asked
        # A task of its own: cut short half way it could leave a request that nobody waits for and nobody withdraws.
        raised = self._raised = asyncio.create_task(self._broker.raise_request(self._snapshot(asked)))
        try:
            request = await asyncio.shield(raised)
        except HoopError as problem:
            post(events.JudgingFailed(asked.ticket, problem.sqlstate, problem.message))
            return
        rules = request.snapshot.rules
        post(events.Raised(asked.ticket, request.id, _people(request), rules, request.expires))

        def remind(now: Request) -> None:
            left = max(timedelta(0), now.hold_until - clock.now())
            post(events.Reminded(asked.ticket, _people(now), round(left.total_seconds())))

        try:
            settled = await self._broker.wait(request.id, on_reminder=remind)
        except HoopError as problem:
            post(events.Settled(asked.ticket, RequestState.cancelled, (), problem.message))
        else:
            post(events.Settled(asked.ticket, settled.state, settled.words, settled.message))

    async def consume(self, asked: commands.Consume, post: Post) -> None:
        """Use the approval up, for exactly what would run now (INV-5); posts Consumed."""
        request, raised = self._open, self._asked
        ok = False
        if request is not None and raised is not None:
            now = self._snapshot(replace(raised, verdict=asked.verdict, state=asked.state))
            # A policy that came since and decides the same voids nothing.
            now = replace(now, policy_version=request.snapshot.policy_version)
            self._spending = asyncio.create_task(self._spend(request.id, digest(now)))
            ok = await asyncio.shield(self._spending)
        post(events.Consumed(asked.ticket, ok))

    async def _spend(self, request: RequestId, snapshot_digest: str) -> bool:
        try:
            ok = await self._broker.consume(request, snapshot_digest)
        except HoopError as problem:
            log.warning("an approval could not be used: %s", problem.message)
            return False
        if ok:
            self._running.add(request)
        return ok

    async def withdraw(self, why: str) -> None:
        """Nobody waits for the request any more, also where it is just being stored."""
        raised, self._raised = self._raised, None
        if raised is not None:
            self._withdrawing[raised] = why
            await self._withdrawn(raised)

    async def _withdrawn(self, raised: asyncio.Task[Request]) -> None:
        with suppress(HoopError):  # it was never stored
            request = await asyncio.shield(raised)
            if request.id not in self._running:
                await self._broker.withdraw(request.id, self._withdrawing[raised])
        self._withdrawing.pop(raised, None)

    async def finish(self, request: RequestId) -> None:
        await self._broker.finish(request)
        self._running.discard(request)

    async def abandon(self, why: str) -> None:
        """The session is over: withdraw what waits and finish what ran, also where that was begun and cut short."""
        if self._spending is not None:
            await self._spending
        await self.withdraw(why)
        for raised in list(self._withdrawing):
            await self._withdrawn(raised)
        for request in list(self._running):
            await self.finish(request)

    def _snapshot(self, asked: commands.Raise) -> Snapshot:
        asker, verdict = self._asker, asked.verdict
        principal, state = asker.principal, asked.state
        assert verdict.decision.review is not None
        return Snapshot(
            session=asker.session,
            statement=asked.statement,
            connection=asker.connection.name,
            issuer=principal.issuer,
            subject=principal.subject,
            email=principal.email,
            groups=principal.groups,
            database=asker.connection.database,
            role=state.current_role,
            search_path=state.search_path,
            sql=verdict.sql,
            params=asked.params,
            param_digest=asked.param_digest,
            facts=tuple(statement.summary for statement in verdict.statements),
            rules=verdict.decision.rules,
            terms=verdict.decision.review,
            policy_version=verdict.decision.policy_version,
            reason=asker.reason,
            application=asker.application,
            transaction=state.transaction,
            meets=verdict.meets,
            redacted=verdict.redacted,
            labels=dict(asker.connection.labels),
        )


def _people(request: Request) -> tuple[str, ...]:
    """Whom it still waits for, after the words that were said."""
    return waiting_for(request.snapshot.terms, request.words)
