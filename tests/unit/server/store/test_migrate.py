"""Migrations: once each, by one gateway at a time, and never over a schema that this program does not know."""

import asyncio

import psycopg
import pytest

from hoopd.domain.errors import Unavailable
from hoopd.store.migrate import Migration, migrate, pending, shipped

FIRST = Migration(1, "0001_first", b"CREATE TABLE hoop.a (n int); INSERT INTO hoop.a VALUES (1)")
SECOND = Migration(2, "0002_second", b"INSERT INTO hoop.a VALUES (2)")


def rows(database: str, query: str) -> list[tuple]:
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))


async def test_each_is_applied_once_in_order(database: str) -> None:
    assert await migrate(database, (FIRST, SECOND)) == ("0001_first", "0002_second")
    assert await migrate(database, (FIRST, SECOND)) == ()
    assert rows(database, "SELECT n FROM hoop.a ORDER BY n") == [(1,), (2,)]


async def test_what_this_program_ships_applies_to_an_empty_database(database: str) -> None:
    assert await migrate(database) == tuple(migration.name for migration in shipped())
    assert await migrate(database) == ()


async def test_many_gateways_at_once_apply_each_once(database: str) -> None:
    applied = await asyncio.gather(*(migrate(database, (FIRST, SECOND)) for _ in range(8)))
    assert sorted(len(names) for names in applied) == [0] * 7 + [2]
    assert rows(database, "SELECT count(*) FROM hoop.a") == [(2,)]


async def test_one_that_fails_leaves_nothing_of_itself(database: str) -> None:
    broken = Migration(2, "0002_broken", b"INSERT INTO hoop.a VALUES (2); SELECT 1/0")
    with pytest.raises(Unavailable, match="22012"):
        await migrate(database, (FIRST, broken))
    assert rows(database, "SELECT n FROM hoop.a") == [(1,)]
    assert rows(database, "SELECT number FROM hoop.migrations") == [(1,)]


async def test_a_newer_schema_is_refused_with_its_name(database: str) -> None:
    await migrate(database, (FIRST, SECOND))
    with pytest.raises(Unavailable, match=r"0002_second, which this hoopd does not know"):
        await migrate(database, (FIRST,))


async def test_a_file_changed_after_it_was_applied_is_refused(database: str) -> None:
    await migrate(database, (FIRST,))
    with pytest.raises(Unavailable, match=r"0001_first is not the one"):
        await migrate(database, (Migration(1, "0001_first", b"SELECT 1"),))


async def test_pending_names_what_is_missing_without_applying_it(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        assert await pending(connection, (FIRST, SECOND)) == ["0001_first", "0002_second"]
    await migrate(database, (FIRST,))
    async with await psycopg.AsyncConnection.connect(database) as connection:
        assert await pending(connection, (FIRST, SECOND)) == ["0002_second"]
