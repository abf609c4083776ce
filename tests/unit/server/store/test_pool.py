"""The pool: what psycopg raises becomes Unavailable, and no credential is in it (INV-2, INV-7)."""

import asyncio

import psycopg
import pytest

from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.recording.ports import StoreRefused
from hoopd.store.pool import Store, conninfo


async def test_a_store_that_is_away_is_unavailable_and_named_without_its_password(unused_tcp_port: int) -> None:
    """INV-2, INV-7."""
    store = Store(f"postgresql://u:geheim@127.0.0.1:{unused_tcp_port}/d", timeout=0.2)
    with pytest.raises(Unavailable) as caught:
        await store.open()
    assert "does not answer" in caught.value.message
    assert "geheim" not in caught.value.message + str(caught.value.hint)


async def test_connections_cut_by_a_restart_are_replaced_before_they_are_given_out(database: str) -> None:
    store = Store(database, max_size=2)
    await store.open()
    try:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        await store.check()
    finally:
        await store.close()


async def test_an_error_in_a_query_is_unavailable_and_rolls_back(database: str) -> None:
    store = Store(database)
    await store.open()
    try:
        async with store.connection() as connection:
            await connection.execute("CREATE TABLE t (n int PRIMARY KEY)")
        with pytest.raises(StoreRefused, match="23505"):
            async with store.connection() as connection:
                await connection.cursor().executemany("INSERT INTO t VALUES (%s)", [(1,), (1,)])
        with pytest.raises(Unavailable, match="42P01") as caught:
            async with store.connection() as connection:
                await connection.execute("SELECT * FROM no_such_table WHERE secret = 'x'")
        assert not isinstance(caught.value, StoreRefused)
        async with store.connection() as connection:
            cursor = await connection.execute("SELECT count(*) FROM t")
            assert await cursor.fetchone() == (0,)
    finally:
        await store.close()


async def test_a_snapshot_sees_one_moment_and_cannot_write(database: str) -> None:
    store = Store(database)
    await store.open()
    try:
        async with store.connection() as connection:
            await connection.execute("CREATE TABLE t (n int)")
        async with store.snapshot() as reader:
            assert await (await reader.execute("SELECT count(*) FROM t")).fetchone() == (0,)
            async with store.connection() as writer:
                await writer.execute("INSERT INTO t VALUES (1)")
            assert await (await reader.execute("SELECT count(*) FROM t")).fetchone() == (0,)
        with pytest.raises(Unavailable, match="25006"):
            async with store.snapshot() as reader:
                await reader.execute("INSERT INTO t VALUES (1)")
    finally:
        await store.close()


async def test_waiting_for_a_connection_is_bounded(database: str) -> None:
    """INV-9."""
    store = Store(database, max_size=1, timeout=0.1)
    await store.open()
    try:
        async with store.connection():
            with pytest.raises(Unavailable):
                await asyncio.wait_for(store.check(), 30)
    finally:
        await store.close()


@pytest.mark.parametrize("ticks", range(40))
async def test_a_cancellation_is_not_lost_in_the_moment_in_which_a_connection_is_there(
    store: Store, ticks: int
) -> None:
    """INV-2: what was told to end ends, or the gateway would hang when it stops."""
    pool = Store(store.dsn, max_size=1)
    await pool.open()
    try:
        for extra in range(3):
            async with pool.connection():
                waiting = asyncio.create_task(_forever(pool))
                await asyncio.sleep(0.002 * extra)
            for _ in range(ticks):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting], timeout=30)
            assert waiting.cancelled()
    finally:
        await pool.close()


async def _forever(store: Store) -> None:
    await store.check()
    await asyncio.Event().wait()


def test_text_that_is_no_dsn_is_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"store\.dsn"):
        conninfo("postgresql//nonsense")


def test_what_the_dsn_says_wins_over_the_defaults() -> None:
    assert "connect_timeout=60" in conninfo("dbname=x connect_timeout=60")


def test_it_looks_for_a_store_that_was_away_for_long_as_often_as_at_first(unused_tcp_port: int) -> None:
    """The pool's waits between attempts double, for minutes unless it is told to begin anew."""
    store = Store(f"postgresql://u:p@127.0.0.1:{unused_tcp_port}/d")
    assert store._pool.reconnect_timeout <= 5
