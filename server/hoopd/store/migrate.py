"""The schema of the store: numbered files of SQL, each applied once, in order, in one transaction of its own.

Several gateways may start at once: an advisory lock lets one of them work. A file that was applied is never changed
(its checksum is kept), and a schema that is newer than this program is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from hoopd.domain.errors import Unavailable
from hoopd.store.errors import translated
from hoopd.store.pool import conninfo

_LOCK = 0x686F6F70  # "hoop"

_BOOTSTRAP = """
CREATE SCHEMA IF NOT EXISTS hoop;
CREATE TABLE IF NOT EXISTS hoop.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``0001_record.sql`` has the number 1 and the name ``0001_record``."""

    number: int
    name: str
    sql: bytes

    @property
    def checksum(self) -> bytes:
        return hashlib.sha256(self.sql).digest()


def shipped() -> tuple[Migration, ...]:
    """The migrations that this program carries, in order."""
    folder = resources.files("hoopd.store") / "migrations"
    found = [
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_bytes())
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return tuple(sorted(found, key=lambda migration: migration.number))


async def migrate(dsn: str, migrations: tuple[Migration, ...] | None = None) -> tuple[str, ...]:
    """Bring the store's schema up to date; returns the names of the migrations that were applied now.

    Raises ``Unavailable`` when the store does not answer, when its schema is newer than this program, or when a
    migration that it has is not the one that this program knows under that number.
    """
    wanted = shipped() if migrations is None else migrations
    target = conninfo(dsn, options="-c lock_timeout=0 -c statement_timeout=0")
    with translated():
        async with await AsyncConnection.connect(target, autocommit=True) as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            try:
                await connection.execute(_BOOTSTRAP)
                return await _apply(connection, wanted)
            finally:
                if not connection.closed:
                    await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def pending(connection: AsyncConnection[TupleRow], migrations: tuple[Migration, ...] | None = None) -> list[str]:
    """The names of migrations not yet applied. Raises ``Unavailable`` as ``migrate`` does."""
    wanted = shipped() if migrations is None else migrations
    cursor = await connection.execute("SELECT to_regclass('hoop.migrations') IS NOT NULL")
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return [migration.name for migration in wanted]
    return [migration.name for migration in await _missing(connection, wanted)]


async def _apply(connection: AsyncConnection[TupleRow], wanted: tuple[Migration, ...]) -> tuple[str, ...]:
    missing = await _missing(connection, wanted)
    for migration in missing:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO hoop.migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
    return tuple(migration.name for migration in missing)


async def _missing(connection: AsyncConnection[TupleRow], wanted: tuple[Migration, ...]) -> list[Migration]:
    cursor = await connection.execute("SELECT number, name, checksum FROM hoop.migrations ORDER BY number")
    applied = {number: (name, bytes(checksum)) for number, name, checksum in await cursor.fetchall()}
    known = {migration.number: migration for migration in wanted}
    for number, (name, checksum) in applied.items():
        migration = known.get(number)
        if migration is None:
            raise Unavailable(
                f"The store's schema has the migration {name}, which this hoopd does not know.",
                hint="A newer hoopd made it: update this one.",
            )
        if migration.checksum != checksum:
            raise Unavailable(
                f"The store's migration {name} is not the one that this hoopd carries.",
                hint="Was the store made by a development version? Give store.dsn an empty database.",
            )
    return [migration for migration in wanted if migration.number not in applied]
