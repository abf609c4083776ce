"""gRPC's errors as people read them, from a real server."""

import asyncio
import os

import grpc
import grpc.aio
import pytest

from hoop.v1 import gateway_pb2, gateway_pb2_grpc
from hoopctl.client.channel import open_channel, translate
from hoopctl.client.trust import Trust
from hoopctl.errors import HoopctlError
from hoopctl.profiles import parse_server
from tests.fixtures.scripted_gateway import ScriptedGateway, make_certificates


async def error_of(gateway: ScriptedGateway, *, seconds: float = 10, ca: str | None = None) -> HoopctlError:
    """What a call to `gateway` fails with."""
    server = parse_server(gateway.address)
    async with open_channel(server, Trust(ca or gateway.certificates.ca, "test")) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.WhoAmI(gateway_pb2.WhoAmIRequest(), timeout=seconds)
        return translate(raised.value, server)


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, 3),
        (grpc.StatusCode.PERMISSION_DENIED, 4),
        (grpc.StatusCode.NOT_FOUND, 1),
        (grpc.StatusCode.INVALID_ARGUMENT, 2),
        (grpc.StatusCode.UNAVAILABLE, 6),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 1),
        (grpc.StatusCode.INTERNAL, 1),
        (grpc.StatusCode.FAILED_PRECONDITION, 1),
    ],
)
async def test_the_gateways_own_sentence_is_the_message(
    scripted_gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, status: grpc.StatusCode, exit_code: int
) -> None:
    async def abort(_self, _request, context) -> None:
        trailer = (("hoop-hint-bin", "do thät".encode()), ("hoop-request", "r-7f3k"))
        await context.abort(status, "The store does not answer.", trailing_metadata=trailer)

    await scripted_gateway.stop()
    monkeypatch.setattr(ScriptedGateway, "WhoAmI", abort)
    await scripted_gateway.start()
    error = await error_of(scripted_gateway)
    assert (error.message, error.hint, error.request) == ("The store does not answer.", "do thät", "r-7f3k")
    assert error.exit_code == exit_code


async def test_a_gateway_that_is_not_there_is_out_of_reach(scripted_gateway: ScriptedGateway) -> None:
    await scripted_gateway.stop()
    error = await error_of(scripted_gateway)
    assert (error.exit_code, error.message) == (6, f"The gateway is out of reach at {scripted_gateway.address}.")


async def test_a_gateway_of_another_ca_gets_no_call(scripted_gateway: ScriptedGateway) -> None:
    error = await error_of(scripted_gateway, ca=make_certificates().ca)
    assert (error.exit_code, error.message) == (6, f"The gateway is out of reach at {scripted_gateway.address}.")


async def test_a_gateway_that_does_not_answer_is_out_of_reach(
    scripted_gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scripted_gateway.stop()

    async def wait(_self, _request, _context) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(ScriptedGateway, "WhoAmI", wait)
    await scripted_gateway.start()
    error = await error_of(scripted_gateway, seconds=0.5)
    assert error.exit_code == 6
    assert "did not answer in time" in error.message


async def test_a_refused_token_says_how_to_sign_in(scripted_gateway: ScriptedGateway) -> None:
    error = await error_of(scripted_gateway)
    assert (error.exit_code, error.hint) == (3, "Run: hoopctl login")


async def test_loopback_does_not_go_through_a_proxy(
    scripted_gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    error = await error_of(scripted_gateway)
    assert error.message == "The token has expired."


def test_grpcs_own_log_is_off() -> None:
    assert os.environ["GRPC_VERBOSITY"] == "NONE"
