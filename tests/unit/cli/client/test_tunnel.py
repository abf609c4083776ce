"""The Tunnel service as plain types, over real gRPC."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hoopctl.client.channel import open_channel
from hoopctl.client.gateway import Gateway, Hello
from hoopctl.client.trust import Trust
from hoopctl.client.tunnel import TunnelClient
from hoopctl.errors import Denied, NotFound
from hoopctl.profiles import parse_server
from tests.fixtures.scripted_gateway import TOKEN, ScriptedGateway
from tests.fixtures.tunnels import FixedBearer


@pytest.fixture
async def tunnels(scripted_gateway: ScriptedGateway) -> AsyncIterator[TunnelClient]:
    server, trust = parse_server(scripted_gateway.address), Trust(scripted_gateway.certificates.ca, "test")
    async with open_channel(server, trust) as channel:
        yield TunnelClient(Gateway(channel, server, trust, Hello("0", 2, 2, "", "", "", ()), FixedBearer()))


async def test_a_target_is_known_before_a_listener_opens(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    assert (await tunnels.target("prod-db")).database == "shop"
    scripted_gateway.connections["hr-db"] = "deny"
    with pytest.raises(NotFound):
        await tunnels.target("nothing")
    with pytest.raises(Denied):
        await tunnels.target("hr-db")


async def test_a_stream_has_the_bearer_of_now(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    stream = await tunnels.stream()
    async with asyncio.TaskGroup() as tasks:
        carrying = tasks.create_task(stream.run())
        async with asyncio.timeout(20):
            while not scripted_gateway.streams:
                await asyncio.sleep(0.01)
        carrying.cancel()
    assert scripted_gateway.streams[0].metadata["authorization"] == f"Bearer {TOKEN}"
    assert stream.is_over


async def test_a_gateway_that_goes_away_is_seen_again(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    states = tunnels.reachable()
    assert await anext(states) is True
    await scripted_gateway.stop()
    async with asyncio.timeout(20):
        assert await anext(states) is False
        assert await tunnels.wait_until_reachable(0.1) is False
        await scripted_gateway.start()
        assert await anext(states) is True
    assert await tunnels.wait_until_reachable(5) is True
    await states.aclose()
