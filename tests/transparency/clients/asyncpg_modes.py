"""asyncpg, which speaks the extended protocol in binary alone: each conversation in each of its ways, and its features.

The types of parameters and rows are asked of the database by queries of asyncpg's own, which are compared as well.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import asyncpg

from tests.transparency import lines
from tests.transparency.clients.psycopg_features import PARAMETERS
from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.corpus import CONVERSATIONS, Step
from tests.transparency.sides import Side

Connection: TypeAlias = asyncpg.Connection
SECONDS = 60
# Fields of an exception, as asyncpg names them; the place in PostgreSQL's source is not told by all of them.
FIELDS = (
    "severity", "severity_en", "sqlstate", "message", "detail", "hint", "position", "internal_position",
    "internal_query", "context", "schema_name", "table_name", "column_name", "data_type_name", "constraint_name",
    "server_source_filename", "server_source_line", "server_source_function",
)  # fmt: skip
# It has an AttributeError of its own where `execute` is given nothing but a remark.
PROBLEMS = (
    AttributeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
    ValueError,
)


def bounded(body: Coroutine[Any, Any, Transcript]) -> Transcript:
    """Run to its end; one that hangs fails its case alone."""
    return asyncio.run(asyncio.wait_for(body, SECONDS))


def problem_told(problem: BaseException) -> Iterator[str]:
    yield f"{type(problem).__name__}: {problem}"
    yield from lines.diagnosis(problem, FIELDS)


def listen_to(connection: Connection, told: Transcript) -> None:
    connection.add_log_listener(lambda _, notice: told.extend(["notice", *lines.diagnosis(notice, FIELDS)]))


def rows(found: Iterable[Any]) -> Iterator[str]:
    """As `lines.rows`; a path, which shows its place in memory alone, by its points."""
    return lines.rows({name: _plain(one) for name, one in row.items()} for row in found)


def _plain(found: Any) -> Any:
    return (found.is_closed, tuple(found)) if isinstance(found, asyncpg.Path) else found


Way = Callable[[Connection, Step], Awaitable[Transcript]]


async def prepared(connection: Connection, step: Step) -> Transcript:
    """Prepare, look at what it gives, run it, all rows."""
    statement = await connection.prepare(step.sql)
    told = [f"  {one}" for one in (*statement.get_parameters(), *statement.get_attributes())]
    found = await statement.fetch(*step.params)
    return [*told, str(statement.get_statusmsg()), *rows(found)]


async def fetched(connection: Connection, step: Step) -> Transcript:
    return [*rows(await connection.fetch(step.sql, *step.params))]


async def executed(connection: Connection, step: Step) -> Transcript:
    """A simple Query where there are no parameters."""
    return [str(await connection.execute(step.sql, *step.params))]


async def in_portions(connection: Connection, step: Step) -> Transcript:
    """A portal that is suspended after each seven rows, in a transaction."""
    async with connection.transaction():
        return [*rows([row async for row in connection.cursor(step.sql, *step.params, prefetch=7)])]


WAYS: dict[str, Way] = {"prepared": prepared, "fetch": fetched, "execute": executed, "portions": in_portions}


async def run(side: Side, way: Way, steps: Sequence[Step], **connecting: Any) -> Transcript:
    told: Transcript = []
    connection = await asyncpg.connect(side.dsn, **connecting)
    listen_to(connection, told)
    try:
        for step in steps:
            told.append(f"> {lines.value(step.sql)} {lines.value(step.params)}")
            try:
                told += await way(connection, step)
            except PROBLEMS as problem:
                told += problem_told(problem)
            told.append(f"in transaction: {connection.is_in_transaction()}")
    finally:
        await connection.close()
    return told


def _case(way: Way, steps: Sequence[Step], **connecting: Any) -> Case:
    return lambda side: bounded(run(side, way, steps, **connecting))


def on(body: Callable[[Connection, Transcript], Awaitable[None]], **connecting: Any) -> Case:
    """A case on a connection of its own."""

    async def main(side: Side) -> Transcript:
        told: Transcript = []
        connection = await asyncpg.connect(side.dsn, **connecting)
        listen_to(connection, told)
        try:
            await body(connection, told)
        except PROBLEMS as problem:
            told += problem_told(problem)
        finally:
            await connection.close()
        return told

    return lambda side: bounded(main(side))


async def facts(connection: Connection, told: Transcript) -> None:
    settings = connection.get_settings()
    told += [str(connection.get_server_version()), str(connection.get_server_pid() > 0)]
    told += [f"{name}: {getattr(settings, name, None)}" for name in PARAMETERS]


async def copies(connection: Connection, told: Transcript) -> None:
    for options in ({"format": "csv", "header": True}, {"format": "binary"}, {"format": "text"}):
        into = io.BytesIO()
        told.append(await connection.copy_from_query("select * from people where id < $1", 50, output=into, **options))
        told.append(lines.value(into.getvalue()))
        into = io.BytesIO()
        told.append(await connection.copy_from_table("visits", columns=["id", "note"], output=into, **options))
        told.append(lines.value(into.getvalue()))
    records = [(number, f"note {number}", number) for number in range(7000, 8000)]
    told.append(await connection.copy_records_to_table("scratch", records=records))
    told.append(await connection.copy_to_table("scratch", source=io.BytesIO(b"1,a,2\n3,b,4\n"), format="csv"))
    for source in (b"1,a,2\n", b"x\n"):
        try:
            await connection.copy_to_table("scratch", source=io.BytesIO(source), format="csv")
        except asyncpg.PostgresError as problem:
            told += problem_told(problem)
    told += rows(await connection.fetch("select * from scratch order by id"))
    told.append(await connection.execute("delete from scratch"))


async def codecs(connection: Connection, told: Transcript) -> None:
    """Composite, enum, domain, range and array types, which asyncpg looks up in the catalog."""
    told += rows(await connection.fetch("select * from everything order by id"))
    await connection.set_type_codec("mood", encoder=str, decoder=str.upper)
    told += rows(await connection.fetch("select $1::mood, $2::mood[]", "ok", ["sad", None]))
    told += rows(await connection.fetch("select $1::point3, $2::positive", (1, 2, None), 5))
    await connection.reload_schema_state()
    told += rows(await connection.fetch("select $1::int4range, $2::jsonb", asyncpg.Range(1, 5), '{"a": 1}'))
    try:
        await connection.fetch("select $1::positive", -5)
    except asyncpg.PostgresError as problem:
        told += problem_told(problem)


async def many(connection: Connection, told: Transcript) -> None:
    await connection.executemany("insert into scratch (id, note) values ($1, $2)", [(n, f"n{n}") for n in range(500)])
    told += rows(await connection.fetchmany("select $1::int * 2", [(n,) for n in range(5)]))
    try:
        await connection.executemany("insert into scratch (id) values ($1)", [(1000,), (5,), (1001,)])
    except asyncpg.PostgresError as problem:
        told += problem_told(problem)
    told.append(await connection.execute("delete from scratch"))


async def transactions(connection: Connection, told: Transcript) -> None:
    for level in ("read_committed", "repeatable_read", "serializable"):
        async with connection.transaction(isolation=level, readonly=True, deferrable=level == "serializable"):
            told += rows(await connection.fetch("show transaction_isolation"))
            try:
                async with connection.transaction():
                    await connection.execute("delete from scratch")
            except asyncpg.PostgresError as problem:
                told += problem_told(problem)
            told += rows(await connection.fetch("select 1"))
    await connection.reset()
    told.append(str(connection.is_in_transaction()))


async def notifications(connection: Connection, told: Transcript) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("ring", lambda _, pid, channel, payload: heard.put_nowait(f"{channel} {payload}"))
    await connection.execute("select pg_notify('ring', 'a'), pg_notify('ring', 'b')")
    async with asyncio.timeout(20):
        told += [await heard.get(), await heard.get()]


async def timeouts(connection: Connection, told: Transcript) -> None:
    """asyncpg cancels by a CancelRequest what takes longer than its own limit."""
    for _ in range(2):
        try:
            await connection.fetch("select pg_sleep(30)", timeout=0.3)
        except TimeoutError as problem:
            told.append(type(problem).__name__)
        told += rows(await connection.fetch("select 'goes on'"))


async def shapes(connection: Connection, told: Transcript) -> None:
    """A kept statement whose table gets another shape: asyncpg notices by the server's error, and asks anew."""
    await connection.execute("create table asyncpg_shapes (id integer)")
    await connection.execute("insert into asyncpg_shapes values (1)")
    told += rows(await connection.fetch("select * from asyncpg_shapes"))
    await connection.execute("alter table asyncpg_shapes add column note text default 'x'")
    told += rows(await connection.fetch("select * from asyncpg_shapes"))
    await connection.execute("drop table asyncpg_shapes")
    try:
        await connection.fetch("select * from asyncpg_shapes")
    except asyncpg.PostgresError as problem:
        told += problem_told(problem)


async def _pool(side: Side) -> Transcript:
    """Connections that are reset as they come back, shared by more tasks than there are."""
    async with asyncpg.create_pool(side.dsn, min_size=2, max_size=3, statement_cache_size=10) as pool:

        async def one(number: int) -> Any:
            async with pool.acquire() as connection:
                await connection.execute(f"set application_name = 'task {number}'")
                return await connection.fetchrow("select $1::int, current_setting('application_name')", number)

        found = await asyncio.gather(*(one(number) for number in range(20)))
        told = [lines.value(row) for row in found]
        return [*told, *rows(await pool.fetch("select current_setting('application_name')"))]


SHOWN = ("jit", "search_path", "TimeZone", "DateStyle", "extra_float_digits", "statement_timeout", "application_name",
         "lock_timeout", "transaction_isolation", "transaction_read_only", "bytea_output")  # fmt: skip


async def _refused(side: Side, **connecting: Any) -> Transcript:
    try:
        connection = await asyncpg.connect(side.dsn, **connecting)
    except (asyncpg.PostgresError, OSError) as problem:
        return [*problem_told(problem)]
    try:
        return [str(await connection.fetchval("select current_setting($1)", name)) for name in SHOWN]
    finally:
        await connection.close()


def _start(**connecting: Any) -> Case:
    return lambda side: bounded(_refused(side, **connecting))


# What drivers and tools put into their start-up packet, whichever of them is asked: by their documentation.
DRIVERS: dict[str, dict[str, str]] = {
    "pgjdbc": {"DateStyle": "ISO", "TimeZone": "Europe/Berlin", "extra_float_digits": "3"},
    "dbeaver": {
        "DateStyle": "ISO",
        "TimeZone": "UTC",
        "extra_float_digits": "2",
        "application_name": "DBeaver 25 - Main",
    },
    "datagrip": {
        "DateStyle": "ISO",
        "TimeZone": "UTC",
        "extra_float_digits": "3",
        "application_name": "DataGrip 2025.2",
    },
    "npgsql": {"application_name": "a service", "TimeZone": "UTC", "options": "-c statement_timeout=30000"},
    "pgx": {"application_name": "a service", "statement_timeout": "30s", "timezone": "UTC"},
    "lib-pq": {"extra_float_digits": "2", "datestyle": "ISO, MDY"},
    "odbc": {"extra_float_digits": "2", "geqo": "on", "DateStyle": "ISO"},
    "tokio-postgres": {"application_name": "a service", "options": "-c lock_timeout=4s"},
    "ruby": {"application_name": "bin/rails", "options": "--statement-timeout=5s"},
    "node-postgres": {"statement_timeout": "1000", "lock_timeout": "900", "idle_in_transaction_session_timeout": "800"},
    "pgadmin": {"application_name": "pgAdmin 4 - DB:shop", "options": "-c bytea_output=hex"},
    "read-only": {"default_transaction_read_only": "on", "options": "-c default_transaction_isolation=serializable"},
}


FEATURES: dict[str, Case] = {
    "facts": on(facts),
    "copies": on(copies),
    "codecs": on(codecs),
    "many": on(many),
    "transactions": on(transactions),
    "notifications": on(notifications),
    "timeouts": on(timeouts),
    "shapes": on(shapes),
    "pool": lambda side: bounded(_pool(side)),
    **{f"startup/{name}": _start(server_settings=settings) for name, settings in DRIVERS.items()},
    "startup/settings": _start(server_settings={"jit": "on", "application_name": "ours"}),
    "startup/search-path": _start(server_settings={"search_path": "other"}),
    "startup/database": _start(database="other"),
    "startup/wrong-password": _start(password="wrong"),
}


def suite(ways: Sequence[str] = tuple(WAYS)) -> Suite:
    cases = {f"{way}/{name}": _case(WAYS[way], steps) for way in ways for name, steps in CONVERSATIONS.items()}
    cases |= {
        f"uncached/{name}": _case(fetched, steps, statement_cache_size=0) for name, steps in CONVERSATIONS.items()
    }
    return Suite.of("asyncpg", cases | {f"features/{name}": case for name, case in FEATURES.items()})
