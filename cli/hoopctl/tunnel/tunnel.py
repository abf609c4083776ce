"""One open tunnel: a listener on loopback whose clients share a stream, each with a lane of its own.

The listener lives on while the gateway is away: clients are told, the channel comes back by itself, and nobody signs in
again. At most ``MAX_CLIENTS`` are carried at a time (INV-9). What goes wrong with one client ends that client's session
and no other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import timedelta

from hoopctl.client.gateway import Bearer
from hoopctl.client.stream import Opening, TunnelStream
from hoopctl.client.tunnel import TunnelClient
from hoopctl.clock import Clock
from hoopctl.errors import HoopctlError, NotSignedIn, Unreachable
from hoopctl.tunnel.events import GatewayBack, GatewayLost, SessionEnded, SignInEnded, TunnelEvent
from hoopctl.tunnel.pipe import Pipe
from hoopctl.tunnel.wire import TOO_MANY_CONNECTIONS

MAX_CLIENTS = 100
REACH_SECONDS = 5.0
RETRY_SECONDS = 15.0
# A token is renewed when a fifth of its time is left, but never more than this before its end.
_EARLIEST_RENEWAL = timedelta(minutes=2)


class Tunnel:
    """Serves ``listener`` until cancelled; ``report`` is told what happens."""

    def __init__(
        self,
        listener: socket.socket,
        client: TunnelClient,
        opening: Opening,
        bearer: Bearer,
        report: Callable[[TunnelEvent], None],
        clock: Clock,
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        self._listener = listener
        self._client = client
        self._opening = opening
        self._bearer = bearer
        self._report = report
        self._clock = clock
        self._max_clients = max_clients
        self._pipes: set[Pipe] = set()
        self._refusals = 0
        self._stream: TunnelStream | None = None
        self._starting = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None

    async def serve(self) -> None:
        """Accept clients and carry them.

        Ends only by cancellation, and ends every client then; the listener stays open.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._watch_gateway())
            self._tasks.create_task(self._keep_signed_in())
            while True:
                accepted = await self._accept(loop)
                self._tasks.create_task(self._serve_client(accepted, loop))

    async def _accept(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError:
                # The client was gone before it was accepted, or there are no descriptors left for a moment.
                await asyncio.sleep(0.1)
                continue
            if len(self._pipes) + self._refusals < 2 * self._max_clients:
                return accepted
            accepted.close()

    async def _serve_client(self, accepted: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """One client to its end. With a broad except: nothing that goes wrong here may end the tunnel of the others."""
        pipe = Pipe(self._report)
        try:
            await loop.connect_accepted_socket(lambda: pipe, accepted)
        except (OSError, RuntimeError):  # the client is gone already; uvloop's word for it is RuntimeError
            accepted.close()
            return
        try:
            if len(self._pipes) >= self._max_clients:
                await self._refuse(pipe)
            else:
                await self._carry(pipe)
        except Exception as error:  # noqa: BLE001
            self._report(SessionEnded(None, "lost", f"Something went wrong inside hoopctl ({type(error).__name__})."))
        finally:
            pipe.abort()

    async def _refuse(self, pipe: Pipe) -> None:
        self._refusals += 1
        try:
            full = f"this tunnel carries {self._max_clients} connections at a time, and all are in use"
            pipe.close_with(HoopctlError(f"{full}: close some, or open another tunnel"), TOO_MANY_CONNECTIONS)
            await pipe.closed()
        finally:
            self._refusals -= 1

    async def _carry(self, pipe: Pipe) -> None:
        self._pipes.add(pipe)
        try:
            stream, token = await self._stream_of_now(), await self._bearer.token()
            pipe.carry(stream.open(self._opening, token, pipe))
            await pipe.closed()
        except HoopctlError as error:
            self._report(SessionEnded(None, "lost", error.message))
            pipe.close_with(error)
            await pipe.closed()
        finally:
            self._pipes.discard(pipe)

    async def _stream_of_now(self) -> TunnelStream:
        """The stream of all clients, or a new one where it has ended. Raises HoopctlError."""
        if self._stream is None or self._stream.is_over:
            if not await self._client.wait_until_reachable(REACH_SECONDS):
                raise Unreachable("The gateway is out of reach.")
            async with self._starting:
                if self._stream is None or self._stream.is_over:
                    self._stream = await self._client.stream()
                    assert self._tasks is not None
                    self._tasks.create_task(self._stream.run())
        return self._stream

    async def _watch_gateway(self) -> None:
        was = True
        async for reached in self._client.reachable():
            if was and not reached:
                self._report(GatewayLost("The gateway is out of reach; the tunnel stays open and tries again."))
            elif reached and not was:
                self._report(GatewayBack("The gateway is back."))
            was = reached

    async def _keep_signed_in(self) -> None:
        """Renew the token before it ends, and give the new one to every session."""
        while True:
            await asyncio.sleep(self._renewal_delay())
            try:
                token = await self._bearer.renewed()
            except NotSignedIn as error:
                self._report(SignInEnded(error.message, error.hint))
                return
            except HoopctlError as error:
                if self._bearer.expires <= self._clock():
                    self._report(SignInEnded(error.message, error.hint))
                    return
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._stream is not None:
                self._stream.send_token(token)

    def _renewal_delay(self) -> float:
        left = self._bearer.expires - self._clock()
        return max((left - min(left / 5, _EARLIEST_RENEWAL)).total_seconds(), 1.0)
