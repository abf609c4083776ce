"""One client's pipe, between a real socket and a lane that keeps what it is given."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from hoopctl.client.stream import Ended, Opened, Signal
from hoopctl.errors import HoopctlError, Unreachable
from hoopctl.tunnel import pipe as module
from hoopctl.tunnel.events import SessionEnded, SessionStarted, Signalled, TunnelEvent
from hoopctl.tunnel.pipe import Pipe

READY = b"Z\0\0\0\5I"


@dataclass
class KeptLane:
    """A lane to nowhere."""

    sent: bytearray = field(default_factory=bytearray)
    taken_bytes: int = 0
    is_full: bool = False
    eof: bool = False
    is_reset: bool = False
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, data: bytes) -> None:
        self.sent += data
        self.moved.set()

    def send_eof(self) -> None:
        self.eof = True
        self.moved.set()

    def reset(self) -> None:
        self.is_reset = True
        self.moved.set()

    def taken(self, size: int) -> None:
        self.taken_bytes += size

    async def until(self, condition: str) -> None:
        """Wait for an attribute to become true."""
        async with asyncio.timeout(20):
            while not getattr(self, condition):
                self.moved.clear()
                await self.moved.wait()


@dataclass
class Carried:
    pipe: Pipe
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    lane: KeptLane
    told: list[TunnelEvent]


def vanish(writer: asyncio.StreamWriter) -> None:
    """As the process of a client that is killed: the connection is reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def client(*, carried: bool = True) -> AsyncIterator[Carried]:
    """A pipe, its lane, and the client at the other end of its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    theirs.setblocking(False)
    ours.setblocking(False)
    told: list[TunnelEvent] = []
    pipe, lane = Pipe(told.append), KeptLane()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: pipe, ours)
    reader, writer = await asyncio.open_connection(sock=theirs, limit=1024)
    if carried:
        pipe.carry(lane)
    try:
        yield Carried(pipe, reader, writer, lane, told)
    finally:
        pipe.abort()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def test_it_carries_both_ways_and_ends_with_the_gateways_word() -> None:
    async with client() as one:
        one.writer.write(b"hello")
        one.writer.write_eof()
        await one.lane.until("eof")
        assert one.lane.sent == b"hello"
        one.pipe.take(Opened("s-1"))
        one.pipe.take(b"answer")
        assert one.lane.taken_bytes == 6
        one.pipe.take(Ended("client", ""))
        assert await one.reader.read() == b"answer"
        await one.pipe.closed()
    assert one.told == [SessionStarted("s-1"), SessionEnded("s-1", "client", "")]


async def test_what_comes_before_the_session_is_asked_for_is_kept_and_no_more_is_read_inv_9() -> None:
    async with client(carried=False) as one:
        one.writer.write(b"x" * 10_000_000)
        async with asyncio.timeout(20):
            while not one.pipe._early:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(one.pipe._early) < 1_000_000
        kept = len(one.pipe._early)
        one.pipe.carry(one.lane)
        assert len(one.lane.sent) == kept
        async with asyncio.timeout(20):
            await one.writer.drain()
            while len(one.lane.sent) < 10_000_000:
                one.lane.moved.clear()
                await one.lane.moved.wait()


async def test_a_client_that_is_gone_before_its_session_is_asked_for() -> None:
    async with client(carried=False) as one:
        vanish(one.writer)
        await one.pipe.closed()
        one.pipe.carry(one.lane)
        assert one.lane.is_reset
    assert one.told == [SessionEnded(None, "client", "")]


async def test_a_client_that_was_done_before_its_session_is_asked_for() -> None:
    async with client(carried=False) as one:
        one.writer.write_eof()
        async with asyncio.timeout(20):
            while not one.pipe._client_done:
                await asyncio.sleep(0.01)
        one.pipe.carry(one.lane)
        assert one.lane.eof


async def test_a_lane_that_is_full_stops_the_client_until_it_goes_on_inv_9() -> None:
    async with client() as one:
        one.lane.is_full = True
        one.writer.write(b"x" * 10_000_000)
        await one.lane.until("sent")
        await asyncio.sleep(0.05)
        assert len(one.lane.sent) < 1_000_000
        one.lane.is_full = False
        one.pipe.go_on()
        async with asyncio.timeout(20):
            while len(one.lane.sent) < 10_000_000:
                one.lane.moved.clear()
                await one.lane.moved.wait()


async def test_a_client_that_does_not_read_gives_no_credit_inv_9() -> None:
    async with client() as one:
        total = 0
        while not one.pipe._is_behind:
            one.pipe.take(READY * 10_000)
            total += len(READY) * 10_000
        stuck = one.lane.taken_bytes
        one.pipe.take(READY)
        total += len(READY)
        assert one.lane.taken_bytes == stuck < total
        one.pipe.take(Ended("client", ""))
        assert one.told == []  # it is told, and the connection closed, when the client has taken what is before
        assert len(await one.reader.read()) == total
        assert one.lane.taken_bytes == total
    assert one.told == [SessionEnded(None, "client", "")]


async def test_a_client_that_vanishes_takes_its_session_with_it() -> None:
    async with client() as one:
        one.pipe.take(Opened("s-1"))
        one.pipe.take(Signal("held", "r-1", "", "select 1", (), None))
        vanish(one.writer)
        await one.lane.until("is_reset")
        one.pipe.take(b"late")
    assert isinstance(one.told[1], Signalled)
    assert one.told[2:] == [SessionEnded("s-1", "client", "")]


async def test_what_the_client_still_sends_does_not_take_its_last_message_away() -> None:
    async with client() as one:
        one.pipe.take(Opened("s-1"))
        one.writer.write(b"x" * 100_000)
        one.pipe.take(b"the last word")
        one.pipe.take(Ended("refused", "no"))
        assert await one.reader.read() == b"the last word"
        one.writer.close()
        await one.pipe.closed()
    assert one.told[-1] == SessionEnded("s-1", "refused", "no")


@pytest.mark.parametrize("untold", [True, False])
async def test_an_end_that_the_gateway_had_no_words_for_is_told_to_the_client(untold: bool) -> None:
    async with client() as one:
        one.pipe.take(Ended("refused", "The token has expired.", "Run: hoopctl login", untold))
        said = await one.reader.read()
        one.writer.close()
    assert said.startswith(b"E") is untold
    assert (b"MThe token has expired.\0HRun: hoopctl login\0" in said) is untold


async def test_a_stream_that_is_lost_is_told_to_the_client_once() -> None:
    async with client() as one:
        one.pipe.take(Opened("s-1"))
        one.pipe.take(READY)
        one.pipe.lost(HoopctlError("The gateway ended the session without a word."))
        one.pipe.lost(HoopctlError("again"))
        said = await one.reader.read()
        one.writer.close()
    assert said.startswith(READY + b"E")
    assert b"C08006\0" in said
    assert b"without a word" in said
    assert one.told[1:] == [SessionEnded("s-1", "lost", "The gateway ended the session without a word.")]


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (Unreachable("gone", hint="for commands"), b"HThe tunnel stays open"),
        (HoopctlError("gone", hint="as it is"), b"Has it is\0"),
    ],
)
async def test_before_any_message_an_error_can_be_told(error: HoopctlError, hint: bytes) -> None:
    async with client(carried=False) as one:
        one.pipe.close_with(error)
        said = await one.reader.read()
        one.writer.close()
        await one.pipe.closed()
    assert b"Mgone\0" in said
    assert hint in said


async def test_a_client_that_never_closes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSING_SECONDS", 0.1)
    async with client() as one:
        one.pipe.close_with(HoopctlError("gone"))
        async with asyncio.timeout(20):
            await one.pipe.closed()
        assert b"Mgone\0" in await one.reader.read()
