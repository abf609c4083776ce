"""The sample policy on the sample database, through the real analysis: what the product is shown with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.mask import MaskKind
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.masking import plan
from hoopd.policy import Circumstances, evaluate, load, mask_decision, masks_in_force, sample_policy_text, strictest
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog

POLICY = load(sample_policy_text(), "sample.yaml", ["prod-db"])
VERSION = PolicyVersion(1)
STATE = SessionState('"$user", public', "", "hoop_service", "I", 180000)
ALICE = Principal(
    "i", "alice", "alice@example.com", frozenset({"engineering"}), frozenset(), datetime(2030, 1, 1, tzinfo=UTC)
)
AROUND = Circumstances(ALICE, Connection("prod-db", "h", 1, "shop", {"env": "production"}), "psql")


@pytest.fixture
def catalog(shop_catalog: Catalog) -> Catalog:
    return shop_catalog


def decide(text: str, catalog: Catalog) -> Decision:
    """As a session does: the rules and the masks, and the strictest of both."""
    batch = analyse(text, STATE, catalog)
    rules = masks_in_force(POLICY, AROUND)
    decisions = list(evaluate(POLICY, VERSION, batch, AROUND))
    for facts in batch:
        masked = plan(facts, rules, catalog)
        decisions.append(mask_decision(POLICY, VERSION, masked.outcome, masked.rules, masked.message, masked.sqlstate))
    return strictest(decisions)


def test_every_mask_of_the_sample_has_a_column(catalog: Catalog) -> None:
    """A mask whose name drifts from the database protects nothing."""
    for rule in masks_in_force(POLICY, AROUND):
        for pattern in rule.columns:
            assert [
                column
                for relation in catalog.relations.values()
                for column in relation.columns or ()
                if pattern.matches(relation.schema, relation.name, column.name)
            ], pattern.text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, full_name, email, card_number FROM customers WHERE id < 4",
        "SELECT * FROM public.customers ORDER BY id LIMIT 5",
        "SELECT status, count(*), sum(total) FROM orders GROUP BY status",
        "SELECT o.id, c.full_name FROM orders o JOIN customers c ON c.id = o.customer_id",
        "SELECT * FROM support.notes LIMIT 1",
        "SELECT amount FROM payments WHERE paid_at > now() - interval '1 day'",
        "SELECT 1",
        "SELECT version()",
        "SELECT relname FROM pg_catalog.pg_class",
        "SELECT table_name FROM information_schema.tables",
        "BEGIN",
        "COMMIT",
        "SHOW search_path",
        "SET search_path TO support, public",
        "SET application_name = 'psql'",
        "EXPLAIN SELECT id FROM orders WHERE total > 10",
        "EXPLAIN DELETE FROM orders WHERE id = 1",
    ],
)
def test_reads_are_free(catalog: Catalog, text: str) -> None:
    found = decide(text, catalog)

    assert (found.outcome, found.message) == (Outcome.allow, None)


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE orders SET status = 'cancelled' WHERE id = 7",
        "UPDATE orders SET total = total * 2 WHERE id IN (1, 2)",
        "DELETE FROM orders WHERE status = 'test'",
        "DELETE FROM public.orders WHERE id = $1",
        "INSERT INTO orders (customer_id, status, total, placed_at) VALUES (1, 'paid', 1, now())",
        "UPDATE customers SET email = 'new@example.com' WHERE id = 1",
        "WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1",
        "SELECT id FROM orders WHERE id = 1 FOR UPDATE",
        "BEGIN; DELETE FROM orders WHERE id = 1; COMMIT",
    ],
)
def test_a_change_of_a_few_rows_is_held_for_one_dba_with_no_reason(catalog: Catalog, text: str) -> None:
    found = decide(text, catalog)

    assert (found.outcome, found.message) == (Outcome.review, None)
    assert found.review is not None
    assert [(seats.groups, seats.needed) for seats in found.review.seats] == [({"dba"}, 1)]
    assert not found.review.reason_required


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM orders",
        "UPDATE orders SET status = 'paid' WHERE true",
        "UPDATE orders SET status = 'paid' WHERE 1 = 1",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
        "EXPLAIN ANALYZE UPDATE orders SET status = 'paid'",
    ],
)
def test_a_mass_change_needs_security_too(catalog: Catalog, text: str) -> None:
    found = decide(text, catalog)

    assert found.outcome is Outcome.review
    assert found.review is not None
    assert {group for seats in found.review.seats for group in seats.groups} == {"dba", "security"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DROP TABLE orders", "use a migration"),
        ("TRUNCATE orders", "use a migration"),
        ("SELECT 1; DROP TABLE orders", "use a migration"),
        ("BEGIN READ ONLY; SELECT 1; COMMIT; DROP TABLE orders", "use a migration"),
        ("ALTER TABLE orders ADD COLUMN x int", "no rule allows ddl public.orders"),
        ("CREATE TABLE x (id int)", "no rule allows ddl public.x"),
        ("GRANT SELECT ON orders TO PUBLIC", "no rule allows privilege public.orders"),
        ("SELECT upper(email) FROM customers", "public.customers.email"),
        ("SELECT c FROM customers c", "customers"),
        ("SELECT * FROM customer_overview", "public.customer_overview is a view"),
        ("SELECT * FROM customer_spending", "public.customer_spending is a materialized view"),
        ("SELECT * FROM payments_2024", "public.payments_2024 is a partition"),
        ("SELECT * FROM pg_stats", "pg_stats"),
        ("SELECT rolpassword FROM pg_authid", "pg_authid"),
        ("SET ROLE shop_owner", "role"),
        ("DO $$ BEGIN END $$", "DO"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
        ("selec 1", "syntax error"),
    ],
)
def test_the_rest_is_denied_with_a_sentence(catalog: Catalog, text: str, words: str) -> None:
    found = decide(text, catalog)

    assert found.outcome is Outcome.deny
    assert found.message is not None
    assert words in found.message


def test_a_masked_column_in_a_predicate_is_held(catalog: Catalog) -> None:
    found = decide("SELECT id FROM customers WHERE email = 'adra.1@example.com'", catalog)

    assert found.outcome is Outcome.review
    assert found.rules == ("mask: public.customers.email",)


def test_columns_of_a_star_are_masked(catalog: Catalog) -> None:
    (facts,) = analyse("SELECT * FROM customers", STATE, catalog)
    masks = plan(facts, masks_in_force(POLICY, AROUND), catalog).for_rows(9)

    assert masks is not None
    assert [mask and mask.kind for mask in masks] == [
        None, None, MaskKind.email, MaskKind.last, MaskKind.last, MaskKind.full, MaskKind.null, MaskKind.null, None
    ]  # fmt: skip
