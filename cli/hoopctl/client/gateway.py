"""One gateway, met and spoken to: its hello, who the caller is, and calls with their errors translated.

``meet`` needs no sign-in; ``with_session`` gives a gateway that knows who is asking. What leaves this module is plain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from hoop.v1 import gateway_pb2, gateway_pb2_grpc
from hoopctl.client.channel import open_channel, translate
from hoopctl.client.trust import Trust, settle
from hoopctl.clock import from_micros
from hoopctl.errors import NotSignedIn, Unreachable
from hoopctl.invocation import Invocation
from hoopctl.profiles import ServerAddress

PROTOCOL = 2
CALL_SECONDS = 30.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Hello:
    """What a gateway says to anybody: its version, and where and as whom to sign in.

    ``approval_client_id`` is the OAuth client for approvals, whose tokens are good for nothing else (INV-6).
    """

    server_version: str
    protocol_min: int
    protocol_max: int
    issuer: str
    client_id: str
    approval_client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the gateway takes the caller for; ``expires`` is when the token's right ends (UTC)."""

    subject: str
    email: str | None
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """A connection that the caller may open (``access`` ``allow``), or must ask for (``review``)."""

    name: str
    labels: Mapping[str, str]
    database: str
    access: str


class Bearer(Protocol):
    """Where calls get their token from."""

    @property
    def expires(self) -> datetime:
        """When the token of now ends (UTC)."""

    async def token(self) -> str:
        """A token that is good for a while. Raises NotSignedIn when there is none to be had."""

    async def renewed(self) -> str:
        """A token newer than the last one given. Raises NotSignedIn when there is none to be had."""


class Gateway:
    """An open channel to a gateway whose version fits.

    Other modules of ``hoopctl.client`` make their stubs on ``channel`` and call through ``call`` and ``stream``,
    which add the bearer and translate errors.
    """

    def __init__(
        self, channel: grpc.aio.Channel, server: ServerAddress, trust: Trust, hello: Hello, bearer: Bearer | None = None
    ) -> None:
        self.channel = channel
        self.server = server
        self.trust = trust
        self.hello = hello
        self.bearer = bearer

    def signed_in(self, bearer: Bearer) -> Gateway:
        """The same gateway, with ``bearer`` on every call."""
        return Gateway(self.channel, self.server, self.trust, self.hello, bearer)

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with a call. Raises NotSignedIn when there is no token to be had."""
        return () if self.bearer is None else (("authorization", f"Bearer {await self.bearer.token()}"),)

    async def call(
        self, method: Callable[..., Awaitable[Answer]], request: Any, *, seconds: float = CALL_SECONDS
    ) -> Answer:
        """One answer to ``request``, within ``seconds``; a token that the gateway no longer takes is renewed once.

        Raises HoopctlError as ``channel.translate`` makes it.
        """
        try:
            return await self._once(method, request, seconds)
        except NotSignedIn:
            if self.bearer is None:
                raise
            await self.bearer.renewed()
            return await self._once(method, request, seconds)

    async def _once(self, method: Callable[..., Awaitable[Answer]], request: Any, seconds: float) -> Answer:
        metadata = await self.metadata()
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise translate(error, self.server) from None

    async def stream(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        """The answers to ``request`` as they come. Raises HoopctlError as ``channel.translate`` makes it."""
        call = method(request, metadata=await self.metadata())
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise translate(error, self.server) from None
        finally:
            call.cancel()

    async def whoami(self) -> Identity:
        """Who the gateway takes the caller for."""
        stub = gateway_pb2_grpc.GatewayStub(self.channel)
        said = await self.call(stub.WhoAmI, gateway_pb2.WhoAmIRequest())
        return Identity(
            said.subject, said.email or None, tuple(said.groups), tuple(said.roles), from_micros(said.expires_us)
        )

    async def connections(self) -> list[ConnectionSummary]:
        """The connections that the caller may open or ask for, by name."""
        stub = gateway_pb2_grpc.GatewayStub(self.channel)
        said = await self.call(stub.ListConnections, gateway_pb2.ListConnectionsRequest())
        found = [ConnectionSummary(c.name, dict(c.labels), c.database, c.access) for c in said.connections]
        return sorted(found, key=lambda each: each.name)


async def _hello(channel: grpc.aio.Channel, server: ServerAddress) -> Hello:
    request = gateway_pb2.HelloRequest(client_version=version("hoopctl"), protocol=PROTOCOL)
    try:
        said = await gateway_pb2_grpc.GatewayStub(channel).Hello(request, timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise Unreachable(
                f"What answers at {server} is not a hoopd gateway.", hint="Check the address: --server HOST:PORT."
            ) from None
        raise translate(error, server) from None
    hello = Hello(
        said.server_version,
        said.protocol_min,
        said.protocol_max,
        said.issuer,
        said.client_id,
        said.approval_client_id,
        tuple(said.scopes),
    )
    if not hello.protocol_min <= PROTOCOL <= hello.protocol_max:
        older = "hoopctl" if hello.protocol_min > PROTOCOL else "the gateway"
        raise Unreachable(
            f"hoopctl {version('hoopctl')} and the gateway {hello.server_version} at {server} do not speak the same "
            f"protocol: {PROTOCOL} here, {hello.protocol_min} to {hello.protocol_max} there.",
            hint=f"Update {older}.",
        )
    return hello


@asynccontextmanager
async def meet(run: Invocation, ca: Path | None = None) -> AsyncIterator[Gateway]:
    """The gateway of ``run``, its CA settled (with the file ``ca`` when given) and its version fitting. Nobody is
    signed in.

    Raises NotSignedIn when no gateway is known, Unreachable when there is none or it is not one for us.
    """
    server = run.profile.require_server()
    trust = await settle(run.profile, server, ca)
    async with open_channel(server, trust) as channel:
        yield Gateway(channel, server, trust, await _hello(channel, server))


@asynccontextmanager
async def with_session(run: Invocation) -> AsyncIterator[Gateway]:
    """The gateway of ``run``, as somebody: with the kept token, silently renewed, or by signing in on a terminal.

    Raises NotSignedIn where nobody can be asked (``--json``, ``--no-input``, no terminal).
    """
    from hoopctl.client.sign_in import bearer_for

    async with meet(run) as gateway:
        yield gateway.signed_in(await bearer_for(run, gateway))
