"""LISTEN: payloads arrive, and a lost connection is told by None, since notifications may have been missed."""

import asyncio

import psycopg
import pytest

from hoopd.store.listener import Listener


async def test_payloads_arrive_and_a_reconnect_says_look_again(database: str) -> None:
    lost = asyncio.Event()
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listener = Listener(database, ("news", "other"), on_lost=lost.set)
    stop = listener.subscribe("news", heard.put_nowait)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.run())
        assert await heard.get() is None
        assert listener.connected.is_set()
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
            await connection.execute("SELECT pg_notify('news', 'one'), pg_notify('other', 'not this')")
            assert await heard.get() == "one"
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
            await lost.wait()
            assert await heard.get() is None
            await connection.execute("NOTIFY news, 'two'")
            assert await heard.get() == "two"
            stop()
            stop()
            listener.subscribe("other", heard.put_nowait)
            await connection.execute("SELECT pg_notify('news', 'unheard'), pg_notify('other', 'heard')")
            assert await heard.get() == "heard"
        task.cancel()
    assert not listener.connected.is_set()


async def test_a_store_that_is_away_is_waited_for(unused_tcp_port: int) -> None:
    lost = asyncio.Event()
    listener = Listener(f"postgresql://u@127.0.0.1:{unused_tcp_port}/d", ("news",), on_lost=lost.set)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.run())
        await lost.wait()
        assert not task.done()
        task.cancel()


def test_a_channel_that_is_not_listened_on_is_an_error() -> None:
    with pytest.raises(KeyError):
        Listener("dbname=x", ("news",)).subscribe("else", lambda _: None)
