"""Requests in motion: raised, waited for, decided, consumed; on one store, by as many gateways as share it.

Every change is a compare-and-swap in the store, so of two that race one wins and the other sees it. Whatever goes
wrong while somebody waits (deadline, store, channel, cancellation) ends as not approved (INV-2, INV-5).

It knows no token: ``reviewer`` is a principal that was verified for approving (INV-6), by the caller.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hoopd.approvals.lifecycle import (
    OPEN_STATES,
    TABLE,
    Refusal,
    RequestEvent,
    apply,
    deadline,
    decide,
    expire,
    is_due,
    raised,
)
from hoopd.approvals.people import may_see, name_of, reviewer_of
from hoopd.approvals.repository import CHANNEL, Changes, RequestRepository
from hoopd.approvals.snapshots import digest
from hoopd.approvals.subscriptions import Subscription, Subscriptions
from hoopd.domain.errors import HoopError, InvalidInput, LimitExceeded, NotFound, NotSignedIn, Refused, Unavailable
from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Principal
from hoopd.domain.request import Request, RequestState, Snapshot, Verdict, Word

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Reminder = Callable[[Request], Awaitable[None] | None]

COMMENT_LIMIT = 2000
LIST_LIMIT = 1000
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gateway allows (INV-9), and how often it looks for itself."""

    open_by_person: int = 100
    subscriptions: int = 20_000
    remind_every: timedelta = timedelta(seconds=15)
    sweep_every: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class DecideResult:
    """``result`` is ``approved`` (this word counts), ``rejected`` or ``refused`` (``message`` says why)."""

    result: str
    message: str
    request: Request


def new_request_id() -> RequestId:
    """``r-`` and eight characters of base 32."""
    return RequestId("r-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(8)))


class Broker:
    """One gateway's part in the requests of a store.

    Arguments:
        clock: UTC, aware.
        gateway: a name that stays over restarts of this gateway and that no other living one has: what it left open
            is cancelled when it starts again.
    """

    def __init__(
        self,
        repository: RequestRepository,
        changes: Changes,
        clock: Clock,
        gateway: str,
        *,
        limits: Limits = Limits(),
        new_id: Callable[[], RequestId] = new_request_id,
    ) -> None:
        self._repository = repository
        self._changes = changes
        self._ready = asyncio.Event()
        self._clock = clock
        self._gateway = gateway
        self._limits = limits
        self._new_id = new_id
        self._subscriptions = Subscriptions(limits.subscriptions)
        self._owed: dict[RequestId, tuple[RequestEvent, str]] = {}

    async def run(self) -> None:
        """Settle what a former run left, then sweep until cancelled. Nothing can be raised before.

        Raises:
            Unavailable: the store did not answer at the start.
        """
        for request in await self._repository.open_of(self._gateway):
            await self._abandon(request)
        unsubscribe = self._changes.subscribe(CHANNEL, self._subscriptions.notice)
        self._ready.set()
        try:
            while True:
                await asyncio.sleep(self._limits.sweep_every.total_seconds())
                await self.sweep_if_possible()
        finally:
            self._ready.clear()
            unsubscribe()

    async def until_ready(self) -> None:
        """Return when requests can be raised and waited for."""
        await self._ready.wait()
        await self._changes.connected.wait()

    async def raise_request(self, snapshot: Snapshot) -> Request:
        """Store a new request; reviewers see it at once.

        Raises:
            Unavailable: it could not be stored, or its answer could not be heard.
            LimitExceeded: the person has too many open ones.
            InvalidInput: terms that nobody could meet.
        """
        if not (self._ready.is_set() and self._changes.connected.is_set()):
            raise Unavailable("the store does not tell of changes to requests", hint="Try again in a moment.")
        limit = self._limits.open_by_person
        if await self._repository.count_open(snapshot.issuer, snapshot.subject) >= limit:
            raise LimitExceeded(
                f"{name_of(snapshot)} has {limit} open requests", hint="Cancel some with `hoopctl requests cancel`."
            )
        for _ in range(5):
            request = raised(self._new_id(), snapshot, self._clock())
            try:
                if await self._repository.insert(request, self._gateway):
                    return request
            except Unavailable:
                # It may be stored all the same, and then nobody waits for it.
                self._owed[request.id] = (RequestEvent.cancellation, "the gateway could not wait for it")
                raise
        raise Unavailable("no free request id was found")

    async def wait(self, request_id: RequestId, *, on_reminder: Reminder | None = None) -> Request:
        """Wait until the request is no longer pending; at its deadline it expires.

        ``on_reminder`` is called (and awaited, if it is a coroutine function) each ``remind_every`` from the start of
        the wait, not at its start. Only ``approved`` may be consumed; a cancelled wait leaves the request for
        ``withdraw``.

        Raises:
            Unavailable: the store was lost; the request is withdrawn as soon as it answers.
        """
        try:
            with self._subscriptions.subscribe(request_id) as subscription:
                return await self._wait(request_id, subscription, on_reminder)
        except HoopError as error:
            await self._owe(request_id, RequestEvent.cancellation, f"the gateway could not wait: {error.message}")
            raise

    async def decide(
        self, request_id: RequestId, verdict: Verdict, reviewer: Principal, comment: str, shown_digest: str
    ) -> DecideResult:
        """One reviewer's word. ``shown_digest`` is that of the request as it was shown to them.

        Raises:
            NotFound: no such request.
            InvalidInput: a comment over ``COMMENT_LIMIT`` characters.
        """
        if "\0" in comment:
            raise InvalidInput("a comment is text; this one has a NUL character")
        if len(comment) > COMMENT_LIMIT:
            raise InvalidInput(f"a comment has at most {COMMENT_LIMIT} characters; this one has {len(comment)}")
        while True:
            before = await self._current(request_id)
            if digest(before.snapshot) != shown_digest:
                return DecideResult("refused", "the request is not the one that was shown; look at it again", before)
            now = self._clock()
            after = decide(before, Word(verdict, reviewer_of(reviewer), comment, now), now)
            if isinstance(after, Refusal):
                return DecideResult("refused", after.message, before)
            if await self._repository.move(before, after):
                return DecideResult("approved" if verdict is Verdict.approve else "rejected", "", after)

    async def withdraw(self, request_id: RequestId, why: str) -> None:
        """The client cancelled or is gone: the request ends unless it has already. Remembered if the store is away."""
        await self._owe(request_id, RequestEvent.cancellation, why)

    async def void(self, request_id: RequestId, why: str) -> None:
        """What would run is no longer what was approved (INV-5)."""
        await self._owe(request_id, RequestEvent.voiding, why)

    async def finish(self, request_id: RequestId) -> None:
        """The statement of a consumed request has ended, however it did."""
        await self._owe(request_id, RequestEvent.completion, "")

    async def consume(self, request_id: RequestId, snapshot_digest: str) -> bool:
        """Spend the approval, once over all gateways; True is the only leave to run (INV-5).

        ``snapshot_digest`` is the digest of what would run now; another one than was approved voids the request.

        Raises:
            Unavailable: the store did not answer; the approval may be spent.
        """
        request = await self._current(request_id)
        if request.state is not RequestState.approved or is_due(request, self._clock()):
            return False
        if digest(request.snapshot) != snapshot_digest:
            await self.void(request_id, "what would run is not what was approved")
            return False
        return await self._repository.move(request, apply(request, RequestEvent.consumption))

    async def cancel(self, request_id: RequestId, principal: Principal) -> Request:
        """The requester takes it back.

        Raises:
            NotFound: no such request, or not for these eyes.
            Refused: somebody else's.
            IllegalTransition: it runs or has ended.
        """
        while True:
            before = await self._current(request_id)
            if not may_see(before, principal):
                raise NotFound(f"no request {request_id}")
            if principal.key != (before.snapshot.issuer, before.snapshot.subject):
                raise Refused(f"request {request_id} is {name_of(before.snapshot)}'s; only they can cancel it")
            after = apply(before, RequestEvent.cancellation, f"cancelled by {name_of(principal)}")
            if await self._repository.move(before, after):
                return after

    async def show(self, start: str, principal: Principal) -> Request:
        """The one request that ``principal`` may see whose id is, or begins with, ``start`` (``r-`` may be left out).

        Raises:
            NotFound, InvalidInput: none, or several.
        """
        wanted = start if start.startswith("r-") else f"r-{start}"
        found = await self._repository.find(wanted, principal, 2)
        if not found or wanted == "r-":
            raise NotFound(f"no request {start}", hint="`hoopctl requests list --all` shows those that you may see.")
        if len(found) > 1:
            raise InvalidInput(f"several requests begin with {start}", hint="Give more of the id.")
        return found[0]

    async def list(
        self, principal: Principal, states: Collection[RequestState] = OPEN_STATES, limit: int = 100
    ) -> Sequence[Request]:
        """Requests that ``principal`` may see, newest first."""
        return await self._repository.list(principal, states, max(1, min(limit, LIST_LIMIT)))

    async def watch(self, principal: Principal) -> AsyncIterator[Request]:
        """The open requests that ``principal`` may see, oldest first, then each that changes, as it is by then.

        Raises:
            Unavailable: changes may have been missed; watch again.
            NotSignedIn: the principal's right has ended (INV-10).
        """
        shown: dict[RequestId, Request] = {}
        with self._subscriptions.subscribe() as subscription:
            for request in reversed(await self.list(principal, limit=LIST_LIMIT)):
                shown[request.id] = request
                yield request
            while True:
                left = (principal.expires - self._clock()).total_seconds()
                if left <= 0:
                    raise NotSignedIn("the sign-in has expired", hint="Run `hoopctl login`.")
                if subscription.missed:
                    raise Unavailable("changes of requests may have been missed", hint="Watch again.")
                for request_id in subscription.take():
                    changed = await self._repository.get(request_id)
                    if changed is not None and may_see(changed, principal) and changed != shown.get(request_id):
                        _remember(shown, changed)
                        yield changed
                await subscription.until_changed(left)

    def now(self) -> datetime:
        """The gateway's clock, for those who show time left."""
        return self._clock()

    async def sweep(self) -> None:
        """Expire what is due, of any gateway, and settle what could not be told to the store before."""
        for request_id, (event, why) in list(self._owed.items()):
            del self._owed[request_id]
            await self._owe(request_id, event, why)
        for request in await self._repository.due(self._clock(), LIST_LIMIT):
            await self._repository.move(request, expire(request))

    async def sweep_if_possible(self) -> None:
        """``sweep``, or a line in the log when the store is away."""
        try:
            await self.sweep()
        except Unavailable as error:
            log.warning("requests are not swept: %s", error.message)

    async def _wait(self, request_id: RequestId, subscription: Subscription, on_reminder: Reminder | None) -> Request:
        remind_at = self._clock() + self._limits.remind_every
        while True:
            subscription.take()
            request = await self._current(request_id)
            if request.state is not RequestState.pending:
                return request
            now = self._clock()
            if is_due(request, now):
                await self._repository.move(request, expire(request))
                continue
            if now >= remind_at:
                remind_at = now + self._limits.remind_every
                await _remind(on_reminder, request)
            await subscription.until_changed((min(remind_at, deadline(request)) - self._clock()).total_seconds())

    async def _current(self, request_id: RequestId) -> Request:
        request = await self._repository.get(request_id)
        if request is None:
            raise NotFound(f"no request {request_id}")
        return request

    async def _owe(self, request_id: RequestId, event: RequestEvent, why: str) -> None:
        """Bring ``event`` upon a request unless it is past it; if the store is away, at a later sweep."""
        try:
            while True:
                before = await self._repository.get(request_id)
                if before is None or (before.state, event) not in TABLE:
                    return
                if await self._repository.move(before, apply(before, event, why)):
                    return
        except Unavailable:
            self._owed[request_id] = (event, why)

    async def _abandon(self, request: Request) -> None:
        """Settle a request whose session went with a former run of this gateway."""
        if request.state is RequestState.running:
            await self._repository.move(
                request, apply(request, RequestEvent.completion, "the gateway ended before its end was seen")
            )
        else:
            await self._owe(request.id, RequestEvent.cancellation, "the gateway was restarted")


def _remember(shown: dict[RequestId, Request], request: Request) -> None:
    """Keep what was shown last, of those that can still change."""
    if request.state in OPEN_STATES:
        shown[request.id] = request
    else:
        shown.pop(request.id, None)


async def _remind(on_reminder: Reminder | None, request: Request) -> None:
    if on_reminder is not None:
        answer = on_reminder(request)
        if inspect.isawaitable(answer):
            await answer
