"""Everything that a gateway needs, taken away from it: one sentence, the right code, no traceback, nothing lost.

Each test breaks one part and puts it back, so that they share what they break.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import resource
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg
import pytest

from hoopd.dev.oidc.tokens import Lifetimes
from hoopd.dev.postgres import free_port
from tests.fixtures._processes import eventually
from tests.fixtures.parts import WRITES_ARE_HELD, Parts, running_parts, serve
from tests.fixtures.stack import Person, Tunnel

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.timeout(180)]
AWAY = "does not answer, so this could not be recorded"
DELETE = "delete from orders where id = 3"


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with running_parts(WRITES_ARE_HELD) as running:
        yield running
        assert running.stop() == 0
        said = running.log.read_text()
        for path in running.home.glob("*/stderr.log"):
            said += path.read_text()
    assert "Traceback" not in said, said


@pytest.fixture(scope="module")
def alice(parts: Parts) -> Person:
    return parts.person("alice")


@pytest.fixture(scope="module")
def bob(parts: Parts) -> Person:
    return parts.person("bob")


@pytest.fixture(scope="module")
def dave(parts: Parts) -> Person:
    return parts.person("dave")


@pytest.fixture(scope="module")
def tunnel(alice: Person) -> Iterator[Tunnel]:
    """One tunnel for all tests: it lives through everything, and nobody signs in again."""
    with alice.tunnel() as opened:
        yield opened


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence that a command ended with, under ``--json``."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["event"] == "error"
    return sentence(line["message"])


def sentence(text: str) -> str:
    assert text
    assert "\n" not in text
    assert len(text) < 300
    return text


def connecting(dsn: str) -> tuple[str, str]:
    """The SQLSTATE and sentence with which a new session is refused; nothing where it is not."""

    async def connect() -> tuple[str, str]:
        try:
            connection = await asyncpg.connect(dsn, timeout=60)
        except asyncpg.PostgresError as problem:
            return str(problem.sqlstate), sentence(str(problem.args[0]))
        await connection.close()
        return "", ""

    return asyncio.run(connect())


def running(session: psycopg.Connection[Any], sql: str) -> tuple[str | None, str]:
    """The SQLSTATE and sentence with which a statement failed; nothing where it did not."""
    try:
        session.execute(sql)
    except psycopg.Error as problem:
        return problem.sqlstate, sentence(problem.diag.message_primary or str(problem))
    return "", ""


class Waiting:
    """A statement that is held in a session of its own."""

    def __init__(self, tunnel: Tunnel, sql: str = DELETE) -> None:
        self.result: tuple[str | None, str] | None = None
        self._thread = threading.Thread(target=self._run, args=(tunnel.dsn, sql))
        self._thread.start()
        self.request = tunnel.held()

    def _run(self, dsn: str, sql: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as session:
            self.result = running(session, sql)

    def end(self) -> tuple[str | None, str]:
        self._thread.join(60)
        assert self.result is not None
        return self.result


def state(person: Person, request: str) -> str:
    (line,) = person.json("requests", "show", request)
    return str(line["state"])


def orders(parts: Parts) -> int:
    with psycopg.connect(parts.owner_dsn) as connection:
        row = connection.execute("select count(*) from orders").fetchone()
    assert row is not None
    return int(row[0])


# The tunnel's own


def test_a_wrong_password_of_the_tunnel(tunnel: Tunnel) -> None:
    password = str(tunnel.ready["password"])
    assert connecting(tunnel.dsn.replace(password, "wrong"))[0] == "28P01"
    assert connecting(tunnel.dsn) == ("", "")


def test_an_unknown_connection(alice: Person) -> None:
    assert '"nope"' in complaint(alice.run("--json", "connect", "nope"), 1)


def test_a_port_of_the_tunnel_that_is_taken(alice: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = alice.run("--json", "connect", "prod-db", "--port", str(port))
    assert f"Port {port} of 127.0.0.1 is taken" in complaint(done, 1)


# What is no gateway


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nothing", "out of reach"),
        ("http", "is not a hoopd gateway"),
        ("tls", "is not a hoopd gateway"),
        ("postgresql", "is not a hoopd gateway"),
        # It ends the connection as a gateway that goes away does.
        ("tls with h2", "out of reach"),
    ],
)
def test_what_is_no_gateway(parts: Parts, what: str, told: str) -> None:
    with listening(parts, what) as port:
        done = parts.stranger().run("--json", "login", "--server", f"127.0.0.1:{port}")
    said = complaint(done, 6)
    assert f"127.0.0.1:{port}" in said
    assert told in said


@contextmanager
def listening(parts: Parts, what: str) -> Iterator[int]:
    """The port of something that is not a gateway."""
    if what == "nothing":
        yield free_port()
    elif what == "postgresql":
        yield parts.target.port
    else:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
            if what.startswith("tls"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(parts.home / "tls" / "gateway.crt", parts.home / "tls" / "gateway.key")
                context.set_alpn_protocols(["h2"] if what == "tls with h2" else [])
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()


class Silent(http.server.BaseHTTPRequestHandler):
    """Answers every request with an error, and logs none."""

    def log_message(self, *arguments: object) -> None:
        return


# The database


def test_the_database_is_down(parts: Parts, tunnel: Tunnel) -> None:
    with psycopg.connect(tunnel.dsn, autocommit=True) as session:
        assert running(session, "select 1") == ("", "")
        parts.target.stop(immediate=True)
        try:
            assert running(session, "select 1")[0] in ("57P01", "57P02", "08006")
            sqlstate, said = connecting(tunnel.dsn)
            assert sqlstate == "08001"
            assert said == "the database of prod-db cannot be reached: Connection refused"
        finally:
            parts.target.start()
    assert connecting(tunnel.dsn) == ("", "")


# The store


def test_the_store_is_down_and_comes_back(parts: Parts, tunnel: Tunnel, bob: Person, dave: Person) -> None:
    """INV-2: open sessions are refused each statement and live on; reviews fail; nothing that was confirmed is lost."""
    before = orders(parts)
    with psycopg.connect(tunnel.dsn, autocommit=True) as session:
        assert running(session, "select 1") == ("", "")
        held = Waiting(tunnel)
        parts.store.stop(immediate=True)
        try:
            assert eventually(lambda: running(session, "select 1")[0] == "58000", 10)
            for sql in ("select 1", DELETE, "begin"):
                sqlstate, said = running(session, sql)
                assert sqlstate == "58000"
                assert AWAY in said
            assert connecting(tunnel.dsn)[0] == "58000"
            assert "store" in complaint(bob.run("--json", "requests", "list"), 6)
            assert "store" in complaint(bob.run("--json", "requests", "approve", held.request), 6)
            assert "store" in complaint(dave.run("--json", "audit", "search"), 6)
            sqlstate, said = held.end()
            assert sqlstate == "57014"
            assert "store" in said
        finally:
            parts.store.start()
        assert eventually(lambda: running(session, "select 2") == ("", ""), 20), "the same session, again"
        assert eventually(lambda: state(bob, held.request) == "cancelled", 20)
    assert orders(parts) == before
    (line,) = [line for line in dave.json("audit", "search", DELETE) if line["request"] == held.request]
    assert line["outcome"] == "cancelled"


# The gateway


@pytest.mark.parametrize(("end", "sqlstate"), [("kill", "08006"), ("stop", "57P01")])
def test_the_gateway_is_restarted_while_a_statement_is_held(
    parts: Parts, tunnel: Tunnel, bob: Person, end: str, sqlstate: str
) -> None:
    before = orders(parts)
    held = Waiting(tunnel)
    getattr(parts, end)()
    try:
        assert held.end()[0] == sqlstate
        assert connecting(tunnel.dsn)[0] == "08006"
    finally:
        parts.start()
    assert connecting(tunnel.dsn) == ("", "")
    assert state(bob, held.request) == "cancelled"
    assert orders(parts) == before


def test_its_port_or_its_data_are_anothers(parts: Parts) -> None:
    done = subprocess.run(serve(parts.settings), capture_output=True, text=True, timeout=60, check=False)
    assert "Another gateway uses" in complaint(done, 1)
    parts.changed["data_dir"] = str(parts.home / "another")
    try:
        parts.write_settings()
        done = subprocess.run(serve(parts.settings), capture_output=True, text=True, timeout=60, check=False)
    finally:
        del parts.changed["data_dir"]
        parts.write_settings()
    assert "cannot listen on" in complaint(done, 1)
    assert len(done.stderr.splitlines()) == 1, done.stderr


# The journal


def test_the_journal_cannot_be_written_any_more(parts: Parts, tunnel: Tunnel, dave: Person) -> None:
    """INV-3: the session ends with 58030 before the statement runs; what was recorded until then verifies."""
    with psycopg.connect(tunnel.dsn, autocommit=True) as session:
        assert running(session, "select 1") == ("", "")
        size = 1000 + max(path.stat().st_size for path in [parts.log, *(parts.data_dir / "journal").iterdir()])
        with limited(parts.gateway.process.pid, size):
            results = until_it_fails(lambda: running(session, "select 'a journal grows' /* " + "x" * 200 + " */"))
        assert results[-1][0] == "58030"
        assert "journal cannot be written: File too large" in results[-1][1]
        assert session.closed
    with psycopg.connect(parts.store_dsn) as store:
        query = "select count(*) from hoop.sessions where seal is null"
        assert eventually(lambda: store.execute(query).fetchone() == (0,), 30)
    found = dave.json("audit", "search", "a journal grows", "--limit", "1000")
    assert len(found) in (len(results) - 1, len(results))
    assert dave.run("audit", "verify", str(found[0]["session"])).returncode == 0


def test_a_new_journal_cannot_be_made(parts: Parts, tunnel: Tunnel) -> None:
    journal, aside = parts.data_dir / "journal", parts.data_dir / "aside"
    journal.rename(aside)
    try:
        sqlstate, said = connecting(tunnel.dsn)
        assert sqlstate == "58030"
        assert "journal cannot be written" in said
    finally:
        aside.rename(journal)
    assert connecting(tunnel.dsn) == ("", "")


@contextmanager
def limited(pid: int, size: int) -> Iterator[None]:
    """No file that the process writes may grow past ``size`` bytes: a disk that is full."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def until_it_fails(run: Callable[[], tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    results = [run()]
    while results[-1] == ("", ""):
        assert len(results) < 1000
        results.append(run())
    return results


# The policy


def test_a_policy_with_a_typing_error(parts: Parts) -> None:
    good = parts.policy.read_text()
    commands = [
        (serve(parts.settings), 2),
        ([sys.executable, "-m", "hoopd", "dev", "--json", "--policy", str(parts.policy)], 2),
    ]
    parts.policy.write_text(good.replace("effects: [read, session]", "effects: [reed, session]"))
    try:
        for argv, code in commands:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            said = complaint(done, code)
            assert f"{parts.policy}:10:" in said
            assert "did you mean `read`?" in said
        check = [sys.executable, "-m", "hoopd", "check", "-c", str(parts.settings), "--json"]
        done = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    finally:
        parts.policy.write_text(good)
    assert done.returncode == 1
    failed = [line for line in map(json.loads, done.stdout.splitlines()) if not line["ok"]]
    assert [line["part"] for line in failed] == ["policy"]
    assert "did you mean `read`?" in sentence(failed[0]["message"])


# The provider


def test_the_provider_is_down(parts: Parts, tunnel: Tunnel, alice: Person, bob: Person) -> None:
    """Who is signed in goes on; nobody signs in or approves; a gateway that starts meanwhile refuses and recovers."""
    held = Waiting(tunnel)
    parts.provider.stop()
    try:
        assert connecting(tunnel.dsn) == ("", "")
        assert alice.json("whoami")[0]["email"] == "alice@example.com"
        done = parts.stranger().run("--json", "login", "--server", parts.stack.gateway)
        assert "identity provider does not answer" in complaint(done, 6)
        done = bob.run("--json", "requests", "approve", held.request)
        assert "identity provider does not answer" in complaint(done, 6)
        parts.kill()
        held.end()
        parts.start()
        assert "identity provider does not answer" in complaint(alice.run("--json", "whoami"), 6)
        sqlstate, said = connecting(tunnel.dsn)
        assert sqlstate == "08006"
        assert "identity provider does not answer" in said
    finally:
        parts.provider.start()
    assert eventually(lambda: connecting(tunnel.dsn) == ("", ""), 20)


# The sign-in


def test_a_sign_in_that_ends_ends_its_session_INV_10() -> None:
    """While it can be renewed the session goes on past the end of its first token; when it cannot, it ends with it."""
    with (
        running_parts(WRITES_ARE_HELD, lifetimes=Lifetimes(login=timedelta(seconds=6))) as parts,
        parts.person("alice").tunnel() as tunnel,
        psycopg.connect(tunnel.dsn, autocommit=True) as session,
    ):
        wait = threading.Event()
        wait.wait(8)
        assert running(session, "select 'past the first token'") == ("", "")
        parts.provider.stop()
        try:
            assert eventually(lambda: running(session, "select 'at last'") != ("", ""), 15)
            ended = tunnel.process.until("session_ended")
            assert ended["cause"] == "expired"
            assert "sign-in of this session has expired" in sentence(ended["message"])
            assert connecting(tunnel.dsn)[0] == "08006"
        finally:
            parts.provider.start()
        assert "Traceback" not in parts.log.read_text()


def test_a_sign_in_that_is_denied(parts: Parts) -> None:
    person = parts.stranger()
    process = person.start("login", "--server", parts.stack.gateway)
    person.confirm(process.until("verify"), action="deny")
    (line,) = process.rest()
    assert process.stop() == 4
    assert line["code"] == "denied"
    assert "denied" in sentence(line["message"])


def test_a_code_that_nobody_enters() -> None:
    with running_parts(WRITES_ARE_HELD, code_lifetime=timedelta(seconds=2)) as short:
        person = short.stranger()
        process = person.start("login", "--server", short.stack.gateway)
        assert process.line()["event"] == "verify"
        (line,) = process.rest()
        assert process.stop() == 5
        assert line["code"] == "timed_out"
        assert "expired" in sentence(line["message"])
