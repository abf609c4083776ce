"""docs/transparency.md says what a client sees: each answer that it quotes is the one that comes, with its SQLSTATE."""

from __future__ import annotations

import os
import socket
import struct

import psycopg
import pytest

from tests.fixtures.stack import Tunnel
from tests.repository import ROOT

pytestmark = pytest.mark.xdist_group("stack")

PAGE = (ROOT / "docs/transparency.md").read_text(encoding="utf-8")

STATEMENTS = [
    (
        "copy customers to stdout",
        "42501",
        "COPY of public.customers, which has masked columns, cannot be masked yet: use SELECT",
    ),
    (
        "copy customers from stdin",
        "42501",
        (
            "public.customers has masked columns, and whether what COPY brings are masked values cannot be seen "
            "before it is written: use INSERT"
        ),
    ),
    (
        "prepare hoopd_p as select 1",
        "42602",
        'names that begin with "hoopd_" are the gateway\'s own: choose another',
    ),
    (
        "prepare p (text) as select $1; execute p(set_config('search_path', 'x', false))",
        "42501",
        "an argument of EXECUTE changes a setting, and so what the prepared statement means",
    ),
    (
        "set client_encoding = latin1",
        "42501",
        "the gateway keeps client_encoding at UTF8, since it decides how statements are read",
    ),
    (
        "SET search_path = support; SELECT body FROM notes",
        "0A000",
        "SET can change what the statements after it mean: send them apart, each in its own query",
    ),
    (
        "select * from customer_overview",
        "42501",
        (
            "public.customer_overview is a view, through which masked columns cannot be followed yet: "
            "name the tables themselves"
        ),
    ),
    ("do $$begin end$$", "42501", "a DO block cannot be seen through, so it cannot run while columns are masked"),
    (
        "update customers set card_number = '****1606' where id = 1",
        "42501",
        "a value to be written looks like a masked one, and would replace the real value by its mask",
    ),
]
UNQUOTED = [
    ("nonsense", "42601", 'syntax error at or near "nonsense"'),
    ("select upper(email) from customers", "42501", "public.customers.email is masked"),
    ("select count(email) from customers", "42501", "public.customers.email is masked"),
    ("select c from customers c", "42501", "is masked"),
    ("select birth_date::text from customers", "42501", "public.customers.birth_date is masked"),
    ("select * from customer_spending", "42501", "is a materialized view"),
    ("select * from payments_2024", "42501", "is a partition that is named directly"),
    ("select pg_sleep(0)", "42501", "pg_sleep"),
    ("select * from pg_stats", "42501", "pg_stats"),
]


@pytest.mark.parametrize(("sql", "sqlstate", "answer"), [*STATEMENTS, *UNQUOTED])
def test_a_statement_is_refused_with_these_words(tunnel: Tunnel, sql: str, sqlstate: str, answer: str) -> None:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql.encode())
        assert (caught.value.sqlstate, answer in str(caught.value)) == (sqlstate, True)
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("answer", [answer for _, _, answer in STATEMENTS])
def test_the_page_quotes_the_words(answer: str) -> None:
    assert f"`{answer}`" in PAGE


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"dbname": "other"}, 'this tunnel is for the database "shop", not "other"'),
        ({"client_encoding": "latin1"}, "client_encoding latin1 is refused: the gateway reads UTF8 only"),
        ({"replication": "database"}, "replication is refused by the gateway"),
        (
            {"options": "-crole=x"},
            'start-up option "role" is refused by the gateway: use SET after connecting',
        ),
    ],
)
def test_a_start_up_is_refused_with_these_words(tunnel: Tunnel, options: dict[str, str], answer: str) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(tunnel.dsn, **options)  # type: ignore[arg-type]
    assert answer in str(caught.value)
    assert f"`{answer}`" in PAGE


def test_there_is_no_tls_on_the_local_leg(tunnel: Tunnel) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        psycopg.connect(tunnel.dsn, sslmode="require")


def test_time_limits_pass_and_the_user_is_the_service_role(tunnel: Tunnel) -> None:
    with psycopg.connect(tunnel.dsn, user="anybody", options="-c statement_timeout=45s") as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("45s",)
        assert connection.execute("select current_user::text").fetchone() == ("hoop_service",)


def test_the_function_call_message_is_refused(tunnel: Tunnel) -> None:
    """PostgreSQL documentation 54.7, FunctionCall: an OID, no argument formats, no arguments, a text result."""
    body = struct.pack("!ihhh", 1598, 0, 0, 0)
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        duplicate = os.dup(connection.fileno())
        with socket.socket(fileno=duplicate) as raw:
            raw.setblocking(True)
            raw.sendall(b"F" + struct.pack("!i", len(body) + 4) + body)
            answer = b""
            while not answer.endswith(b"Z\0\0\0\x05I"):
                chunk = raw.recv(4096)
                assert chunk
                answer += chunk
    text = b"the function call protocol is refused by the gateway"
    assert b"C0A000\0" in answer
    assert text in answer
    assert f"`{text.decode()}`" in PAGE
