"""The one stream of a tunnel, over real gRPC: lanes, their credit, and ends of every kind."""

import asyncio
import unittest.mock
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from hoop import frames
from hoopctl.client.channel import open_channel
from hoopctl.client.gateway import Gateway, Hello
from hoopctl.client.stream import Answer, Ended, Lane, Opened, TunnelStream
from hoopctl.client.trust import Trust
from hoopctl.client.tunnel import TunnelClient
from hoopctl.errors import HoopctlError, NotSignedIn, Unreachable
from hoopctl.profiles import parse_server
from tests.fixtures.scripted_gateway import TOKEN, ScriptedGateway, ScriptedSession
from tests.fixtures.tunnels import OPENING, FixedBearer


class Listening:
    """A local end that keeps what it is told, and takes every byte at once unless it is ``slow``."""

    def __init__(self, stream: TunnelStream, *, slow: bool = False) -> None:
        self.slow = slow
        self.answers: asyncio.Queue[Answer | HoopctlError] = asyncio.Queue()
        self.went_on = asyncio.Event()
        self.lane: Lane = stream.open(OPENING, TOKEN, self)

    def take(self, answer: Answer) -> None:
        self.answers.put_nowait(answer)
        if isinstance(answer, bytes) and not self.slow:
            self.lane.taken(len(answer))

    def lost(self, error: HoopctlError) -> None:
        self.answers.put_nowait(error)

    def go_on(self) -> None:
        self.went_on.set()

    async def next(self) -> Answer | HoopctlError:
        async with asyncio.timeout(20):
            return await self.answers.get()

    async def bytes(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            answer = await self.next()
            if isinstance(answer, bytes):
                got += answer
        return got


@pytest.fixture
async def tunnels(scripted_gateway: ScriptedGateway) -> AsyncIterator[TunnelClient]:
    server, trust = parse_server(scripted_gateway.address), Trust(scripted_gateway.certificates.ca, "test")
    async with open_channel(server, trust) as channel:
        yield TunnelClient(Gateway(channel, server, trust, Hello("0", 2, 2, "", "", "", ()), FixedBearer()))


@asynccontextmanager
async def running(tunnels: TunnelClient) -> AsyncIterator[TunnelStream]:
    stream = await tunnels.stream()
    async with asyncio.TaskGroup() as tasks:
        carrying = tasks.create_task(stream.run())
        try:
            yield stream
        finally:
            carrying.cancel()


async def test_a_session_is_opened_carried_and_ended(tunnels: TunnelClient) -> None:
    async with running(tunnels) as stream:
        one = Listening(stream)
        one.lane.send(b"bytes")
        one.lane.send_eof()
        assert [await one.next() for _ in range(3)] == [Opened("s-1"), b"bytes", Ended("client", "")]
        one.lane.send(b"late")
        one.lane.send_eof()
        one.lane.reset()
        assert not stream.outbox


async def test_what_is_sent_arrives_whatever_its_size(tunnels: TunnelClient) -> None:
    async with running(tunnels) as stream:
        one = Listening(stream)
        data = bytes(range(256)) * 16_384
        one.lane.send(data)
        assert one.lane.is_full
        one.lane.send_eof()
        assert await one.bytes(len(data)) == data
        assert one.went_on.is_set()
        assert await one.next() == Ended("client", "")


async def test_a_stalled_neighbour_costs_nothing_inv_9(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    """One client reads nothing, another's session is not read: a third goes on, and what is kept is bounded."""
    sent = 0

    async def script(session: ScriptedSession) -> None:
        nonlocal sent
        await session.opened()
        kind = await session.receive()
        if kind == b"flood":
            while True:
                await session.send(bytes(frames.DATA_BYTES))
                sent += frames.DATA_BYTES
        elif kind == b"deaf":
            await asyncio.Event().wait()
        while data := await session.receive():
            await session.send(data)

    scripted_gateway.script = script
    async with running(tunnels) as stream:
        slow, unread, good = Listening(stream, slow=True), Listening(stream), Listening(stream)
        for one, kind in ((slow, b"flood"), (unread, b"deaf"), (good, b"echo")):
            one.lane.send(kind)
            assert await one.next() == Opened("s-1")
        unread.lane.send(bytes(4 * frames.WINDOW_UP))
        assert await slow.bytes(frames.WINDOW_DOWN) == bytes(frames.WINDOW_DOWN)
        assert unread.lane.is_full
        for number in range(50):
            good.lane.send(bytes([number]) * 1000)
            assert await good.bytes(1000) == bytes([number]) * 1000
        # The one that is not taken got its window and no more; the one that is not read gave its own and no more.
        assert sent == frames.WINDOW_DOWN
        assert slow.answers.empty()
        assert scripted_gateway.sessions[1]._data.qsize() * frames.DATA_BYTES <= frames.WINDOW_UP
        assert unread.lane.is_full
        slow.slow = False
        slow.lane.taken(frames.WINDOW_DOWN)
        await slow.bytes(3 * frames.WINDOW_DOWN)


async def test_a_gateway_that_sends_beyond_credit_is_left_inv_9(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def flood(session: ScriptedSession) -> None:
        for _ in range(frames.WINDOW_DOWN // frames.DATA_BYTES + 1):
            await session.send_beyond_credit(bytes(frames.DATA_BYTES))

    scripted_gateway.script = flood
    async with running(tunnels) as stream:
        one = Listening(stream, slow=True)
        await one.bytes(frames.WINDOW_DOWN)
        lost = await one.next()
        assert isinstance(lost, HoopctlError)
        assert "more than it had credit for" in lost.message
        assert stream.is_over


async def test_a_token_is_for_all_sessions(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    async def tell(session: ScriptedSession) -> None:
        await session.opened()
        await session.send((await session.fresh_token()).encode())

    scripted_gateway.script = tell
    async with running(tunnels) as stream:
        both = [Listening(stream), Listening(stream)]
        for one in both:
            assert await one.next() == Opened("s-1")
        stream.send_token("fresh")
        assert [await one.next() for one in both] == [b"fresh", b"fresh"]


async def test_a_reset_is_for_the_gateway_and_ends_one_session(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    gone = asyncio.Event()

    async def wait(session: ScriptedSession) -> None:
        await session.opened()
        try:
            while data := await session.receive():
                await session.send(data)
        except asyncio.CancelledError:
            gone.set()
            raise

    scripted_gateway.script = wait
    async with running(tunnels) as stream:
        one, other = Listening(stream), Listening(stream)
        assert [await each.next() for each in (one, other)] == [Opened("s-1")] * 2
        one.lane.reset()
        async with asyncio.timeout(20):
            await gone.wait()
        other.lane.send(b"here")
        assert await other.next() == b"here"
        assert one.answers.empty()


async def test_a_local_end_that_fails_ends_its_own_session_alone(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    """As on uvloop, where a transport that was closed meanwhile raises RuntimeError."""

    class Failing(Listening):
        def take(self, answer: Answer) -> None:
            if isinstance(answer, bytes):
                raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")

    async with running(tunnels) as stream:
        bad, good = Failing(stream), Listening(stream)
        bad.lane.send(b"x")
        lost = await bad.next()
        assert isinstance(lost, HoopctlError)
        assert "RuntimeError" in lost.message
        good.lane.send(b"y")
        assert await good.bytes(1) == b"y"
        assert not stream.is_over


async def test_a_stream_that_ends_without_a_word_loses_its_sessions(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def leave(session: ScriptedSession) -> None:
        session.stream.leave()

    scripted_gateway.script = leave
    async with running(tunnels) as stream:
        lost = await Listening(stream).next()
        assert isinstance(lost, HoopctlError)
        assert "without a word" in lost.message
        assert stream.is_over


async def test_frames_of_a_newer_gateway_are_passed_over(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def newer(session: ScriptedSession) -> None:
        await session.stream.write(200, 1, b"?")
        await session.opened()

    scripted_gateway.script = newer
    async with running(tunnels) as stream:
        assert await Listening(stream).next() == Opened("s-1")


async def test_why_a_stream_ended_is_the_gateways_word(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    scripted_gateway.tokens.clear()
    async with running(tunnels) as stream:
        lost = await Listening(stream).next()
    assert isinstance(lost, NotSignedIn)
    assert "has expired" in lost.message


@pytest.mark.parametrize("real", [True, False])
async def test_a_status_that_grpc_made_up_is_not_told_where_the_gateways_own_comes(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway, real: bool
) -> None:
    """grpc.aio sets a status of its own when a write fails, and the gateway's a moment later."""
    scripted_gateway.tokens.clear()
    stream = await tunnels.stream()
    call = stream._call
    its_own = call.details
    said = ["Internal error from Core"] * (3 if real else 1000)

    async def details() -> str:
        return said.pop(0) if said else str(await its_own())

    one = Listening(stream)
    with unittest.mock.patch.object(call, "details", details):
        await stream.run()
    lost = await one.next()
    assert isinstance(lost, NotSignedIn)
    assert "has expired" in lost.message


async def test_a_gateway_that_goes_away_is_unreachable(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async with running(tunnels) as stream:
        one = Listening(stream)
        assert await one.next() == Opened("s-1")
        await scripted_gateway.stop()
        assert isinstance(await one.next(), Unreachable)


async def test_the_status_of_the_whole_stream_reaches_each_session(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    async def end(session: ScriptedSession) -> None:
        session.stream.abort(grpc.StatusCode.INTERNAL, "the gateway failed inside")

    async with running(tunnels) as stream:
        one = Listening(stream)
        assert await one.next() == Opened("s-1")
        scripted_gateway.script = end
        other = Listening(stream)
        for each in (one, other):
            lost = await each.next()
            assert isinstance(lost, HoopctlError)
            assert lost.message == "the gateway failed inside"
