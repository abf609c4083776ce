"""The shop: the same rows everywhere, no real person in them, and changes of orders that no foreign key stops."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hoopd.dev import sample
from hoopd.dev.binaries import Binaries
from tests.fixtures.postgres import INSTALLATIONS, name_of, running
from tests.fixtures.shop import OWNER_PASSWORD, SERVICE_PASSWORD, Shop

RELATIONS = (
    ("public", "customers"),
    ("public", "orders"),
    ("public", "payments"),
    ("support", "notes"),
    ("public", "customer_overview"),
    ("public", "customer_spending"),
)
# What the rows are is a promise: documents and demonstrations quote them.
SUMS = {
    "customers": (10000, "a88d508afbe0f37ef2e81aaecb95b6e7"),
    "orders": (40000, "f99218fd96acc999e9d60ce037d47e25"),
    "payments": (35985, "4281f83355134b008f83d4eb726ae470"),
    "notes": (14000, "d4b59773ee77aaa2a430d18278a4f9ad"),
    "customer_overview": (10000, "87250e45485afadde8ae499ae8429684"),
    "customer_spending": (10000, "b1b1de8a63c5eb254980854f00a8ee78"),
}


def sums(dsn: str) -> dict[str, tuple[int, str]]:
    """Count and checksum of every relation of the shop."""
    found = {}
    with psycopg.connect(dsn, options="-c timezone=UTC -c datestyle=ISO") as connection:
        for schema, name in RELATIONS:
            query = sql.SQL("SELECT count(*), md5(string_agg(r::text, '|' ORDER BY id)) FROM {} AS r")
            row = connection.execute(query.format(sql.Identifier(schema, name))).fetchone()
            assert row is not None
            found[name] = row
    return found


def test_rows_are_the_same_as_ever(shop: Shop) -> None:
    assert sums(shop.service) == SUMS


@pytest.mark.parametrize("binaries", [b for b in INSTALLATIONS if b.version != 18], ids=name_of)
def test_rows_are_the_same_on_every_version(binaries: Binaries, tmp_path: Path) -> None:
    with running(tmp_path, binaries=binaries) as server:
        sample.create_shop(server, owner_password=OWNER_PASSWORD, service_password=SERVICE_PASSWORD)
        assert sums(server.dsn(sample.DATABASE, sample.SERVICE, SERVICE_PASSWORD)) == SUMS


def test_a_second_fill_changes_nothing(shop: Shop) -> None:
    sample.create_shop(shop.server, owner_password=OWNER_PASSWORD, service_password=SERVICE_PASSWORD)
    assert sums(shop.service) == SUMS


def test_nobody_in_it_is_real(shop: Shop) -> None:
    with psycopg.connect(shop.service) as connection:
        rows = connection.execute("SELECT email, phone, card_number, national_id FROM customers").fetchall()
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\.\d+@example\.com", email) for email, *_ in rows)
    assert all(re.fullmatch(r"\+1 [2-8]\d\d 555 01\d\d", phone) for _, phone, *_ in rows)
    assert all(re.fullmatch(r"400000\d{10}", card) and has_check_digit(card) for *_, card, _ in rows)
    assert all(re.fullmatch(r"9\d\d-[0-4]\d-\d{4}", number) for *_, number in rows)


def has_check_digit(card: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(card))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def test_free_text_and_json_hold_personal_data(shop: Shop) -> None:
    with psycopg.connect(shop.service) as connection:
        texts = connection.execute(
            "SELECT count(*) FROM support.notes n JOIN customers c ON c.id = n.customer_id"
            " WHERE strpos(n.body, c.card_number) > 0 OR strpos(n.body, c.national_id) > 0"
        ).fetchone()
        profiles = connection.execute(
            "SELECT count(*) FROM customers WHERE profile #>> '{identity,national_id}' = national_id"
        ).fetchone()
    assert texts is not None
    assert texts[0] > 5000
    assert profiles == (10000,)


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("DELETE FROM orders WHERE id = 4711", 1),
        ("DELETE FROM orders WHERE id IN (1, 2, 3)", 3),
        ("DELETE FROM orders WHERE status = 'test'", 24),
        ("DELETE FROM orders WHERE status = 'refunded' AND placed_at < '2024-02-01'", 70),
        ("UPDATE orders SET status = 'cancelled' WHERE id BETWEEN 100 AND 109", 10),
        ("UPDATE orders SET total = total - 1 WHERE status = 'test'", 24),
    ],
)
def test_no_foreign_key_stops_a_change_of_orders(shop: Shop, statement: str, rows: int) -> None:
    with psycopg.connect(shop.service) as connection:
        assert connection.execute(statement).rowcount == rows
        connection.rollback()


def test_rows_can_be_added(shop: Shop) -> None:
    with psycopg.connect(shop.service) as connection:
        row = connection.execute(
            "INSERT INTO orders (customer_id, status, total, placed_at) VALUES (1, 'pending', 5, now()) RETURNING id"
        ).fetchone()
        connection.rollback()
    assert row is not None
    assert row[0] > 40000


@pytest.mark.parametrize("database", ["hoop_store", "postgres", "template1"])
@pytest.mark.parametrize("role", ["service", "owner"])
def test_inv_7_the_service_role_does_not_reach_the_store(shop: Shop, database: str, role: str) -> None:
    """INV-7: nor any database but its own, and neither does the shop's owner."""
    dsn = shop.service if role == "service" else shop.owner
    with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{database}"'):
        psycopg.connect(dsn, dbname=database)


def test_inv_7_the_store_role_does_not_reach_the_shop(shop: Shop) -> None:
    """INV-7, the other way round."""
    with psycopg.connect(shop.store) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("hoop_store",)
    with pytest.raises(psycopg.OperationalError, match='permission denied for database "shop"'):
        psycopg.connect(shop.store, dbname="shop")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine (n int)",
        "DROP TABLE orders",
        "TRUNCATE orders CASCADE",
        "ALTER TABLE orders ADD COLUMN mine int",
        "CREATE ROLE mine",
        "SELECT rolpassword FROM pg_authid",
        "COPY orders TO PROGRAM 'cat'",
        "SET ROLE shop_owner",
        "SELECT pg_read_file('PG_VERSION')",
    ],
)
def test_the_service_role_changes_rows_and_nothing_else(shop: Shop, statement: str) -> None:
    with (
        psycopg.connect(shop.service) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)),
    ):
        connection.execute(statement)


def test_passwords_reach_the_log_as_verifiers_only(shop: Shop) -> None:
    with psycopg.connect(shop.server.dsn()) as connection:
        rows = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").fetchall()
    assert len(rows) == 4
    assert all(verifier.startswith("SCRAM-SHA-256$") for (verifier,) in rows)
