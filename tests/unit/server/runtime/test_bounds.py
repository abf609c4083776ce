"""Limits of a session that an operator sets, each met against a real database (INV-9, THREATS 23)."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import psycopg
import pytest

from hoopd.pgwire.framing import encode
from hoopd.pgwire.frontend import make_bind, make_execute, make_parse, make_query
from hoopd.runtime.bounds import Bounds, bounds_of
from hoopd.settings import LimitSettings
from tests.unit.server.runtime.bench import EVERYTHING, POLICY, bench

IDLE = "E FATAL 57P05 terminating connection due to idle-session timeout"
SOON = Bounds(idle=0.2)


@pytest.fixture
def things(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.things (id int primary key, name text)")
    return database


def test_what_is_bounded_without_a_word_of_the_operators() -> None:
    """The defaults of the settings are those of the gateway."""
    assert Bounds() == bounds_of(LimitSettings())
    assert {field.name for field in fields(Bounds)} - {"entering_per_person"} <= set(LimitSettings.model_fields)


async def test_a_session_that_does_nothing_ends(things: str) -> None:
    async with bench(things, changes={"bounds": SOON}) as gateway, gateway.client() as client:
        assert await client.until("E") == [IDLE]
        ended = await client.ended()
        assert (ended.cause, ended.message) == ("limit", "terminating connection due to idle-session timeout")
        assert (await gateway.events(client.pipe.session))[-1] == "session_ended"


async def test_a_transaction_and_a_copy_that_wait_for_their_client_are_idle(things: str) -> None:
    for sql in ("begin", "copy things from stdin"):
        async with bench(things, EVERYTHING, changes={"bounds": SOON}) as gateway, gateway.client() as client:
            client.send(make_query(sql.encode()))
            assert (await client.until("E"))[-1] == IDLE


async def test_what_runs_or_is_held_is_not_idle(things: str) -> None:
    opaque = POLICY.replace("[read, session]", "[read, session, opaque]")
    async with bench(things, opaque, changes={"bounds": SOON}) as gateway:
        async with gateway.client() as client:
            client.send(make_query(b"select pg_sleep(0.7)"))
            assert (await client.until())[-2:] == ["C SELECT 1", "Z I"]
            assert await client.until("E") == [IDLE]
        async with gateway.client() as client:
            client.send(make_parse("", b"select pg_sleep(0.7)"), make_bind("", ""), make_execute(""), encode("H"))
            assert (await client.until("C"))[-1] == "C SELECT 1"
            assert await client.until("E") == [IDLE]
        async with gateway.client() as client, gateway.client() as other:
            client.send(make_query(b"delete from things"))
            await client.pipe.held()
            assert await other.until("E") == [IDLE]
            assert not client.served.done()  # type: ignore[union-attr]


async def test_a_start_that_takes_too_long_is_closed(things: str) -> None:
    async with bench(things, changes={"bounds": Bounds(startup=0.1)}) as gateway:
        client = gateway.connect()
        client.send(b"\0\0\0")
        assert await client.until("E") == ["E FATAL 08006 start-up took more than 0.1 s"]
        assert (await client.ended()).cause == "client"


async def test_one_person_has_no_more_sessions_than_may_be(things: str) -> None:
    """Counted from when they open, so that many at once do not pass."""
    async with bench(things, changes={"bounds": Bounds(sessions_per_person=1)}) as gateway:
        database = gateway.target.connection.database
        first, second = gateway.connect(), gateway.connect()
        lines = await asyncio.gather(first.sign_in(database=database), second.sign_in(database=database))
        last = sorted(each[-1] for each in lines)
        assert last[0].startswith("E FATAL 53300 you have 1 sessions open")
        assert last[1] == "Z I"
        for client in (first, second):
            client.send(b"")
            await client.ended()
        assert len(gateway.gateway.registry) == 0


async def test_the_gateway_has_no_more_sessions_than_may_be(things: str) -> None:
    async with bench(things, changes={"bounds": Bounds(sessions=1)}) as gateway, gateway.client():
        lines = await gateway.connect().sign_in(database=gateway.target.connection.database)
        assert lines[-1].startswith("E FATAL 53300 the gateway has 1 sessions open, its limit")


async def test_no_more_is_read_behind_a_held_statement_than_may_be(things: str) -> None:
    held = 256 * 1024
    piece = make_query(b"select " + b"1" * 65_000)
    async with bench(things, changes={"bounds": Bounds(held=held)}) as gateway, gateway.client() as client:
        client.send(make_query(b"delete from things"))
        await client.pipe.held()
        for _ in range(100):
            client.send(piece)
        for _ in range(500):
            await asyncio.sleep(0)
        taken = 100 - client.pipe.to_gateway.qsize()
        assert held // len(piece) <= taken <= held // len(piece) + 2
        await gateway.gateway.stop("enough")
