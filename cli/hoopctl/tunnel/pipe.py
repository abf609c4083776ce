"""One client connection and its stream: bytes both ways, each way only as fast as the other end takes them.

The pipe knows no SQL. Of its own it sends nothing but one last error, when the gateway can no longer send one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from hoopctl.client.tunnel import Answer, Ended, Opened, SessionStream, Signal, StreamOver
from hoopctl.errors import HoopctlError, Unreachable
from hoopctl.tunnel.events import SessionEnded, SessionStarted, Signalled, TunnelEvent
from hoopctl.tunnel.wire import CONNECTION_FAILURE, Borders, fatal

CHUNK_BYTES = 64 * 1024
CLOSING_SECONDS = 2.0
_COME_BACK = "The tunnel stays open: connect again in a moment."


class Pipe:
    """Carries one client's bytes; ``report`` is told what the gateway says beside them."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, report: Callable[[TunnelEvent], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._report = report
        self._borders = Borders()
        self._session: str | None = None
        self._ended: Ended | None = None
        self._client_gone = False
        self._stream: SessionStream | None = None
        writer.transport.set_write_buffer_limits(high=CHUNK_BYTES)

    async def carry(self, stream: SessionStream) -> None:
        """Carry bytes until one side is done, then close the client's connection. Ends ``stream`` when cancelled."""
        self._stream = stream
        lost: HoopctlError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                up = tasks.create_task(self._up(stream))
                lost = await self._down(stream)
                up.cancel()
        finally:
            self._stream = None
            stream.cancel()
            if self._client_gone:
                self._writer.transport.abort()
        self._tell_end(lost)
        if self._ended is None and not self._client_gone:
            await self.close_with(lost or HoopctlError("The gateway ended the session without a word."))
        else:
            await self._close()

    async def renew(self, token: str) -> None:
        """Give the session a fresh token; does nothing when it has ended."""
        if self._stream is not None:
            try:
                await self._stream.send_token(token)
            except (StreamOver, HoopctlError):
                return

    async def close_with(self, error: HoopctlError, sqlstate: str = CONNECTION_FAILURE) -> None:
        """Tell the client what ended its connection, if it can be told between two messages, and close it."""
        if self._borders.between_messages:
            hint = _COME_BACK if isinstance(error, Unreachable) else error.hint
            self._writer.write(fatal(sqlstate, error.message, hint))
        await self._close()

    async def _up(self, stream: SessionStream) -> None:
        """Client to gateway."""
        try:
            while data := await self._reader.read(CHUNK_BYTES):
                await stream.send(data)
            await stream.send_eof()
        except OSError:
            self._client_gone = True
            stream.cancel()
        except (StreamOver, HoopctlError):
            # Why the stream is over is said by what is read from it.
            return

    async def _down(self, stream: SessionStream) -> HoopctlError | None:
        """Gateway to client, until the stream ends; gives what it ended with when it was not meant to."""
        try:
            async with aclosing(stream.answers()) as answers:
                async for answer in answers:
                    await self._take(answer)
        except OSError:
            self._client_gone = True
        except HoopctlError as error:
            return error
        return None

    async def _take(self, answer: Answer) -> None:
        match answer:
            case bytes():
                self._borders.feed(answer)
                self._writer.write(answer)
                await self._writer.drain()
            case Opened(session):
                self._session = session
                self._report(SessionStarted(session))
            case Signal():
                self._report(Signalled(self._session, answer))
            case Ended():
                self._ended = answer

    def _tell_end(self, lost: HoopctlError | None) -> None:
        if self._ended is not None:
            self._report(SessionEnded(self._session, self._ended.cause, self._ended.message))
        elif self._client_gone:
            self._report(SessionEnded(self._session, "client", ""))
        else:
            self._report(SessionEnded(self._session, "lost", "" if lost is None else lost.message))

    async def _close(self) -> None:
        """Close so that the client reads all that was sent: unread bytes of its own would make the close a reset."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                while await self._reader.read(CHUNK_BYTES):
                    pass
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass
        finally:
            self._writer.transport.abort()
