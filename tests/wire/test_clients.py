"""Real client libraries through one tunnel: what they send at start, prepare, pipeline and decode all holds."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable

import asyncpg
import psycopg
import pytest
import sqlalchemy

from tests.fixtures.stack import Person, Tunnel

pytestmark = pytest.mark.xdist_group("stack")

CARDS = "select id, card_number from public.customers where id < %s order by id"


def test_psycopg_prepares_and_binds_in_text_and_binary(tunnel: Tunnel) -> None:
    with psycopg.connect(tunnel.dsn, prepare_threshold=0) as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                for _ in range(3):
                    rows = cursor.execute(CARDS, (4,)).fetchall()
                    assert [row[0] for row in rows] == [1, 2, 3]
                    assert all(row[1].startswith("****") for row in rows)


def test_psycopg_transactions_and_savepoints(tunnel: Tunnel) -> None:
    with psycopg.connect(tunnel.dsn) as connection:
        with connection.transaction():
            assert connection.execute("select 1").fetchone() == (1,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("drop table public.orders")
            assert connection.execute("select 2").fetchone() == (2,)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select 1/0")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()
        assert connection.execute("select 3").fetchone() == (3,)


def test_psycopg_pipeline_mode(tunnel: Tunnel) -> None:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (number,)) for number in range(20)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(20)]


def test_psycopg_pipeline_with_a_denied_statement_in_its_middle(tunnel: Tunnel) -> None:
    """INV-8: what comes after is skipped to Sync, as PostgreSQL would."""
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        cursors: list[psycopg.Cursor[tuple[object, ...]]] = []

        def run() -> None:
            with connection.pipeline():
                for sql in ("select 1", "truncate public.orders", "select 2"):
                    cursors.append(connection.execute(sql))

        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="migration"):
            run()
        assert cursors[0].fetchone() == (1,)
        # The third may have been refused by psycopg itself, when it already knew that the pipeline is aborted.
        for cursor in cursors[2:]:
            with pytest.raises(psycopg.Error):
                cursor.fetchone()
        assert connection.execute("select 3").fetchone() == (3,)


async def test_psycopg_async(tunnel: Tunnel) -> None:
    async with await psycopg.AsyncConnection.connect(tunnel.dsn) as connection:
        cursor = await connection.execute("select count(*) from public.orders where status = %s", ("paid",))
        row = await cursor.fetchone()
        assert row is not None
        assert row[0] > 0


async def test_asyncpg_binary_and_prepared(tunnel: Tunnel) -> None:
    connection = await asyncpg.connect(tunnel.dsn)
    try:
        row = await connection.fetchrow("select card_number, birth_date from public.customers where id = $1", 1)
        assert row["card_number"].startswith("****")
        assert row["birth_date"] is None
        statement = await connection.prepare("select id, total from public.orders where id = $1")
        for number in (1, 2, 3):
            assert (await statement.fetchval(number)) == number
        async with connection.transaction():
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("drop table public.orders")
            assert await connection.fetchval("select 5") == 5
        await connection.reset()
        assert await connection.fetchval("select 6") == 6
    finally:
        await connection.close()


async def test_asyncpg_cursor_in_portions(tunnel: Tunnel) -> None:
    """A portal that is suspended and resumed."""
    connection = await asyncpg.connect(tunnel.dsn)
    try:
        async with connection.transaction():
            seen = 0
            async for row in connection.cursor("select card_number from public.customers where id <= 120", prefetch=50):
                assert row["card_number"].startswith("****")
                seen += 1
        assert seen == 120
    finally:
        await connection.close()


async def test_asyncpg_pool_and_concurrent_sessions(tunnel: Tunnel) -> None:
    async with asyncpg.create_pool(tunnel.dsn, min_size=4, max_size=4) as pool:
        found = await asyncio.gather(*(pool.fetchval("select $1::int", number) for number in range(24)))
    assert found == list(range(24))


def test_sqlalchemy_core_and_reflection(tunnel: Tunnel) -> None:
    engine = sqlalchemy.create_engine(tunnel.dsn.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text("select id from public.orders where id < :top"), {"top": 3})
            assert {row[0] for row in found} == {1, 2}
        columns = {column["name"] for column in sqlalchemy.inspect(engine).get_columns("customers")}
        assert {"id", "card_number", "email"} <= columns
        table = sqlalchemy.Table("customers", sqlalchemy.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            row = connection.execute(sqlalchemy.select(table.c.id, table.c.card_number).limit(1)).one()
            assert row.card_number.startswith("****")
    finally:
        engine.dispose()


def _psycopg_update(tunnel: Tunnel) -> str:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        return (
            connection.execute("update public.orders set status = %s where id = %s", ("paid", 31)).statusmessage or ""
        )


def _psycopg_pipeline_update(tunnel: Tunnel) -> str:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection, connection.pipeline():
        connection.execute("select 1")
        cursor = connection.execute("update public.orders set status = %s where id = %s", ("paid", 32))
        after = connection.execute("select 2")
        assert after.fetchone() == (2,)
        return cursor.statusmessage or ""


def _asyncpg_update(tunnel: Tunnel) -> str:
    async def run() -> str:
        connection = await asyncpg.connect(tunnel.dsn)
        try:
            return str(await connection.execute("update public.orders set status = $1 where id = $2", "paid", 33))
        finally:
            await connection.close()

    return asyncio.run(run())


def _sqlalchemy_update(tunnel: Tunnel) -> str:
    engine = sqlalchemy.create_engine(tunnel.dsn.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            sql = sqlalchemy.text("update public.orders set status = :status where id = :id")
            return f"UPDATE {connection.execute(sql, {'status': 'paid', 'id': 34}).rowcount}"
    finally:
        engine.dispose()


@pytest.mark.parametrize("run", [_psycopg_update, _psycopg_pipeline_update, _asyncpg_update, _sqlalchemy_update])
def test_a_held_statement_with_its_parameters(
    tunnel: Tunnel, bob: Person, dave: Person, run: Callable[[Tunnel], str]
) -> None:
    """INV-5: the request shows the parameters, and what was approved is what runs."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, tunnel)
        request = tunnel.held()
        (shown,) = bob.json("requests", "show", request)
        assert "paid" in [param["value"] for param in shown["params"]]
        bob.decide(request)
        assert running.result(60) == "UPDATE 1"
    (row,) = [line for line in dave.json("audit", "search", "update public.orders") if line["request"] == request]
    assert (row["outcome"], row["rows"]) == ("done", 1)
    assert "paid" in [param["value"] for param in row["params"]]
