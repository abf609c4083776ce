"""``hoopd dev`` with the real gateway, in processes of their own: ready, used, ended, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from tests.fixtures._processes import alive, command_lines, ends, eventually
from tests.fixtures.postgres import INSTALLATIONS, PASSWORD, TlsServer

LIMIT = 5.0
CONTRACT = {
    "event": str,
    "gateway": str,
    "ca": str,
    "issuer": str,
    "verification_uri": str,
    "database": str,
    "store": str,
    "dir": str,
    "pid": int,
}


class DevStack:
    """A running ``hoopd dev --json``."""

    def __init__(self, *arguments: str, temporary: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hoopd", "dev", "--json", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, "TMPDIR": str(temporary)},
        )
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        self.ready = self.event()

    def event(self) -> dict[str, Any]:
        line = self.lines.readline()
        assert line, f"hoopd dev ended with {self.process.wait()}"
        event: dict[str, Any] = json.loads(line)
        return event

    @property
    def server_pid(self) -> int:
        lock = Path(self.ready["dir"]) / "postgres" / "data" / "postmaster.pid"
        return int(lock.read_text().splitlines()[0])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.lines.read()
        return self.process.wait()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files of this test alone, which every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def dev(temporary: Path, *arguments: str, **environment: str) -> Iterator[DevStack]:
    stack = DevStack(*arguments, temporary=temporary, environment=environment)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.end(signal.SIGTERM)
        stack.lines.close()


def test_the_ready_line_and_an_end_that_leaves_nothing(temporary: Path) -> None:
    with dev(temporary) as stack:
        ready = stack.ready
        assert {key: type(ready.get(key)) for key in CONTRACT} == CONTRACT
        assert ready["pid"] == stack.process.pid
        host, _, port = ready["gateway"].rpartition(":")
        context = ssl.create_default_context(cafile=ready["ca"])
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, int(port)), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname=host) as gateway,
        ):
            assert gateway.selected_alpn_protocol() == "h2"
        found = httpx.get(f"{ready['issuer']}/.well-known/openid-configuration", trust_env=False).json()
        assert found["issuer"] == ready["issuer"]
        with psycopg.connect(ready["database"]) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (40000,)
        secrets = [path.read_text() for path in (Path(ready["dir"]) / "secrets").iterdir() if path.suffix != ".key"]
        assert len(secrets) == 4
        # INV-7
        assert not any(secret in command_lines() for secret in secrets)
        pids = [ready["gateway_pid"], stack.server_pid]
        assert stack.end(signal.SIGINT) == 0
        assert not any(alive(pid) for pid in pids)
    assert not list(temporary.iterdir())


def test_a_kill_ends_all_and_the_next_start_has_lost_nothing(temporary: Path, tmp_path: Path) -> None:
    with dev(temporary, "--dir", str(tmp_path / "kept")) as stack:
        first, server = stack.ready, stack.server_pid
        with psycopg.connect(first["database"]) as connection:
            connection.execute("DELETE FROM orders WHERE status = 'test'")
        stack.process.kill()
        assert ends(first["gateway_pid"], LIMIT)
        assert ends(server, LIMIT)
        assert eventually(lambda: not list(temporary.iterdir()), LIMIT)
    with dev(temporary, "--dir", str(tmp_path / "kept")) as stack:
        changing = ("pid", "gateway_pid")
        assert {k: v for k, v in stack.ready.items() if k not in changing} == {
            k: v for k, v in first.items() if k not in changing
        }
        with psycopg.connect(stack.ready["database"]) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (39976,)


def test_a_killed_gateway_comes_back_at_its_address(temporary: Path) -> None:
    with dev(temporary) as stack:
        os.kill(stack.ready["gateway_pid"], signal.SIGKILL)
        again = stack.event()
        assert (again["event"], again["gateway"]) == ("restarted", stack.ready["gateway"])
        assert alive(again["gateway_pid"])


def test_a_database_of_ones_own(temporary: Path, tmp_path: Path, tls_postgres_server: TlsServer) -> None:
    server, ca = tls_postgres_server
    (tmp_path / "dsn").write_text(f"{server.dsn()}?sslmode=verify-full&sslrootcert={ca}\n")
    with dev(temporary, "--target", f"mine=@{tmp_path / 'dsn'}") as stack:
        text = Path(stack.ready["settings"]).read_text()
        assert [connection["name"] for connection in yaml.safe_load(text)["connections"]] == ["prod-db", "mine"]
        assert PASSWORD not in text


SYSTEM = [binaries for binaries in INSTALLATIONS if not binaries.relocatable]


@pytest.mark.skipif(not SYSTEM, reason="no PostgreSQL of the system's own is here")
def test_a_system_postgresql_serves_as_well(temporary: Path) -> None:
    with (
        dev(temporary, HOOPD_POSTGRES_BIN=str(SYSTEM[0].directory)) as stack,
        psycopg.connect(stack.ready["database"]) as connection,
    ):
        assert connection.info.server_version // 10000 == SYSTEM[0].version
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (40000,)
