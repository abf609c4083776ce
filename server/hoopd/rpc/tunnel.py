"""tunnel.proto: from the one gRPC stream of a tunnel to a client pipe for each of its sessions, and back.

What happens to one session ends that session alone. Only what breaks the stream's own rules, or the stream itself,
ends all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from hoop import frames
from hoop.v1 import tunnel_pb2 as pb
from hoopd.domain.errors import HoopError, InvalidInput, LimitExceeded, NotSignedIn
from hoopd.domain.principal import Principal
from hoopd.rpc.authentication import Context, principal_of, where
from hoopd.rpc.lane import Lane, Traffic
from hoopd.runtime.gateway import Gateway, Opening

log = logging.getLogger("hoopd.rpc")

MAX_SESSIONS = 250
"""Of one stream; `hoopctl` carries 100 clients. What opens twice as many at once is no command of ours, and its stream
ends."""
MAX_STREAMS = 50
"""Of one person."""

LAST_SECONDS = 5.0
"""For a client to take what is there for it when the stream ends."""

Verify = Callable[[str], Awaitable[Principal]]


class TunnelService:
    """``verify`` gives the principal of a bearer token for sessions; it raises HoopError."""

    def __init__(self, gateway: Gateway, verify: Verify) -> None:
        self._gateway = gateway
        self._verify = verify
        self._streams: set[TunnelStream] = set()
        self._of_person: Counter[tuple[str, str]] = Counter()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Not by generated code: the messages of `Carry` are bytes, and go past protobuf."""
        answer: Any = pb.OpenTunnelResponse.SerializeToString
        opening = grpc.unary_unary_rpc_method_handler(self.OpenTunnel, pb.OpenTunnelRequest.FromString, answer)
        carrying: Any = grpc.stream_stream_rpc_method_handler(self.Carry)
        handlers = {"OpenTunnel": opening, "Carry": carrying}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hoop.v1.Tunnel", handlers),))

    async def OpenTunnel(self, request: pb.OpenTunnelRequest, context: Context) -> pb.OpenTunnelResponse:
        connection = self._gateway.may_open(principal_of(context), request.connection)
        return pb.OpenTunnelResponse(
            connection=connection.name, database=connection.database, labels=dict(connection.labels)
        )

    async def Carry(self, request_iterator: object, context: Context) -> None:
        principal = principal_of(context)
        if self._of_person[principal.key] >= MAX_STREAMS:
            raise LimitExceeded(f"you have {MAX_STREAMS} tunnels open, the limit of one person: close some")
        stream = TunnelStream(context, principal, self._gateway, self._verify)
        self._of_person[principal.key] += 1
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)
            self._of_person[principal.key] -= 1
            if not self._of_person[principal.key]:
                del self._of_person[principal.key]

    def stop(self) -> None:
        """End every stream. To be called when the sessions have ended."""
        for stream in self._streams:
            stream.stop()


class TunnelStream:
    """One call of `Carry`, from its first message to its end."""

    def __init__(self, context: Context, principal: Principal, gateway: Gateway, verify: Verify) -> None:
        self._context = context
        self._principal = principal
        self._gateway = gateway
        self._verify = verify
        self._something = asyncio.Event()
        self._outbox = frames.Outbox(self._something.set)
        self._traffic = Traffic(self._outbox)
        self._lanes: dict[int, Lane] = {}
        self._sessions: dict[int, asyncio.Task[None]] = {}
        self._last = 0
        self._token: str | None = None
        self._renewing = False
        self._stopping = False
        self._done = False
        self._fault: str | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Return when the client has closed the stream, or ``stop`` was called, and no session is left.

        Raises:
            InvalidInput: the client broke the rules of frames.
        """
        async with asyncio.TaskGroup() as self._tasks:
            pumping = self._tasks.create_task(self._pump())
            self._reading = self._tasks.create_task(self._read())
            await asyncio.wait((self._reading,))
            if not self._stopping:
                self._break()
                for session in self._sessions.values():
                    session.cancel()
            if self._sessions:
                await asyncio.wait(tuple(self._sessions.values()))
            self._done = True
            self._something.set()
            # A write that is under way is not cancelled: gRPC could not send the stream's status then.
            await asyncio.wait((pumping,), timeout=LAST_SECONDS)
            pumping.cancel()
        if self._fault is not None:
            raise InvalidInput(self._fault)

    def stop(self) -> None:
        """Take nothing more from the client, and return from ``run`` when it has what there is for it."""
        self._stopping = True
        self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    def _break(self) -> None:
        self._traffic.broke()
        for lane in self._lanes.values():
            lane.broke()

    # To the client

    async def _pump(self) -> None:
        """Send what waits, a message at a time; what comes meanwhile goes with the next."""
        try:
            while not self._done:
                await self._something.wait()
                if len(self._lanes) > 1:
                    for _ in range(frames.TURNS):
                        await asyncio.sleep(0)
                self._something.clear()
                while self._outbox and not self._fault:
                    await self._context.write(self._outbox.take())
                    self._traffic.moved()
        except (grpc.aio.InternalError, grpc.aio.UsageError):
            self._break()
            self._stop_reading()

    # From the client

    async def _read(self) -> None:
        try:
            while True:
                message = await self._context.read()
                if message is grpc.aio.EOF:
                    return
                if len(message) > frames.MESSAGE_LIMIT:  # other sessions have their turn between two messages
                    raise frames.FrameError("a message is too long")
                for kind, number, body in frames.decode(message, frames.BODY_UP):
                    self._take(kind, number, body)
                if self._outbox.is_crowded:  # by a client that asks, and does not take its answers
                    await self._traffic.calm()
        except (frames.FrameError, DecodeError) as problem:
            self._fault = str(problem)
        except ConnectionResetError:
            return

    def _take(self, kind: int, number: int, body: bytes) -> None:
        if kind == frames.OPEN:
            self._open(number, pb.Open.FromString(body))
            return
        if kind == frames.TOKEN:
            self._renew(body.decode("utf-8", "replace"))
            return
        lane = self._lanes.get(number)
        if lane is None:
            if number > self._last:
                raise frames.FrameError("a session that was never opened is spoken of")
            return  # it has ended here, which the client did not know yet
        match kind:
            case frames.DATA:
                lane.feed(body)
            case frames.CREDIT:
                lane.give(frames.decode_amount(body))
            case frames.EOF:
                lane.feed_eof()
            case frames.RESET:
                del self._lanes[number]
                self._sessions[number].cancel()
            case _:
                raise frames.FrameError("a frame of a kind that is not known")

    def _open(self, number: int, opening: pb.Open) -> None:
        if number <= self._last:
            raise frames.FrameError("a session's number is higher than the one before")
        if len(self._sessions) >= 2 * MAX_SESSIONS:
            raise frames.FrameError("too many sessions were opened at once")
        self._last = number
        lane = Lane(number, self._traffic)
        self._lanes[number] = lane
        assert self._tasks is not None
        task = self._tasks.create_task(self._session(number, lane, opening))
        self._sessions[number] = task
        task.add_done_callback(lambda _: self._forget(number))

    def _forget(self, number: int) -> None:
        del self._sessions[number]
        self._lanes.pop(number, None)

    async def _session(self, number: int, lane: Lane, opening: pb.Open) -> None:
        """One session to its end. One of the places with a broad except: no session may end its neighbours."""
        try:
            ended = await self._served(lane, opening)
        except ConnectionResetError:
            return
        except HoopError as problem:
            ended = pb.Ended(cause="refused", message=problem.message, hint=problem.hint or "", untold=True)
        except Exception as problem:  # noqa: BLE001
            log.error("a session failed inside the gateway: %s", where(problem))
            message = "the gateway failed inside; its log has more"
            ended = pb.Ended(cause="gateway", message=message, untold=True)
        if self._lanes.pop(number, None) is not None:
            try:
                await lane.ended(ended)
            except ConnectionResetError:
                return

    async def _served(self, lane: Lane, opening: pb.Open) -> pb.Ended:
        if len(self._sessions) > MAX_SESSIONS:
            raise LimitExceeded(f"this tunnel has {MAX_SESSIONS} connections open, its limit: close some")
        principal = await self._verify(opening.token)
        if principal.key != self._principal.key:
            raise NotSignedIn("a token of somebody else was sent for this tunnel")
        ended = await self._gateway.serve(lane, principal, _opening(opening))
        return pb.Ended(cause=ended.cause, message=ended.message)

    # Fresh tokens

    def _renew(self, token: str) -> None:
        """For every session; the newest alone is looked at where they come faster than that."""
        self._token = token
        if not self._renewing:
            self._renewing = True
            assert self._tasks is not None
            self._tasks.create_task(self._renew_all())

    async def _renew_all(self) -> None:
        try:
            while self._token is not None:
                token, self._token = self._token, None
                for lane in list(self._lanes.values()):
                    await lane.renew(token)
        finally:
            self._renewing = False


def _opening(message: pb.Open) -> Opening:
    return Opening(
        connection=message.connection,
        scram_verifier=message.scram_verifier,
        reason=message.reason,
        client_version=message.client_version,
        host=message.host,
        tunnel=message.tunnel,
    )
