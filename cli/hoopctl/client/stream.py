"""The one stream of a tunnel: each of its sessions has a lane on it, which carries bytes both ways and the side band.

Nothing here waits for a client: what a session may send and be sent is bounded by credit (``hoop.frames``), so that a
client that is slow holds up its own lane alone. Nothing here looks into the bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from hoop import frames
from hoop.v1 import tunnel_pb2
from hoopctl.client.channel import translate
from hoopctl.client.gateway import Gateway
from hoopctl.clock import from_micros
from hoopctl.errors import HoopctlError

_MADE_UP = "Internal error from Core"
_STATUS_LOOKS, _STATUS_SECONDS = 25, 0.02


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
    ``limit``. ``untold``: the client has not heard of it in its own protocol.
    """

    cause: str
    message: str
    hint: str | None = None
    untold: bool = False


Answer = Opened | bytes | Signal | Ended


class Taker(Protocol):
    """The local end of a session. None of its methods waits."""

    def take(self, answer: Answer) -> None:
        """What the gateway says; ``Ended`` is the last. Of bytes, ``Lane.taken`` is to be told when they are gone."""

    def lost(self, error: HoopctlError) -> None:
        """The stream ended before the session did."""

    def go_on(self) -> None:
        """The lane, which was full, has room again."""


class Lane:
    """One session on the stream. Once it has ended, whatever is sent on it goes nowhere."""

    def __init__(self, number: int, stream: TunnelStream, taker: Taker) -> None:
        self.taker = taker
        self._number = number
        self._stream = stream
        self._outbox = stream.outbox
        self._credit = frames.Credit(frames.WINDOW_UP)
        self._room = frames.Room(frames.WINDOW_DOWN)
        self._rest = memoryview(b"")
        self._eof = False

    @property
    def is_full(self) -> bool:
        """Whether bytes wait for credit: send no more until ``Taker.go_on``."""
        return bool(self._rest)

    def send(self, data: bytes) -> None:
        """Carry ``data`` to the gateway."""
        if len(data) <= frames.DATA_BYTES and len(data) <= self._credit.left and not self._rest:
            self._put(data)
        else:
            self._rest = memoryview(bytes(self._rest) + data if self._rest else data)
            self._push()

    def send_eof(self) -> None:
        """Say that the client has closed its sending side."""
        self._eof = True
        self._push()

    def reset(self) -> None:
        """End the session now: the gateway takes the client for gone, and nothing comes of it any more."""
        if self._stream.forget(self._number):
            self._outbox.put(frames.RESET, self._number)

    def taken(self, size: int) -> None:
        """The client has taken ``size`` bytes of what it was sent."""
        if (due := self._room.take(size)) and self._stream.has(self._number):
            self._outbox.put_credit(self._number, due)

    # What the stream brings

    def fill(self, size: int) -> None:
        """Raises FrameError for data without credit."""
        self._room.fill(size)

    def give(self, amount: int) -> None:
        """Raises FrameError."""
        self._credit.give(amount)
        if self._rest:
            self._push()
            if not self._rest:
                self.taker.go_on()

    def _push(self) -> None:
        while self._rest and self._credit.left:
            size = min(len(self._rest), frames.DATA_BYTES, self._credit.left)
            data, self._rest = bytes(self._rest[:size]), self._rest[size:]
            self._put(data)
        if self._eof and not self._rest and self._stream.has(self._number):
            self._eof = False
            self._outbox.put(frames.EOF, self._number)

    def _put(self, data: bytes) -> None:
        if self._stream.has(self._number):
            self._credit.spend(len(data))
            self._outbox.put_data(self._number, data)


class TunnelStream:
    """One call of `Tunnel.Carry`. It carries while ``run`` runs."""

    def __init__(self, gateway: Gateway, call: Any) -> None:
        self._gateway = gateway
        self._call = call
        self._something = asyncio.Event()
        self.outbox = frames.Outbox(self._something.set)
        self._lanes: dict[int, Lane] = {}
        self._last = 0
        self.is_over = False

    def open(self, opening: Opening, token: str, taker: Taker) -> Lane:
        """Open a session. Whether the gateway does is told to ``taker``."""
        self._last += 1
        lane = Lane(self._last, self, taker)
        self._lanes[self._last] = lane
        self.outbox.put(frames.OPEN, self._last, _open(opening, token).SerializeToString())
        return lane

    def send_token(self, token: str) -> None:
        """Give the gateway a fresh token of the same principal, for every session."""
        if not self.is_over:
            self.outbox.put(frames.TOKEN, 0, token.encode())

    def has(self, number: int) -> bool:
        return number in self._lanes

    def forget(self, number: int) -> bool:
        """Whether there was such a lane until now."""
        return self._lanes.pop(number, None) is not None

    async def run(self) -> None:
        """Carry until the gateway or the network ends the stream, and tell all that are left. Raises nothing."""
        error: HoopctlError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                pumping = tasks.create_task(self._pump())
                error = await self._read()
                pumping.cancel()
        except ExceptionGroup as errors:
            error = _failed(errors.exceptions[0])
        finally:
            self.is_over = True
            self._call.cancel()
        left, self._lanes = self._lanes, {}
        for lane in left.values():
            self._tell_lost(lane, error or HoopctlError("The gateway ended the session without a word."))

    async def _pump(self) -> None:
        """Send what waits, a message at a time; what comes meanwhile goes with the next."""
        try:
            while True:
                await self._something.wait()
                if len(self._lanes) > 1:
                    for _ in range(frames.TURNS):
                        await asyncio.sleep(0)
                self._something.clear()
                while self.outbox:
                    await self._call.write(self.outbox.take())
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # the stream is over; why is said by what is read from it
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise

    async def _read(self) -> HoopctlError | None:
        """Deliver until the end of the stream; gives what it ended with, unless it ended well."""
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                for kind, number, body in frames.decode(message, frames.BODY_DOWN):
                    lane = self._lanes.get(number)
                    if lane is not None:
                        self._deliver(lane, kind, number, body)
            await self._check_end()
        except grpc.aio.AioRpcError:
            return await self._why()
        except (frames.FrameError, DecodeError) as problem:
            return HoopctlError(f"The gateway sent what this hoopctl does not understand: {problem}.")
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
        return None

    def _deliver(self, lane: Lane, kind: int, number: int, body: bytes) -> None:
        """What is delivered may fail, and then ends that session alone."""
        if kind == frames.DATA:
            lane.fill(len(body))
        elif kind == frames.ENDED:
            del self._lanes[number]
        amount = frames.decode_amount(body) if kind == frames.CREDIT else 0
        answer = body if kind == frames.DATA else _plain(kind, body)
        try:
            if amount:
                lane.give(amount)
            elif answer is not None:
                lane.taker.take(answer)
        except frames.FrameError:
            raise
        except Exception as error:  # noqa: BLE001 - the neighbours' sessions go on
            lane.reset()
            self._tell_lost(lane, _failed(error))

    def _tell_lost(self, lane: Lane, error: HoopctlError) -> None:
        try:
            lane.taker.lost(error)
        except Exception:  # noqa: BLE001 - it could not be told; the neighbours can
            return

    async def _why(self) -> HoopctlError:
        error = await self._error()
        try:
            if error.details() == _MADE_UP:
                await self._gateway.whoami()  # its refusal is the gateway's own word, as the stream's was
        except HoopctlError as refusal:
            return refusal
        return translate(error, self._gateway.server)

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
            await self._call.debug_error_string(),
        )


def _is_being_cancelled() -> bool:
    """Whether our own task is cancelled: gRPC raises the same error for a call that was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failed(error: Exception) -> HoopctlError:
    return HoopctlError(f"Something went wrong inside hoopctl ({type(error).__name__}).")


def _plain(kind: int, body: bytes) -> Opened | Signal | Ended | None:
    """A frame without generated code; None for what a newer gateway says and this command does not know."""
    match kind:
        case frames.OPENED:
            return Opened(tunnel_pb2.Opened.FromString(body).session)
        case frames.SIGNAL:
            said = tunnel_pb2.Signal.FromString(body)
            until = from_micros(said.until_us) if said.until_us else None
            return Signal(said.event, said.request, said.message, said.sql, tuple(said.waiting_for), until)
        case frames.ENDED:
            over = tunnel_pb2.Ended.FromString(body)
            return Ended(over.cause, over.message, over.hint or None, over.untold)
        case _:
            return None


def _open(opening: Opening, token: str) -> tunnel_pb2.Open:
    return tunnel_pb2.Open(
        connection=opening.connection,
        scram_verifier=opening.scram_verifier,
        reason=opening.reason,
        client_version=opening.client_version,
        host=opening.host,
        tunnel=opening.tunnel,
        token=token,
    )
