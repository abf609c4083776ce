"""The Tunnel service as plain types: one ``SessionStream`` carries the bytes of one client connection, and the side
band.

Back-pressure goes both ways: ``send`` returns when the transport has taken the bytes, and what is not read from
``answers`` stays with the gateway once the stream's window is full. Nothing here looks into the bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import grpc
import grpc.aio

from hoop.v1 import tunnel_pb2, tunnel_pb2_grpc
from hoopctl.client.channel import translate
from hoopctl.client.gateway import Gateway
from hoopctl.clock import from_micros

_MADE_UP = "Internal error from Core"
_STATUS_LOOKS, _STATUS_SECONDS = 25, 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """What a tunnel leads to."""

    connection: str
    database: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """What the gateway is told of a session before its first byte.

    ``scram_verifier`` is the stored form of the tunnel's password (RFC 5803), never the password; ``tunnel`` tells
    the sessions of one tunnel from others; ``host`` is this machine's name, for the record.
    """

    connection: str
    scram_verifier: str
    reason: str
    client_version: str
    host: str
    tunnel: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The session stands."""

    session: str


@dataclass(frozen=True, slots=True)
class Signal:
    """What happened to a held statement: ``held``, ``approved``, ``rejected``, ``expired``, ``cancelled``, ``void``."""

    event: str
    request: str
    message: str
    sql: str
    waiting_for: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; ``cause`` is ``client``, ``database``, ``gateway``, ``expired``, ``refused`` or
    ``limit``.
    """

    cause: str
    message: str


Answer = Opened | bytes | Signal | Ended


def _plain(message: tunnel_pb2.ToClient) -> Answer | None:
    """``message`` without generated code; None for what a newer gateway says and this command does not know."""
    match message.WhichOneof("message"):
        case "data":
            return message.data
        case "opened":
            return Opened(message.opened.session)
        case "signal":
            said = message.signal
            until = from_micros(said.until_us) if said.until_us else None
            return Signal(said.event, said.request, said.message, said.sql, tuple(said.waiting_for), until)
        case "ended":
            return Ended(message.ended.cause, message.ended.message)
        case _:
            return None


def _is_being_cancelled() -> bool:
    """Whether our own task is cancelled: gRPC raises the same error for a call that was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class SessionStream:
    """One stream of ``Tunnel.Session``. Calls that fail raise HoopctlError as ``channel.translate`` makes it."""

    def __init__(
        self, gateway: Gateway, call: grpc.aio.StreamStreamCall[tunnel_pb2.ToGateway, tunnel_pb2.ToClient]
    ) -> None:
        self._gateway = gateway
        self._call = call
        # gRPC takes one message at a time, and tokens come from another task than bytes.
        self._one_at_a_time = asyncio.Lock()

    async def _write(self, message: tunnel_pb2.ToGateway) -> None:
        try:
            async with self._one_at_a_time:
                await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The stream is over; why is said by whoever reads its answers.
            raise StreamOver from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            raise StreamOver from None

    async def send(self, data: bytes) -> None:
        """Carry ``data`` to the gateway, and return when there is room for more.

        Raises StreamOver when it has ended.
        """
        await self._write(tunnel_pb2.ToGateway(data=data))

    async def send_eof(self) -> None:
        """Say that the client has closed its sending side."""
        await self._write(tunnel_pb2.ToGateway(eof=True))

    async def send_token(self, token: str) -> None:
        """Give the gateway a fresh token for the same principal."""
        await self._write(tunnel_pb2.ToGateway(token=token))

    async def answers(self) -> AsyncGenerator[Answer]:
        """What the gateway says, until it ends the stream, or ``cancel`` does."""
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                assert isinstance(message, tunnel_pb2.ToClient)
                plain = _plain(message)
                if plain is not None:
                    yield plain
            await self._check_end()
        except grpc.aio.AioRpcError:
            error = await self._error()
            if error.details() == _MADE_UP:
                await self._gateway.whoami()  # its refusal is the gateway's own word, as the stream's was
            raise translate(error, self._gateway.server) from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise

    async def _check_end(self) -> None:
        """Raise what the stream ended with, unless it ended well: ``read`` says EOF for both."""
        if await self._call.code() is not grpc.StatusCode.OK:
            raise await self._error()

    async def _error(self) -> grpc.aio.AioRpcError:
        """What the stream ended with: the gateway's own words.

        Where a write fails, grpc.aio makes one up. If the gateway's own comes after that, it takes its place.
        """
        for _ in range(_STATUS_LOOKS):
            if await self._call.details() != _MADE_UP:
                break
            await asyncio.sleep(_STATUS_SECONDS)
        return grpc.aio.AioRpcError(
            await self._call.code(),
            await self._call.initial_metadata(),
            await self._call.trailing_metadata(),
            await self._call.details(),
            await self._call.debug_error_string(),  # type: ignore[attr-defined]
        )

    def cancel(self) -> None:
        """End the stream now: the gateway takes the client for gone. Does nothing when it has ended."""
        self._call.cancel()


class StreamOver(Exception):
    """Something was to be sent on a stream that has ended."""


class TunnelClient:
    """What a tunnel asks of its gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stub = tunnel_pb2_grpc.TunnelStub(gateway.channel)

    async def target(self, connection: str) -> Target:
        """What ``connection`` leads to.

        Raises NotFound when there is no such, Denied when the caller may not open it.
        """
        said = await self._gateway.call(self._stub.OpenTunnel, tunnel_pb2.OpenTunnelRequest(connection=connection))
        return Target(said.connection, said.database, dict(said.labels))

    async def session(self, opening: Opening) -> SessionStream:
        """A new stream for one client connection, opened with the bearer of now.

        Raises HoopctlError when there is no token or the gateway is out of reach.
        """
        call = self._stub.Session(metadata=await self._gateway.metadata())
        stream = SessionStream(self._gateway, call)
        try:
            await stream._write(tunnel_pb2.ToGateway(open=_open(opening)))  # noqa: SLF001 - the same module
        except StreamOver:
            # It has ended already; why is said by whoever reads its answers.
            return stream
        except BaseException:
            stream.cancel()
            raise
        return stream

    async def reachable(self) -> AsyncIterator[bool]:
        """Whether the gateway is reached: first as it is now, then each change, trying to reach it all the while."""
        channel, last = self._gateway.channel, None
        while True:
            state = channel.get_state(try_to_connect=True)
            now = state is grpc.ChannelConnectivity.READY
            if now is not last and (now or state is grpc.ChannelConnectivity.TRANSIENT_FAILURE):
                last = now
                yield now
            await channel.wait_for_state_change(state)

    async def wait_until_reachable(self, seconds: float) -> bool:
        """Wait for the gateway to be reached, for at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._gateway.channel.channel_ready()
        except TimeoutError:
            return False
        return True


def _open(opening: Opening) -> tunnel_pb2.Open:
    return tunnel_pb2.Open(
        connection=opening.connection,
        scram_verifier=opening.scram_verifier,
        reason=opening.reason,
        client_version=opening.client_version,
        host=opening.host,
        tunnel=opening.tunnel,
    )
