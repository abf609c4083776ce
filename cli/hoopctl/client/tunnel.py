"""The Tunnel service as plain types: what a tunnel leads to, what a session is opened with and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from hoop.v1 import tunnel_pb2, tunnel_pb2_grpc
from hoopctl.client.gateway import Gateway
from hoopctl.client.stream import TunnelStream


@dataclass(frozen=True, slots=True)
class Target:
    """What a tunnel leads to."""

    connection: str
    database: str
    labels: Mapping[str, str]


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

    async def stream(self) -> TunnelStream:
        """A new stream, with the bearer of now. It carries nothing until it is ``run``.

        Raises HoopctlError when there is no token.
        """
        carry: Any = self._gateway.channel.stream_stream("/hoop.v1.Tunnel/Carry")
        return TunnelStream(self._gateway, carry(metadata=await self._gateway.metadata()))

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
