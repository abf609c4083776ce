"""The gRPC channel to a gateway, and the one place that translates gRPC's errors.

Always TLS, with the CA that ``trust`` settled on; the bearer travels on no other channel. Loopback never goes through a
proxy. gRPC's own log is off.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import grpc.aio

from hoopctl.client.trust import Trust
from hoopctl.errors import Denied, HoopctlError, NotFound, NotSignedIn, Unreachable, UsageProblem
from hoopctl.profiles import ServerAddress

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# A server that does not say otherwise counts pings more often than every five minutes as an attack.
_KEEPALIVE_MS = 310_000

_BY_STATUS: dict[grpc.StatusCode, type[HoopctlError]] = {
    grpc.StatusCode.UNAUTHENTICATED: NotSignedIn,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.INVALID_ARGUMENT: UsageProblem,
    grpc.StatusCode.OUT_OF_RANGE: UsageProblem,
}

# What gRPC itself says with UNAVAILABLE, in lower case.
_TRANSPORT_PHRASES = (
    "failed to connect",
    "connection re",
    "connection closed",
    "connection timed out",
    "socket closed",
    "broken pipe",
    "transport closed",
    "channel closed",
    "stream removed",
    "endpoint",
    "goaway",
    "keepalive",
    "cancelling all calls",
    "recvmsg",
    "sendmsg",
    "dns ",
    "handshak",
    "end of tcp stream",
    "no error",
)


def _options(server: ServerAddress) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = [
        ("grpc.primary_user_agent", f"hoopctl/{version('hoopctl')}"),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.client_idle_timeout_ms", 2**31 - 1),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if server.is_loopback:
        options.append(("grpc.enable_http_proxy", 0))
    return options


@asynccontextmanager
async def open_channel(server: ServerAddress, trust: Trust) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to ``server`` that takes no other CA than ``trust``.

    It connects at the first call and closes with the block.
    """
    credentials = grpc.ssl_channel_credentials(root_certificates=trust.pem.encode())
    async with grpc.aio.secure_channel(str(server), credentials, options=_options(server)) as channel:
        yield channel


def _from_transport(said: str) -> bool:
    """Whether gRPC says this of itself: on the wire its own UNAVAILABLE cannot be told from the gateway's."""
    return not said or any(phrase in said.lower() for phrase in _TRANSPORT_PHRASES)


def _trailer(error: grpc.aio.AioRpcError, key: str) -> str | None:
    for name, value in error.trailing_metadata() or ():
        if name == key:
            return value.decode(errors="replace") if isinstance(value, bytes) else value
    return None


def translate(error: grpc.aio.AioRpcError, server: ServerAddress) -> HoopctlError:
    """What ``error``, from a call to ``server``, means to a person.

    The gateway's own sentence is the message; it may add ``hoop-hint-bin`` and ``hoop-request`` as trailing metadata.
    """
    status, said = error.code(), (error.details() or "").strip()
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unreachable(f"The gateway at {server} did not answer in time.", hint="Try again.")
    if status is grpc.StatusCode.CANCELLED or (status is grpc.StatusCode.UNAVAILABLE and _from_transport(said)):
        return Unreachable(f"The gateway is out of reach at {server}.", hint="Is it up? hoopctl doctor says more.")
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return Unreachable(
            f"The gateway at {server} does not know this call.", hint="Is it a hoopd of another version?"
        )
    kind = _BY_STATUS.get(status, HoopctlError)
    message = said or f"The gateway at {server} failed ({status.name})."
    hint = _trailer(error, "hoop-hint-bin")
    if hint is None and kind is NotSignedIn:
        hint = "Run: hoopctl login"
    return kind(message, hint=hint, request=_trailer(error, "hoop-request"))
