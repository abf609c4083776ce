"""One session's share of a tunnel's stream: the client pipe that the session's runner reads and writes.

Both ways are bounded: what the client may send ahead by the room that it was given credit for, what is sent to it by
its own credit and by what waits for the stream as a whole. One task reads and one writes.
"""

from __future__ import annotations

import asyncio
from collections import deque

from hoop import frames
from hoop.v1 import tunnel_pb2 as pb
from hoopd.recording.codec import micros
from hoopd.runtime.pipe import SideBand
from hoopd.runtime.visa import Visa

_JOINED = 4096
"""Up to this many bytes are kept in one piece: a window of pieces of two bytes would take 25 times its size (INV-9)."""


class Traffic:
    """What a stream's sessions share: what waits to be sent, and whether it can still be."""

    def __init__(self, outbox: frames.Outbox) -> None:
        self.outbox = outbox
        self._moved = asyncio.Event()
        self._broken = False

    def moved(self) -> None:
        """Something was sent: whoever waits for room looks again."""
        self._moved.set()

    def broke(self) -> None:
        """Nothing can be sent any more."""
        self._broken = True
        self._moved.set()

    def check(self) -> None:
        """Raises ConnectionResetError when the stream is closed."""
        if self._broken:
            raise ConnectionResetError("the tunnel's stream is closed")

    async def room(self) -> None:
        """Return when the stream as a whole has room for more. Raises ConnectionResetError."""
        self.check()
        while not self.outbox.has_room:
            await self.change()

    async def calm(self) -> None:
        """Return when the client has taken most of what is no data. Raises ConnectionResetError."""
        self.check()
        while self.outbox.is_crowded:
            await self.change()

    async def change(self) -> None:
        self._moved.clear()
        await self._moved.wait()
        self.check()


class Lane:
    """A client pipe on the stream of its tunnel."""

    def __init__(self, number: int, traffic: Traffic) -> None:
        self._number = number
        self._traffic = traffic
        self._outbox = traffic.outbox
        self._chunks: deque[bytes] = deque()
        self._eof = False
        self._eof_told = False
        self._broken = False
        self._room = frames.Room(frames.WINDOW_UP)
        self._credit = frames.Credit(frames.WINDOW_DOWN)
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._fresh: str | None = None
        self.visa: Visa | None = None

    # What the stream brings

    def feed(self, data: bytes) -> None:
        """Raises FrameError for data without credit. What comes behind the client's own end is nothing."""
        if not data:
            raise frames.FrameError("data without any")
        self._room.fill(len(data))
        if self._eof:
            return
        if self._chunks and len(self._chunks[-1]) + len(data) <= _JOINED:
            self._chunks[-1] += data
        else:
            self._chunks.append(data)
        self._readable.set()

    def feed_eof(self) -> None:
        self._eof = True
        self._readable.set()

    def give(self, amount: int) -> None:
        """Raises FrameError."""
        self._credit.give(amount)
        self._writable.set()

    def broke(self) -> None:
        """The stream can carry nothing any more."""
        self._broken = True
        self._readable.set()
        self._writable.set()

    async def renew(self, token: str) -> None:
        """A fresh token. One that comes before the session stands is kept until it does."""
        if self.visa is None:
            self._fresh = token
        else:
            await self.visa.renew(token)

    # The pipe

    async def read(self) -> bytes:
        while not self._chunks:
            if self._broken:
                raise ConnectionResetError("the tunnel's stream is over")
            if self._eof and not self._eof_told:
                self._eof_told = True
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._chunks.popleft()
        if due := self._room.take(len(data)):
            self._outbox.put_credit(self._number, due)
        return data

    async def write(self, data: bytes) -> None:
        size = len(data)
        if size <= frames.DATA_BYTES and size <= self._credit.left and self._outbox.has_room:
            self._traffic.check()
            self._put(data)
            return
        at = 0
        while at < size:
            await self._traffic.room()
            piece = data[at : at + min(frames.DATA_BYTES, self._credit.left)]
            if piece:
                self._put(piece)
                at += len(piece)
            else:
                self._writable.clear()
                await self._writable.wait()

    def _put(self, data: bytes) -> None:
        self._credit.spend(len(data))
        self._outbox.put_data(self._number, data)

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
        if len(signal.sql) * 4 > frames.BODY_DOWN:  # it is not cut but left out
            signal.sql = ""
        await self._say(frames.SIGNAL, signal)

    async def opened(self, session: str) -> None:
        if self.visa is not None and self._fresh is not None:
            await self.visa.renew(self._fresh)
        await self._say(frames.OPENED, pb.Opened(session=session))

    async def ended(self, ended: pb.Ended) -> None:
        await self._say(frames.ENDED, ended)

    async def _say(self, kind: int, message: pb.Signal | pb.Opened | pb.Ended) -> None:
        await self._traffic.calm()
        self._outbox.put(kind, self._number, message.SerializeToString())
