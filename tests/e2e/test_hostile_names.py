"""A client that plays with names of statements and portals, against the real gateway and a real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.pq import DiagnosticField, ExecStatus

from tests.fixtures.stack import Tunnel

pytestmark = pytest.mark.xdist_group("stack")

COMMON = b"n" * 63


def test_two_names_that_are_one_to_the_server_run_nothing_that_was_not_judged(tunnel: Tunnel) -> None:
    """INV-1: PostgreSQL tells names apart by 63 bytes.

    The gateway would judge the first of these as the SELECT that was prepared, and the server would run the UPDATE.
    """
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        wire = connection.pgconn
        first = wire.prepare(COMMON + b"x", b"select id from public.orders where id = 1")
        assert first.status == ExecStatus.FATAL_ERROR
        assert first.error_field(DiagnosticField.SQLSTATE) == b"42622"
        wire.prepare(COMMON + b"y", b"update public.orders set currency = 'XXX' where id = 1")
        assert wire.exec_prepared(COMMON + b"x", []).status == ExecStatus.FATAL_ERROR
        row = connection.execute("select currency from public.orders where id = 1").fetchone()
        assert row == ("EUR",)
