"""The Audit service as plain types, over real gRPC and TLS."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest

from hoop.v1 import audit_pb2 as pb
from hoop.v1 import audit_pb2_grpc, gateway_pb2_grpc
from hoopctl.client.audit import AuditClient, Wanted
from hoopctl.client.gateway import meet
from hoopctl.errors import Denied, HoopctlError, Unreachable
from hoopctl.invocation import Invocation
from hoopctl.requests import Param
from tests.fixtures.scripted_gateway import Certificates, ScriptedGateway
from tests.fixtures.tunnels import FixedBearer

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
AT_US = 1_772_366_400_123_456


class AuditGateway(ScriptedGateway, audit_pb2_grpc.AuditServicer):
    """Answers with ``answers``, or refuses with ``status``."""

    answers: list = []
    status: grpc.StatusCode | None = None
    asked: list = []

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, server)
        audit_pb2_grpc.add_AuditServicer_to_server(self, server)
        pair = (self.certificates.key.encode(), self.certificates.chain.encode())
        self.port = server.add_secure_port(self.address, grpc.ssl_server_credentials([pair]))
        await server.start()
        self._server = server

    async def _answer(self, request, context):
        await self._known(context)
        self.asked = [*self.asked, request]
        for answer in self.answers:
            yield answer
        if self.status is not None:
            await context.abort(self.status, "No.")

    Search = Replay = Verify = _answer

    async def Show(self, request, context):
        return await anext(self._answer(request, context))


@pytest.fixture
async def gateway(certificates: Certificates) -> AsyncIterator[AuditGateway]:
    gateway = AuditGateway(certificates)
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def client(gateway: AuditGateway, hoopctl_home: Path) -> AsyncIterator[AuditClient]:
    async with meet(Invocation(server=gateway.address, json=True)) as met:
        yield AuditClient(met.signed_in(FixedBearer()))


async def test_what_is_unknown_is_none(client: AuditClient, gateway: AuditGateway) -> None:
    known = pb.StatementRow(
        time_us=AT_US,
        statement="s-1/2",
        params=[pb.AuditParam(type="text", value=""), pb.AuditParam(type="text")],
        approvals=[pb.AuditApproval(verdict="reject", by="bob", at_us=AT_US)],
        outcome="rejected",
        rows=0,
        duration_ms=0.0,
        request="r-1",
        error="no",
    )
    gateway.answers = [known, pb.StatementRow()]
    first, second = [each async for each in client.search(Wanted())]
    assert (first.time, first.id, first.outcome, first.rows, first.duration_ms) == (AT, "s-1/2", "rejected", 0, 0.0)
    assert first.params == (Param("text", "", masked=False), Param("text", None, masked=False))
    assert (first.approvals[0].verdict, first.approvals[0].at) == ("reject", AT)
    assert (second.outcome, second.rows, second.duration_ms, second.request, second.error) == (None,) * 5


async def test_what_is_wanted_is_asked_for(client: AuditClient, gateway: AuditGateway) -> None:
    wanted = Wanted("t", "u", "c", "deny", "denied", "s", AT, AT + timedelta(microseconds=1), 7)
    assert [each async for each in client.search(wanted)] == []
    assert gateway.asked[-1] == pb.SearchRequest(
        text="t",
        user="u",
        connection="c",
        decision="deny",
        outcome="denied",
        session="s",
        since_us=AT_US,
        until_us=AT_US + 1,
        limit=7,
    )


async def test_a_session_and_its_steps(client: AuditClient, gateway: AuditGateway) -> None:
    gateway.answers = [pb.SessionDetail(session="s-1", started_us=AT_US, statements=[pb.StatementRow(sql="SELECT 1")])]
    session = await client.show("s-1")
    assert (session.started, session.ended, session.ended_because) == (AT, None, None)
    assert [each.sql for each in session.statements] == ["SELECT 1"]
    cells = [pb.Cell(value=""), pb.Cell()]
    gateway.answers = [pb.ReplayEvent(seq=3, time_us=AT_US, columns=["a"], rows=[pb.ReplayRow(cells=cells)])]
    (step,) = [each async for each in client.replay("s-1")]
    assert (step.seq, step.time, step.statement, step.columns, step.rows) == (3, AT, None, ("a",), (("", None),))


async def test_verification_counts_only_when_it_was_finished(client: AuditClient, gateway: AuditGateway) -> None:
    """A gateway that is cut off in the middle has verified nothing of the rest."""
    good = pb.VerifyResult(session="s-1", ok=True)
    gateway.answers = [good, pb.VerifyResult(done=True, sessions=1)]
    (found,) = [each async for each in client.verify("")]
    assert (found.ok, found.bad_event) == (True, None)
    for answers, said in (([good], "stopped after 1"), ([good, pb.VerifyResult(done=True, sessions=2)], "told of 1")):
        gateway.answers = answers
        with pytest.raises(HoopctlError, match=said):
            _ = [each async for each in client.verify("")]


async def test_errors_are_translated_in_the_middle_of_a_stream(client: AuditClient, gateway: AuditGateway) -> None:
    gateway.answers = [pb.StatementRow()]
    for status, kind in (
        (grpc.StatusCode.PERMISSION_DENIED, Denied),
        (grpc.StatusCode.UNAVAILABLE, Unreachable),
    ):
        gateway.status = status
        with pytest.raises(kind, match=r"No\."):
            _ = [each async for each in client.search(Wanted())]
