"""The gateway from a client's first byte to its last, with a real database, store and journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.errors import NotFound, NotSignedIn, Refused
from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Principal
from hoopd.domain.request import Verdict
from hoopd.pgwire import startup
from hoopd.pgwire.framing import encode
from hoopd.pgwire.frontend import SYNC, make_bind, make_execute, make_parse, make_query
from hoopd.recording.ports import EventRow
from hoopd.recording.replay import tell
from hoopd.runtime import clock
from hoopd.runtime.gateway import server_version
from hoopd.runtime.target import Target
from tests.unit.server.runtime.bench import EVERYTHING, NAME, POLICY, Bench, Client, bench, now, opening, person

TABLE = "create table public.things (id int primary key, name text); insert into things values (1, 'a'), (2, 'b')"


@pytest.fixture
def things(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLE)
    return database


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18.6", 180006), ("15.18 (Debian 15.18-0+deb12u1)", 150018), ("18beta1", 180000), ("19devel", 190000),
        ("14", 140000), ("", 0), ("²", 0), ("9" * 5000, 0), ("PostgreSQL", 0), ("9.6.24", 90006),
    ],
)  # fmt: skip
def test_versions_are_read_as_postgresql_writes_them(text: str, number: int) -> None:
    assert server_version(text) == number


async def test_a_session_from_start_to_end_and_its_record(things: str) -> None:
    async with bench(things) as gateway:
        async with gateway.client() as client:
            assert await client.query("select name from things order by id") == ["T", "D a", "D b", "C SELECT 2", "Z I"]
            session = client.pipe.session
        assert await gateway.events(session) == [
            "session_started", "decided", "started", "rows", "finished", "session_ended",
        ]  # fmt: skip


async def test_what_the_database_is_told_of_a_session(things: str) -> None:
    async with bench(things) as gateway, gateway.client(application_name="tried") as client:
        lines = await client.query("select current_setting('hoop.principal'), current_setting('application_name')")
        assert lines[1] == "D alice@example.com tried"


async def test_a_search_path_from_the_start(things: str) -> None:
    """It is the session's default: RESET goes back to it. The record says so."""
    async with bench(things) as gateway:
        with psycopg.connect(things, autocommit=True) as connection:
            connection.execute("create schema other; create table other.things (id int)")
        async with gateway.client(search_path="other, public") as client:
            assert await client.query("select count(*) from things") == ["T", "D 0", "C SELECT 1", "Z I"]
            assert (await client.query("set search_path to public"))[-1] == "Z I"
            assert (await client.query("reset search_path"))[-1] == "Z I"
            assert (await client.query("show search_path"))[1] == "D other, public"
            session = client.pipe.session
        await gateway.services.recorder.shipper.drain(20)
        async with gateway.store.connection() as connection:
            rows = await (
                await connection.execute("select body from hoop.events where session = %s and seq = 1", (session,))
            ).fetchall()
        assert "in the path other, public" in tell(EventRow(1, rows[0][0], b"")).text


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{name: paths stay, match: {objects: [search_path]}, then: {deny: ask the DBA}}", "ask the DBA"),
        (
            "{name: paths are looked at, match: {objects: [search_path]}, then: review}",
            "the policy does not let search_path be set without a review",
        ),
    ],
)
async def test_a_search_path_that_the_policy_would_not_let_be_set(things: str, rule: str, why: str) -> None:
    policy = POLICY.replace("rules:\n", f"rules:\n  - {rule}\n")
    async with bench(things, policy) as gateway:
        for path in ("other", "it's", "o\\'; select 1; --", ""):
            refused = gateway.connect()
            (line,) = await refused.sign_in(database=gateway.target.connection.database, search_path=path)
            assert line == f'E FATAL 42501 start-up option "search_path" is refused: {why}'
            assert (await refused.ended()).cause == "refused"
        async with gateway.client() as client:
            assert (await client.query("select 1"))[-1] == "Z I"


MASKED = EVERYTHING + 'masks: [{columns: ["public.customers.card"], with: full, predicates: deny}]\n'
TWO = """
create schema scratch; create table scratch.customers (id int, card text);
create table public.customers (id int, card text); insert into public.customers values (1, '4000123412341234')
"""


@pytest.mark.parametrize("extended", [False, True])
async def test_a_name_that_the_server_looks_up_again_while_it_waits_for_a_lock(database: str, extended: bool) -> None:
    """INV-4, THREATS 5: it was judged on the table that was there, and the answer is from the next one in the path.
    The server itself says whose columns they are."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(TWO.encode())
    with psycopg.connect(database) as owner:
        async with bench(database, MASKED) as gateway, gateway.client(search_path="scratch, public") as client:
            if extended:
                client.send(make_parse("s", b"select id, card from customers"), SYNC)
                assert await client.until() == ["1", "Z I"]
            owner.execute("drop table scratch.customers")
            if extended:
                client.send(make_bind("", "s"), make_execute(""), SYNC)
            else:
                client.send(make_query(b"select id, card from customers"))
            async with asyncio.timeout(20):
                while not owner.execute("select 1 from pg_locks where not granted").fetchone():
                    await asyncio.sleep(0.01)
            owner.commit()
            lines = await client.until("E")
            assert "withheld" in lines[-1] or "cached plan must not change" in lines[-1]
            assert "4000123412341234" not in str(lines)


async def test_nobody_opens_what_the_policy_does_not_let_them(things: str) -> None:
    only_bob = "{name: bob may connect, match: {principals: {users: [bob@example.com]}}, then: {connect: allow}}"
    policy = f"version: 1\ndefault: deny\nrules:\n  - {only_bob}\n"
    async with bench(things, policy) as gateway:
        assert [(c.name, o) for c, o in gateway.gateway.connections(person("bob"))] == [(NAME, Outcome.allow)]
        assert gateway.gateway.connections(person()) == []
        with pytest.raises(NotFound, match='no connection "prod-db" that you may open'):
            gateway.gateway.may_open(person(), NAME)
        with pytest.raises(NotFound) as caught:
            gateway.gateway.may_open(person("bob"), "other")
        assert caught.value.hint == "yours are: prod-db"
        with pytest.raises(NotFound):
            await gateway.connect().ended()


async def test_when_a_session_may_be_opened(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = (
        "version: 1\ntimezone: UTC\n"
        "rules:\n  - {name: day, match: {if: now.hours > 6 && now.hours < 19}, then: {connect: allow}}\n"
    )
    async with bench(things, policy) as gateway:
        noon = clock.now().replace(hour=12)
        monkeypatch.setattr(clock, "now", lambda: noon)
        assert gateway.gateway.may_open(person(), NAME).name == NAME
        monkeypatch.setattr(clock, "now", lambda: noon.replace(hour=20))
        with pytest.raises(NotFound):
            gateway.gateway.may_open(person(), NAME)


async def test_opening_that_needs_a_review_is_refused(things: str) -> None:
    policy = (
        "version: 1\ndefault: deny\nreviewers: {from: [dba], approvals: 1, hold: 4m, expires: 30m}\n"
        "rules:\n  - {name: ask, match: {}, then: {connect: review}}\n"
    )
    async with bench(things, policy) as gateway:
        with pytest.raises(Refused, match="needs a review"):
            gateway.gateway.may_open(person(), NAME)


async def test_a_verifier_that_is_none_is_refused(things: str) -> None:
    async with bench(things) as gateway:
        with pytest.raises(Refused, match="verifier"):
            await gateway.connect(opening_=replace(opening(), scram_verifier="plain")).ended()


async def test_a_wrong_password(things: str) -> None:
    async with bench(things) as gateway:
        client = gateway.connect()
        lines = await client.sign_in("guessed", database=gateway.target.connection.database)
        assert lines[0].startswith("E FATAL 28P01 wrong password")
        assert (await client.ended()).cause == "client"
        assert len(gateway.gateway.registry) == 0


@pytest.mark.parametrize("version", ["13.22", "19devel", ""])
async def test_servers_of_other_versions_are_refused(
    things: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hoopd.runtime import upstream

    connect = upstream.connect

    async def other(*arguments):
        opened = await connect(*arguments)
        opened.parameters["server_version"] = version
        return opened

    monkeypatch.setattr(upstream, "connect", other)
    async with bench(things) as gateway:
        client = gateway.connect()
        lines = await client.sign_in(database=gateway.target.connection.database)
        expected = f"the database of prod-db is PostgreSQL {version}; the gateway speaks 14 to 18"
        assert lines[-1] == f"E FATAL 58000 {expected}"
        assert (await client.ended()).cause == "refused"


async def test_a_database_that_is_down_is_one_sentence(things: str) -> None:
    def gone(target):
        return replace(target, connection=replace(target.connection, port=1))

    async with bench(things, target=gone) as gateway:
        client = gateway.connect()
        lines = await client.sign_in(database=gateway.target.connection.database)
        assert lines == ["E FATAL 08001 the database of prod-db cannot be reached: " + lines[-1].rpartition(": ")[2]]


async def test_a_credential_file_that_is_gone(things: str, tmp_path: Path) -> None:
    """INV-7: the sentence names the connection, not the secret."""

    def gone(target: Target) -> Target:
        return replace(target, password_env=None, password_file=tmp_path / "gone")

    async with bench(things, target=gone) as gateway:
        client = gateway.connect()
        (line,) = await client.sign_in(database=gateway.target.connection.database)
        assert line.startswith("E FATAL 58000 the credential file of prod-db cannot be read")


# Cancel


async def _held(gateway: Bench, client: Client) -> RequestId:
    client.send(make_query(b"delete from things where id = 1"))
    return RequestId(await client.pipe.held())


async def _cancel(gateway: Bench, who: Principal, pid: int, secret: bytes) -> None:
    client = gateway.connect(who)
    client.send(startup.make_cancel(pid, secret))
    assert (await client.ended()).message == "cancel request"


async def test_a_cancel_with_the_right_key_withdraws_what_is_held(things: str) -> None:
    async with bench(things) as gateway, gateway.client() as client:
        request = await _held(gateway, client)
        await _cancel(gateway, person(), client.pid, client.secret)
        lines = await client.until()
        assert lines[-2:] == ["E ERROR 57014 canceling statement due to user request", "Z I"]
        async with asyncio.timeout(20):
            assert (await gateway.services.broker.wait(request)).state == "cancelled"


async def test_nobody_elses_cancel_counts_nor_a_wrong_secret(things: str) -> None:
    """THREATS 11"""
    async with bench(things) as gateway, gateway.client() as client:
        request = await _held(gateway, client)
        await _cancel(gateway, person("mallory"), client.pid, client.secret)
        await _cancel(gateway, person(), client.pid, bytes(4))
        await _cancel(gateway, person(), client.pid, client.secret + b"\0")
        await _cancel(gateway, person(), client.pid + 1, client.secret)
        assert (await gateway.services.broker.show(request, person())).state == "pending"


async def test_a_cancel_after_the_end_reaches_nobody(things: str) -> None:
    """THREATS 11: the key is forgotten with its session."""
    async with bench(things) as gateway:
        async with gateway.client() as client:
            key = (client.pid, client.secret)
        assert not gateway.gateway.registry.cancel(person().key, *key)


async def test_a_running_statement_is_cancelled_in_the_database(things: str) -> None:
    async with bench(things, EVERYTHING.replace("[read", "[opaque, read")) as gateway, gateway.client() as client:
        client.send(make_query(b"select pg_sleep(600)"))
        with psycopg.connect(things, autocommit=True) as watching:
            sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
            async with asyncio.timeout(20):
                while watching.execute(sleeping).fetchone() != (1,):
                    await asyncio.sleep(0.01)
        await _cancel(gateway, person(), client.pid, client.secret)
        lines = await client.until()
        assert lines[-2] == "E ERROR 57014 canceling statement due to user request"


# Visa and stopping


class Tokens:
    """Verifies one token as what it says."""

    def __init__(self) -> None:
        self.known: dict[str, Principal] = {}

    async def verify(self, token: str, purpose: object) -> Principal:
        if token not in self.known:
            raise NotSignedIn("the token does not verify")
        return self.known[token]


async def test_a_session_ends_when_its_token_expires(things: str) -> None:
    """INV-10"""
    async with bench(things) as gateway:
        soon = replace(person(), expires=now() + timedelta(seconds=1.5))
        async with gateway.client(soon) as client:
            lines = await client.until("E")
            assert lines == ["E FATAL 28000 the sign-in of this session has expired"]
            assert (await client.ended()).cause == "expired"


async def test_a_session_lives_on_with_a_fresh_token_of_the_same_person_and_ends_with_anothers(things: str) -> None:
    """INV-10"""
    tokens = Tokens()
    tokens.known = {"fresh": person(minutes=120), "bobs": person("bob")}
    async with bench(things, verify=tokens) as gateway, gateway.client() as client:  # type: ignore[arg-type]
        assert client.pipe.visa is not None
        await client.pipe.visa.renew("fresh")
        assert client.pipe.visa.principal is tokens.known["fresh"]
        assert (await client.query("select 1"))[-2] == "C SELECT 1"
        await client.pipe.visa.renew("bobs")
        assert await client.until("E") == ["E FATAL 28000 a token of somebody else was sent for this session"]


async def test_stopping_ends_what_is_open_and_refuses_what_is_new(things: str) -> None:
    async with bench(things) as gateway, gateway.client() as client:
        await gateway.gateway.stop("going down")
        assert await client.until("E") == ["E FATAL 57P01 going down"]
        assert (await client.ended()).cause == "gateway"
        late = gateway.connect()
        lines = await late.sign_in(database=gateway.target.connection.database)
        assert lines == ["E FATAL 57P03 going down"]


async def test_stopping_does_not_wait_for_a_client_that_does_not_read(things: str, monkeypatch) -> None:
    """INV-9, INV-10"""
    from hoopd.runtime import runner

    monkeypatch.setattr(runner, "GRACE_SECONDS", 0.1)
    async with bench(things) as gateway, gateway.client() as client:
        client.pipe.reading.clear()
        client.send(make_query(b"select repeat('x', 100000) from generate_series(1, 1000)"))
        async with asyncio.timeout(20):
            await client.pipe.waiting_to_write.wait()
            await gateway.gateway.stop("going down")
            assert (await client.ended()).cause == "gateway"


# Held and approved, without any command


async def test_an_approved_statement_runs_once(things: str) -> None:
    """INV-5"""
    async with bench(things) as gateway, gateway.client() as client:
        request = await _held(gateway, client)
        from hoopd.approvals.snapshots import digest

        broker = gateway.services.broker
        shown = await broker.show(request, person())
        reviewer = person("bob", groups=frozenset({"dba"}))
        said = await broker.decide(request, Verdict.approve, reviewer, "", digest(shown.snapshot))
        assert said.result == "approved"
        assert (await client.until())[-2:] == ["C DELETE 1", "Z I"]
        assert (await client.query("select count(*) from things"))[1] == "D 1"


async def test_a_name_that_code_gave_to_another_statement_still_runs_the_one_that_was_judged(things: str) -> None:
    """INV-1, THREATS 9: PostgreSQL lets ``DO`` deallocate a prepared statement and put another in its place."""
    swap = "do $$ begin execute 'deallocate s1'; execute 'prepare s1 as delete from things'; end $$"
    async with bench(things, EVERYTHING.replace("[read", "[opaque, read")) as gateway, gateway.client() as client:
        client.send(make_parse("s1", b"select name from things order by id"), SYNC)
        assert (await client.until())[0] == "1"
        assert (await client.query(swap))[0] == "C DO"
        client.send(make_bind("", "s1"), make_execute(""), SYNC)
        assert await client.until() == ["2", "D a", "D b", "C SELECT 2", "Z I"]
        assert (await client.query("select count(*) from things"))[1] == "D 2"


async def test_a_cursor_that_code_put_in_a_portals_place_is_not_read(things: str) -> None:
    """INV-1, INV-4"""
    swap = "do $$ begin execute 'close p1'; execute 'declare p1 cursor for select 1'; end $$"
    async with bench(things, EVERYTHING.replace("[read", "[opaque, read")) as gateway, gateway.client() as client:
        await client.query("begin")
        client.send(make_parse("s1", b"select name from things order by id"), encode("B", b"p1\0s1\0" + bytes(6)), SYNC)
        await client.until()
        assert (await client.query(swap))[0] in ("C DO", "E ERROR 0A000 cannot open a cursor")
        client.send(make_execute("p1"), SYNC)
        lines = await client.until()
        assert lines[0].startswith('E ERROR 34000 portal "p1" cannot be trusted any more')
        assert lines[1:] == ["Z E"]


async def test_the_gateways_notices_obey_client_min_messages(things: str) -> None:
    """Set, set back by the end of a transaction, and as the database's own default."""
    with psycopg.connect(things, autocommit=True) as connection:
        connection.execute("alter role current_user set client_min_messages = warning")
    try:
        async with bench(things) as gateway, gateway.client() as client:
            assert await _notices(gateway, client) == []
            await client.query("set client_min_messages = notice")
            assert len(await _notices(gateway, client)) == 1
            for sql in ("begin", "set local client_min_messages = error", "rollback"):
                await client.query(sql)
            assert len(await _notices(gateway, client)) == 1
            await client.query("select set_config('client_min_messages', 'error', false)")
            assert await _notices(gateway, client) == []
        async with bench(things) as gateway, gateway.client(options="-c client_min_messages=notice") as client:
            assert len(await _notices(gateway, client)) == 1
            await client.query("reset all")
            assert len(await _notices(gateway, client)) == 1
            await client.query("set client_min_messages = default")
            client.send(make_parse("", b"set client_min_messages = error"), make_bind("", ""), make_execute(""))
            assert await _notices(gateway, client) == []
    finally:
        with psycopg.connect(things, autocommit=True) as connection:
            connection.execute("alter role current_user reset client_min_messages")


async def _notices(gateway: Bench, client: Client) -> list[str]:
    """What a client hears of a hold that it cancels."""
    client.send(make_parse("", b"delete from things"), make_bind("", ""), make_execute(""), SYNC)
    await client.pipe.held()
    await _cancel(gateway, person(), client.pid, client.secret)
    return [line for line in await client.until() if line.startswith("N")]
