"""A session's requests, whatever the moment at which it ends: none is left for people to decide in vain (INV-5).

On a real store; only the moment at which the store answers is chosen by the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from hoopd.approvals.broker import Broker
from hoopd.approvals.repository import CHANNEL
from hoopd.approvals.snapshots import digest
from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome, ReviewTerms, Seats
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import PolicyVersion, SessionId, StatementNo
from hoopd.domain.request import Meeting, Request, RequestState, Verdict
from hoopd.domain.statement import SessionState
from hoopd.runtime.holds import Asker, Holds
from hoopd.session import commands, events, judgement
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.requests import StoredRequests
from tests.fixtures.requests import ALICE, BOB, SetClock

STATE = SessionState(search_path="public", role="none", user="app", transaction="I", server_version=180006)
TERMS = ReviewTerms((Seats("writes", frozenset({"dba"}), 1),), timedelta(minutes=4), timedelta(minutes=30))
DECISION = Decision(Outcome.review, ("writes",), PolicyVersion(1), review=TERMS)
MEETS = (Meeting(((7, 8),), (2,), (("public", "orders", "id"),)),)
VERDICT = judgement.Verdict((), DECISION, "delete from orders", masking=False, redacted=True, meets=MEETS)


class Paused(StoredRequests):
    """A store whose answers the test lets through: what was asked of it has been done by then."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.done = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.lose_answers = False

    async def _answer(self, answer: bool) -> bool:
        self.done.set()
        await self.go_on.wait()
        if self.lose_answers:
            raise Unavailable("the connection was lost")
        return answer

    async def insert(self, request: Request, gateway: str) -> bool:
        return await self._answer(await super().insert(request, gateway))

    async def move(self, before: Request, after: Request) -> bool:
        return await self._answer(await super().move(before, after))


class Session:
    """What a runner does with its holds: tasks that all end with it, then ``abandon``."""

    def __init__(self, dsn: str) -> None:
        self.store = Store(dsn, max_size=4)
        self.repository = Paused(self.store)
        self.listener = Listener(dsn, [CHANNEL])
        self.clock = SetClock()
        self.broker = Broker(self.repository, self.listener, self.clock, "gateway-1")
        asker = Asker(SessionId("s-aaaabbbbcccc"), ALICE, Connection("prod-db", "h", 5432, "shop", {}), "psql", "")
        self.holds = Holds(self.broker, asker)
        self.posted: asyncio.Queue[Any] = asyncio.Queue()

    async def hold(self, ticket: int = 1) -> None:
        await self.holds.hold(commands.Raise(ticket, StatementNo(1), VERDICT, (), "", STATE), self.posted.put_nowait)

    async def consume(self, ticket: int = 2) -> None:
        await self.holds.consume(commands.Consume(ticket, VERDICT, STATE), self.posted.put_nowait)

    async def states(self) -> list[str]:
        async with self.store.connection() as connection:
            rows = await (await connection.execute("select state from hoop.requests order by created")).fetchall()
        return [row[0] for row in rows]

    async def approve(self) -> None:
        (request,) = await self.broker.list(BOB)
        said = await self.broker.decide(request.id, Verdict.approve, BOB, "", digest(request.snapshot))
        assert said.result == "approved"


@asynccontextmanager
async def ending(session: Session) -> AsyncIterator[asyncio.TaskGroup]:
    """The task group of a session that ends with the block, at once."""

    class Over(Exception):
        pass

    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            raise Over
    except* Over:
        pass


@pytest.fixture
async def session(database: str) -> AsyncIterator[Session]:
    await migrate(database)
    made = Session(database)
    await made.store.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(made.listener.run()), tasks.create_task(made.broker.run())]
            await made.broker.until_ready()
            yield made
            for task in running:
                task.cancel()
    finally:
        await made.store.close()


async def test_a_session_that_ends_while_its_request_is_stored_leaves_none(session: Session) -> None:
    session.repository.go_on.clear()
    async with ending(session) as tasks:
        tasks.create_task(session.hold())
        await session.repository.done.wait()
        assert await session.states() == ["pending"]
    session.repository.go_on.set()
    await session.holds.abandon("the client went away")
    assert await session.states() == ["cancelled"]


async def test_a_request_keeps_what_must_be_hidden_and_what_was_taken_out(session: Session) -> None:
    """INV-4, INV-7"""
    async with ending(session) as tasks:
        tasks.create_task(session.hold())
        await asyncio.wait_for(session.posted.get(), 30)
        (request,) = await session.broker.list(BOB)
        assert request.snapshot.meets == MEETS
        assert request.snapshot.redacted
    await session.holds.abandon("the client went away")


async def test_a_request_that_is_withdrawn_while_it_is_stored_leaves_none(session: Session) -> None:
    """As when an earlier statement of the pipeline fails; the session goes on, and may hold the next one."""
    session.repository.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.hold())
        await session.repository.done.wait()
        tasks.create_task(session.holds.withdraw("an earlier statement failed"))
        await asyncio.sleep(0)
        second = tasks.create_task(session.hold(2))
        await asyncio.sleep(0)
        session.repository.go_on.set()
        told = [await asyncio.wait_for(session.posted.get(), 30) for _ in range(3)]
        second.cancel()
    assert sorted((type(event).__name__, event.ticket) for event in told) == [
        ("Raised", 1),
        ("Raised", 2),
        ("Settled", 1),
    ]
    assert sorted(await session.states()) == ["cancelled", "pending"]
    await session.holds.abandon("the client went away")
    assert await session.states() == ["cancelled", "cancelled"]


async def test_a_session_that_ends_while_its_approval_is_used_up_leaves_it_ended(session: Session) -> None:
    async with ending(session) as tasks:
        tasks.create_task(session.hold())
        assert isinstance(await session.posted.get(), events.Raised)
        await session.approve()
        assert isinstance(await session.posted.get(), events.Settled)
        session.repository.done.clear()
        session.repository.go_on.clear()
        tasks.create_task(session.consume())
        await session.repository.done.wait()
        assert await session.states() == ["running"]
    session.repository.go_on.set()
    await session.holds.abandon("the client went away")
    assert await session.states() == ["done"]


async def test_a_request_whose_storing_was_not_confirmed_is_withdrawn_later(session: Session) -> None:
    session.repository.lose_answers = True
    await session.hold()
    failed = session.posted.get_nowait()
    assert isinstance(failed, events.JudgingFailed)
    assert await session.states() == ["pending"]
    session.repository.lose_answers = False
    await session.broker.sweep()
    assert await session.states() == ["cancelled"]


async def test_what_went_well_is_finished_once(session: Session) -> None:
    async with ending(session) as tasks:
        tasks.create_task(session.hold())
        raised = await session.posted.get()
        assert isinstance(raised, events.Raised)
        assert session.holds.until is not None
        await session.approve()
        settled = await session.posted.get()
        assert isinstance(settled, events.Settled)
        assert settled.outcome is RequestState.approved
        await session.consume()
        assert await session.posted.get() == events.Consumed(2, True)
        await session.holds.finish(raised.request)
        assert await session.states() == ["done"]
    await session.holds.abandon("the client went away")
    assert await session.states() == ["done"]
