"""The launcher against real servers of every version at hand."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from hoopd.dev.postgres import PostgresServer
from tests.fixtures.postgres import INSTALLATIONS, TlsServer, name_of


@pytest.mark.parametrize("binaries", INSTALLATIONS, ids=name_of)
def test_a_server_is_utf8_with_a_named_locale(
    binaries: Binaries, postgres_of: Callable[[Binaries], PostgresServer]
) -> None:
    with psycopg.connect(postgres_of(binaries).dsn()) as connection:
        row = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = 'postgres'"
        ).fetchone()
    assert row == ("UTF8", "C", "C")


def test_database_is_fresh(database: str) -> None:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone()
    assert row == (0,)


def test_tls_is_verified_in_full(tls_postgres_server: TlsServer) -> None:
    dsn = tls_postgres_server.server.dsn()
    with psycopg.connect(dsn, sslmode="verify-full", sslrootcert=str(tls_postgres_server.ca)) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
