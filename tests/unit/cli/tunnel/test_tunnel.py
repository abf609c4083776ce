"""A tunnel against a gateway over real gRPC and TLS: bytes, back-pressure, ends of every kind."""

import asyncio
import gc
import random
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import uvloop

from hoopctl.errors import NotSignedIn
from hoopctl.tunnel.events import GatewayBack, GatewayLost, SessionEnded, SessionStarted, Signalled, SignInEnded
from hoopctl.tunnel.pipe import Pipe
from tests.fixtures.scripted_gateway import TOKEN, Certificates, ScriptedGateway, ScriptedSession
from tests.fixtures.tunnels import OPENING, FixedBearer, OpenTunnelOf, tunnel_to


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def fields(error: bytes) -> dict[str, str]:
    """The fields of the ErrorResponse that `error` is, whole."""
    assert error[:1] == b"E"
    assert int.from_bytes(error[1:5], "big") == len(error) - 1
    return {part[:1].decode(): part[1:].decode() for part in error[5:].split(b"\0") if part}


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(20):
        return await reader.read()


async def write_until_stuck(writer: asyncio.StreamWriter, total: int) -> int:
    """Write until nothing more is taken, since every buffer on the way is full; how much was written."""
    taken = 0
    while taken < total:
        writer.write(b"x" * 65_536)
        taken += 65_536
        try:
            async with asyncio.timeout(2):
                await writer.drain()
        except TimeoutError:
            break
    return taken


async def test_bytes_arrive_as_they_were_sent_however_they_are_cut(open_tunnel: OpenTunnelOf) -> None:
    data = random.Random(7).randbytes(700_001)
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()

        async def send() -> None:
            cuts = random.Random(8)
            position = 0
            while position < len(data):
                step = cuts.choice([1, 2, 3, 5, 4095, 65_537, 100_000])
                writer.write(data[position : position + step])
                await writer.drain()
                position += step
            writer.write_eof()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            assert await read_all(reader) == data
        writer.close()
        ended = await tunnel.until(SessionEnded)
    assert (ended.session, ended.cause) == ("s-1", "client")


async def test_the_first_message_opens_the_session_with_verifier_and_bearer(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    async with open_tunnel() as tunnel:
        _, writer = await tunnel.connect()
        await tunnel.until(SessionStarted)
        writer.close()
    (session,) = scripted_gateway.sessions
    assert session.opening.connection == "prod-db"
    assert session.opening.scram_verifier == OPENING.scram_verifier
    assert session.metadata["authorization"] == f"Bearer {TOKEN}"
    assert session.opening.token == TOKEN


async def test_each_client_has_a_session_of_its_own_and_all_share_a_stream(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    async with open_tunnel() as tunnel:
        clients = [await tunnel.connect() for _ in range(5)]
        for number, (_, writer) in enumerate(clients):
            writer.write(bytes([number]) * 10)
            writer.write_eof()
        answers = [await read_all(reader) for reader, _ in clients]
        for _, writer in clients:
            writer.close()
    assert answers == [bytes([number]) * 10 for number in range(5)]
    assert len(scripted_gateway.sessions) == 5
    assert len(scripted_gateway.streams) == 1


async def test_a_gateway_that_does_not_read_stops_the_client_inv_9(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    go_on = asyncio.Event()

    async def slow(session: ScriptedSession) -> None:
        await session.opened()
        await go_on.wait()
        size = 0
        while data := await session.receive():
            size += len(data)
        await session.send(size.to_bytes(8, "big"))
        await session.ended("client")

    scripted_gateway.script = slow
    total = 64 * 1024 * 1024
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        taken = await write_until_stuck(writer, total)
        assert taken < total / 2
        go_on.set()
        await writer.drain()
        writer.write_eof()
        assert int.from_bytes(await read_all(reader), "big") == taken
        writer.close()


async def test_a_client_that_does_not_read_stops_the_gateway_inv_9(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    sent = 0
    stuck = asyncio.Event()

    async def flood(session: ScriptedSession) -> None:
        nonlocal sent
        await session.opened()
        try:
            while True:
                async with asyncio.timeout(2):
                    await session.send(b"x" * 65_536)
                sent += 65_536
        except TimeoutError:
            stuck.set()

    scripted_gateway.script = flood
    async with open_tunnel() as tunnel:
        _, writer = await tunnel.connect()
        async with asyncio.timeout(60):
            await stuck.wait()
        writer.transport.abort()
    assert sent < 32 * 1024 * 1024


async def test_a_client_that_closes_its_sending_side_still_gets_its_answer(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    async def answer_at_end(session: ScriptedSession) -> None:
        await session.opened()
        while await session.receive():
            pass
        await session.send(b"late")
        await session.ended("client")

    scripted_gateway.script = answer_at_end
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        writer.write(b"question")
        writer.write_eof()
        assert await read_all(reader) == b"late"
        writer.close()


async def test_a_client_that_vanishes_cancels_the_stream(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    gone = asyncio.Event()

    async def hold(session: ScriptedSession) -> None:
        await session.opened()
        try:
            while True:
                await session.send(message(b"N", b"\0"))
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    scripted_gateway.script = hold
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        await reader.readexactly(1)
        writer.transport.abort()
        async with asyncio.timeout(20):
            await gone.wait()
        ended = await tunnel.until(SessionEnded)
    assert (ended.session, ended.cause) == ("s-1", "client")


async def test_signals_are_told(open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway) -> None:
    async def held(session: ScriptedSession) -> None:
        await session.opened()
        await session.signal(
            event="held", request="r-7f3k", sql="DELETE FROM t", waiting_for=["dba"], until_us=1_700_000_000_000_001
        )
        await session.receive()
        await session.ended("client")

    scripted_gateway.script = held
    async with open_tunnel() as tunnel:
        _, writer = await tunnel.connect()
        told = await tunnel.until(Signalled)
        writer.close()
    assert told.session == "s-1"
    assert (told.signal.event, told.signal.request, told.signal.waiting_for) == ("held", "r-7f3k", ("dba",))
    assert told.signal.until.microsecond == 1


async def test_the_end_of_a_session_is_the_gateways_own_word(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    last = message(b"E", b"SFATAL\0C57P01\0Mthe database went away\0\0")

    async def end(session: ScriptedSession) -> None:
        await session.opened()
        await session.send(last)
        await session.ended("database", "the database went away")

    scripted_gateway.script = end
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        assert await read_all(reader) == last
        writer.close()
        assert (await tunnel.until(SessionEnded)).cause == "database"


async def test_a_gateway_that_goes_away_leaves_08006_and_comes_back(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        whole = message(b"Z", b"I")
        writer.write(whole)
        assert await reader.readexactly(len(whole)) == whole
        await scripted_gateway.stop()
        error = fields(await read_all(reader))
        assert (error["S"], error["C"]) == ("FATAL", "08006")
        assert scripted_gateway.address in error["M"]
        assert error["H"] == "The tunnel stays open: connect again in a moment."
        writer.close()
        await tunnel.until(GatewayLost)

        reader, writer = await tunnel.connect()
        assert fields(await read_all(reader))["C"] == "08006"
        writer.close()

        await scripted_gateway.start()
        await tunnel.until(GatewayBack)
        reader, writer = await tunnel.connect()
        writer.write(b"again")
        writer.write_eof()
        assert await read_all(reader) == b"again"
        writer.close()


async def test_no_error_is_put_in_the_middle_of_a_message(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    half = message(b"D", b"a row that never ends")[:-4]

    async def cut(session: ScriptedSession) -> None:
        await session.opened()
        await session.send(half)
        session.stream.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    scripted_gateway.script = cut
    async with open_tunnel() as tunnel:
        reader, writer = await tunnel.connect()
        assert await read_all(reader) == half
        writer.close()


async def test_a_refused_sign_in_reaches_the_client_as_a_sentence(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    async with open_tunnel() as tunnel:
        scripted_gateway.tokens.clear()
        reader, writer = await tunnel.connect()
        error = fields(await read_all(reader))
        writer.close()
    assert (error["S"], error["M"]) == ("FATAL", "The token has expired.")


async def test_more_clients_than_the_bound_are_refused_with_the_number_inv_9(open_tunnel: OpenTunnelOf) -> None:
    async with open_tunnel(max_clients=2) as tunnel:
        kept = [await tunnel.connect() for _ in range(2)]
        for reader, writer in kept:
            writer.write(b"1")
            await reader.readexactly(1)
        reader, writer = await tunnel.connect()
        error = fields(await read_all(reader))
        writer.close()
        assert error["C"] == "53300"
        assert "2 connections" in error["M"]
        kept[0][1].close()
        await tunnel.until(SessionEnded)
        reader, writer = await tunnel.connect()
        writer.write(b"2")
        assert await reader.readexactly(1) == b"2"
        writer.close()
        kept[1][1].close()


async def test_a_fresh_token_reaches_live_sessions_before_the_old_one_ends(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    got = asyncio.Event()

    async def take(session: ScriptedSession) -> None:
        await session.opened()
        await session.fresh_token()
        got.set()
        await session.ended("client")

    scripted_gateway.script = take
    bearer = FixedBearer([TOKEN, "the next"], expires=datetime.now(UTC) + timedelta(seconds=2))
    async with open_tunnel(bearer) as tunnel:
        _, writer = await tunnel.connect()
        async with asyncio.timeout(20):
            await got.wait()
        writer.close()
    assert scripted_gateway.sessions[0].tokens == ["the next"]


async def test_a_token_that_cannot_be_renewed_is_told_and_the_tunnel_stays(open_tunnel: OpenTunnelOf) -> None:
    failure = NotSignedIn("The sign-in has ended.", hint="Run: hoopctl login")
    bearer = FixedBearer(expires=datetime.now(UTC) + timedelta(seconds=1), failure=failure)
    async with open_tunnel(bearer) as tunnel:
        assert (await tunnel.until(SignInEnded)).message == "The sign-in has ended."
        reader, writer = await tunnel.connect()
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()


async def test_a_slow_client_holds_up_no_other_inv_9(
    open_tunnel: OpenTunnelOf, scripted_gateway: ScriptedGateway
) -> None:
    stuck = asyncio.Event()

    async def script(session: ScriptedSession) -> None:
        await session.opened()
        while data := await session.receive():
            if data != b"flood":
                await session.send(data)
                continue
            try:
                while True:
                    async with asyncio.timeout(2):
                        await session.send(bytes(65_536))
            except TimeoutError:
                stuck.set()

    scripted_gateway.script = script
    async with open_tunnel() as tunnel:
        _, slow = await tunnel.connect()
        slow.write(b"flood")
        async with asyncio.timeout(60):
            await stuck.wait()
        reader, writer = await tunnel.connect()
        for number in range(50):
            writer.write(bytes([number]))
            assert await reader.readexactly(1) == bytes([number])
        assert len(scripted_gateway.streams) == 1


async def test_a_session_that_fails_inside_ends_alone(
    open_tunnel: OpenTunnelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised for one client, and wherever, the others' sessions and the tunnel go on."""
    its_own = Pipe.carry
    failing = True

    def carry(self: Pipe, lane: object) -> None:
        if failing:
            raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")
        its_own(self, lane)

    async with open_tunnel() as tunnel:
        failing = False
        good, writer = await tunnel.connect()
        writer.write(b"1")
        monkeypatch.setattr(Pipe, "carry", carry)
        assert await good.readexactly(1) == b"1"
        failing = True
        bad, _ = await tunnel.connect()
        assert await read_all(bad) == b""
        ended = await tunnel.until(SessionEnded)
        assert (ended.cause, "RuntimeError" in ended.message) == ("lost", True)
        writer.write(b"2")
        assert await good.readexactly(1) == b"2"


async def vanishing_clients(certificates: Certificates) -> None:
    """Clients that reset their connection at every moment of it, each with an answer on its way."""

    async def flood(session: ScriptedSession) -> None:
        await session.opened()
        while data := await session.receive():
            await session.send(data * 1000)
        await session.ended("client")

    gateway = ScriptedGateway(certificates, flood)
    await gateway.start()
    async with tunnel_to(gateway) as tunnel:
        for steps in range(60):
            client = socket.create_connection(("127.0.0.1", tunnel.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(b"hello")
            for _ in range(steps % 30):
                await asyncio.sleep(0)
            if steps % 3 == 0:
                client.shutdown(socket.SHUT_WR)
            client.close()
        reader, writer = await tunnel.connect()
        writer.write(b"x")
        assert await reader.readexactly(1000) == b"x" * 1000
        writer.close()
    await gateway.stop()
    del gateway
    gc.collect()  # a server of gRPC's that is collected later would ask for its event loop


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_clients_that_vanish_at_any_moment_leave_the_tunnel_open(
    certificates: Certificates, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(vanishing_clients(certificates), 60))
