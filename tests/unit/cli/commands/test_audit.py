"""``hoopctl audit`` as a process, against a gateway that plays a record, over real gRPC and TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest

from hoop.v1 import audit_pb2 as pb
from hoop.v1 import audit_pb2_grpc, gateway_pb2_grpc
from hoopctl.client.audit import Session, Statement, Step, Verified
from hoopctl.commands import audit as command
from hoopctl.invocation import Invocation
from hoopd.dev.oidc import LOGIN_CLIENT, DevProvider
from tests.fixtures.json_docs import PAGE, documented
from tests.fixtures.oidc import ALL_SCOPES, confirm
from tests.fixtures.scripted_gateway import Certificates, ScriptedGateway
from tests.fixtures.started_hoopctl import Done, StartHoopctl

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_US = int(AT.timestamp()) * 1_000_000
SQL = "SELECT * FROM customers WHERE note = '\x1b[31mred'  -- " + "long " * 600
Audit = Callable[..., Awaitable[Done]]


def row(number: int, sql: str = SQL) -> pb.StatementRow:
    return pb.StatementRow(
        time_us=AT_US,
        session="s-4kq7",
        statement=f"s-4kq7/{number}",
        principal="alice@example.com",
        connection="prod-db",
        sql=sql,
        params=[pb.AuditParam(type="integer", value="7"), pb.AuditParam(type="text", masked=True)],
        kind="select",
        effects=["read"],
        decision="allow",
        rules=["read freely", "another"],
        outcome="done",
        rows=3,
        duration_ms=1.5,
        masked=["public.customers.card_number"],
    )


@dataclass
class AuditGateway(ScriptedGateway, audit_pb2_grpc.AuditServicer):
    """Plays a record; ``verdicts`` are what Verify says."""

    searched: list[pb.SearchRequest] = field(default_factory=list)
    rows: list[pb.StatementRow] = field(default_factory=lambda: [row(2), row(1, "BEGIN")])
    verdicts: list[pb.VerifyResult] = field(default_factory=list)

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, server)
        audit_pb2_grpc.add_AuditServicer_to_server(self, server)
        pair = (self.certificates.key.encode(), self.certificates.chain.encode())
        self.port = server.add_secure_port(self.address, grpc.ssl_server_credentials([pair]))
        await server.start()
        self._server = server

    async def Search(self, request, context):
        self.searched.append(request)
        for each in self.rows[: request.limit]:
            yield each

    async def Show(self, request, context):
        if not request.id.startswith("s-4kq7"):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no session {request.id!r} that you may see.")
        _, _, number = request.id.partition("/")
        rows = [each for each in self.rows if not number or each.statement.endswith(f"/{number}")]
        return pb.SessionDetail(
            session="s-4kq7", principal="alice@example.com", connection="prod-db", started_us=AT_US, statements=rows
        )

    async def Replay(self, request, context):
        yield pb.ReplayEvent(seq=1, time_us=AT_US, kind="SessionStarted", text="alice opened prod-db")
        yield pb.ReplayEvent(
            seq=2, time_us=AT_US + 1_000, kind="StatementDecided", statement="s-4kq7/1", text="allow by x\nSELECT 1"
        )
        cells = [pb.Cell(value="1"), pb.Cell()]
        yield pb.ReplayEvent(
            seq=3,
            time_us=AT_US + 2_000,
            kind="RowsReturned",
            statement="s-4kq7/1",
            columns=["a", "b"],
            rows=[pb.ReplayRow(cells=cells)],
        )

    async def Verify(self, request, context):
        for verdict in self.verdicts:
            yield verdict


@pytest.fixture
async def gateway(certificates: Certificates, oidc_provider: DevProvider) -> AsyncIterator[AuditGateway]:
    gateway = AuditGateway(certificates, takes_any_token=True)
    gateway.hello = {"issuer": oidc_provider.issuer, "client_id": LOGIN_CLIENT, "scopes": ALL_SCOPES.split()}
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def audit(hoopctl: StartHoopctl, gateway: AuditGateway, oidc_provider: DevProvider) -> Audit:
    """Runs ``hoopctl audit …`` to its end, signed in."""
    async with hoopctl("login", "--server", gateway.address, "--json") as running:
        verify = await running.until("verify")
        await asyncio.to_thread(confirm, oidc_provider, verify["user_code"], "alice")
        assert (await running.done()).code == 0

    async def to_its_end(*arguments: str, **environ: str) -> Done:
        async with hoopctl("audit", *arguments, **environ) as running:
            return await running.done()

    return to_its_end


async def test_search(audit: Audit, gateway: AuditGateway) -> None:
    done = await audit("search", "--json")
    assert done.code == 0, done.err
    first, second = done.lines
    assert first == {
        "time": "2026-03-01T12:00:00.000000Z",
        "session": "s-4kq7",
        "statement": "s-4kq7/2",
        "principal": "alice@example.com",
        "connection": "prod-db",
        "sql": SQL,
        "params": [
            {"type": "integer", "value": "7", "masked": False},
            {"type": "text", "value": None, "masked": True},
        ],
        "kind": "select",
        "effects": ["read"],
        "decision": "allow",
        "rule": "read freely",
        "rules": ["read freely", "another"],
        "request": None,
        "approvals": [],
        "outcome": "done",
        "rows": 3,
        "duration_ms": 1.5,
        "masked": ["public.customers.card_number"],
        "error": None,
    }
    assert second["sql"] == "BEGIN"

    table = await audit(
        "search", "customers", "--user", "alice", "--decision", "allow", "--since", "2h", "--limit", "1"
    )
    assert table.code == 0, table.err
    assert "\\x1b[31mred" in table.out
    assert "\x1b" not in table.out
    assert f"{len(SQL)} characters in all" in table.out
    assert "newest 1" in table.err
    asked = gateway.searched[-1]
    assert (asked.text, asked.user, asked.decision, asked.limit, asked.until_us) == (
        "customers",
        "alice",
        "allow",
        1,
        0,
    )
    assert asked.since_us > AT_US

    gateway.rows = []
    nothing = await audit("search", "--json")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No statement fits." in (await audit("search")).err

    for wrong in (["--decision", "maybe"], ["--outcome", "good"], ["--since", "tomorrow"], ["--limit", "0"]):
        refused = await audit("search", "--json", *wrong)
        assert refused.code == 2
        assert refused.lines[-1]["code"] == "usage"


async def test_show_and_replay(audit: Audit) -> None:
    whole = await audit("show", "s-4kq7", "--json")
    (session,) = whole.lines
    assert (session["session"], session["ended"], len(session["statements"])) == ("s-4kq7", None, 2)
    (statement,) = (await audit("show", "s-4kq7/1", "--json")).lines
    assert (statement["statement"], statement["sql"]) == ("s-4kq7/1", "BEGIN")
    said = await audit("show", "s-4kq7/2")
    assert "long " * 600 in said.out
    assert "\x1b" not in said.out
    missing = await audit("show", "s-none", "--json")
    assert (missing.code, missing.lines[-1]["code"]) == (1, "failed")

    told = await audit("replay", "s-4kq7", "--no-wait")
    assert told.out.splitlines() == [
        "12:00:00.000  alice opened prod-db",
        "12:00:00.001  #1 allow by x",
        "    SELECT 1",
        "    a | b",
        "    --+-----",
        "    1 | NULL",
    ]
    lines = (await audit("replay", "s-4kq7", "--json")).lines
    assert [line["kind"] for line in lines] == ["SessionStarted", "StatementDecided", "RowsReturned"]
    assert lines[2]["rows"] == [["1", None]]
    assert (await audit("replay", "s-4kq7", "--max-pause", "soon")).code == 2


async def test_verify(audit: Audit, gateway: AuditGateway) -> None:
    good = pb.VerifyResult(session="s-1", ok=True, events=9, message="9 events, sealed")
    live = pb.VerifyResult(session="s-2", ok=True, events=3, message="3 events so far", open=True)
    bad = pb.VerifyResult(session="s-3", events=3, bad_event=4, message="event 4 is missing")
    gateway.verdicts = [good, live, pb.VerifyResult(done=True, sessions=2)]
    done = await audit("verify")
    assert (done.code, done.out.splitlines()) == (
        0,
        ["ok    s-1  9 events, sealed", "open  s-2  3 events so far", "2 sessions: 2 as recorded (1 open), 0 not"],
    )

    gateway.verdicts = [bad, good, pb.VerifyResult(done=True, sessions=2)]
    done = await audit("verify")
    assert done.code == 7
    assert "BAD   s-3  event 4 is missing" in done.out
    assert "ok    s-1" in done.out
    assert "session s-3 is not what was written: event 4 is missing" in done.err
    lines = (await audit("verify", "--json")).lines
    assert lines[0] == {
        "session": "s-3",
        "ok": False,
        "events": 3,
        "bad_event": 4,
        "message": "event 4 is missing",
        "open": False,
    }
    assert lines[-2] == {"event": "done", "ok": False, "sessions": 2, "failed": 1, "open": 0}
    assert (lines[-1]["event"], lines[-1]["code"]) == ("error", "verification_failed")

    gateway.verdicts = [good]
    cut = await audit("verify", "--json")
    assert (cut.code, cut.lines[-1]["message"]) == (
        1,
        "The gateway stopped after 1 sessions; the others are not verified.",
    )
    gateway.verdicts = [good, pb.VerifyResult(done=True, sessions=2)]
    assert (await audit("verify", "--json")).code == 1


async def test_nobody_is_asked_to_sign_in_by_a_script(hoopctl: StartHoopctl, gateway: AuditGateway) -> None:
    async with hoopctl("audit", "search", "--json", "--server", gateway.address) as running:
        done = await running.done()
    assert (done.code, done.lines[-1]["code"]) == (3, "not_signed_in")


async def test_a_replay_keeps_the_time_of_the_session_within_the_longest_pause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps = [0.0, 1.0, 60.0, -5.0, 0.5]
    moments = [AT]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))

    class Played:
        def __init__(self, gateway: object) -> None:
            pass

        async def replay(self, session: str) -> AsyncIterator[Step]:
            for seq, at in enumerate(moments, start=1):
                yield Step(seq, at, "NoticeSeen", None, "x", (), ())

    class NoGateway:
        def __init__(self, asked: Invocation) -> None:
            pass

        async def __aenter__(self) -> None:
            return None

        async def __aexit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(command, "AuditClient", Played)
    monkeypatch.setattr(command, "with_session", NoGateway)
    paused: list[float] = []

    async def pause(length: float) -> None:
        paused.append(length)

    await command._replay(Invocation(), "s-1", 2.0, 3.0, pause)
    assert paused == [0.0, 0.5, 3.0, 0.0, 0.25]
    paused.clear()
    await command._replay(Invocation(), "s-1", 2.0, 0.0, pause)
    assert paused == []
    assert len(capsys.readouterr().out.splitlines()) == 12


def test_the_lines_are_those_of_the_page() -> None:
    """docs/json.md is a contract with other programs."""
    statement = Statement(AT, *("",) * 5, (), "", (), "", (), None, (), None, None, None, (), None)
    session = Session(*("",) * 5, AT, None, None, 0, "", ())
    step = Step(1, AT, "", None, "", (), ())
    verified = Verified("", True, 0, None, "", False)
    assert documented("hoopctl audit search") == {"one for each": set(command.statement_line(statement))}
    assert documented("hoopctl audit show") == {"one object": set(command.session_line(session))}
    assert documented("hoopctl audit replay") == {"one for each": set(command.step_line(step))}
    assert documented("hoopctl audit verify")["one for each"] == set(command.verified_line(verified))
    assert documented("hoopctl audit verify")["done"] == {"event", "ok", "sessions", "failed", "open"}
    page = PAGE.read_text(encoding="utf-8")
    for word in (*command.DECISIONS, *command.OUTCOMES):
        assert f"`{word}`" in page.split("## hoopctl audit search")[1].split("## ")[0]
