"""Limits of the policy against a real database: what is over was not kept, and the session goes on (INV-8, INV-9)."""

from __future__ import annotations

import psycopg
import pytest

from hoopd.approvals.snapshots import digest
from hoopd.domain.ids import RequestId
from hoopd.domain.request import Verdict
from hoopd.pgwire.framing import encode
from hoopd.pgwire.frontend import SYNC, make_bind, make_execute, make_parse, make_query
from tests.unit.server.runtime.bench import EVERYTHING, POLICY, Bench, Client, bench, person

MANY = "insert into things select n, 'x' from generate_series(100, 109) n"
TEN = "10 rows; at most 5 were allowed"


def policy(limits: str, text: str = EVERYTHING) -> str:
    return text + f"limits: {limits}\n"


BOUNDED = policy("{changed_rows: 5}")


@pytest.fixture
def things(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.things (id int primary key, name text)")
        connection.execute("insert into things select n, 'a' from generate_series(1, 10) n")
    return database


def count(database: str) -> int:
    with psycopg.connect(database) as connection:
        found = connection.execute("select count(*) from things").fetchone()
    assert found is not None
    return int(found[0])


def piped(*texts: str) -> bytes:
    return b"".join(make_parse("", text.encode()) + make_bind("", "") + make_execute("") for text in texts)


async def test_a_query_that_touches_too_many_rows_is_not_kept(things: str) -> None:
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        assert await client.query("delete from things") == [f"E ERROR 54000 DELETE touched {TEN}", "Z I"]
        assert await client.query("delete from things where id < 4") == ["C DELETE 3", "Z I"]
        assert await client.query(f"delete from things where id < 6; {MANY}") == [
            "C DELETE 2", f"E ERROR 54000 INSERT touched {TEN}", "Z I",
        ]  # fmt: skip
        lines = await client.query("update things set name = 'b' returning id")
        assert lines[-2:] == ["E ERROR 54000 UPDATE touched 7 rows; at most 5 were allowed", "Z I"]
    assert count(things) == 7


async def test_a_pipeline_that_touches_too_many_rows_is_not_kept(things: str) -> None:
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        client.send(piped("insert into things values (50, 'x')", MANY, "delete from things where id = 1"), SYNC)
        assert await client.until() == [
            "1",
            "2",
            "C INSERT 0 1",
            "1",
            "2",
            f"E ERROR 54000 INSERT touched {TEN}",
            "Z I",
        ]
        client.send(piped(MANY, "commit"), SYNC)
        assert (await client.until())[-2:] == [f"E ERROR 54000 INSERT touched {TEN}", "Z I"]
        client.send(piped("insert into things values (51, 'x')"), SYNC)
        assert await client.until() == ["1", "2", "C INSERT 0 1", "Z I"]
    assert count(things) == 11


async def test_inside_a_block_postgresql_aborts_and_savepoints_hold(things: str) -> None:
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        for sql in ("begin", "insert into things values (50, 'x')", "savepoint a"):
            assert (await client.query(sql))[-1] == "Z T"
        assert await client.query(MANY) == [f"E ERROR 54000 INSERT touched {TEN}", "Z E"]
        assert (await client.query("select 1"))[0].startswith("E ERROR 25P02")
        assert await client.query("rollback to a") == ["C ROLLBACK", "Z T"]
        client.send(piped(MANY), SYNC)
        assert (await client.until())[-2:] == [f"E ERROR 54000 INSERT touched {TEN}", "Z E"]
        assert await client.query("rollback to a") == ["C ROLLBACK", "Z T"]
        assert await client.query("commit") == ["C COMMIT", "Z I"]
    assert count(things) == 11


async def test_returning_in_portions_is_not_a_way_round(things: str) -> None:
    """PostgreSQL has changed all of them when it gives the first, and a Sync would commit that."""
    first = encode("E", b"\0\0\0\0\1")
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        client.send(make_parse("", b"delete from things returning id"), make_bind("", ""), first, SYNC)
        lines = await client.until()
        assert lines[2:] == ["D 1", lines[-2], "Z I"]
        assert lines[-2].startswith("E ERROR 0A000 the rows that a statement changes are bounded")
    assert count(things) == 10


@pytest.mark.parametrize(
    "sql",
    [
        "with d as (delete from things returning id) select count(*) from d", "explain analyze delete from things",
        "truncate things", "begin; delete from things; commit", "delete from things where id = 1; commit",
    ],
)  # fmt: skip
async def test_what_cannot_be_bounded_does_not_run(things: str, sql: str) -> None:
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        (told, ready) = await client.query(sql)
        assert told.startswith("E ERROR 0A000")
        assert ready == "Z I"
    assert count(things) == 10


async def test_what_is_run_by_name_is_bounded(things: str) -> None:
    """As a statement of its own, prepared; and a portal of the protocol that SQL fetches from."""
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        assert await client.query("prepare p as delete from things where id > $1") == ["C PREPARE", "Z I"]
        assert await client.query("execute p (0)") == [f"E ERROR 54000 DELETE touched {TEN}", "Z I"]
        client.send(piped("execute p (0)"), SYNC)
        assert (await client.until())[-2:] == [f"E ERROR 54000 DELETE touched {TEN}", "Z I"]
        assert await client.query("execute p (9)") == ["C DELETE 1", "Z I"]
        assert await client.query("begin") == ["C BEGIN", "Z T"]
        client.send(make_parse("", b"delete from things returning id"), make_bind("c", ""), SYNC)
        assert await client.until() == ["1", "2", "Z T"]
        assert (await client.query("fetch 1 from c"))[0].startswith("E ERROR 0A000")
        assert (await client.query("commit"))[-1] == "Z I"
    assert count(things) == 9


async def test_copy_is_bounded(things: str) -> None:
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        lines = [encode("d", f"{n}\tx\n".encode()) for n in range(200, 206)]
        client.send(make_query(b"copy things from stdin"), *lines, encode("c"))
        assert await client.until() == ["G", "E ERROR 54000 COPY touched 6 rows; at most 5 were allowed", "Z I"]
        client.send(make_query(b"copy things from stdin"), *lines[1:], encode("c"))
        assert await client.until() == ["G", "C COPY 5", "Z I"]
        for sent, told in ((lines, "E ERROR 54000 COPY touched 6 rows; at most 5 were allowed"), (lines[1:2], "")):
            client.send(piped("copy things (id, name) from stdin"), encode("H"))
            assert await client.until("G") == ["1", "2", "G"]
            client.send(*[piece.replace(b"20", b"30") for piece in sent], encode("c"), SYNC)
            assert await client.until() == [told or "C COPY 1", "Z I"]
    assert count(things) == 16


async def test_an_error_at_commit_is_told_in_place_of_the_tag(things: str) -> None:
    with psycopg.connect(things, autocommit=True) as connection:
        connection.execute("update things set name = id")
        connection.execute("alter table things add constraint late unique (name) deferrable initially deferred")
    async with bench(things, BOUNDED) as gateway, gateway.client() as client:
        (told, ready) = await client.query("insert into things values (60, 'same'), (61, 'same')")
        assert (told.split()[:3], ready) == (["E", "ERROR", "23505"], "Z I")
        assert await client.query("insert into things values (60, 'one'), (61, 'other')") == ["C INSERT 0 2", "Z I"]
    assert count(things) == 12


async def test_what_a_reviewer_approves_is_bounded(things: str) -> None:
    async with bench(things, policy("{changed_rows: 5}", POLICY)) as gateway, gateway.client() as client:
        client.send(make_query(b"delete from things"))
        request = await _approved(gateway, client)
        lines = await client.until()
        assert lines[-2:] == [f"E ERROR 54000 DELETE touched {TEN}", "Z I"]
        shown = await gateway.services.broker.show(request, person())
        assert shown.snapshot.facts[0].notes == ("At most 5 rows are changed: past that, nothing is kept.",)
        assert (await gateway.events(client.pipe.session))[-1] == "finished"
    assert count(things) == 10


async def _approved(gateway: Bench, client: Client) -> RequestId:
    broker, request = gateway.services.broker, RequestId(await client.pipe.held())
    shown = await broker.show(request, person())
    reviewer = person("bob", groups=frozenset({"dba"}))
    await broker.decide(request, Verdict.approve, reviewer, "", digest(shown.snapshot))
    return request


@pytest.mark.parametrize(
    ("limits", "told"),
    [("{rows: 100}", "100 rows"), ("{bytes: 8KiB}", "8192 bytes")],
    ids=["rows", "bytes"],
)  # fmt: skip
async def test_an_answer_past_its_limit_is_an_error(things: str, limits: str, told: str) -> None:
    """Never cut in silence; and the session goes on."""
    sql = "select n, repeat('x', 70) from generate_series(1, {}) n"
    async with bench(things, policy(limits)) as gateway, gateway.client() as client:
        for rows in (200, 3_000_000):
            lines = await client.query(sql.format(rows))
            assert lines[-2:] == [f"E ERROR 54000 the answer has more than {told}, the policy's limit", "Z I"]
            assert sum(line.startswith("D") for line in lines) <= 100
            client.send(piped(sql.format(rows)), SYNC)
            lines = await client.until()
            assert lines[-2:] == [f"E ERROR 54000 the answer has more than {told}, the policy's limit", "Z I"]
            client.send(make_query(f"copy ({sql.format(rows)}) to stdout".encode()))
            lines = await client.until()
            assert lines[-2:] == [f"E ERROR 54000 the answer has more than {told}, the policy's limit", "Z I"]
        assert (await client.query(sql.format(80)))[-2:] == ["C SELECT 80", "Z I"]


async def test_a_change_behind_an_answer_that_is_over_is_not_kept(things: str) -> None:
    large = "select n from generate_series(1, 200) n"
    write = "insert into things values ({}, 'x')"
    async with bench(things, policy("{rows: 100}")) as gateway, gateway.client() as client:
        client.send(piped(write.format(50), large, write.format(51)), SYNC)
        assert (await client.until())[-1] == "Z I"
        assert (await client.query(f"{write.format(52)}; {large}; {write.format(53)}"))[-1] == "Z I"
        assert (await client.query(f"{MANY.replace('109', '300')} returning id"))[-1] == "Z I"
        for sql, status in (("begin", "T"), (write.format(54), "T"), (large, "E"), ("commit", "I")):
            assert (await client.query(sql))[-1] == f"Z {status}"
    assert count(things) == 10


async def test_a_statement_that_runs_too_long_is_cancelled(things: str) -> None:
    opaque = EVERYTHING.replace("[read", "[opaque, read")
    told = "E ERROR 57014 canceling statement: it ran for 1 s, which is as long as the policy lets it"
    async with bench(things, policy("{statement_timeout: 1s}", opaque)) as gateway, gateway.client() as client:
        client.send(make_query(b"set statement_timeout = 0"))
        await client.until()
        assert (await client.query("select pg_sleep(600)"))[-2:] == [told, "Z I"]
        client.send(piped("select pg_sleep(600)"), SYNC)
        assert (await client.until())[-2:] == [told, "Z I"]
        assert (await client.query("select 1"))[-2:] == ["C SELECT 1", "Z I"]


async def test_limits_of_a_rule_hold_for_what_it_fits(things: str) -> None:
    rule = "  - {name: few, match: {kinds: [delete]}, then: allow, limits: {changed_rows: 5}}\n"
    async with bench(things, EVERYTHING + rule) as gateway, gateway.client() as client:
        assert await client.query("delete from things") == [f"E ERROR 54000 DELETE touched {TEN}", "Z I"]
        assert await client.query("update things set name = 'b'") == ["C UPDATE 10", "Z I"]
