"""The tunnel's stream over real gRPC, in front of a gateway that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest

from hoop.v1 import tunnel_pb2 as pb
from hoop.v1 import tunnel_pb2_grpc
from hoopd.domain.connection import Connection
from hoopd.domain.errors import NotFound
from hoopd.domain.principal import Principal
from hoopd.identity import Purpose
from hoopd.rpc import tunnel as tunnel_module
from hoopd.rpc.authentication import Authentication
from hoopd.rpc.tunnel import PIECE, StreamPipe, TunnelService
from hoopd.runtime.gateway import Ended, Opening
from hoopd.runtime.pipe import SideBand

ALICE = Principal("iss", "alice", None, frozenset(), frozenset(), datetime.now(UTC) + timedelta(hours=1))
OPEN = pb.ToGateway(open=pb.Open(connection="prod-db", scram_verifier="v", reason="why", host="h", tunnel="t-1"))
Script = Callable[[StreamPipe], Awaitable[Ended]]


class Tokens:
    async def verify(self, token: str, purpose: Purpose) -> Principal:
        return ALICE


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

    async def serve(self, pipe: StreamPipe, principal: Principal, opening: Opening) -> Ended:
        self.opened.append(opening)
        try:
            return await self.script(pipe)
        finally:
            self.over.set()


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[tuple[Scripted, tunnel_pb2_grpc.TunnelStub]]:
    gateway = Scripted(script)
    limit = [("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]
    server = grpc.aio.server(interceptors=[Authentication(Tokens())], options=limit)  # type: ignore[arg-type]
    tunnel_pb2_grpc.add_TunnelServicer_to_server(TunnelService(gateway), server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            async with asyncio.timeout(30):
                yield gateway, tunnel_pb2_grpc.TunnelStub(channel)
    finally:
        await server.stop(None)


def session(stub: tunnel_pb2_grpc.TunnelStub) -> grpc.aio.StreamStreamCall:
    # Called without an iterator it is written to by hand, which its stub's types do not know.
    return stub.Session(metadata=(("authorization", "Bearer x"),))  # type: ignore[call-arg, return-value]


async def rest(call: grpc.aio.StreamStreamCall) -> list[str]:
    kinds = []
    while (message := await call.read()) is not grpc.aio.EOF:
        kinds.append(message.WhichOneof("message"))
    return kinds


async def echo(pipe: StreamPipe) -> Ended:
    await pipe.opened("s-1")
    while data := await pipe.read():
        assert len(data) <= PIECE
        await pipe.write(data)
    return Ended("client", "the client went away")


async def test_bytes_go_through_as_they_came_and_the_end_is_told() -> None:
    async with served(echo) as (gateway, stub):
        call = session(stub)
        await call.write(OPEN)
        large = bytes(range(256)) * 16_384  # 4 MiB in one message, as no honest tunnel sends it
        for data in (b"a", b"", large, b"z"):
            await call.write(pb.ToGateway(data=data))
        await call.write(pb.ToGateway(eof=True))
        messages = [message async for message in call]
        assert messages[0].opened.session == "s-1"
        assert messages[-1].ended == pb.Ended(cause="client", message="the client went away")
        assert b"".join(message.data for message in messages[1:-1]) == b"a" + large + b"z"
        assert gateway.opened == [Opening("prod-db", "v", "why", "", "h", "t-1")]


async def test_a_row_larger_than_a_message_of_grpc() -> None:
    """INV-9: it goes in pieces; nothing of it is kept whole by gRPC."""
    large = b"x" * (20 << 20)

    async def script(pipe: StreamPipe) -> Ended:
        await pipe.write(large)
        return Ended("client", "")

    async with served(script) as (_, stub):
        call = session(stub)
        await call.write(OPEN)
        got = bytearray()
        async for message in call:
            assert len(message.data) <= PIECE
            got += message.data
        assert bytes(got) == large


@pytest.mark.parametrize(
    "first", [pb.ToGateway(data=b"x"), pb.ToGateway(token="t"), pb.ToGateway(eof=True), pb.ToGateway(), None]
)
async def test_a_stream_that_does_not_begin_by_opening(first: pb.ToGateway | None) -> None:
    async with served(echo) as (gateway, stub):
        call = session(stub)
        if first is not None:
            await call.write(first)
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError, match="the first message of a session must open it") as caught:
            await rest(call)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert gateway.opened == []


async def test_a_stream_that_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9: slow-loris."""
    monkeypatch.setattr(tunnel_module, "FIRST_SECONDS", 0.05)
    async with served(echo) as (_, stub):
        call = session(stub)
        with pytest.raises(grpc.aio.AioRpcError, match="no session was opened within"):
            await rest(call)


async def test_a_message_over_grpcs_limit_ends_the_call() -> None:
    """INV-9"""
    async with served(echo) as (gateway, stub):
        call = session(stub)
        await call.write(OPEN)
        await call.read()
        await call.write(pb.ToGateway(data=bytes((8 << 20) + 1)))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rest(call)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await gateway.over.wait()


async def test_a_caller_that_cancels_leaves_no_session() -> None:
    async def waits(pipe: StreamPipe) -> Ended:
        await pipe.opened("s-1")
        await asyncio.Event().wait()
        raise AssertionError

    async with served(waits) as (gateway, stub):
        call = session(stub)
        await call.write(OPEN)
        await call.read()
        call.cancel()
        await gateway.over.wait()


async def test_a_client_that_closes_its_side_is_told_from_a_stream_that_ends() -> None:
    """The end of a stream without the client's own word for it is a break, as is a cancel behind that word."""
    said: list[bytes | str] = []
    half_closed = asyncio.Event()

    async def script(pipe: StreamPipe) -> Ended:
        try:
            while True:
                said.append(await pipe.read())
                if said[-1] == b"":
                    half_closed.set()
        except (ConnectionResetError, asyncio.CancelledError):
            said.append("broken")
            raise

    async with served(script) as (gateway, stub):
        call = session(stub)
        for message in (OPEN, pb.ToGateway(data=b"a"), pb.ToGateway(eof=True), pb.ToGateway(data=b"late")):
            await call.write(message)
        await half_closed.wait()
        call.cancel()
        await gateway.over.wait()
        assert said == [b"a", b"", "broken"]
        gateway.over.clear()
        call = session(stub)
        await call.write(OPEN)
        await call.write(pb.ToGateway(data=b"b"))
        await call.done_writing()
        await gateway.over.wait()
        assert said[3:] == [b"b", "broken"]


async def test_a_refusal_is_told_on_the_stream_and_as_the_calls_status() -> None:
    async def refuses(pipe: StreamPipe) -> Ended:
        raise NotFound("no such connection", hint="look")

    async with served(refuses) as (_, stub):
        call = session(stub)
        await call.write(OPEN)
        message = await call.read()
        assert message.ended == pb.Ended(cause="refused", message="no such connection")
        with pytest.raises(grpc.aio.AioRpcError, match="no such connection") as caught:
            await rest(call)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_side_band_and_fresh_tokens() -> None:
    renewed: list[str] = []

    class Visa:
        async def renew(self, token: str) -> None:
            renewed.append(token)

    async def script(pipe: StreamPipe) -> Ended:
        pipe.visa = Visa()  # type: ignore[assignment]
        data = await pipe.read()
        until = datetime(2026, 1, 1, tzinfo=UTC)
        await pipe.tell(SideBand("held", "r-1", data.decode(), "delete", ("dba",), until))
        return Ended("client", "")

    async with served(script) as (_, stub):
        call = session(stub)
        await call.write(OPEN)
        await call.write(pb.ToGateway(token="fresh"))
        await call.write(pb.ToGateway(data=b"waiting"))
        signal = (await call.read()).signal
        assert renewed == ["fresh"]
        assert signal == pb.Signal(
            event="held", request="r-1", message="waiting", sql="delete", waiting_for=["dba"],
            until_us=1_767_225_600_000_000,
        )  # fmt: skip
        assert await rest(call) == ["ended"]


async def test_opening_a_tunnel() -> None:
    async with served(echo) as (_, stub):
        metadata = (("authorization", "Bearer x"),)
        answer = await stub.OpenTunnel(pb.OpenTunnelRequest(connection="prod-db"), metadata=metadata)
        assert (answer.connection, answer.database, dict(answer.labels)) == ("prod-db", "shop", {"env": "test"})
        with pytest.raises(grpc.aio.AioRpcError, match="that you may open"):
            await stub.OpenTunnel(pb.OpenTunnelRequest(connection="other"), metadata=metadata)
