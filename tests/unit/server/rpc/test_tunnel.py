"""The tunnel's stream over real gRPC, in front of a gateway that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

from hoop import frames
from hoop.v1 import tunnel_pb2 as pb
from hoop.v1 import tunnel_pb2_grpc
from hoopd.domain.connection import Connection
from hoopd.domain.errors import NotFound, NotSignedIn
from hoopd.domain.principal import Principal
from hoopd.identity import Purpose
from hoopd.rpc import tunnel as tunnel_module
from hoopd.rpc.authentication import Authentication
from hoopd.rpc.lane import Lane
from hoopd.rpc.tunnel import TunnelService
from hoopd.runtime.gateway import Ended, Opening
from hoopd.runtime.pipe import SideBand

ALICE = Principal("iss", "alice", None, frozenset(), frozenset(), datetime.now(UTC) + timedelta(hours=1))
OPENING = pb.Open(connection="prod-db", scram_verifier="v", reason="why", host="h", tunnel="t-1", token="alices")
Script = Callable[[Lane], Awaitable[Ended]]


class Tokens:
    async def verify(self, token: str, purpose: Purpose) -> Principal:
        assert purpose is Purpose.session
        return await verify(token)


async def verify(token: str) -> Principal:
    if token == "expired":
        raise NotSignedIn("the token has expired", hint="run `hoopctl login`")
    return replace(ALICE, subject="bob") if token == "bobs" else ALICE


class Scripted:
    """What the tunnel needs of a gateway."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.opened: list[Opening] = []
        self.over = asyncio.Event()

    def may_open(self, principal: Principal, name: str) -> Connection:
        if name != "prod-db":
            raise NotFound(f'there is no connection "{name}" that you may open', hint="yours are: prod-db")
        return Connection("prod-db", "db", 5432, "shop", {"env": "test"})

    async def serve(self, pipe: Lane, principal: Principal, opening: Opening) -> Ended:
        self.opened.append(opening)
        try:
            return await self.script(pipe)
        finally:
            self.over.set()


@dataclass
class Client:
    """The other end of a stream, as frames."""

    call: Any
    got: list[tuple[int, int, bytes]] = field(default_factory=list)

    async def send(self, *sent: bytes) -> None:
        await self.call.write(b"".join(sent))

    async def open(self, number: int = 1, **fields: str) -> None:
        opening = pb.Open()
        opening.CopyFrom(OPENING)
        for name, value in fields.items():
            setattr(opening, name, value)
        await self.send(frames.encode(frames.OPEN, number, opening.SerializeToString()))

    async def next(self) -> tuple[int, int, bytes]:
        while not self.got:
            message = await self.call.read()
            if message is grpc.aio.EOF:
                raise EOFError
            self.got = list(frames.decode(message, frames.BODY_DOWN))
        return self.got.pop(0)

    async def ended(self, number: int = 1) -> pb.Ended:
        """What ``number`` ended with; what comes before it is passed over."""
        while True:
            kind, session, body = await self.next()
            if (kind, session) == (frames.ENDED, number):
                return pb.Ended.FromString(body)


@dataclass
class Served:
    gateway: Scripted
    service: TunnelService
    channel: grpc.aio.Channel

    def stream(self) -> Client:
        return Client(self.channel.stream_stream("/hoop.v1.Tunnel/Carry")(metadata=(("authorization", "Bearer x"),)))


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[Served]:
    gateway = Scripted(script)
    server = grpc.aio.server(interceptors=[Authentication(Tokens())])  # type: ignore[arg-type]
    service = TunnelService(gateway, verify)  # type: ignore[arg-type]
    service.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            async with asyncio.timeout(30):
                yield Served(gateway, service, channel)
    finally:
        await server.stop(None)


async def echo(pipe: Lane) -> Ended:
    await pipe.opened("s-1")
    while data := await pipe.read():
        assert len(data) <= frames.DATA_BYTES
        await pipe.write(data)
    return Ended("client", "the client went away")


async def wait(pipe: Lane) -> Ended:
    await pipe.opened("s-1")
    await asyncio.Event().wait()
    raise AssertionError


async def test_bytes_go_through_as_they_came_and_the_end_is_told() -> None:
    async with served(echo) as here:
        client = here.stream()
        await client.open()
        data = bytes(range(256)) * 256
        await client.send(*(frames.encode(frames.DATA, 1, each) for each in (b"a", data)))
        await client.send(frames.encode(frames.EOF, 1))
        kind, _, body = await client.next()
        assert (kind, pb.Opened.FromString(body).session) == (frames.OPENED, "s-1")
        assert [await client.next() for _ in range(2)] == [(frames.DATA, 1, b"a"), (frames.DATA, 1, data)]
        assert await client.ended() == pb.Ended(cause="client", message="the client went away")
        assert here.gateway.opened == [Opening("prod-db", "v", "why", "", "h", "t-1")]


async def test_sessions_share_a_stream_and_a_stalled_one_costs_nothing_inv_9() -> None:
    sent: dict[str, int] = {}

    async def script(pipe: Lane) -> Ended:
        await pipe.opened("s-1")
        kind = (await pipe.read()).decode()
        while kind == "flood":
            await pipe.write(bytes(frames.DATA_BYTES))
            sent[kind] = sent.get(kind, 0) + frames.DATA_BYTES
        if kind == "deaf":
            await asyncio.Event().wait()
        while data := await pipe.read():
            await pipe.write(data)
        return Ended("client", "")

    async with served(script) as here:
        client = here.stream()
        for number, kind in enumerate((b"flood", b"deaf", b"echo"), 1):
            await client.open(number)
            await client.send(frames.encode(frames.DATA, number, kind))
        filling = bytes(frames.WINDOW_UP - len(b"deaf"))
        for at in range(0, len(filling), frames.DATA_BYTES):
            await client.send(frames.encode(frames.DATA, 2, filling[at : at + frames.DATA_BYTES]))
        for number in range(50):
            await client.send(frames.encode(frames.DATA, 3, bytes([number]) * 100))
            while (await client.next()) != (frames.DATA, 3, bytes([number]) * 100):
                pass
        assert sent["flood"] <= frames.WINDOW_DOWN


async def test_a_row_larger_than_a_message_of_grpc() -> None:
    """INV-9: it goes in pieces; nothing of it is kept whole by gRPC."""
    large = b"x" * (20 << 20)

    async def script(pipe: Lane) -> Ended:
        await pipe.write(large)
        return Ended("client", "")

    async with served(script) as here:
        client = here.stream()
        await client.open()
        size = untaken = 0
        while (got := await client.next())[0] == frames.DATA:
            size += len(got[2])
            untaken += len(got[2])
            assert untaken <= frames.WINDOW_DOWN
            if untaken >= frames.WINDOW_DOWN // 2:
                await client.send(frames.encode_credit(1, untaken))
                untaken = 0
        assert size == len(large)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"no frame", "cut off"),
        (frames.encode(frames.DATA, 1, b"x"), "never opened"),
        (frames.encode(frames.OPEN, 0, b""), "higher than the one before"),
        (frames.encode(frames.OPEN, 1, b"\xff\xff"), "pars"),
        (frames.encode(99, 5, b""), "never opened"),
        (frames.encode(frames.OPEN, 1, bytes(frames.BODY_UP + 1)), "too long"),
        (frames.encode(frames.OPEN, 1) + frames.encode(frames.OPEN, 1), "higher than the one before"),
        (frames.encode(frames.OPEN, 1) + frames.encode(99, 1), "not known"),
        (frames.encode(frames.OPEN, 1) + frames.encode(frames.CREDIT, 1, b"1"), "four bytes"),
        (frames.encode(frames.OPEN, 1) + frames.encode_credit(1, 1), "more credit"),
        (frames.encode(frames.OPEN, 1) + frames.encode(frames.DATA, 1, bytes(65_536)) * 5, "more than it had credit"),
    ],
)
async def test_a_client_that_breaks_the_rules_of_frames_is_refused(sent: bytes, why: str) -> None:
    async with served(wait) as here:
        client = here.stream()
        await client.send(sent)
        with pytest.raises(grpc.aio.AioRpcError, match=why) as caught:
            await client.ended(9)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not here.service._streams


async def test_what_is_said_of_a_session_that_has_ended_is_passed_over() -> None:
    async def leaves(pipe: Lane) -> Ended:
        return Ended("database", "gone")

    async with served(leaves) as here:
        client = here.stream()
        await client.open(7)
        assert (await client.ended(7)).cause == "database"
        for kind, body in ((frames.DATA, b"x"), (frames.EOF, b""), (frames.RESET, b""), (frames.CREDIT, b"1234")):
            await client.send(frames.encode(kind, 7, body))
        await client.open(8)
        assert (await client.ended(8)).cause == "database"


async def test_a_client_that_is_gone_takes_its_session_with_it_and_no_other() -> None:
    gone = asyncio.Event()

    async def script(pipe: Lane) -> Ended:
        await pipe.opened("s-1")
        try:
            return await echo(pipe)
        except asyncio.CancelledError:
            gone.set()
            raise

    async with served(script) as here:
        client = here.stream()
        await client.open(1)
        await client.open(2)
        await client.send(frames.encode(frames.RESET, 1))
        await gone.wait()
        await client.send(frames.encode(frames.DATA, 2, b"here"))
        while (await client.next()) != (frames.DATA, 2, b"here"):
            pass


async def test_a_session_that_fails_inside_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    secret = "4111-1111"

    async def script(pipe: Lane) -> Ended:
        if await pipe.read() == b"fail":
            raise RuntimeError(secret)
        return Ended("client", "")

    async with served(script) as here:
        client = here.stream()
        await client.open(1)
        await client.open(2)
        await client.send(frames.encode(frames.DATA, 1, b"fail"))
        ended = await client.ended(1)
        assert (ended.cause, ended.untold, secret in ended.message) == ("gateway", True, False)
        await client.send(frames.encode(frames.DATA, 2, b"x"))
        assert (await client.ended(2)).cause == "client"
    assert "a session failed inside the gateway: RuntimeError" in caplog.text
    assert secret not in caplog.text


async def test_a_stream_that_is_cancelled_or_closed_leaves_no_session() -> None:
    async with served(wait) as here:
        for end in ("cancel", "done_writing"):
            here.gateway.over.clear()
            client = here.stream()
            await client.open()
            await client.next()
            if end == "cancel":
                client.call.cancel()
            else:
                await client.call.done_writing()
                with pytest.raises(EOFError):
                    await client.next()
            await here.gateway.over.wait()


async def test_a_refusal_is_told_with_its_hint() -> None:
    async def refuses(pipe: Lane) -> Ended:
        raise NotFound("no such connection", hint="look")

    async with served(refuses) as here:
        client = here.stream()
        await client.open()
        said = pb.Ended(cause="refused", message="no such connection", hint="look", untold=True)
        assert await client.ended() == said


@pytest.mark.parametrize(("token", "why"), [("expired", "has expired"), ("bobs", "somebody else")])
async def test_a_session_is_opened_by_the_token_of_now_inv_10(token: str, why: str) -> None:
    async with served(echo) as here:
        client = here.stream()
        await client.open(1, token=token)
        ended = await client.ended()
        assert (ended.cause, ended.untold) == ("refused", True)
        assert why in ended.message
        assert here.gateway.opened == []


async def test_the_side_band_and_fresh_tokens() -> None:
    renewed: list[str] = []

    class Visa:
        async def renew(self, token: str) -> None:
            renewed.append(token)

    async def script(pipe: Lane) -> Ended:
        pipe.visa = Visa()  # type: ignore[assignment]
        data = await pipe.read()
        until = datetime(2026, 1, 1, tzinfo=UTC)
        await pipe.tell(SideBand("held", "r-1", data.decode(), "delete", ("dba",), until))
        await pipe.read()
        return Ended("client", "")

    async with served(script) as here:
        client = here.stream()
        for number in (1, 2):
            await client.open(number)
            await client.send(frames.encode(frames.DATA, number, b"waiting"))
            kind, session, body = await client.next()
            assert (kind, session) == (frames.SIGNAL, number)
            assert pb.Signal.FromString(body) == pb.Signal(
                event="held", request="r-1", message="waiting", sql="delete", waiting_for=["dba"],
                until_us=1_767_225_600_000_000,
            )  # fmt: skip
        await client.send(frames.encode(frames.TOKEN, 0, b"fresh"))
        for number in (1, 2):
            await client.send(frames.encode(frames.EOF, number))
            await client.ended(number)
        assert renewed == ["fresh", "fresh"]


async def test_a_client_that_asks_and_takes_no_answers_is_not_listened_to_inv_9() -> None:
    async def leaves(pipe: Lane) -> Ended:
        return Ended("client", "x" * 60_000)

    async with served(leaves) as here:
        client = here.stream()

        async def ask() -> None:
            for number in range(1, 10_000):
                async with asyncio.timeout(2):
                    await client.open(number, reason="y" * 30_000)

        with pytest.raises(TimeoutError):
            await ask()
        (stream,) = here.service._streams
        assert stream._outbox.is_crowded
        assert stream._outbox._size < 2 * frames.Outbox.CONTROL_LIMIT + frames.MESSAGE_BYTES


async def test_streams_and_sessions_are_bounded_inv_9(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel_module, "MAX_STREAMS", 1)
    monkeypatch.setattr(tunnel_module, "MAX_SESSIONS", 2)
    async with served(wait) as here:
        client = here.stream()
        for number in (1, 2, 3):
            await client.open(number)
        ended = await client.ended(3)
        assert (ended.cause, "2 connections" in ended.message) == ("refused", True)
        second = here.stream()
        with pytest.raises(grpc.aio.AioRpcError, match="1 tunnels open"):
            await second.next()
        client.call.cancel()
        await here.gateway.over.wait()
        while here.service._of_person:
            await asyncio.sleep(0.01)


async def test_a_message_that_opens_sessions_without_end_is_refused_inv_9() -> None:
    opening = OPENING.SerializeToString()
    many = b"".join(frames.encode(frames.OPEN, number, opening) for number in range(1, 5_000))
    async with served(wait) as here:
        client = here.stream()
        await client.send(many)
        with pytest.raises(grpc.aio.AioRpcError, match="too many sessions"):
            await client.ended(9_999)
        assert len(here.gateway.opened) <= 2 * tunnel_module.MAX_SESSIONS


async def test_a_message_has_a_longest_length_inv_9() -> None:
    async with served(wait) as here:
        client = here.stream()
        await client.open()
        await client.send(frames.encode(frames.EOF, 1) * (frames.MESSAGE_LIMIT // 9 + 1))
        with pytest.raises(grpc.aio.AioRpcError, match="a message is too long"):
            await client.ended()


async def test_stopping_ends_streams_when_the_client_has_what_there_is_for_it() -> None:
    stopped = asyncio.Event()

    async def script(pipe: Lane) -> Ended:
        await pipe.opened("s-1")
        await stopped.wait()
        await pipe.write(bytes(500_000))
        return Ended("gateway", "the gateway is shutting down")

    async with served(script) as here:
        client = here.stream()
        await client.open()
        await client.next()
        here.service.stop()
        stopped.set()
        assert (await client.ended()).cause == "gateway"
        with pytest.raises(EOFError):
            await client.next()
        assert await client.call.code() is grpc.StatusCode.OK


async def test_opening_a_tunnel() -> None:
    async with served(echo) as here:
        stub = tunnel_pb2_grpc.TunnelStub(here.channel)
        metadata = (("authorization", "Bearer x"),)
        answer = await stub.OpenTunnel(pb.OpenTunnelRequest(connection="prod-db"), metadata=metadata)
        assert (answer.connection, answer.database, dict(answer.labels)) == ("prod-db", "shop", {"env": "test"})
        with pytest.raises(grpc.aio.AioRpcError, match="that you may open"):
            await stub.OpenTunnel(pb.OpenTunnelRequest(connection="other"), metadata=metadata)
