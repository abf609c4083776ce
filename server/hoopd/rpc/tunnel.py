"""tunnel.proto: from a gRPC stream to a client pipe and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import grpc.aio

from hoop.v1 import tunnel_pb2 as pb
from hoop.v1 import tunnel_pb2_grpc
from hoopd.domain.errors import HoopError, InvalidInput
from hoopd.recording.codec import micros
from hoopd.rpc.authentication import Context, principal_of
from hoopd.runtime.gateway import Gateway, Opening
from hoopd.runtime.pipe import SideBand
from hoopd.runtime.visa import Visa

PIECE = 64 * 1024
"""Bytes that are handed on at once, either way: no message of gRPC's is near its limit, whatever a row's size."""
FIRST_SECONDS = 60.0


class StreamPipe:
    """A client pipe on one gRPC stream. A fresh token on the stream goes to ``on_token``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._writing = asyncio.Lock()
        self._rest = memoryview(b"")
        self._half_closed = False
        self.visa: Visa | None = None

    async def first(self) -> pb.ToGateway:
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                message = await self._context.read()
        except TimeoutError:
            raise InvalidInput(f"no session was opened within {FIRST_SECONDS:.0f} s") from None
        if message is grpc.aio.EOF:
            return pb.ToGateway()
        assert isinstance(message, pb.ToGateway)
        return message

    async def read(self) -> bytes:
        if self._rest:
            return self._piece()
        while True:
            message = await self._context.read()
            if message is grpc.aio.EOF:  # said of a stream that was cancelled, too
                raise ConnectionResetError("the tunnel's stream is over")
            match message.WhichOneof("message"):
                case "data" if message.data and not self._half_closed:
                    self._rest = memoryview(message.data)
                    return self._piece()
                case "token" if self.visa is not None:
                    await self.visa.renew(message.token)
                case "eof" if not self._half_closed:
                    self._half_closed = True
                    return b""
                case _:
                    continue

    def _piece(self) -> bytes:
        piece, self._rest = bytes(self._rest[:PIECE]), self._rest[PIECE:]
        return piece

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), PIECE):
            await self._send(pb.ToClient(data=data[at : at + PIECE]))

    async def tell(self, line: SideBand) -> None:
        until = micros(line.until) if line.until else 0
        signal = pb.Signal(
            event=line.event,
            request=line.request,
            message=line.message,
            sql=line.sql,
            waiting_for=line.waiting_for,
            until_us=until,
        )
        await self._send(pb.ToClient(signal=signal))

    async def opened(self, session: str) -> None:
        await self._send(pb.ToClient(opened=pb.Opened(session=session)))

    async def ended(self, cause: str, message: str) -> None:
        await self._send(pb.ToClient(ended=pb.Ended(cause=cause, message=message)))

    async def _send(self, message: pb.ToClient) -> None:
        try:
            async with self._writing:
                await self._context.write(message)
        except (grpc.aio.InternalError, grpc.aio.UsageError):
            raise ConnectionResetError("the tunnel's stream is closed") from None


class TunnelService(tunnel_pb2_grpc.TunnelServicer):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def OpenTunnel(self, request: pb.OpenTunnelRequest, context: Context) -> pb.OpenTunnelResponse:
        connection = self._gateway.may_open(principal_of(context), request.connection)
        return pb.OpenTunnelResponse(
            connection=connection.name, database=connection.database, labels=dict(connection.labels)
        )

    async def Session(  # type: ignore[override]
        self, request_iterator: AsyncIterator[pb.ToGateway], context: Context
    ) -> None:
        pipe = StreamPipe(context)
        first = await pipe.first()
        if first.WhichOneof("message") != "open":
            raise InvalidInput("the first message of a session must open it")
        try:
            ended = await self._gateway.serve(pipe, principal_of(context), _opening(first.open))
        except ConnectionResetError:
            return
        except HoopError as problem:
            with suppress(ConnectionResetError):
                await pipe.ended("refused", problem.message)
            raise
        with suppress(ConnectionResetError):
            await pipe.ended(ended.cause, ended.message)


def _opening(message: pb.Open) -> Opening:
    return Opening(
        connection=message.connection,
        scram_verifier=message.scram_verifier,
        reason=message.reason,
        client_version=message.client_version,
        host=message.host,
        tunnel=message.tunnel,
    )
