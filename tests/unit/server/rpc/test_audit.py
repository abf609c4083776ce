"""The Audit service over real gRPC, with a real store and tokens of a real provider: who may see what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psycopg
import pytest

from hoop.v1 import audit_pb2 as pb
from hoop.v1 import audit_pb2_grpc
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT
from hoopd.domain.decision import Outcome
from hoopd.domain.events import (
    RowsReturned,
    SessionEnded,
    SessionStarted,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.ids import PolicyVersion, SessionId, StatementNo
from hoopd.domain.principal import Principal, Role
from hoopd.domain.statement import Param
from hoopd.identity import OidcSettings, Purpose, TokenVerifier, client_factory
from hoopd.recording.keys import load_keys
from hoopd.recording.recorder import Recorder
from hoopd.rpc.audit import AuditServicer
from hoopd.rpc.authentication import Authentication
from hoopd.store.audit import Audit
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from tests.fixtures.oidc import sign_in

PEOPLE = ("alice", "bob", "dave", "erin")


def now() -> datetime:
    return datetime.now(UTC)


class Served:
    """A stub for everybody. ``sessions`` are those that alice and bob have had."""

    def __init__(self, stub: Any, bearers: dict[str, str], database: str) -> None:
        self._stub = stub
        self._bearers = bearers
        self.database = database
        self.sessions = {"alice": "s-alice", "bob": "s-bob"}

    def metadata(self, caller: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._bearers[caller]}"),) if caller else ()

    async def one(self, method: str, request: Any, caller: str) -> Any:
        return await getattr(self._stub, method)(request, metadata=self.metadata(caller), timeout=30)

    async def many(self, method: str, request: Any, caller: str) -> list[Any]:
        call = getattr(self._stub, method)(request, metadata=self.metadata(caller), timeout=30)
        return [each async for each in call]


def record_session(recorder: Recorder, session: str, person: Principal) -> None:
    record = recorder.open(SessionId(session))
    started = (person.issuer, person.subject, person.email, person.groups, "prod-db", "shop", "r", "psql", "h")
    one, two = StatementNo(1), StatementNo(2)
    params = (Param("integer", "7"), Param("text", None, masked=True))
    for event in (
        SessionStarted(SessionId(session), now(), *started, "", "", "", "t"),
        StatementDecided(
            one, "SELECT $1, $2", params, "select", ("read",), (), Outcome.allow, ("r",), "", PolicyVersion(1)
        ),
        StatementStarted(one),
        RowsReturned(one, ("a", "b"), (("7", None),), 1),
        StatementFinished(one, StatementOutcome.done, "SELECT 2", 2, 1.5, "", "", ("public.t.b",)),
        StatementDecided(
            two, "DROP TABLE t", (), "drop_table", ("ddl",), (), Outcome.deny, ("x",), "no", PolicyVersion(1)
        ),
        SessionEnded("client closed", ""),
    ):
        record.append(event)


@asynccontextmanager
async def serving(audit: Audit, verifier: TokenVerifier) -> AsyncIterator[Any]:
    server = grpc.aio.server(interceptors=[Authentication(verifier)])
    audit_pb2_grpc.add_AuditServicer_to_server(AuditServicer(audit), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield audit_pb2_grpc.AuditStub(channel)
    finally:
        await server.stop(None)


@pytest.fixture
async def served(database: str, oidc_provider: Any, tmp_path: Path) -> AsyncIterator[Served]:
    await migrate(database)
    store = Store(database, max_size=4)
    await store.open()
    keys = load_keys(tmp_path)
    recorder = Recorder(tmp_path, Records(store), keys, now)
    recorder.start()
    roles = {Role.auditor: frozenset({"auditor"}), Role.admin: frozenset({"admin"})}
    settings = OidcSettings(oidc_provider.issuer, LOGIN_CLIENT, APPROVAL_CLIENT, roles=roles)
    verifier = TokenVerifier(settings, client_factory(settings), now)
    bearers = {name: sign_in(oidc_provider, name)["id_token"] for name in PEOPLE}
    try:
        await recorder.shipper.ship()
        for name in ("alice", "bob"):
            record_session(recorder, f"s-{name}", await verifier.verify(bearers[name], Purpose.session))
        assert await recorder.shipper.drain(60)
        async with serving(Audit(store, keys, recorder.holds), verifier) as stub:
            yield Served(stub, bearers, database)
    finally:
        recorder.close()
        await store.close()


async def test_auditors_and_admins_see_all_and_everyone_else_their_own(served: Served) -> None:
    """The scope is the server's: no filter of the caller widens it."""
    for caller, seen in (
        ("dave", {"s-alice", "s-bob"}),
        ("erin", {"s-alice", "s-bob"}),
        ("alice", {"s-alice"}),
        ("bob", {"s-bob"}),
    ):
        assert {row.session for row in await served.many("Search", pb.SearchRequest(), caller)} == seen
        verified = await served.many("Verify", pb.VerifyRequest(), caller)
        assert {each.session for each in verified[:-1]} == seen
        assert (verified[-1].done, verified[-1].sessions, verified[-1].ok) == (True, len(seen), True)
    assert await served.many("Search", pb.SearchRequest(user="bob@example.com"), "alice") == []
    assert await served.many("Search", pb.SearchRequest(session="s-bob"), "alice") == []


@pytest.mark.parametrize(
    ("method", "request_", "many"),
    [
        ("Show", pb.ShowSessionRequest(id="s-bob"), False),
        ("Show", pb.ShowSessionRequest(id="s-bob/1"), False),
        ("Replay", pb.ReplayRequest(session="s-bob"), True),
        ("Verify", pb.VerifyRequest(session="s-bob"), True),
    ],
)
async def test_anothers_session_does_not_exist(served: Served, method: str, request_: Any, many: bool) -> None:
    call = served.many if many else served.one
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(method, request_, "alice")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await call(method, type(request_).FromString(request_.SerializeToString().replace(b"bob", b"non")), "alice")
    assert unknown.value.details() == caught.value.details().replace("bob", "non"), "the two cannot be told apart"
    assert await call(method, request_, "bob")


async def test_nobody_sees_anything_without_a_sign_in(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.many("Search", pb.SearchRequest(), "")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_row_has_all_that_the_record_has(served: Served) -> None:
    denied, read = await served.many("Search", pb.SearchRequest(), "alice")
    assert (read.statement, read.principal, read.connection) == ("s-alice/1", "alice@example.com", "prod-db")
    assert (read.sql, read.kind, list(read.effects)) == ("SELECT $1, $2", "select", ["read"])
    assert [(p.type, p.value, p.HasField("value"), p.masked) for p in read.params] == [
        ("integer", "7", True, False),
        ("text", "", False, True),
    ]
    assert (read.decision, read.outcome, read.rows, read.duration_ms) == ("allow", "done", 2, 1.5)
    assert list(read.masked) == ["public.t.b"]
    assert (denied.decision, denied.outcome, denied.error, denied.HasField("rows")) == ("deny", "denied", "no", False)


async def test_filters_reach_the_search(served: Served) -> None:
    since = int((now() + timedelta(hours=1)).timestamp()) * 1_000_000
    for request, count in (
        (pb.SearchRequest(text="drop"), 2),
        (pb.SearchRequest(decision="deny", user="bob"), 1),
        (pb.SearchRequest(outcome="done"), 2),
        (pb.SearchRequest(connection="else"), 0),
        (pb.SearchRequest(since_us=since), 0),
        (pb.SearchRequest(until_us=since), 4),
        (pb.SearchRequest(limit=3), 3),
    ):
        assert len(await served.many("Search", request, "erin")) == count, request
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.many("Search", pb.SearchRequest(since_us=2**62), "erin")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_session_and_one_statement_are_shown(served: Served) -> None:
    session = await served.one("Show", pb.ShowSessionRequest(id="s-alice"), "dave")
    assert (session.principal, session.ended_because, session.events) == ("alice@example.com", "client closed", 8)
    assert [row.statement for row in session.statements] == ["s-alice/1", "s-alice/2"]
    assert len(bytes.fromhex(session.head)) == 32
    one = await served.one("Show", pb.ShowSessionRequest(id="s-alice/2"), "dave")
    assert [row.sql for row in one.statements] == ["DROP TABLE t"]
    for wrong, status in (("s-alice/3", grpc.StatusCode.NOT_FOUND), ("s-alice/x", grpc.StatusCode.INVALID_ARGUMENT)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.one("Show", pb.ShowSessionRequest(id=wrong), "dave")
        assert caught.value.code() is status


async def test_a_session_is_replayed_in_order(served: Served) -> None:
    told = await served.many("Replay", pb.ReplayRequest(session="s-alice"), "dave")
    assert [event.kind for event in told] == [
        "SessionStarted",
        "StatementDecided",
        "StatementStarted",
        "RowsReturned",
        "StatementFinished",
        "StatementDecided",
        "StatementFinished",
        "SessionEnded",
    ]
    rows = told[3]
    assert list(rows.columns) == ["a", "b"]
    assert [(cell.value, cell.HasField("value")) for cell in rows.rows[0].cells] == [("7", True), ("", False)]
    assert rows.text == "1 more rows went to the client and were not kept"


async def test_an_edited_record_is_named_and_the_others_are_still_verified(served: Served) -> None:
    """THREATS 24."""
    with psycopg.connect(served.database) as connection:
        connection.execute("UPDATE hoop.events SET body = body || '\\x00' WHERE session = 's-alice' AND seq = 4")
    results = await served.many("Verify", pb.VerifyRequest(), "dave")
    assert {each.session: (each.ok, each.bad_event) for each in results[:-1]} == {
        "s-alice": (False, 4),
        "s-bob": (True, 0),
    }
    assert (results[-1].done, results[-1].ok, results[-1].sessions) == (True, False, 2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.many("Replay", pb.ReplayRequest(session="s-alice"), "dave")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_session_too_long_to_be_shown_says_how_else(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9."""
    monkeypatch.setattr("hoopd.store.audit.SHOWN_STATEMENTS", 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.one("Show", pb.ShowSessionRequest(id="s-alice"), "dave")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await served.one("Show", pb.ShowSessionRequest(id="s-alice/1"), "dave")).statements


async def test_a_store_that_is_away_is_one_sentence(served: Served) -> None:
    """INV-2."""
    with psycopg.connect(served.database) as connection:
        connection.execute("ALTER TABLE hoop.statements RENAME TO gone")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.many("Search", pb.SearchRequest(), "dave")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "42P01" in caught.value.details()
