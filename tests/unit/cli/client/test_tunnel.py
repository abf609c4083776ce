"""The Tunnel service as plain types, over real gRPC."""

import asyncio
import unittest.mock
from collections.abc import AsyncIterator

import pytest

from hoopctl.client.channel import open_channel
from hoopctl.client.gateway import Gateway, Hello
from hoopctl.client.trust import Trust
from hoopctl.client.tunnel import Ended, Opened, StreamOver, TunnelClient
from hoopctl.errors import Denied, HoopctlError, NotFound, NotSignedIn, Unreachable
from hoopctl.profiles import parse_server
from tests.fixtures.scripted_gateway import ScriptedGateway, ScriptedSession
from tests.fixtures.tunnels import OPENING, FixedBearer


@pytest.fixture
async def tunnels(scripted_gateway: ScriptedGateway) -> AsyncIterator[TunnelClient]:
    server, trust = parse_server(scripted_gateway.address), Trust(scripted_gateway.certificates.ca, "test")
    async with open_channel(server, trust) as channel:
        yield TunnelClient(Gateway(channel, server, trust, Hello("0", 1, 1, "", "", "", ()), FixedBearer()))


async def test_a_target_is_known_before_a_listener_opens(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    assert (await tunnels.target("prod-db")).database == "shop"
    scripted_gateway.connections["hr-db"] = "deny"
    with pytest.raises(NotFound):
        await tunnels.target("nothing")
    with pytest.raises(Denied):
        await tunnels.target("hr-db")


async def test_a_session_is_opened_carried_and_ended(tunnels: TunnelClient) -> None:
    stream = await tunnels.session(OPENING)
    await stream.send(b"bytes")
    await stream.send_eof()
    assert [answer async for answer in stream.answers()] == [Opened("s-1"), b"bytes", Ended("client", "")]
    with pytest.raises(StreamOver):
        await stream.send(b"late")


async def test_a_token_goes_between_the_bytes(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    stream = await tunnels.session(OPENING)
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(stream.send(bytes([number])))
            tasks.create_task(stream.send_token(f"token {number}"))
    await stream.send_eof()
    carried = b"".join([answer async for answer in stream.answers() if isinstance(answer, bytes)])
    assert sorted(carried) == list(range(20))
    assert len(scripted_gateway.sessions[0].tokens) == 20


async def test_a_cancelled_stream_is_over_for_both(tunnels: TunnelClient, scripted_gateway: ScriptedGateway) -> None:
    gone = asyncio.Event()

    async def wait(session: ScriptedSession) -> None:
        await session.opened()
        try:
            await session.receive()
        finally:
            gone.set()

    scripted_gateway.script = wait
    stream = await tunnels.session(OPENING)
    answers = stream.answers()
    assert await anext(answers) == Opened("s-1")
    stream.cancel()
    assert [answer async for answer in answers] == []
    with pytest.raises(StreamOver):
        await stream.send(b"late")
    async with asyncio.timeout(20):
        await gone.wait()


async def test_why_a_stream_ended_is_said_by_what_is_read(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    scripted_gateway.tokens.clear()
    # The refusal may come before the stream's first message has gone out, or after.
    with pytest.raises(NotSignedIn, match="has expired"):
        await anext((await tunnels.session(OPENING)).answers())


@pytest.mark.parametrize("real", [True, False])
async def test_a_status_that_grpc_made_up_is_not_told_where_the_gateways_own_comes(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway, real: bool
) -> None:
    """grpc.aio sets a status of its own when a write fails, and the gateway's a moment later."""
    scripted_gateway.tokens.clear()
    stream = await tunnels.session(OPENING)
    call = stream._call
    its_own = call.details
    said = ["Internal error from Core"] * (3 if real else 1000)

    async def details() -> str:
        return said.pop(0) if said else str(await its_own())

    with unittest.mock.patch.object(call, "details", details), pytest.raises(HoopctlError) as caught:
        await anext(stream.answers())
    assert isinstance(caught.value, NotSignedIn)
    assert "has expired" in caught.value.message


async def test_a_gateway_that_goes_away_is_unreachable_and_seen_again(
    tunnels: TunnelClient, scripted_gateway: ScriptedGateway
) -> None:
    states = tunnels.reachable()
    assert await anext(states) is True
    stream = await tunnels.session(OPENING)
    answers = stream.answers()
    await anext(answers)
    await scripted_gateway.stop()
    with pytest.raises(Unreachable):
        await anext(answers)
    async with asyncio.timeout(20):
        assert await anext(states) is False
        assert await tunnels.wait_until_reachable(0.1) is False
        await scripted_gateway.start()
        assert await anext(states) is True
    assert await tunnels.wait_until_reachable(5) is True
    await states.aclose()
