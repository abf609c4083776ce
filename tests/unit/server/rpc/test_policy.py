"""The PolicyDesk service over real gRPC, with a real store and tokens of a real provider: who may ask what."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest

from hoop.v1 import policy_pb2 as pb
from hoop.v1 import policy_pb2_grpc
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.principal import Principal, Role
from hoopd.identity import OidcSettings, TokenVerifier, client_factory
from hoopd.policy.loading import load, sample_policy_text
from hoopd.rpc.authentication import Authentication
from hoopd.rpc.policy import PolicyServicer
from hoopd.runtime.policies import Policies
from hoopd.runtime.policy_desk import Place, PolicyDesk
from hoopd.session.judgement import PolicyInForce
from hoopd.sql.catalog import Catalog
from hoopd.store.askers import Askers
from hoopd.store.migrate import migrate
from hoopd.store.policies import PolicyRepository
from hoopd.store.pool import Store
from hoopd.store.statements import StatementRepository
from tests.fixtures.oidc import sign_in
from tests.fixtures.shop import ReadCatalog

PEOPLE = ("alice", "bob", "dave", "erin")
SAMPLE = sample_policy_text()
CHANGED = SAMPLE + "# another\n"
SHOP = Connection("prod-db", "h", 5432, "shop", {"env": "production"})
HIDDEN = Connection("hidden-db", "h", 5432, "shop", {})


class Served:
    """A stub for everybody."""

    def __init__(self, stub: Any, bearers: dict[str, str], repository: PolicyRepository) -> None:
        self._stub, self._bearers = stub, bearers
        self.approvals: dict[str, str] = {}
        self.repository = repository

    async def one(self, method: str, request: Any, caller: str) -> Any:
        return await getattr(self._stub, method)(request, metadata=self._metadata(caller), timeout=60)

    async def many(self, method: str, request: Any, caller: str) -> list[Any]:
        call = getattr(self._stub, method)(request, metadata=self._metadata(caller), timeout=60)
        return [each async for each in call]

    def _metadata(self, caller: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._bearers[caller]}"),) if caller else ()


def connections(principal: Principal) -> list[tuple[Connection, Outcome]]:
    return [(SHOP, Outcome.allow)]


@pytest.fixture
async def served(database: str, oidc_provider: Any, shop_catalog: Catalog) -> AsyncIterator[Served]:
    def now() -> datetime:
        return datetime.now(UTC)

    await migrate(database)
    store = Store(database, max_size=4)
    await store.open()
    repository = PolicyRepository(store, now)
    first = await repository.put_from_file(SAMPLE, source="policy.yaml")
    policies = Policies()
    policies.put(PolicyInForce(load(SAMPLE, "policy.yaml"), first.version))
    places = {each.name: Place(each, "app", ReadCatalog(shop_catalog)) for each in (SHOP, HIDDEN)}
    desk = PolicyDesk(policies, places, Askers(store).of)
    roles = {Role.auditor: frozenset({"auditor"}), Role.admin: frozenset({"admin"})}
    settings = OidcSettings(oidc_provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT, roles=roles)
    verifier = TokenVerifier(settings, client_factory(settings), now)
    servicer = PolicyServicer(desk, repository, StatementRepository(store), connections, verifier)
    server = grpc.aio.server(interceptors=[Authentication(verifier)])
    policy_pb2_grpc.add_PolicyDeskServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            bearers = {name: sign_in(oidc_provider, name)["id_token"] for name in PEOPLE}
            served = Served(policy_pb2_grpc.PolicyDeskStub(channel), bearers, repository)
            for name in ("alice", "erin"):
                served.approvals[name] = sign_in(oidc_provider, name, client_id=APPROVAL_CLIENT)["id_token"]
            yield served
    finally:
        await server.stop(None)
        await store.close()


def draft(text: str = CHANGED) -> pb.PolicyDraft:
    return pb.PolicyDraft(text=text, source="draft.yaml")


CASES = 'connection: prod-db\ncases:\n  - {name: a, sql: "select 1", expect: deny}\n'
STAFF_ONLY = [
    ("Show", pb.ShowPolicyRequest(), False),
    ("History", pb.PolicyHistoryRequest(), True),
    ("Explain", pb.ExplainRequest(sql="select 1", connection="prod-db", user="bob@example.com"), False),
    ("Explain", pb.ExplainRequest(sql="select 1", connection="prod-db", groups=["dba"]), False),
    ("Explain", pb.ExplainRequest(sql="select 1", connection="prod-db", policy=draft()), False),
    ("Test", pb.TestPolicyRequest(cases=pb.PolicyDraft(text=CASES)), False),
    ("Simulate", pb.SimulateRequest(policy=draft()), True),
]


@pytest.mark.parametrize(("method", "request_", "many"), STAFF_ONLY)
async def test_what_tells_of_others_is_for_admins_and_auditors(
    served: Served, method: str, request_: Any, many: bool
) -> None:
    call = served.many if many else served.one
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(method, request_, "alice")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for caller in ("dave", "erin"):
        assert await call(method, request_, caller)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Check", pb.CheckPolicyRequest(policy=draft())),
        ("Explain", pb.ExplainRequest(sql="select 1", connection="prod-db")),
        ("Apply", pb.ApplyPolicyRequest(policy=draft())),
        ("Show", pb.ShowPolicyRequest()),
    ],
)
async def test_nobody_asks_without_a_sign_in(served: Served, method: str, request_: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one(method, request_, "")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("caller", ["alice", "bob", "dave"])
async def test_nobody_but_an_admin_puts_a_policy_in_force(served: Served, caller: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one("Apply", pb.ApplyPolicyRequest(policy=draft()), caller)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    current = await served.repository.current()
    assert current is not None
    assert current.version == 1


async def test_an_admin_puts_a_policy_in_force_and_it_says_who(served: Served) -> None:
    token = served.approvals["erin"]
    said = await served.one("Apply", pb.ApplyPolicyRequest(policy=draft(), expected=1, approval_token=token), "erin")
    assert (said.version, said.by, said.source) == (2, "erin@example.com", "draft.yaml")
    again = await served.one("Apply", pb.ApplyPolicyRequest(policy=draft(), approval_token=token), "erin")
    assert again.version == 2
    shown = await served.one("Show", pb.ShowPolicyRequest(version=1), "dave")
    assert (shown.text, shown.by) == (SAMPLE, "config")
    history = await served.many("History", pb.PolicyHistoryRequest(), "dave")
    assert [(each.version, each.text) for each in history] == [(2, ""), (1, "")]
    late = pb.ApplyPolicyRequest(policy=draft(SAMPLE), expected=1, approval_token=token)
    with pytest.raises(grpc.aio.AioRpcError, match="no longer version 1"):
        await served.one("Apply", late, "erin")


@pytest.mark.parametrize("token", ["", "x", "login", "alice"])
async def test_a_policy_takes_a_sign_in_made_for_it_INV_6(served: Served, token: str) -> None:
    """That of ``login``, which an agent on an admin's machine could use, is none; nor is that of who is no admin."""
    given = {"login": served._bearers["erin"], "alice": served.approvals["alice"]}.get(token, token)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one("Apply", pb.ApplyPolicyRequest(policy=draft(), approval_token=given), "erin")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await served.many("History", pb.PolicyHistoryRequest(), "erin"))[0].version == 1


async def test_a_file_tells_nobody_of_connections_that_are_not_theirs(served: Served) -> None:
    text = "version: 1\nrules:\n  - {name: r, match: {connections: [hidden-bd]}, then: allow}\n"
    for caller, told in (("alice", False), ("erin", True)):
        said = await served.one("Check", pb.CheckPolicyRequest(policy=draft(text)), caller)
        assert ("hidden-db" in str(said)) is told


async def test_what_is_asked_is_bounded_INV_9(served: Served) -> None:
    many = pb.ExplainRequest(sql="select 1;" * 101, connection="prod-db")
    with pytest.raises(grpc.aio.AioRpcError, match="more than 100 statements"):
        await served.one("Explain", many, "alice")
    kinds = ", ".join(f"kind_{number}" for number in range(200))
    text = "version: 1\nrules:\n" + "".join(
        f"  - {{name: r{number}, match: {{kinds: [{kinds}]}}, then: allow}}\n" for number in range(20)
    )
    said = await served.one("Check", pb.CheckPolicyRequest(policy=draft(text)), "alice")
    assert 0 < len(said.problems) <= 50


@pytest.mark.parametrize("text", ["", "version: 2\n", "version: 1\nrulez: []\n", "\x00", "[" * 100])
async def test_a_broken_file_never_takes_the_place_of_a_good_one(served: Served, text: str) -> None:
    asked = pb.ApplyPolicyRequest(policy=draft(text), approval_token=served.approvals["erin"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one("Apply", asked, "erin")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    current = await served.repository.current()
    assert current is not None
    assert current.text == SAMPLE
    said = await served.one("Check", pb.CheckPolicyRequest(policy=draft(text)), "alice")
    assert said.problems
    assert not any(problem.warning for problem in said.problems)


async def test_people_are_told_of_their_own_statements_where_they_may_connect(served: Served) -> None:
    said = await served.one("Explain", pb.ExplainRequest(sql="delete from orders", connection="prod-db"), "alice")
    assert (said.decision.outcome, said.connect.outcome, said.version) == ("review", "allow", 1)
    assert [(seat.needed, list(seat.groups)) for seat in said.decision.seats] == [
        (1, ["dba"]), (1, ["security"]), (1, ["dba"]),
    ]  # fmt: skip
    assert (said.user, list(said.groups)) == ("alice@example.com", ["engineering"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one("Explain", pb.ExplainRequest(sql="select 1", connection="hidden-db"), "alice")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await served.one("Explain", pb.ExplainRequest(sql="select 1", connection="no-db"), "alice")
    assert unknown.value.details() == caught.value.details().replace("hidden", "no"), "the two cannot be told apart"
    assert await served.one("Explain", pb.ExplainRequest(sql="select 1", connection="hidden-db"), "erin")


async def test_masks_and_accesses_are_told(served: Served) -> None:
    asked = pb.ExplainRequest(sql="select id, card_number from customers", connection="prod-db", groups=["engineering"])
    (statement,) = (await served.one("Explain", asked, "erin")).statements
    assert [(mask.column, mask.mask) for mask in statement.masks] == [("card_number", "last")]
    assert [(each.access, list(each.covered_by)) for each in statement.accesses] == [
        ("read public.customers", ["read freely"])
    ]
    elsewhere = pb.ExplainRequest(
        sql="select 1 from notes", connection="prod-db", groups=["engineering"], search_path="support"
    )
    (statement,) = (await served.one("Explain", elsewhere, "erin")).statements
    assert [each.access for each in statement.accesses] == ["read support.notes"]


async def test_cases_are_tried_and_a_file_that_is_none_is_said(served: Served) -> None:
    said = await served.one("Test", pb.TestPolicyRequest(cases=pb.PolicyDraft(text=CASES)), "erin")
    assert [(case.name, case.ok) for case in said.cases] == [("a", True)]
    said = await served.one("Test", pb.TestPolicyRequest(cases=pb.PolicyDraft(text="cases: []")), "erin")
    assert said.problems
    broken = pb.TestPolicyRequest(cases=pb.PolicyDraft(text=CASES), policy=draft("version: 3"))
    assert (await served.one("Test", broken, "erin")).problems[0].source == "draft.yaml"


async def test_a_simulation_of_nothing_ends_with_its_totals(served: Served) -> None:
    (done,) = await served.many("Simulate", pb.SimulateRequest(policy=draft()), "dave")
    assert (done.done.statements, done.done.changed, done.done.more) == (0, 0, False)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.many("Simulate", pb.SimulateRequest(policy=draft(), since_us=2**62), "dave")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
