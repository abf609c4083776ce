"""The two ways to the same data: directly to a database, and through a real tunnel and gateway to its twin.

Both servers are made by the same programs in the same order, so that even their OIDs are the same, and both ways sign
in as the same role. Writes on one side never meet those of the other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from hoopd.dev.binaries import Binaries
from tests.fixtures.parts import DATABASE, PASSWORD, SERVICE, Parts, prepare_target, running_parts, server_in

DIRECT, TUNNEL = "direct", "tunnel"
SCHEMA = Path(__file__).with_name("schema.sql")
# Allows all and masks nothing.
ALLOW_ALL = """
version: 1
default: allow
rules: []
"""
# Statistics gathered in the background would change plans on one side at another moment than on the other.
QUIET = {"autovacuum": "off", "jit": "off", "max_prepared_transactions": "5"}


@dataclass(frozen=True)
class Side:
    """One way to the data: what a client is told to connect to, and the ``bin`` directory of its programs."""

    name: str
    host: str
    port: int
    user: str
    password: str
    programs: Path
    owner_dsn: str
    """To the same database, always directly: to look at, or to set right, what a case left behind."""

    database: str = DATABASE

    @property
    def dsn(self) -> str:
        password = quote(self.password, safe="")
        return f"postgresql://{self.user}:{password}@{self.host}:{self.port}/{self.database}?sslmode=disable"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a client program: the variables of libpq, and nothing of this machine's that it reads."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "disable",
            "PGCONNECT_TIMEOUT": "20",
        }


@dataclass(frozen=True)
class Sides:
    direct: Side
    tunnel: Side
    parts: Parts

    def __iter__(self) -> Iterator[Side]:
        return iter((self.direct, self.tunnel))

    def empty(self) -> None:
        """Take away the rows that the client before may have left."""
        for side in self:
            with psycopg.connect(side.owner_dsn, autocommit=True) as connection:
                connection.execute("DELETE FROM scratch")


@contextlib.contextmanager
def both_sides() -> Iterator[Sides]:
    """Everything, running: two servers with the same in them, and a gateway with a tunnel before the second."""
    programs = Binaries.find().directory
    with running_parts(ALLOW_ALL, log=QUIET) as parts, server_in(parts.home / "direct", QUIET) as twin:
        prepare_target(twin)
        for server in (twin, parts.target):
            _fill(server.dsn(DATABASE), server.dsn(DATABASE, SERVICE, PASSWORD))
        with parts.person("alice").tunnel() as tunnel:
            ready = tunnel.ready
            yield Sides(
                Side(DIRECT, twin.host, twin.port, SERVICE, PASSWORD, programs, twin.dsn(DATABASE, SERVICE, PASSWORD)),
                Side(
                    TUNNEL,
                    str(ready["host"]),
                    int(ready["port"]),
                    SERVICE,
                    str(ready["password"]),
                    programs,
                    parts.target.dsn(DATABASE, SERVICE, PASSWORD),
                ),
                parts,
            )


def _fill(superuser: str, owner: str) -> None:
    with psycopg.connect(superuser, autocommit=True) as connection:
        service, database = sql.Identifier(SERVICE), sql.Identifier(DATABASE)
        connection.execute("DROP TABLE orders")
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, service))
        connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(service))
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(SCHEMA.read_bytes())
