"""COPY both ways through a real tunnel, with the clients that people use for it; and the record of it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from hoopd.session.copy_data import APPROVED_BYTES, APPROVED_ROWS
from tests.fixtures.parts import Parts, running_parts
from tests.fixtures.stack import Person, Tunnel

pytestmark = pytest.mark.xdist_group("copy")

POLICY = """
version: 1
default: deny
reviewers: {from: [dba], approvals: 1, hold: 4m, expires: 30m}
rules:
  - name: everybody may connect
    match: {}
    then: {connect: allow}
  - name: reads and drafts
    match: {effects: [read, session, ddl, write], objects: ["public.*", "pg_temp.*"]}
    then: allow
  - name: copies into the archive
    match: {kinds: [copy], effects: [write], objects: [public.archive]}
    then: review
"""
LINES = "".join(f"{n}\tpaid\t{n}\n" for n in range(1001, 1004))


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with running_parts(POLICY) as running:
        with psycopg.connect(running.owner_dsn) as owner:
            for table in ("draft", "archive"):
                owner.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, status text NOT NULL, total integer)")
                owner.execute(f"GRANT SELECT, INSERT, DELETE ON {table} TO hoop_service")
        yield running


@pytest.fixture(scope="module")
def tunnel(parts: Parts) -> Iterator[Tunnel]:
    with parts.person("alice").tunnel() as opened:
        yield opened


@pytest.fixture
def session(tunnel: Tunnel) -> Iterator[psycopg.Connection]:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM draft")
        yield connection


def count(session: psycopg.Connection, table: str = "draft") -> int:
    row = session.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def copy_in(session: psycopg.Connection, pieces: Iterable[bytes]) -> None:
    with session.cursor().copy("COPY draft FROM STDIN") as into:
        for piece in pieces:
            into.write(piece)


def test_copy_out_and_in_again(session: psycopg.Connection) -> None:
    cursor = session.cursor()
    with cursor.copy("COPY (SELECT id, status, total FROM orders ORDER BY id) TO STDOUT") as out:
        data = b"".join(bytes(piece) for piece in out)
    assert data.splitlines()[0] == b"1\tpaid\t7"
    with cursor.copy("COPY draft FROM STDIN") as into:
        for at in range(0, len(data), 1000):
            into.write(data[at : at + 1000])
    assert cursor.statusmessage == "COPY 500"
    assert count(session) == 500


@pytest.mark.parametrize("options", ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"])
def test_the_same_bytes_as_without_the_gateway(parts: Parts, session: psycopg.Connection, options: str) -> None:
    def copied(connection: psycopg.Connection) -> bytes:
        with connection.cursor().copy(f"COPY orders TO STDOUT {options}".encode()) as out:
            return b"".join(bytes(piece) for piece in out)

    with psycopg.connect(parts.owner_dsn) as owner:
        direct = copied(owner)
    data = copied(session)
    assert data == direct
    with session.cursor().copy(f"COPY draft FROM STDIN {options}".encode()) as into:
        into.write(data)
    assert count(session) == 500


def test_psql_copies_from_a_file_and_to_one(tunnel: Tunnel, session: psycopg.Connection, tmp_path: object) -> None:
    script = f"\\copy draft from stdin\n{LINES}\\.\n\\copy draft to stdout\n"
    psql = str(Binaries.find().program("psql"))
    done = subprocess.run(
        [psql, "-X", "-v", "ON_ERROR_STOP=1", tunnel.dsn], input=script, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"COPY 3\n{LINES}"), done.stderr
    assert count(session) == 3


def test_asyncpg_copies_by_the_extended_protocol(tunnel: Tunnel, session: psycopg.Connection) -> None:
    async def run() -> tuple[str, bytes]:
        connection = await asyncpg.connect(tunnel.dsn)
        try:
            rows = [(n, "new", n) for n in range(5)]
            said = await connection.copy_records_to_table("draft", records=rows)
            out = io.BytesIO()
            await connection.copy_from_query("SELECT id FROM draft WHERE id > $1 ORDER BY id", 2, output=out)
            return said, out.getvalue()
        finally:
            await connection.close()

    assert asyncio.run(run()) == ("COPY 5", b"3\n4\n")
    assert count(session) == 5


@pytest.mark.parametrize(
    ("data", "sqlstate"),
    [(b"1\tx\n", "22P04"), (b"x\ty\t1\n", "22P02"), (b"1\ty\t1\n1\ty\t1\n", "23505")],
)
def test_data_that_the_server_refuses(session: psycopg.Connection, data: bytes, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        copy_in(session, [data, b"2\ty\t2\n" * 20_000])
    assert caught.value.sqlstate == sqlstate
    assert count(session) == 0


def test_a_client_that_gives_up(session: psycopg.Connection) -> None:
    def pieces() -> Iterator[bytes]:
        yield LINES.encode()
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        copy_in(session, pieces())
    assert count(session) == 0


def test_copies_among_others_in_one_query(session: psycopg.Connection) -> None:
    results = session.pgconn.exec_(b"SELECT 1; SELECT 2")
    assert results.ntuples == 1
    with session.transaction():
        with session.cursor().copy("COPY draft FROM STDIN") as into:
            into.write(LINES)
        assert count(session) == 3
    assert count(session) == 3


def test_a_server_file_or_program_is_another_matter(session: psycopg.Connection) -> None:
    """THREATS 8"""
    for statement in ("COPY draft TO PROGRAM 'cat'", "COPY draft FROM '/etc/passwd'", "COPY orders TO '/tmp/x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no rule allows the effect external"):
            session.execute(statement)


def test_an_approved_copy_and_its_record(parts: Parts, tunnel: Tunnel, session: psycopg.Connection) -> None:
    """INV-3: the hash of what came is in the record; and the request says that the data is not yet seen."""

    def copy() -> str | None:
        cursor = session.cursor()
        with cursor.copy("COPY archive FROM STDIN") as into:
            into.write(LINES)
        return cursor.statusmessage

    bob, dave = parts.person("bob"), parts.person("dave")
    with ThreadPoolExecutor(1) as waiting:
        done = waiting.submit(copy)
        request = tunnel.held()
        (shown,) = [one for one in bob.requests() if one["id"] == request]
        (note,) = shown["facts"]["notes"]
        assert "not seen" in note
        assert f"{APPROVED_ROWS} rows" in note
        assert bob.decide(request)[0]["event"] == "approved"
        assert done.result(60) == "COPY 3"
    (line,) = [one for one in dave.json("audit", "search", "COPY archive FROM STDIN") if one["request"] == request]
    assert (line["outcome"], line["rows"]) == ("done", 3)
    replayed = dave.run("audit", "replay", line["session"]).stdout
    assert f"{len(LINES)} bytes of text data came from the client" in " ".join(replayed.split())
    assert hashlib.sha256(LINES.encode()).hexdigest() in "".join(replayed.split())


def test_an_approved_copy_may_not_bring_more_than_was_said(
    parts: Parts, tunnel: Tunnel, session: psycopg.Connection
) -> None:
    """INV-5, INV-9"""

    def copy() -> None:
        with session.cursor().copy("COPY archive FROM STDIN") as into:
            for n in range(APPROVED_ROWS // 1000 + 1):
                into.write("".join(f"{100_000 + n * 1000 + i}\tx\t1\n" for i in range(1000)))

    bob: Person = parts.person("bob")
    before = count(session, "archive")
    with ThreadPoolExecutor(1) as waiting:
        done = waiting.submit(copy)
        assert bob.decide(tunnel.held())[0]["event"] == "approved"
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as caught:
            done.result(60)
    assert f"{APPROVED_ROWS} rows and {APPROVED_BYTES} bytes at most" in str(caught.value)
    assert count(session, "archive") == before
