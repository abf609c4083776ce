"""One client's pipe, between a real socket and a real stream."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hoopctl.client.channel import open_channel
from hoopctl.client.gateway import Gateway, Hello
from hoopctl.client.trust import Trust
from hoopctl.client.tunnel import TunnelClient
from hoopctl.errors import HoopctlError, Unreachable
from hoopctl.profiles import parse_server
from hoopctl.tunnel.events import SessionEnded, SessionStarted, TunnelEvent
from hoopctl.tunnel.pipe import Pipe
from tests.fixtures.scripted_gateway import ScriptedGateway, ScriptedSession
from tests.fixtures.tunnels import OPENING, FixedBearer

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def tunnels(scripted_gateway: ScriptedGateway) -> AsyncIterator[TunnelClient]:
    server, trust = parse_server(scripted_gateway.address), Trust(scripted_gateway.certificates.ca, "test")
    async with open_channel(server, trust) as channel:
        yield TunnelClient(Gateway(channel, server, trust, Hello("0", 1, 1, "", "", "", ()), FixedBearer()))


@asynccontextmanager
async def pipe_and_client(told: list[TunnelEvent]) -> AsyncIterator[tuple[Pipe, Ends]]:
    """A pipe, and the client at the other end of its socket."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    client = await asyncio.open_connection(sock=theirs)
    try:
        yield Pipe(reader, writer, told.append), client
    finally:
        for each in (writer, client[1]):
            each.transport.abort()
            with suppress(OSError):
                await each.wait_closed()


async def test_it_carries_both_ways_and_ends_with_the_gateways_word(tunnels: TunnelClient) -> None:
    told: list[TunnelEvent] = []
    async with pipe_and_client(told) as (pipe, (reader, writer)):
        writer.write(b"hello")
        writer.write_eof()
        await pipe.carry(await tunnels.session(OPENING))
        assert await reader.read() == b"hello"
    assert told == [SessionStarted("s-1"), SessionEnded("s-1", "client", "")]


async def test_what_the_client_still_sends_does_not_take_its_last_message_away(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def say_and_leave(session: ScriptedSession) -> None:
        await session.opened()
        await session.send(b"the last word")
        await session.ended("refused", "no")

    scripted_gateway.script = say_and_leave
    told: list[TunnelEvent] = []
    async with pipe_and_client(told) as (pipe, (reader, writer)):
        writer.write(b"x" * 100_000)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pipe.carry(await tunnels.session(OPENING)))
            assert await reader.read() == b"the last word"
            writer.close()
    assert told[-1] == SessionEnded("s-1", "refused", "no")


async def test_a_stream_that_ends_without_a_word_is_told_to_the_client(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def leave(session: ScriptedSession) -> None:
        await session.opened()

    scripted_gateway.script = leave
    told: list[TunnelEvent] = []
    async with pipe_and_client(told) as (pipe, (reader, writer)), asyncio.TaskGroup() as tasks:
        tasks.create_task(pipe.carry(await tunnels.session(OPENING)))
        said = await reader.read()
        writer.close()
    assert b"C08006\0" in said
    assert b"without a word" in said
    assert told[-1] == SessionEnded("s-1", "lost", "")


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (Unreachable("gone", hint="for commands"), b"HThe tunnel stays open"),
        (HoopctlError("gone", hint="as it is"), b"Has it is\0"),
    ],
)
async def test_before_any_message_an_error_can_be_told(error: HoopctlError, hint: bytes) -> None:
    async with pipe_and_client([]) as (pipe, (reader, writer)), asyncio.TaskGroup() as tasks:
        tasks.create_task(pipe.close_with(error))
        said = await reader.read()
        writer.close()
    assert b"Mgone\0" in said
    assert hint in said


async def test_a_client_that_never_closes_is_not_waited_for(tunnels: TunnelClient) -> None:
    async with pipe_and_client([]) as (pipe, (reader, _)):
        async with asyncio.timeout(20):
            await pipe.close_with(HoopctlError("gone"))
        assert b"Mgone\0" in await reader.read()


async def test_renewing_after_the_end_does_nothing(tunnels: TunnelClient) -> None:
    async with pipe_and_client([]) as (pipe, (_, writer)):
        writer.write_eof()
        await pipe.carry(await tunnels.session(OPENING))
        await pipe.renew("late")


async def test_cancelled_it_cancels_its_stream(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    started, gone = asyncio.Event(), asyncio.Event()

    async def wait(session: ScriptedSession) -> None:
        started.set()
        try:
            await session.receive()
        finally:
            gone.set()

    scripted_gateway.script = wait
    async with pipe_and_client([]) as (pipe, _), asyncio.timeout(20):
        async with asyncio.TaskGroup() as tasks:
            carrying = tasks.create_task(pipe.carry(await tunnels.session(OPENING)))
            await asyncio.sleep(0)  # a task that is cancelled before its first step never takes one
            await started.wait()
            carrying.cancel()
        await gone.wait()
