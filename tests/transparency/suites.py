"""Which suites there are: all of them for `scripts/transparency`, and those of `scripts/test`, which are shorter."""

from __future__ import annotations

from collections.abc import Sequence

from tests.transparency import psql
from tests.transparency.clients import (
    asyncpg_modes,
    migrations,
    programs,
    psycopg_features,
    psycopg_modes,
    sqlalchemy_client,
)
from tests.transparency.comparison import Suite

SHORT_MODES = ("async-binary-prepared", "prepared-transaction", "pipeline")
SHORT_WAYS = ("prepared",)


def every() -> Sequence[Suite]:
    """All clients, in all modes."""
    return (
        psql.suite(),
        psycopg_modes.suite(),
        psycopg_features.suite(),
        asyncpg_modes.suite(),
        programs.pg_dump(),
        programs.pgbench(),
        sqlalchemy_client.suite(),
        migrations.alembic(),
        migrations.django(),
    )


def short() -> Sequence[Suite]:
    """All clients whose packages are here, in some of their modes."""
    modes = [mode for mode in psycopg_modes.MODES if mode.name in SHORT_MODES]
    return (
        psql.suite(),
        psycopg_modes.suite(modes, (4,)),
        psycopg_features.suite(),
        asyncpg_modes.suite(SHORT_WAYS),
        programs.pg_dump(),
        programs.pgbench(5),
        sqlalchemy_client.suite(),
        migrations.django({"inspectdb": migrations.DJANGO["inspectdb"]}),
    )
