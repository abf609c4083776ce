"""The catalog of a real database, read on a connection of the gateway's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import psycopg
import pytest

from hoopd.domain.errors import Unavailable
from hoopd.runtime import catalog as catalog_module
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.target import Target
from hoopd.sql.catalog import FINGERPRINT_QUERY, NEWS_QUERY
from tests.unit.server.runtime.bench import target_of


@asynccontextmanager
async def reader_of(target: Target) -> AsyncIterator[CatalogReader]:
    reader = CatalogReader(target)
    try:
        yield reader
    finally:
        await reader.close()


@pytest.fixture
def things(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table things (id int)")
    return database


async def test_a_change_is_seen_by_whoever_asks_after_it(things: str) -> None:
    async with reader_of(target_of(things)) as reader:
        before = await reader.current()
        assert ("public", "things") in before.relations
        assert await reader.current() is before, "nothing has changed, so nothing is read"
        with psycopg.connect(things, autocommit=True) as connection:
            connection.execute("create table others (id int)")
        after = await reader.current()
        assert ("public", "others") in after.relations
        assert after.fingerprint != before.fingerprint


async def test_what_ran_when_it_was_looked_at_is_seen_once_it_commits(things: str) -> None:
    """Its id is older than others that have ended by then, and its rows with it."""
    async with reader_of(target_of(things)) as reader:
        with (
            psycopg.connect(things) as slow,
            psycopg.connect(things) as abandoned,
            psycopg.connect(things, autocommit=True) as other,
        ):
            slow.execute("create table slow (id int)")
            abandoned.execute("create table abandoned (id int)")
            other.execute("create table others (id int)")
            before = await reader.current()
            assert ("public", "others") in before.relations
            assert await reader.current() is before
            slow.commit()
            abandoned.rollback()
            after = await reader.current()
        assert ("public", "slow") in after.relations
        assert ("public", "abandoned") not in after.relations


async def test_nothing_is_looked_through_while_no_transaction_ends(things: str) -> None:
    with psycopg.connect(things, autocommit=True) as looking, psycopg.connect(things, autocommit=True) as other:
        snapshot, fingerprint = looking.execute(NEWS_QUERY.encode(), (None,)).fetchone()
        assert fingerprint == looking.execute(FINGERPRINT_QUERY.encode()).fetchone()[0]
        other.execute("select count(*) from things")
        assert looking.execute(NEWS_QUERY.encode(), (snapshot,)).fetchone() == (snapshot, None)
        other.execute("insert into things values (1)")
        assert looking.execute(NEWS_QUERY.encode(), (snapshot,)).fetchone()[1] == fingerprint


async def test_a_connection_made_anew_may_lead_to_another_server(things: str) -> None:
    """Whose snapshots may be called the same."""
    async with reader_of(target_of(things)) as reader:
        await reader.current()
        assert reader._snapshot is not None
        await reader.close()
        assert reader._snapshot is None


async def test_what_was_just_read_is_fresh_until_a_change_is_seen(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "FRESH_SECONDS", 600.0)
    async with reader_of(target_of(things)) as reader:
        assert reader.fresh() is None
        found = await reader.current()
        assert reader.fresh() is found
        reader.changed()
        assert reader.fresh() is None
        assert await reader.current() is found
        assert reader.fresh() is found
        monkeypatch.setattr(catalog_module, "FRESH_SECONDS", 0.0)
        assert reader.fresh() is None


async def test_many_who_ask_at_once_read_once(things: str) -> None:
    async with reader_of(target_of(things)) as reader:
        reads = 0
        read = reader._read

        async def counted():
            nonlocal reads
            reads += 1
            return await read()

        reader._read = counted  # type: ignore[method-assign]
        found = await asyncio.gather(*(reader.current() for _ in range(20)))
        assert len({id(each) for each in found}) == 1
        assert reads <= 2


async def test_a_catalog_that_cannot_be_read_is_no_catalog(things: str) -> None:
    """INV-2: and the sentence holds nothing of the credential (INV-7)."""
    target = target_of(things)
    async with reader_of(replace(target, connection=replace(target.connection, port=1))) as reader:
        with pytest.raises(Unavailable, match="the catalog of prod-db cannot be read"):
            await reader.current()
        assert reader.fresh() is None


async def test_a_connection_that_was_cut_is_made_anew(things: str) -> None:
    async with reader_of(target_of(things)) as reader:
        found = await reader.current()
        with psycopg.connect(things, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hoopd catalog'"
            )
        assert (await reader.current()).fingerprint == found.fingerprint


async def test_a_database_that_does_not_answer_counts_as_away(things: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9: one question that hangs must not hang every session of its connection."""
    monkeypatch.setattr(catalog_module, "READ_SECONDS", 0.05)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        target = target_of(things)
        port = server.sockets[0].getsockname()[1]
        async with reader_of(replace(target, connection=replace(target.connection, port=port))) as reader:
            with pytest.raises(Unavailable, match="cannot be read"):
                await reader.current()


async def test_a_question_that_is_cut_short_leaves_the_reader_usable(things: str) -> None:
    async with reader_of(target_of(things)) as reader:
        for _ in range(5):
            asking = asyncio.get_running_loop().create_task(reader.current())
            for _ in range(3):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert ("public", "things") in (await reader.current()).relations


async def test_its_statements_carry_the_gateways_name(things: str) -> None:
    async with reader_of(target_of(things)) as reader:
        await reader.current()
        with psycopg.connect(things) as connection:
            count = "select count(*) from pg_stat_activity where application_name = 'hoopd catalog'"
            assert connection.execute(count).fetchone() == (1,)
