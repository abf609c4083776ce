"""Requests on PostgreSQL: they come back as they went, change by compare-and-swap, and are seen by the right eyes.

INV-2, INV-5, INV-6.
"""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import UniqueViolation

from hoopd.approvals.lifecycle import RequestEvent, apply, decide, is_due, raised
from hoopd.approvals.people import may_see, reviewer_of
from hoopd.approvals.repository import CHANNEL
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Role
from hoopd.domain.request import RequestState, Verdict, Word
from hoopd.domain.statement import Param
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.requests import StoredRequests
from tests.fixtures.requests import ALICE, BOB, CAROL, DAVE, START, principal, seats, snapshot


@pytest.fixture
async def dsn(database):
    await migrate(database)
    return database


@asynccontextmanager
async def opened(dsn):
    store = Store(dsn, max_size=3)
    await store.open()
    try:
        yield StoredRequests(store)
    finally:
        await store.close()


@pytest.fixture
async def requests(dsn):
    async with opened(dsn) as made:
        yield made


def new(number, *places, at=START, **changes):
    return raised(RequestId(f"r-{number:08}"), snapshot(*places, **changes), at)


def word(person, comment="", verdict=Verdict.approve, at=START + timedelta(microseconds=1)):
    return Word(verdict, reviewer_of(person), comment, at)


HARD_SQL = "SELECT '\x1b[2J', '\u202e', '\U0001f4a9', E'\\\\' -- \x01\n" + "x" * 100_000


async def test_a_request_comes_back_exactly_as_it_went(requests):
    request = new(1, sql=HARD_SQL, params=(Param("text", "\u2028'\"\\"), Param("bytea", None, masked=True)))
    assert await requests.insert(request, "g")
    assert await requests.get(request.id) == request
    spoken = decide(request, word(BOB, "it's\n\x1b[31mfine"), START)
    assert await requests.move(request, spoken)
    assert await requests.get(request.id) == spoken


async def test_an_id_is_taken_once(requests):
    assert await requests.insert(new(1), "g")
    assert not await requests.insert(new(1, sql="SELECT 2"), "g")
    assert (await requests.get(RequestId("r-00000001"))).snapshot == snapshot()
    assert await requests.get(RequestId("r-nosuchid")) is None


async def test_a_change_of_what_is_no_longer_there_changes_nothing_INV_5(requests):
    request = new(1, seats(2, "dba"))
    await requests.insert(request, "g")
    half = decide(request, word(BOB), START)
    assert await requests.move(request, half)
    assert not await requests.move(request, decide(request, word(CAROL), START))
    assert not await requests.move(request, apply(request, RequestEvent.cancellation))
    assert await requests.get(request.id) == half


async def test_the_store_itself_refuses_a_second_approval_of_a_person_INV_6(requests):
    request = new(1, seats(2, "dba"))
    await requests.insert(request, "g")
    twice = replace(request, words=(word(BOB), word(BOB)), state=RequestState.approved)
    with pytest.raises(Unavailable) as refused:
        await requests.move(request, twice)
    assert isinstance(refused.value.__cause__, UniqueViolation)
    assert await requests.get(request.id) == request


async def test_a_change_is_told_when_it_is_there_and_not_before(dsn, requests):
    with psycopg.connect(dsn, autocommit=True) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        request = new(1)
        await requests.insert(request, "g")
        await requests.move(request, apply(request, RequestEvent.cancellation))
        await requests.move(request, apply(request, RequestEvent.expiry))
        await requests.insert(request, "g")
        await requests.insert(new(2), "g")
        told = [note.payload for note in listening.notifies(timeout=30, stop_after=3)]
        assert told == ["r-00000001", "r-00000001", "r-00000002"]


EYES = [
    ALICE,
    BOB,
    CAROL,
    DAVE,
    principal("erin", roles=frozenset({Role.admin})),
    principal("mallory"),
    principal("mallory", "engineering", email="alice@example.com"),
    principal("alice", issuer="https://other.example"),
    principal("bob", "DBA"),
]


@pytest.mark.parametrize("eyes", EYES, ids=lambda eyes: f"{eyes.subject} {sorted(eyes.groups)}")
async def test_the_store_and_the_rule_agree_on_who_sees_what(requests, eyes):
    made = [
        new(1, seats(1, "dba")),
        new(2, seats(1, "dba"), seats(1, "security", rule="other")),
        new(3, seats(1, "security"), by=CAROL),
        new(4, seats(1, "cto")),
    ]
    for request in made:
        await requests.insert(request, "g")
    seen = await requests.list(eyes, list(RequestState), 100)
    assert {request.id for request in seen} == {request.id for request in made if may_see(request, eyes)}
    assert {request.id for request in await requests.find("r-0", eyes, 100)} == {request.id for request in seen}


async def test_a_list_is_newest_first_of_the_states_asked_for_and_no_longer_than_asked(requests):
    made = [new(n, at=START + timedelta(seconds=n)) for n in range(4)]
    for request in made:
        await requests.insert(request, "g")
    await requests.move(made[2], apply(made[2], RequestEvent.cancellation))
    newest = await requests.list(BOB, [RequestState.pending], 2)
    assert [request.id for request in newest] == [made[3].id, made[1].id]
    assert [request.id for request in await requests.list(BOB, [RequestState.cancelled], 9)] == [made[2].id]
    assert await requests.list(BOB, [], 9) == []
    assert await requests.count_open(ALICE.issuer, ALICE.subject) == 3
    assert await requests.count_open(BOB.issuer, BOB.subject) == 0


async def test_the_store_and_the_rule_agree_on_what_is_due(requests):
    states = list(RequestState)
    made = [replace(new(n), state=state) for n, state in enumerate(states)]
    for request in made:
        await requests.insert(request, "g")
    for now in (START, made[0].hold_until - timedelta(microseconds=1), made[0].hold_until, made[0].expires):
        due = {request.id for request in await requests.due(now, 100)}
        assert due == {request.id for request in made if is_due(request, now)}


async def test_open_requests_are_found_by_their_gateway(requests):
    await requests.insert(new(1), "g")
    await requests.insert(new(2), "h")
    ended = new(3)
    await requests.insert(ended, "g")
    await requests.move(ended, apply(ended, RequestEvent.expiry))
    assert [request.id for request in await requests.open_of("g")] == ["r-00000001"]


async def test_a_row_that_cannot_be_read_is_an_error_and_not_a_guess_INV_2(dsn, requests):
    await requests.insert(new(1), "g")
    with psycopg.connect(dsn, autocommit=True) as vandal:
        vandal.execute("UPDATE hoop.requests SET snapshot = '{}'")
    with pytest.raises(Unavailable, match="r-00000001 in the store cannot be read"):
        await requests.get(RequestId("r-00000001"))


async def test_a_store_that_is_gone_is_unavailable_INV_2(dsn):
    async with opened(dsn) as made:
        await made._store.close()
        with pytest.raises(Unavailable):
            await made.get(RequestId("r-00000001"))
