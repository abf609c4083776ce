"""The Requests service over real gRPC, with a real store and tokens of a real provider (INV-6)."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import grpc
import grpc.aio
import pytest

from hoop.v1 import requests_pb2 as pb
from hoop.v1 import requests_pb2_grpc
from hoopd.approvals.broker import Broker
from hoopd.approvals.repository import CHANNEL
from hoopd.approvals.snapshots import digest
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.domain.principal import Role
from hoopd.domain.request import Meeting, RequestState
from hoopd.domain.statement import Param
from hoopd.identity import OidcSettings, Purpose, TokenVerifier, client_factory
from hoopd.rpc.authentication import Authentication
from hoopd.rpc.requests import RequestsServicer, micros
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.requests import StoredRequests
from tests.fixtures.oidc import sign_in
from tests.fixtures.requests import Masks, mask, seats, snapshot


def now():
    return datetime.now(UTC)


class Served:
    """A stub for everybody, and the parts behind it."""

    def __init__(self, broker, repository, stub, bearers, alice, masks):
        self.broker, self.repository, self.stub, self._bearers, self.alice = broker, repository, stub, bearers, alice
        self.masks = masks

    def metadata(self, caller):
        return (("authorization", f"Bearer {self._bearers[caller]}"),) if caller else ()

    async def __call__(self, method, request, caller="bob"):
        return await getattr(self.stub, method)(request, metadata=self.metadata(caller), timeout=30)

    async def raised(self, *places, **changes):
        return await self.broker.raise_request(snapshot(*places, **{"by": self.alice, **changes}))


@asynccontextmanager
async def serving(servicer, verifier):
    server = grpc.aio.server(interceptors=[Authentication(verifier)])
    requests_pb2_grpc.add_RequestsServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield requests_pb2_grpc.RequestsStub(channel)
    finally:
        await server.stop(None)


@pytest.fixture
async def served(database, oidc_provider):
    await migrate(database)
    store = Store(database, max_size=4)
    await store.open()
    listener = Listener(database, [CHANNEL])
    repository = StoredRequests(store)
    broker = Broker(repository, listener, now, "gateway")
    roles = {Role.auditor: frozenset({"auditor"})}
    settings = OidcSettings(oidc_provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT, roles=roles)
    verifier = TokenVerifier(settings, client_factory(settings), now)
    bearers = {name: sign_in(oidc_provider, name)["id_token"] for name in ("alice", "bob", "carol", "dave", "erin")}
    alice = await verifier.verify(bearers["alice"], Purpose.session)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(listener.run()), tasks.create_task(broker.run())]
            await broker.until_ready()
            masks = Masks()
            async with serving(RequestsServicer(broker, verifier, masks), verifier) as stub:
                yield Served(broker, repository, stub, bearers, alice, masks)
            for task in running:
                task.cancel()
    finally:
        await store.close()


@pytest.fixture
def token_of(oidc_provider):
    async def make(user, client=APPROVAL_CLIENT):
        return (await asyncio.to_thread(sign_in, oidc_provider, user, client))["id_token"]

    return make


def decision(request, token, verdict="approve", comment=""):
    return pb.DecideRequest(
        id=request.id, verdict=verdict, comment=comment, approval_token=token, digest=digest(request.snapshot)
    )


async def test_an_approval_token_of_a_reviewer_decides(served, token_of):
    request = await served.raised()
    answer = await served("Decide", decision(request, await token_of("bob"), comment="  fine "), caller="carol")
    assert (answer.result, answer.message) == ("approved", "")
    assert answer.request.state == "approved"
    assert [(w.verdict, w.by.email, w.comment) for w in answer.request.words] == [
        ("approve", "bob@example.com", "fine")
    ]


async def test_a_rejection_carries_the_reviewer_s_words(served, token_of):
    request = await served.raised()
    answer = await served("Decide", decision(request, await token_of("carol"), "reject", "no"))
    assert (answer.result, answer.request.state) == ("rejected", "rejected")
    assert answer.request.message == "rejected by carol@example.com: no"


@pytest.mark.parametrize("verdict", ["approve", "reject"])
@pytest.mark.parametrize("kind", ["login", "none", "garbage"])
async def test_no_other_token_decides_INV_6(served, token_of, kind, verdict):
    """The bearer of the call is bob, who may approve: it must not count, and neither must his login token."""
    request = await served.raised()
    token = {"login": await token_of("bob", LOGIN_CLIENT), "none": "", "garbage": "a.b.c"}[kind]
    answer = await served("Decide", decision(request, token, verdict), caller="bob")
    assert answer.result == "refused"
    assert answer.message
    assert await served.repository.get(request.id) == request


@pytest.mark.parametrize("user", ["alice", "dave"])
async def test_the_person_of_the_approval_token_must_be_eligible_whoever_calls_INV_6(served, token_of, user):
    request = await served.raised()
    answer = await served("Decide", decision(request, await token_of(user)), caller="bob")
    assert answer.result == "refused"
    assert (await served.repository.get(request.id)).state is RequestState.pending


async def test_a_refused_stranger_is_shown_nothing_of_the_request(served, token_of):
    request = await served.raised(seats(1, "cto"), connection="other")
    answer = await served("Decide", decision(request, await token_of("bob")))
    assert answer.result == "refused"
    assert answer.request == pb.Request(id=request.id)


async def test_a_request_is_shown_whole(served):
    request = await served.raised(seats(2, "dba"), sql="SELECT '\u202e'\n" + "x" * 50_000)
    shown = await served("Show", pb.ShowRequestRequest(id=request.id[:6]), "bob")
    assert shown.sql == request.snapshot.sql
    assert [(p.type, p.value, p.masked) for p in shown.params] == [("integer", "17", False)]
    assert (shown.principal.email, shown.connection, dict(shown.labels)) == (
        "alice@example.com",
        "prod-db",
        {"env": "production"},
    )
    assert shown.statement == "s-aaaabbbbcccc/7"
    assert (shown.facts.kind, list(shown.facts.effects)) == ("delete", ["read", "write"])
    assert [(s.rule, getattr(s, "from"), s.needed, list(s.approved_by)) for s in shown.seats] == [
        ("writes", ["dba"], 2, [])
    ]
    assert (shown.created_us, shown.expires_us) == (micros(request.created), micros(request.expires))
    assert shown.digest == digest(request.snapshot)
    assert shown.can_decide


@pytest.mark.parametrize(("viewer", "why"), [("alice", "own request"), ("dave", "none of the groups")])
async def test_who_may_look_but_not_decide_is_told_why(served, viewer, why):
    request = await served.raised()
    shown = await served("Show", pb.ShowRequestRequest(id=request.id), viewer)
    assert not shown.can_decide
    assert why in shown.cannot_decide_because


async def test_lists_are_open_ones_unless_asked_otherwise(served):
    first, second = [await served.raised() for _ in range(2)]
    await served("Cancel", pb.CancelRequestRequest(id=first.id), "alice")

    async def ids(caller="bob", **asked):
        return [r.id for r in (await served("List", pb.ListRequestsRequest(**asked), caller)).requests]

    assert await ids() == [second.id]
    assert await ids(all=True) == [second.id, first.id]
    assert await ids(states=["cancelled"]) == [first.id]
    assert await ids(all=True, limit=1) == [second.id]
    assert await ids(caller="erin", all=True) == []


async def status_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_errors_have_a_status_a_sentence_and_a_hint(served):
    request = await served.raised()
    show = pb.ShowRequestRequest(id=request.id)
    nobody = await status_of(served("Show", show, None))
    assert nobody.code() is grpc.StatusCode.UNAUTHENTICATED
    assert any(key == "hoop-hint-bin" and b"hoopctl login" in value for key, value in nobody.trailing_metadata())
    assert (await status_of(served("Show", show, "erin"))).code() is grpc.StatusCode.NOT_FOUND
    assert (await status_of(served("Cancel", pb.CancelRequestRequest(id=request.id)))).code() is (
        grpc.StatusCode.PERMISSION_DENIED
    )
    wrong = await status_of(served("List", pb.ListRequestsRequest(states=["pendng"])))
    assert (wrong.code(), wrong.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "'pendng' is no state of a request",
    )
    shrug = await status_of(served("Decide", pb.DecideRequest(id=request.id, verdict="shrug")))
    assert shrug.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_watch_tells_what_is_open_and_what_changes(served):
    first = await served.raised()
    call = served.stub.Watch(pb.WatchRequestsRequest(), metadata=served.metadata("bob"))
    seen = await call.read()
    assert (seen.id, seen.state) == (first.id, "pending")
    await served.broker.cancel(first.id, served.alice)
    seen = await call.read()
    assert (seen.id, seen.state, seen.message) == (first.id, "cancelled", "cancelled by alice@example.com")
    call.cancel()


CARD = ("public", "customers", "card")
HELD = {
    "sql": "update customers set card = '4111', name = $1 where id = 3 and card = $2",
    "params": (Param("text", "n"), Param("text", "4222")),
    "meets": (Meeting(((28, 34),), (2,), (CARD,)), Meeting(((57, 58),), (), (("public", "customers", "id"),))),
}
MASKED = "update customers set card = '****', name = $1 where id = 3 and card = $2"


def shown_of(request):
    params = [(p.value if p.HasField("value") else None, p.masked) for p in request.params]
    return request.sql, params, request.sql_masked, list(request.masked_columns)


async def test_what_meets_a_masked_column_is_hidden_from_who_is_under_the_mask_INV_4(served, token_of):
    """Whichever way the request comes to them, and whatever roles they have; the digest is that of the whole."""
    request = await served.raised(**HELD)
    served.masks.of = dict.fromkeys(("alice", "bob", "dave"), (mask("public.customers.card"),))
    hidden = (MASKED, [("n", False), (None, True)], True, ["public.customers.card"])
    typed = (HELD["sql"], [("n", False), ("4222", False)], False, [])
    one = pb.ShowRequestRequest(id=request.id)
    assert shown_of(await served("Show", one, "bob")) == hidden
    assert shown_of(await served("Show", one, "dave")) == hidden
    assert shown_of(await served("Show", one, "carol")) == typed
    assert shown_of(await served("Show", one, "alice")) == typed
    assert shown_of((await served("List", pb.ListRequestsRequest())).requests[0]) == hidden
    call = served.stub.Watch(pb.WatchRequestsRequest(), metadata=served.metadata("bob"))
    assert shown_of(await call.read()) == hidden
    call.cancel()
    said = await served("Decide", decision(request, await token_of("bob")))
    assert said.result == "approved"
    assert shown_of(said.request) == hidden
    assert said.request.digest == digest(request.snapshot)


async def test_where_masks_cannot_be_told_all_that_meets_columns_is_hidden_INV_2(served):
    request = await served.raised(**HELD)
    served.masks.known = False
    sql, params, masked, columns = shown_of(await served("Show", pb.ShowRequestRequest(id=request.id)))
    assert sql == MASKED.replace("= 3", "= '****'")
    assert params == [("n", False), (None, True)]
    assert (masked, columns) == (True, [])
    assert shown_of(await served("Show", pb.ShowRequestRequest(id=request.id), "alice"))[0] == HELD["sql"]


async def test_a_request_says_that_a_credential_was_taken_out_INV_7(served):
    for redacted in (True, False):
        request = await served.raised(redacted=redacted)
        for viewer in ("bob", "alice"):
            assert (await served("Show", pb.ShowRequestRequest(id=request.id), viewer)).redacted is redacted
