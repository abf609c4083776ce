"""One client connection and its lane: bytes both ways, each way only as fast as the other end takes them.

The pipe knows no SQL. Of its own it sends nothing but one last error, when the gateway can no longer send one. It is
driven by its two ends, by calls that do not wait: nothing is scheduled for a message.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from hoopctl.client.stream import Answer, Ended, Lane, Opened, Signal
from hoopctl.errors import HoopctlError, Unreachable
from hoopctl.tunnel.events import SessionEnded, SessionStarted, Signalled, TunnelEvent
from hoopctl.tunnel.wire import CONNECTION_FAILURE, Borders, fatal

BUFFER_BYTES = 64 * 1024
CLOSING_SECONDS = 2.0
_COME_BACK = "The tunnel stays open: connect again in a moment."


class Pipe(asyncio.Protocol):
    """Carries one client's bytes; ``report`` is told what the gateway says beside them."""

    def __init__(self, report: Callable[[TunnelEvent], None]) -> None:
        self._report = report
        self._borders = Borders()
        self._session: str | None = None
        self._ended: Ended | None = None
        self._lane: Lane | None = None
        self._early = bytearray()
        self._client_done = False
        self._is_over = False
        self._is_behind = False
        self._untaken = 0
        self._closed = asyncio.get_running_loop().create_future()

    def carry(self, lane: Lane) -> None:
        """Carry bytes from now on, until one side is done; then the client's connection is closed."""
        self._lane = lane
        if self._closed.done():
            self._vanished()
            return
        if self._early:
            lane.send(bytes(self._early))
            self._early.clear()
        if self._client_done:
            lane.send_eof()
        elif not lane.is_full:
            self._read_on()

    async def closed(self) -> None:
        """Return when the client's connection is closed."""
        await asyncio.shield(self._closed)

    def close_with(self, error: HoopctlError, sqlstate: str = CONNECTION_FAILURE) -> None:
        """Tell the client what ended its connection, if it can be told between two messages, and close it."""
        if self._borders.between_messages and not self._transport.is_closing():
            hint = _COME_BACK if isinstance(error, Unreachable) else error.hint
            self._transport.write(fatal(sqlstate, error.message, hint))
        self._close()

    def abort(self) -> None:
        """Drop the client's connection now, and its session."""
        if self._lane is not None:
            self._lane.reset()
        self._transport.abort()

    # What the client does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are of no class of asyncio's
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._lane is None:
            self._early += data
            self._transport.pause_reading()
            return
        self._lane.send(data)
        if self._lane.is_full:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client may still read: only when the session is over too is its connection closed."""
        self._client_done = True
        if self._lane is not None and not self._is_over:
            self._lane.send_eof()
        return not self._is_over

    def pause_writing(self) -> None:
        self._is_behind = True

    def resume_writing(self) -> None:
        self._is_behind = False
        untaken, self._untaken = self._untaken, 0
        if self._lane is not None and untaken:
            self._lane.taken(untaken)
        if self._ended is not None:
            self._finish(self._ended)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        if self._lane is not None:
            self._vanished()

    def _vanished(self) -> None:
        """The client is gone, if it was not told to be."""
        assert self._lane is not None
        self._lane.reset()
        if not self._is_over:
            self._is_over = True
            ended = self._ended or Ended("client", "")
            self._report(SessionEnded(self._session, ended.cause, ended.message))

    # What the gateway says

    def take(self, answer: Answer) -> None:
        match answer:
            case bytes():
                self._pass_on(answer)
            case Opened(session):
                self._session = session
                self._report(SessionStarted(session))
            case Signal():
                self._report(Signalled(self._session, answer))
            case Ended():
                self._ended = answer
                if not self._is_behind:  # else when the client has taken what is before
                    self._finish(answer)

    def _pass_on(self, data: bytes) -> None:
        self._borders.feed(data)
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._is_behind:
            self._untaken += len(data)
        elif self._lane is not None:
            self._lane.taken(len(data))

    def lost(self, error: HoopctlError) -> None:
        if not self._is_over:
            self._is_over = True
            self._report(SessionEnded(self._session, "lost", error.message))
            self.close_with(error)

    def go_on(self) -> None:
        self._read_on()

    # The end

    def _finish(self, ended: Ended) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._report(SessionEnded(self._session, ended.cause, ended.message))
        if ended.untold:
            self.close_with(HoopctlError(ended.message, hint=ended.hint))
        else:
            self._close()

    def _close(self) -> None:
        """Close so that the client reads all that was sent: unread bytes of its own would make the close a reset."""
        self._is_over = True
        if self._transport.is_closing():
            return
        if self._client_done:
            self._transport.close()
        else:
            with suppress(OSError, RuntimeError):  # the client was faster
                self._transport.write_eof()
            self._read_on()
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._transport.abort)

    def _read_on(self) -> None:
        if not self._transport.is_closing() and not self._client_done:
            self._transport.resume_reading()
