"""The PolicyDesk service as plain types, over real gRPC and TLS."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import grpc.aio
import pytest

from hoop.v1 import gateway_pb2_grpc, policy_pb2_grpc
from hoop.v1 import policy_pb2 as pb
from hoopctl.client.gateway import meet
from hoopctl.client.policy import Draft, PolicyClient, Problem, Seat, Totals
from hoopctl.errors import Denied
from hoopctl.invocation import Invocation
from tests.fixtures.scripted_gateway import Certificates, ScriptedGateway
from tests.fixtures.tunnels import FixedBearer

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
AT_US = 1_772_366_400_123_456
DRAFT = Draft("version: 1\n", "draft.yaml")


class PolicyGateway(ScriptedGateway, policy_pb2_grpc.PolicyDeskServicer):
    """Answers with ``answers``, or refuses with ``status``."""

    answers: list = []
    status: grpc.StatusCode | None = None
    asked: list = []

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, server)
        policy_pb2_grpc.add_PolicyDeskServicer_to_server(self, server)
        pair = (self.certificates.key.encode(), self.certificates.chain.encode())
        self.port = server.add_secure_port(self.address, grpc.ssl_server_credentials([pair]))
        await server.start()
        self._server = server

    async def _several(self, request, context):
        await self._known(context)
        self.asked = [*self.asked, request]
        if self.status is not None:
            await context.abort(self.status, "No.")
        for answer in self.answers:
            yield answer

    async def _one(self, request, context):
        return await anext(self._several(request, context))

    Check = Show = Explain = Test = Apply = _one
    History = Simulate = _several


@pytest.fixture
async def gateway(certificates: Certificates) -> AsyncIterator[PolicyGateway]:
    gateway = PolicyGateway(certificates)
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def client(gateway: PolicyGateway, hoopctl_home: Path) -> AsyncIterator[PolicyClient]:
    async with meet(Invocation(server=gateway.address, json=True)) as met:
        yield PolicyClient(met.signed_in(FixedBearer()))


async def test_problems_of_a_file(client: PolicyClient, gateway: PolicyGateway) -> None:
    problem = pb.PolicyProblem(source="draft.yaml", line=3, column=4, message="no", warning=True)
    gateway.answers = [pb.CheckPolicyResult(problems=[problem])]
    assert await client.check(DRAFT) == [Problem("draft.yaml", 3, 4, "no", True)]
    assert gateway.asked == [pb.CheckPolicyRequest(policy=pb.PolicyDraft(text=DRAFT.text, source=DRAFT.source))]


async def test_versions(client: PolicyClient, gateway: PolicyGateway) -> None:
    gateway.answers = [pb.PolicyVersion(version=2, text="t", by="erin", at_us=AT_US, source="s")]
    shown = await client.show(None)
    assert (shown.version, shown.text, shown.by, shown.at, shown.source) == (2, "t", "erin", AT, "s")
    assert [each async for each in client.history(5)] == [shown]
    assert await client.apply(DRAFT, 1, "token") == shown
    assert [(type(each), getattr(each, "version", getattr(each, "expected", None))) for each in gateway.asked[::2]] == [
        (pb.ShowPolicyRequest, 0),
        (pb.ApplyPolicyRequest, 1),
    ]


async def test_what_is_unknown_is_none(client: PolicyClient, gateway: PolicyGateway) -> None:
    seats = [pb.PolicySeats(rule="r", groups=["dba"], needed=1)]
    decision = pb.PolicyDecision(outcome="review", rules=["r"], seats=seats, hold_ms=5)
    statement = pb.StatementTold(
        sql="s", kind="k", decision=decision, masks=[pb.MaskTold(column="c", mask="full")],
        rules=[pb.RuleTold(name="r", says="review", fits=True, decides=True, why="w")],
        accesses=[pb.AccessTold(access="read a", covered_by=["x"])],
    )  # fmt: skip
    gateway.answers = [pb.ExplainResult(decision=decision, statements=[statement], user="u", groups=["g"])]
    told = await client.explain("s", "prod-db")
    assert (told.version, told.decision.message, told.decision.hint) == (None, None, None)
    assert told.decision.seats == (Seat("r", ("dba",), 1),)
    assert (told.statements[0].masks, told.statements[0].accesses[0].covered_by) == ((("c", "full"),), ("x",))
    (asked,) = gateway.asked
    assert not asked.HasField("policy")
    assert not asked.HasField("search_path")
    await client.explain("s", "prod-db", search_path="", policy=DRAFT)
    assert gateway.asked[-1].HasField("policy")
    assert gateway.asked[-1].HasField("search_path")


async def test_cases_and_a_simulation(client: PolicyClient, gateway: PolicyGateway) -> None:
    gateway.answers = [pb.TestPolicyResult(cases=[pb.CaseTold(name="a", ok=True, outcome="deny")])]
    problems, (result,) = await client.test(DRAFT, None)
    assert (problems, result.name, result.ok) == ([], "a", True)
    change = pb.SimulatedChange(statement="s-1/1", time_us=AT_US, sql="q", was="allow", becomes="deny")
    totals = pb.SimulatedTotals(statements=2, changed=1, moves=[pb.SimulatedMove(was="a", becomes="b", statements=1)])
    gateway.answers = [
        pb.SimulateResult(change=change), pb.SimulateResult(progress=totals), pb.SimulateResult(done=totals),
    ]  # fmt: skip
    first, progress, done = [each async for each in client.simulate(DRAFT, AT, None, "prod-db", 7)]
    assert not isinstance(first, Totals)
    assert (first.time, first.message) == (AT, None)
    assert progress == Totals(2, 1, 0, (("a", "b", 1),), more=False, done=False)
    assert isinstance(done, Totals)
    assert done.done
    assert (gateway.asked[-1].since_us, gateway.asked[-1].until_us, gateway.asked[-1].limit) == (AT_US, 0, 7)


async def test_a_refusal_is_an_error_of_ours(client: PolicyClient, gateway: PolicyGateway) -> None:
    gateway.status = grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(Denied):
        await client.show(None)
    with pytest.raises(Denied):
        [each async for each in client.simulate(DRAFT, AT, None, "", 1)]
