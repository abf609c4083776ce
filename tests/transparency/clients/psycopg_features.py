"""What psycopg does beyond sending statements: COPY, cursors, streams, cancels, types, its own transactions, ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import Range, RangeInfo

from tests.transparency import lines
from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.sides import Side

Connection = psycopg.Connection[Any]
FORMATS = ("format text", "format csv, header", "format binary")
NUMBERS = "select n, 'note ' || n, n * 2 from generate_series(1, 5000) n"
BAD_COPIES = (
    "copy nowhere to stdout",
    "copy (select 1/0) to stdout",
    f"copy (select 1/(n - 4000) from ({NUMBERS}) as x (n)) to stdout",
)
# The order of the start-up's ParameterStatus messages is no promise, their values are.
PARAMETERS = (
    "server_version", "server_encoding", "client_encoding", "application_name", "is_superuser", "session_authorization",
    "DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings", "in_hot_standby",
    "default_transaction_read_only", "scram_iterations", "search_path",
)  # fmt: skip


@contextmanager
def failing(told: Transcript) -> Iterator[None]:
    """What fails inside is told and is over."""
    try:
        yield
    except (psycopg.Error, psycopg.Warning) as problem:
        told += [f"{type(problem).__name__}: {problem}", *lines.diagnosis(getattr(problem, "diag", None))]


def on(run: Callable[[Connection, Transcript], None], **connecting: Any) -> Case:
    """A case on a connection of its own, whose state at the end is told too."""

    def case(side: Side) -> Transcript:
        told: Transcript = []
        with psycopg.connect(side.dsn, **{"autocommit": True, **connecting}) as connection:
            with failing(told):
                run(connection, told)
            told.append("closed" if connection.closed else connection.info.transaction_status.name)
        return told

    return case


def facts(connection: Connection, told: Transcript) -> None:
    """What a driver knows of its connection once it is made."""
    info = connection.info
    told += [f"{name}: {info.parameter_status(name)}" for name in PARAMETERS]
    told += [str(found) for found in (info.server_version, info.encoding, info.dbname, info.user, info.options)]
    wire = connection.pgconn
    told += [str(found) for found in (wire.protocol_version, wire.ssl_in_use, wire.backend_pid > 0, wire.used_password)]


def copy_out(connection: Connection, told: Transcript) -> None:
    cursor = connection.cursor()
    for options in FORMATS:
        for source in ("people", "(select * from everything order by id)", f"({NUMBERS})"):
            with cursor.copy(f"copy {source} to stdout ({options})".encode()) as copy:
                data = b"".join(copy)
            told += [lines.value(data), f"{cursor.statusmessage} {cursor.rowcount}"]
    with cursor.copy("copy (select id, name, born from people order by id limit 3) to stdout") as copy:
        copy.set_types(["int4", "text", "date"])
        told += lines.rows(copy.rows())
    for text in BAD_COPIES:
        with failing(told), cursor.copy(text.encode()) as copy:
            told.append(lines.value(b"".join(copy)))


def copy_in(connection: Connection, told: Transcript) -> None:
    cursor = connection.cursor()
    with cursor.copy("copy scratch from stdin") as copy:
        for number in range(2000, 4000):
            copy.write_row((number, f"zeile {number} ä\t\\", number))
    told.append(f"{cursor.statusmessage} {cursor.rowcount}")
    with cursor.copy("copy scratch (id, note, amount) from stdin (format binary)") as copy:
        copy.set_types(["int4", "text", "int4"])
        for number in range(4000, 4100):
            copy.write_row((number, None, number))
    told.append(f"{cursor.statusmessage} {cursor.rowcount}")
    with cursor.copy("copy scratch from stdin (format csv)") as copy:
        copy.write('5000,"a ""quoted"" one",1\n5001,,2\n')
    told.append(f"{cursor.statusmessage} {cursor.rowcount}")
    for bad in ("1,2\n", "x,y,1\n", "2000,again,1\n", '5002,"open,1\n', "5003,b,1\n\\.\n"):
        with failing(told), cursor.copy("copy scratch from stdin (format csv)") as copy:
            copy.write(bad)
        told.append(connection.info.transaction_status.name)
    told += lines.rows(connection.execute("select * from scratch order by id"))
    connection.execute("delete from scratch")


def copy_given_up(connection: Connection, told: Transcript) -> None:
    """The client ends it with CopyFail, or leaves its block by an exception."""
    cursor = connection.cursor()
    try:
        with cursor.copy("copy scratch from stdin") as copy:
            copy.write_row((1, "a", 1))
            raise ZeroDivisionError("of the client")
    except ZeroDivisionError as problem:
        told.append(str(problem))
    told += lines.rows(connection.execute("select count(*) from scratch"))
    try:
        with cursor.copy(f"copy ({NUMBERS}) to stdout".encode()) as copy:
            raise ZeroDivisionError(lines.value(bytes(next(iter(copy)))))
    except ZeroDivisionError as problem:
        told.append(str(problem))
    told += lines.rows(connection.execute("select 'goes on'"))


def streams(connection: Connection, told: Transcript) -> None:
    cursor = connection.cursor()
    told += lines.rows(cursor.stream(NUMBERS))
    told += lines.rows(cursor.stream(NUMBERS, size=500))
    told += lines.rows(cursor.stream("select %s::int", (1,), binary=True))
    with failing(told):
        told += lines.rows(cursor.stream("select 1/(n - 700) from generate_series(1, 1000) n"))
    for row in cursor.stream(NUMBERS):
        told.append(lines.value(row))
        break


def many(connection: Connection, told: Transcript) -> None:
    cursor = connection.cursor()
    rows = [(number, f"note {number}") for number in range(300)]
    cursor.executemany("insert into scratch (id, note) values (%s, %s)", rows)
    told.append(f"{cursor.statusmessage} {cursor.rowcount}")
    cursor.executemany("update scratch set amount = %s where id = %s returning id, amount", [(1, 5), (2, 6), (3, -1)],
                       returning=True)  # fmt: skip
    for found in cursor.results():
        told += lines.rows(found)
    with failing(told):
        cursor.executemany("insert into scratch (id) values (%s)", [(1000,), (5,), (1001,)])
    told += lines.rows(cursor.execute("select count(*) from scratch"))
    cursor.execute("delete from scratch")


def pipelines(connection: Connection, told: Transcript) -> None:
    """psycopg's pipeline where nothing fails, with Syncs inside, and a transaction in it."""
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("select %s::int, %s::text", (number, "x" * number)) for number in range(100)]
        pipeline.sync()
        with connection.transaction():
            cursors += [connection.execute("insert into scratch (id) values (%s) returning *", (n,)) for n in range(5)]
        cursors.append(connection.execute("delete from scratch"))
    for cursor in cursors:
        told += [str(cursor.statusmessage), *(lines.rows(cursor) if cursor.description else ())]


def transactions(connection: Connection, told: Transcript) -> None:
    with failing(told), connection.transaction():
        connection.execute("insert into scratch (id) values (1)")
        with failing(told), connection.transaction("inner"):
            connection.execute("insert into scratch (id) values (1)")
        with connection.transaction(force_rollback=True):
            connection.execute("insert into scratch (id) values (2)")
        told += lines.rows(connection.execute("select id from scratch"))
        raise psycopg.Rollback
    for level in psycopg.IsolationLevel:
        connection.isolation_level, connection.read_only, connection.deferrable = level, True, True
        with failing(told), connection.transaction():
            for name in ("isolation", "read_only", "deferrable"):
                told += lines.rows(connection.execute(f"show transaction_{name}"))  # type: ignore[arg-type]
            connection.execute("delete from scratch")


def two_phases(connection: Connection, told: Transcript) -> None:
    for number, commits in enumerate((True, False)):
        with failing(told):
            connection.tpc_begin(connection.xid(1, "a transaction", str(commits)))
            connection.execute("insert into scratch (id) values (%s)", (number,))
            connection.tpc_prepare()
            connection.tpc_commit() if commits else connection.tpc_rollback()
    told.append(str([found.bqual for found in connection.tpc_recover()]))
    told += lines.rows(connection.execute("delete from scratch returning id"))
    connection.commit()


def types(connection: Connection, told: Transcript) -> None:
    """The catalog queries with which psycopg learns of types, and values of them."""
    told += [repr(TypeInfo.fetch(connection, name)) for name in ("mood", "positive", "nothing", "hstore", "text")]
    mood, point = EnumInfo.fetch(connection, "mood"), CompositeInfo.fetch(connection, "point3")
    assert mood is not None
    assert point is not None
    told += [str(mood.labels), f"{point.field_names} {point.field_types}"]
    told += [repr(RangeInfo.fetch(connection, "int4range")), repr(MultirangeInfo.fetch(connection, "int4multirange"))]
    register_enum(mood, connection)
    register_composite(point, connection)
    for binary in (False, True):
        given = (["sad", "ok"], (1, 2, None), Range(1, 5), b"\x00\xff", {"a": None})
        query = "select %s::mood[], %s::point3, %s::int4range, %s::bytea, %s::jsonb"
        cursor = connection.cursor(binary=binary)
        told += lines.rows(cursor.execute(query, (*given[:4], psycopg.types.json.Jsonb(given[4]))))


def notifications(connection: Connection, told: Transcript) -> None:
    connection.execute("listen one")
    connection.execute("notify one, 'first'")
    with connection.transaction():
        connection.execute("select pg_notify('one', 'second'), pg_notify('other', 'unheard')")
    found = connection.notifies(timeout=20, stop_after=2)
    told += [f"{one.channel} {one.payload}" for one in found]


def from_another(side: Side) -> Transcript:
    """A notification and an end that another session of the same way causes."""
    told: Transcript = []
    with psycopg.connect(side.dsn, autocommit=True) as other, psycopg.connect(side.dsn, autocommit=True) as connection:
        connection.execute("listen far")
        other.execute("select pg_notify('far', repeat('x', 5000))")
        told += [lines.value(one.payload) for one in connection.notifies(timeout=20, stop_after=1)]
        row = connection.execute("select pg_backend_pid()").fetchone()
        assert row is not None
        told += lines.rows(other.execute("select pg_terminate_backend(%s, 5000)", row))
        with failing(told):
            connection.execute("select 1")
        told.append(f"{connection.closed} {connection.broken}")
    return told


def locks(side: Side) -> Transcript:
    """Two sessions in each other's way: a lock not had, and one that comes when the other ends."""
    told: Transcript = []
    with psycopg.connect(side.dsn) as one, psycopg.connect(side.dsn) as two:
        one.execute("select * from people where id = 1 for update")
        for text in ("set local lock_timeout = '30ms'; select 1 from people where id = 1 for update",
                     "select 1 from people where id = 1 for update nowait",
                     "select id from people where id < 3 order by id for update skip locked"):  # fmt: skip
            with failing(told):
                told += lines.rows(two.execute(text).fetchall() if ";" not in text else two.execute(text).results())
            two.rollback()
        one.execute("update people set score = score where id = 1")
        one.commit()
        told += lines.rows(two.execute("select id from people where id = 1 for update"))
        two.rollback()
    return told


def cancelled(side: Side) -> Transcript:
    """By the old CancelRequest and by psycopg's newer call, in simple and extended protocol."""
    told: Transcript = []
    with psycopg.connect(side.dsn, autocommit=True) as connection:
        for cancel in (connection.cancel, connection.cancel_safe):
            for params in (None, (30,)):
                timer = threading.Timer(0.3, cancel)
                timer.start()
                with failing(told):
                    connection.execute("select pg_sleep(30)" if params is None else "select pg_sleep(%s)", params)
                timer.join()
                told += lines.rows(connection.execute("select 'goes on'"))
    return told


async def _cancelled_task(side: Side) -> Transcript:
    told: Transcript = []
    async with await psycopg.AsyncConnection.connect(side.dsn, autocommit=True) as connection:
        try:
            await asyncio.wait_for(connection.execute("select pg_sleep(30)"), 0.3)
        except TimeoutError as problem:
            told.append(type(problem).__name__)
        cursor = await connection.execute("select 'goes on'")
        return [*told, *lines.rows(await cursor.fetchall()), connection.info.transaction_status.name]


def server_cursors(connection: Connection, told: Transcript) -> None:
    """DECLARE and FETCH in SQL, which is how psycopg's named cursors work."""
    with connection.cursor("named", scrollable=True, withhold=False) as cursor:
        cursor.execute("select id, name from people where id > %s order by id", (10,))
        cursor.itersize = 7
        told += lines.rows(cursor.fetchmany(3))
        cursor.scroll(-2)
        told.append(lines.value(cursor.fetchone()))
        cursor.scroll(100, "absolute")
        told += lines.rows(cursor)
    with connection.cursor("binary one", binary=True) as cursor:
        told += lines.rows(cursor.execute("select id, score, tags, seen from people order by id limit 40"))


def result_changed(connection: Connection, told: Transcript) -> None:
    """A prepared statement whose table gets another shape, and one that was deallocated behind psycopg's back."""
    connection.prepare_threshold = 0
    connection.execute("create table shapes (id integer)")
    told += lines.rows(connection.execute("select * from shapes"))
    connection.execute("alter table shapes add column note text")
    for _ in range(2):
        with failing(told):
            told += lines.rows(connection.execute("select * from shapes"))
    connection.execute("drop table shapes")
    connection.execute("deallocate all")
    told += lines.rows(connection.execute("select name, statement from pg_prepared_statements order by 1"))
    connection.execute("discard all")
    told += lines.rows(connection.execute("select 1"))


def large(connection: Connection, told: Transcript) -> None:
    for size in (1_000, 70_000, 1_000_000, 9_000_000):
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            told += lines.rows(
                cursor.execute("select %s::bytea, length(%s::text)", (b"\xab" * size, "ü" * (size // 10)))
            )
    told += lines.rows(connection.execute("select repeat('y', 1000), n from generate_series(1, 20000) n"))


def _wrong(name: str, **connecting: Any) -> Case:
    """A connection that may not come about: what psycopg says of it, without the address."""

    def case(side: Side) -> Transcript:
        told: Transcript = []
        try:
            with psycopg.connect(make_conninfo(side.dsn, **connecting)) as connection:
                for text in ("show search_path", "show statement_timeout", "show timezone", "show application_name"):
                    told += lines.rows(connection.execute(text))
                told.append(pq.ConnStatus(connection.pgconn.status).name)
        except psycopg.OperationalError as problem:
            told.append(str(problem).partition("failed: ")[2])
        return told

    return case


def _raw_results(connection: Connection, told: Transcript) -> None:
    """Portals described, closed and prepared with libpq's own calls, one after another."""
    wire = connection.pgconn
    calls: list[pq.abc.PGresult] = [
        wire.prepare(b"", b"select $1::int, $2::text"),
        wire.describe_prepared(b""),
        wire.exec_prepared(b"", [b"1", b"two"]),
        wire.prepare(b"kept", b"select * from people where id = $1", [23]),
        wire.describe_prepared(b"kept"),
        wire.exec_prepared(b"kept", [b"\x00\x00\x00\x07"], [1], 1),
        wire.describe_prepared(b"missing"),
        wire.exec_prepared(b"missing", []),
        wire.prepare(b"kept", b"select 1"),
        wire.describe_portal(b"none"),
        wire.exec_(b"deallocate kept"),
        wire.exec_prepared(b"kept", [b"1"]),
    ]
    for result in calls:
        told.append(f"{pq.ExecStatus(result.status).name} {result.command_status!r} {result.nparams}")
        told += [
            f"  {field.name}: {found!r}"
            for field in pq.DiagnosticField
            if not field.name.startswith("SOURCE") and (found := result.error_field(field)) is not None
        ]
        told += [f"  {result.fname(at)!r} {result.ftype(at)}" for at in range(result.nfields)]
        told += lines.rows([result.get_value(0, at)] for at in range(result.nfields) if result.ntuples)


CASES: dict[str, Case] = {
    "facts": on(facts),
    "copy-out": on(copy_out),
    "copy-in": on(copy_in),
    "copy-given-up": on(copy_given_up),
    "streams": on(streams),
    "many": on(many),
    "pipelines": on(pipelines),
    "pipelines-prepared": on(pipelines, prepare_threshold=0),
    "transactions": on(transactions),
    "two-phases": on(two_phases, autocommit=False),
    "types": on(types),
    "notifications": on(notifications),
    "from-another": from_another,
    "locks": locks,
    "cancelled": cancelled,
    "cancelled-task": lambda side: asyncio.run(_cancelled_task(side)),
    "server-cursors": on(server_cursors, autocommit=False),
    "result-changed": on(result_changed),
    "large": on(large),
    "raw-calls": on(_raw_results),
    "startup/options": _wrong("options", options="-c statement_timeout=7s -cTimeZone=Asia/Tokyo --lock-timeout=3s"),
    "startup/application": _wrong("application", application_name="a client of ours"),
    "startup/fallback": _wrong("fallback", fallback_application_name="fallen back"),
    "startup/search-path": _wrong("search-path", options="-c search_path=other"),
    "startup/unknown": _wrong("unknown", options="-c nothing_of_this_name=1"),
    "startup/bad-value": _wrong("bad-value", options="-c statement_timeout=soon"),
    "startup/latin1": _wrong("latin1", client_encoding="latin1"),
    "startup/database": _wrong("database", dbname="other"),
    "startup/tls": _wrong("tls", sslmode="require"),
    "startup/tls-preferred": _wrong("tls-preferred", sslmode="prefer"),
    "startup/no-password": _wrong("no-password", password=""),
    "startup/wrong-password": _wrong("wrong-password", password="wrong"),
    "startup/replication": _wrong("replication", replication="database"),
    "startup/protocol-3.2": _wrong("protocol", min_protocol_version="3.2", max_protocol_version="3.2"),
    "startup/session-attributes": _wrong("attributes", target_session_attrs="read-write"),
    "startup/standby": _wrong("standby", target_session_attrs="standby"),
    "startup/channel-binding": _wrong("binding", channel_binding="require"),
    "startup/auth-method": _wrong("method", require_auth="scram-sha-256"),
}


def suite() -> Suite:
    return Suite.of("psycopg-features", CASES)
