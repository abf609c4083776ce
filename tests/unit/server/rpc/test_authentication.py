"""Who calls, over real gRPC: tokens that are none, and what an error tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest

from hoop.v1 import gateway_pb2, gateway_pb2_grpc, requests_pb2, requests_pb2_grpc
from hoopd.domain.errors import HoopError, InvalidInput, LimitExceeded, NotFound, NotSignedIn, Refused, Unavailable
from hoopd.domain.principal import Principal
from hoopd.identity import Purpose
from hoopd.rpc.authentication import HINT, Authentication, bearer_of, principal_of, where

SECRET = "4111-1111-1111-1111"
Metadata = Sequence[tuple[str, str | bytes]]


class Tokens:
    """Knows one token, good for a session."""

    async def verify(self, token: str, purpose: Purpose) -> Principal:
        if token == "broken":
            raise RuntimeError(f"a defect that quotes {SECRET}")
        if token == "nobody can say":
            raise Unavailable("the identity provider does not answer", hint="try again")
        if token != "alices" or purpose is not Purpose.session:
            raise NotSignedIn("the token does not verify", hint="run `hoopctl login`")
        expires = datetime.now(UTC) + timedelta(hours=1)
        return Principal("iss", "alice", "alice@example.com", frozenset({"dba"}), frozenset(), expires)


class Served(gateway_pb2_grpc.GatewayServicer, requests_pb2_grpc.RequestsServicer):
    """One method of each kind; ``problem`` is raised by all of them."""

    def __init__(self) -> None:
        self.problem: BaseException | None = None

    def _raise(self) -> None:
        if self.problem is not None:
            raise self.problem

    async def Hello(self, request, context):
        self._raise()
        return gateway_pb2.HelloResponse(server_version="1")

    async def WhoAmI(self, request, context):
        self._raise()
        return gateway_pb2.WhoAmIResponse(subject=principal_of(context).subject)

    async def Watch(self, request, context):
        yield requests_pb2.Request(id=principal_of(context).subject)
        self._raise()

    async def Carry(self, request_iterator, context):
        await context.write(principal_of(context).subject.encode())
        self._raise()


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[Served, grpc.aio.Channel]]:
    served = Served()
    server = grpc.aio.server(interceptors=[Authentication(Tokens())])  # type: ignore[arg-type]
    gateway_pb2_grpc.add_GatewayServicer_to_server(served, server)
    requests_pb2_grpc.add_RequestsServicer_to_server(served, server)
    carrying = {"Carry": grpc.stream_stream_rpc_method_handler(served.Carry)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hoop.v1.Tunnel", carrying),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            yield served, channel
    finally:
        await server.stop(None)


async def failure(channel: grpc.aio.Channel, method: str, metadata: Metadata) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, method, metadata)
    return caught.value


async def call(channel: grpc.aio.Channel, method: str, metadata: Metadata) -> str:
    async with asyncio.timeout(20):
        match method:
            case "single":
                made = gateway_pb2_grpc.GatewayStub(channel).WhoAmI(
                    gateway_pb2.WhoAmIRequest(), metadata=tuple(metadata)
                )
                return str((await made).subject)
            case "stream":
                watching = requests_pb2_grpc.RequestsStub(channel).Watch(
                    requests_pb2.WatchRequestsRequest(), metadata=tuple(metadata)
                )
                (subject,) = [request.id async for request in watching]
                return str(subject)
            case _:
                stream = channel.stream_stream("/hoop.v1.Tunnel/Carry")(metadata=tuple(metadata))
                await stream.done_writing()
                (subject,) = [message async for message in stream]
                return str(subject.decode())


GOOD: Metadata = (("authorization", "Bearer alices"),)
METHODS = ["single", "stream", "both"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_verified_caller_is_known_to_the_method(method: str) -> None:
    async with calling() as (_, channel):
        assert await call(channel, method, GOOD) == "alice"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "alices"),),
        (("authorization", "Basic alices"),),
        (("authorization", "Bearer bobs"),),
        (("authorization", "Bearer alices "),),
        (("authorization", "Bearer alices"), ("authorization", "Bearer alices")),
        (("authorization", "Bearer alices"), ("authorization", "Bearer bobs")),
        (("authorization-bin", b"Bearer alices"),),
        (("x-authorization", "Bearer alices"),),
        (("cookie", "authorization=Bearer alices"),),
    ],
)
async def test_without_a_good_token_nothing_is_served(method: str, metadata: Metadata) -> None:
    """THREATS 20"""
    async with calling() as (_, channel):
        problem = await failure(channel, method, metadata)
        assert problem.code() is grpc.StatusCode.UNAUTHENTICATED
        trailing = dict(problem.trailing_metadata() or ())
        assert trailing[f"{HINT}-bin"] == b"run `hoopctl login`"


async def test_hello_is_for_everybody_and_nothing_else_is() -> None:
    async with calling() as (_, channel):
        answer = await gateway_pb2_grpc.GatewayStub(channel).Hello(gateway_pb2.HelloRequest())
        assert answer.server_version == "1"
        unknown = channel.unary_unary("/hoop.v1.Gateway/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unknown(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (NotFound("no such request"), grpc.StatusCode.NOT_FOUND),
        (Refused("not yours", hint="ask"), grpc.StatusCode.PERMISSION_DENIED),
        (InvalidInput("what is that?"), grpc.StatusCode.INVALID_ARGUMENT),
        (LimitExceeded("too much"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (Unavailable("wäg\nzwei"), grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_our_errors_have_their_status_and_sentence(
    method: str, problem: HoopError, status: grpc.StatusCode
) -> None:
    async with calling() as (served, channel):
        served.problem = problem
        got = await failure(channel, method, GOOD)
        assert (got.code(), got.details()) == (status, problem.message)
        trailing = dict(got.trailing_metadata() or ())
        assert trailing.get(f"{HINT}-bin") == (problem.hint.encode() if problem.hint else None)


@pytest.mark.parametrize("method", METHODS)
async def test_an_unexpected_error_tells_nothing_of_itself(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """INV-7: neither to the caller nor in the log, which still says where it was."""
    problems = [ValueError(SECRET), ExceptionGroup(SECRET, [RuntimeError(SECRET)]), KeyError(SECRET)]
    async with calling() as (served, channel):
        for problem in problems:
            served.problem = problem
            got = await failure(channel, method, GOOD)
            assert (got.code(), got.details()) == (
                grpc.StatusCode.INTERNAL,
                "the gateway failed inside; its log has more",
            )
    assert SECRET not in caplog.text
    assert "ValueError" in caplog.text
    assert "test_authentication.py" in caplog.text


async def test_a_defect_in_verifying_is_no_admission(caplog: pytest.LogCaptureFixture) -> None:
    """INV-2, INV-7"""
    async with calling() as (_, channel):
        for token, status in (("broken", grpc.StatusCode.INTERNAL), ("nobody can say", grpc.StatusCode.UNAVAILABLE)):
            got = await failure(channel, "single", (("authorization", f"Bearer {token}"),))
            assert got.code() is status
    assert SECRET not in caplog.text


async def test_callers_are_not_mixed_up() -> None:
    """A call without a token that is served beside one with a token does not borrow it."""
    async with calling() as (_, channel):
        many = [call(channel, METHODS[number % 3], GOOD if number % 2 else ()) for number in range(60)]
        answers = await asyncio.gather(*many, return_exceptions=True)
    for number, answer in enumerate(answers):
        assert answer == "alice" if number % 2 else isinstance(answer, grpc.aio.AioRpcError)


def test_bearers() -> None:
    assert bearer_of((("authorization", "Bearer a.b.c"), ("other", "x"))) == "a.b.c"
    for metadata in (None, (), (("authorization", b"Bearer x"),), (("authorization", "bearer x"),)):
        with pytest.raises(NotSignedIn):
            bearer_of(metadata)


def test_where_an_error_was_without_its_text() -> None:
    with pytest.raises(ValueError, match=SECRET) as caught:
        raise ValueError(SECRET)
    text = where(caught.value)
    assert text.startswith("ValueError\n")
    assert "test_where_an_error_was" in text
    assert SECRET not in text
