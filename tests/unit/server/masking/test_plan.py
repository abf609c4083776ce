"""What becomes of statements under masks: from SQL through the analysis to the plan (THREATS 12 to 17, INV-4)."""

from __future__ import annotations

import dataclasses

import psycopg
import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.mask import ColumnMask, MaskKind, MaskRule
from hoopd.domain.patterns import NamePattern
from hoopd.domain.statement import SessionState
from hoopd.masking import MaskPlan, plan
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import CATALOG_QUERIES, Catalog
from hoopd.sql.facts import (
    ColumnName,
    Derivation,
    Effect,
    Facts,
    FunctionUse,
    ObjectAccess,
    ObjectKind,
    OutputColumn,
)

SCHEMA = """
CREATE SCHEMA support;
CREATE TABLE public.customers (id bigint PRIMARY KEY, full_name text, email text UNIQUE, card_number text, phone text,
    profile jsonb);
CREATE TABLE public.orders (id bigint PRIMARY KEY, customer_id bigint, total numeric, card text);
CREATE TABLE support.notes (id bigint, customer_id bigint, body text);
CREATE VIEW public.overview AS SELECT id, email FROM public.customers;
CREATE VIEW public.totals AS SELECT id, total FROM public.orders;
CREATE MATERIALIZED VIEW public.spending AS SELECT id, email FROM public.customers;
CREATE TABLE public.payments (id bigint, paid_at date, card text) PARTITION BY RANGE (paid_at);
CREATE TABLE public.payments_2024 PARTITION OF public.payments FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE public.people (id bigint, name text);
CREATE TABLE public.staff (salary numeric) INHERITS (public.people);
CREATE FUNCTION public.f(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
"""
STATE = SessionState("public", "", "u", "I", 180000)
LAST4, FULL, NULL = ColumnMask(MaskKind.last, keep=4), ColumnMask(MaskKind.full), ColumnMask(MaskKind.null)
EMAIL = ColumnMask(MaskKind.email)


def rule(mask: ColumnMask, *columns: str, predicates: Outcome = Outcome.review) -> MaskRule:
    return MaskRule(f"mask: {columns[0]}", tuple(map(NamePattern.parse, columns)), mask, predicates)


RULES = (
    rule(LAST4, "public.customers.card_number"),
    rule(EMAIL, "public.customers.email"),
    rule(NULL, "*.*.profile"),
    rule(FULL, "support.notes.body", predicates=Outcome.deny),
    rule(FULL, "public.customers.phone", predicates=Outcome.allow),
    rule(FULL, "public.payments.card"),
)


@pytest.fixture(scope="module")
def catalog(postgres_server: object) -> Catalog:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute("CREATE DATABASE mask_plans")
    try:
        with psycopg.connect(postgres_server.dsn("mask_plans")) as connection:  # type: ignore[attr-defined]
            connection.execute(SCHEMA)
            return Catalog.build(
                {name: connection.execute(query).fetchall() for name, query in CATALOG_QUERIES.items()}
            )
    finally:
        with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:  # type: ignore[attr-defined]
            connection.execute("DROP DATABASE mask_plans WITH (FORCE)")


def planned(text: str, catalog: Catalog, rules: tuple[MaskRule, ...] = RULES) -> MaskPlan:
    (facts,) = analyse(text, STATE, catalog)
    assert facts.error is None
    return plan(facts, rules, catalog)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT id, card_number FROM customers", (None, LAST4)),
        ("SELECT * FROM customers", (None, None, EMAIL, LAST4, FULL, NULL)),
        ("SELECT c.* FROM public.customers AS c", (None, None, EMAIL, LAST4, FULL, NULL)),
        ("SELECT card_number AS id FROM customers", (LAST4,)),
        ("SELECT x.y FROM (SELECT email AS y FROM customers) AS x", (EMAIL,)),
        ("WITH x AS (SELECT email FROM customers) SELECT email FROM x", (EMAIL,)),
        ("SELECT email FROM customers UNION ALL SELECT phone FROM customers", (FULL,)),
        ("SELECT o.id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id", (None, EMAIL)),
        ("UPDATE customers SET full_name = 'x' WHERE id = 1 RETURNING email", (EMAIL,)),
        ("INSERT INTO customers (id) VALUES (1) RETURNING *", (None, None, EMAIL, LAST4, FULL, NULL)),
        ("SELECT full_name FROM customers WHERE phone = '1'", (None,)),
        ("TABLE customers", (None, None, EMAIL, LAST4, FULL, NULL)),
        ("SELECT card FROM payments", (FULL,)),
        ("SELECT count(*) FROM customers", (None,)),
    ],
)
def test_columns_that_come_out_as_they_are_get_their_masks(
    catalog: Catalog, text: str, columns: tuple[ColumnMask | None, ...]
) -> None:
    found = planned(text, catalog)

    assert (found.outcome, found.message) == (Outcome.allow, None)
    assert found.columns == columns
    assert found.for_rows(len(columns)) == columns
    assert found.for_rows(len(columns) + 1) is None
    assert (found.in_force, found.withhold_errors, found.unmasked) == (True, True, False)


def test_masked_columns_are_named(catalog: Catalog) -> None:
    assert planned("SELECT email, email, id FROM customers", catalog).masked == (
        ColumnName("public", "customers", "email"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT upper(email) FROM customers",
        "SELECT email || '' FROM customers",
        "SELECT substr(card_number, 1, 1), substr(card_number, 2, 1) FROM customers",
        "SELECT reverse(card_number) FROM customers",
        "SELECT card_number::bigint FROM customers",
        "SELECT CASE WHEN id > 0 THEN email END FROM customers",
        "SELECT coalesce(email, '') FROM customers",
        "SELECT max(card_number) FROM customers",
        "SELECT array_agg(email) FROM customers",
        "SELECT ARRAY[email] FROM customers",
        "SELECT json_build_object('e', email) FROM customers",
        "SELECT c FROM customers c",
        "SELECT row_to_json(c) FROM customers c",
        "SELECT to_jsonb(c) - 'x' FROM customers c",
        "SELECT (c).email::text || '' FROM customers c",
        "SELECT profile ->> 'a' FROM customers",
        "SELECT length(email) FROM customers",
        "SELECT lag(email) OVER () FROM customers",
        "SELECT (SELECT email || 'x' FROM customers LIMIT 1)",
        "SELECT x FROM (SELECT lower(email) AS x FROM customers) AS s",
        "WITH x AS (SELECT lower(email) AS e FROM customers) SELECT e FROM x",
        "SELECT l.x FROM customers c, LATERAL (SELECT c.email || 'a') AS l(x)",
        "INSERT INTO orders (card) SELECT card_number FROM customers",
        "UPDATE orders SET card = c.card_number FROM customers c WHERE c.id = customer_id",
        "UPDATE customers SET full_name = email",
        "CREATE TABLE copy AS SELECT email FROM customers",
        "SELECT email INTO copy FROM customers",
        "CREATE VIEW v AS SELECT email FROM customers",
        "INSERT INTO orders (id, card) VALUES (1, (SELECT card_number FROM customers LIMIT 1))",
        "UPDATE customers SET full_name = 'x' RETURNING lower(email)",
        "SELECT format('%s', email) FROM customers",
        "SELECT string_agg(email, ',') FROM customers",
        "SELECT email IS NULL FROM customers",
    ],
)
def test_what_is_made_of_a_masked_column_is_denied(catalog: Catalog, text: str) -> None:
    """THREATS 12 and 13: by no road does a value come out, or into another table."""
    found = planned(text, catalog)

    assert found.outcome is Outcome.deny
    assert found.for_rows(1) is None
    assert found.message is not None
    assert "customers" in found.message


def test_the_sentence_names_column_and_why(catalog: Catalog) -> None:
    found = planned("SELECT upper(email) FROM customers", catalog)

    assert found.message is not None
    assert found.message.startswith(("public.customers.email is masked, and here it flows", "the output column upper"))
    assert "select the column by itself" in found.message
    assert found.rules == ("mask: public.customers.email",)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM customers WHERE email = 'a@b'",
        "SELECT id FROM customers WHERE email LIKE 'a%'",
        "SELECT id FROM customers ORDER BY card_number",
        "SELECT count(*) FROM customers GROUP BY email",
        "SELECT DISTINCT email FROM customers",
        "SELECT o.id FROM orders o JOIN customers c ON c.card_number = o.card",
        "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM customers WHERE email = 'a')",
        "DELETE FROM customers WHERE email = 'a@b'",
        "UPDATE customers SET full_name = 'x' WHERE card_number = '4'",
        "SELECT id FROM customers WHERE 1 / (length(card_number) - 16) > 0",
        "EXPLAIN SELECT id FROM customers WHERE email = 'a@b'",
        "EXPLAIN ANALYZE SELECT id FROM customers WHERE email = 'a@b'",
    ],
)
def test_a_masked_column_in_a_predicate_needs_a_review(catalog: Catalog, text: str) -> None:
    """THREATS 14."""
    found = planned(text, catalog)

    assert found.outcome is Outcome.review
    assert found.rules
    assert found.message is not None
    assert "masked and would decide which rows come" in found.message


def test_a_predicate_may_be_denied_or_allowed(catalog: Catalog) -> None:
    denied = planned("SELECT id FROM support.notes WHERE body LIKE '%x%'", catalog)
    allowed = planned("SELECT id FROM customers WHERE phone = '1'", catalog)

    assert (denied.outcome, denied.rules) == (Outcome.deny, ("mask: support.notes.body",))
    assert denied.message is not None
    assert denied.message.startswith("support.notes.body is masked, and which rows come")
    assert allowed.outcome is Outcome.allow


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT id FROM overview", "public.overview is a view"),
        ("SELECT id FROM totals", "public.totals is a view"),
        ("SELECT id FROM spending", "public.spending is a materialized view"),
        ("SELECT id FROM payments_2024", "public.payments_2024 is a partition"),
        ("SELECT f('x')", "what public.f does"),
        ("SELECT id FROM customers WHERE f(full_name) = ''", "what public.f does"),
        ("SELECT * FROM pg_stats", "pg_catalog.pg_stats can hold values"),
        ("SELECT stavalues1 FROM pg_statistic", "pg_catalog.pg_statistic can hold values"),
        ("SELECT query FROM pg_stat_activity", "pg_catalog.pg_stat_activity can hold values"),
        ("SELECT data FROM pg_largeobject", "pg_catalog.pg_largeobject can hold values"),
        ("SELECT * FROM pg_prepared_statements", "pg_catalog.pg_prepared_statements can hold values"),
        ("SELECT * FROM nowhere", 'relation "nowhere" is not in the catalog'),
        ("DO $$ BEGIN RAISE NOTICE 'x'; END $$", "DO"),
        ("COPY customers TO STDOUT", "customers"),
        ("SELECT query_to_xml('select email from customers', true, true, '')", "query_to_xml"),
        ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
    ],
)
def test_roads_around_the_analysis_are_closed(catalog: Catalog, text: str, words: str) -> None:
    """THREATS 12 and 16."""
    found = planned(text, catalog)

    assert found.outcome is Outcome.deny
    assert found.message is not None
    assert words in found.message


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, total, upper(card) FROM orders",
        "SELECT name FROM people",
        "SELECT relname FROM pg_class",
        "SELECT column_name FROM information_schema.columns",
        "SELECT 1",
        "SHOW search_path",
        "BEGIN",
        "SET application_name = 'x'",
        "UPDATE orders SET total = 1",
    ],
)
def test_what_meets_no_masked_column_is_free(catalog: Catalog, text: str) -> None:
    found = planned(text, catalog)

    assert (found.outcome, found.message) == (Outcome.allow, None)
    assert (found.in_force, found.withhold_errors) == (True, False)
    assert found.for_rows(3) == (None, None, None)


def test_a_plan_of_the_server_is_its_own_words(catalog: Catalog) -> None:
    assert planned("EXPLAIN SELECT id FROM customers", catalog).for_rows(1) == (None,)


@pytest.mark.parametrize("text", ["CREATE TABLE fresh (id int)", "CREATE TABLE fresh AS SELECT id FROM orders"])
def test_new_tables_may_be_made_of_what_is_not_masked(catalog: Catalog, text: str) -> None:
    found = planned(text, catalog)

    assert (found.outcome, found.columns) == (Outcome.allow, ())


class TestWrites:
    def test_values_may_be_written_into_masked_columns(self, catalog: Catalog) -> None:
        for text in (
            "UPDATE customers SET email = 'new@x.y' WHERE id = 1",
            "UPDATE customers SET email = $1 WHERE id = $2",
        ):
            found = planned(text, catalog)
            assert (found.outcome, found.writes_masked) == (Outcome.allow, True)

    @pytest.mark.parametrize("value", ["****1111", "4000****", "a****@example.com", "****", f"hash:{'0' * 32}"])
    def test_a_masked_value_is_not_written_back(self, catalog: Catalog, value: str) -> None:
        """THREATS 19."""
        found = planned(f"UPDATE customers SET card_number = '{value}' WHERE id = 1", catalog)

        assert found.outcome is Outcome.deny
        assert found.message is not None
        assert "looks like a masked one" in found.message
        assert planned(f"UPDATE orders SET card = '{value}' WHERE id = 1", catalog).outcome is Outcome.allow


class TestInheritance:
    """A read of a parent gives the rows of its children: a mask on either holds for both."""

    def test_from_the_parent_down(self, catalog: Catalog) -> None:
        rules = (rule(FULL, "public.people.name"),)

        assert planned("SELECT name FROM staff", catalog, rules).columns == (FULL,)
        assert planned("SELECT name FROM people", catalog, rules).columns == (FULL,)

    def test_from_the_child_up(self, catalog: Catalog) -> None:
        rules = (rule(FULL, "public.staff.name"),)

        assert planned("SELECT name FROM people", catalog, rules).columns == (FULL,)

    def test_from_a_partition_up(self, catalog: Catalog) -> None:
        rules = (rule(FULL, "public.payments_2024.card"),)

        assert planned("SELECT card FROM payments", catalog, rules).columns == (FULL,)


class TestInForce:
    def test_without_rules_nothing_is_masked_or_denied(self, catalog: Catalog) -> None:
        for text in ("SELECT id, email FROM overview", "SELECT upper(email), 1 FROM customers"):
            found = planned(text, catalog, ())
            assert found == MaskPlan(Outcome.allow, columns=(None, None), unmasked=True)

    def test_a_mask_that_no_column_has_is_not_in_force(self, catalog: Catalog) -> None:
        found = planned("SELECT id FROM overview", catalog, (rule(FULL, "public.nowhere.x"),))

        assert (found.outcome, found.in_force) == (Outcome.allow, False)

    def test_where_the_catalog_is_not_known_every_mask_is(self) -> None:
        """INV-2: with PostgreSQL's own names alone, nothing is known not to be masked."""
        builtin = Catalog.builtin()

        assert plan(Facts("SELECT 1", "select"), (rule(FULL, "public.nowhere.x"),), builtin).in_force

    def test_patterns_of_system_schemas_mask_no_catalog(self, catalog: Catalog) -> None:
        found = planned("SELECT relname FROM pg_class", catalog, (rule(FULL, "*.*.relname"),))

        assert not found.in_force


class TestDoubt:
    """Facts that today's analysis may never give, and that another one must not be able to slip through."""

    READ = ObjectAccess(Effect.read, ObjectKind.table, "public", "customers")
    SELECT = Facts("…", "select", frozenset({Effect.read}), (READ,), output=())

    def deny(self, facts: Facts, catalog: Catalog) -> str:
        found = plan(facts, RULES, catalog)
        assert found.outcome is Outcome.deny
        assert found.message is not None
        return found.message

    def test_a_preserving_derivation_is_not_the_column(self, catalog: Catalog) -> None:
        column = OutputColumn("x", (ColumnName("public", "customers", "email"),), Derivation.preserving)

        assert "the output column x" in self.deny(dataclasses.replace(self.SELECT, output=(column,)), catalog)

    def test_rows_without_a_known_output_are_not_passed_on(self, catalog: Catalog) -> None:
        found = plan(dataclasses.replace(self.SELECT, output=None), RULES, catalog)

        assert found.for_rows(1) is None

    def test_unfollowed_with_masked_columns_in_reach(self, catalog: Catalog) -> None:
        facts = dataclasses.replace(self.SELECT, output=None, unfollowed="a whole row cannot be followed")

        assert self.deny(facts, catalog) == (
            "a whole row cannot be followed, and public.customers has masked columns: name the columns that you need"
        )

    def test_unfollowed_with_nothing_known(self, catalog: Catalog) -> None:
        assert self.deny(Facts("…", "fetch", unfollowed="FETCH cannot be followed"), catalog)

    def test_unfollowed_far_from_masked_columns(self, catalog: Catalog) -> None:
        orders = ObjectAccess(Effect.read, ObjectKind.table, "public", "orders")
        facts = dataclasses.replace(self.SELECT, accesses=(orders,), output=None, unfollowed="…")

        assert plan(facts, RULES, catalog).for_rows(9) == (None,) * 9

    @pytest.mark.parametrize(("masked", "read"), [("people", "staff"), ("staff", "people")])
    def test_a_source_that_names_only_one_of_a_family(self, catalog: Catalog, masked: str, read: str) -> None:
        column = OutputColumn("name", (ColumnName("public", read, "name"),), Derivation.column)
        facts = dataclasses.replace(self.SELECT, output=(column,))

        assert plan(facts, (rule(FULL, f"public.{masked}.name"),), catalog).columns == (FULL,)

    @pytest.mark.parametrize("effect", [Effect.opaque, Effect.external])
    def test_effects_that_cannot_be_followed(self, catalog: Catalog, effect: Effect) -> None:
        assert "cannot be followed" in self.deny(Facts("…", "call", frozenset({effect})), catalog)

    def test_functions_that_are_not_known(self, catalog: Catalog) -> None:
        facts = dataclasses.replace(self.SELECT, functions=(FunctionUse(None, "g", None, False),))

        assert self.deny(facts, catalog).startswith("what g does with values is not known")

    def test_a_foreign_table(self, catalog: Catalog) -> None:
        foreign = ObjectAccess(Effect.read, ObjectKind.foreign_table, "public", "far")

        assert "is a foreign table" in self.deny(dataclasses.replace(self.SELECT, accesses=(foreign,)), catalog)

    def test_a_copy_of_a_table(self, catalog: Catalog) -> None:
        facts = dataclasses.replace(self.SELECT, kind="copy", output=None)

        assert self.deny(facts, catalog).startswith("COPY of public.customers, which has masked columns,")

    def test_a_copy_into_a_table(self, catalog: Catalog) -> None:
        """THREATS 19: placeholders in its data could not be seen."""
        into = tuple(dataclasses.replace(one, effect=Effect.write) for one in self.SELECT.accesses)
        facts = dataclasses.replace(self.SELECT, kind="copy", output=None, accesses=into)

        assert self.deny(facts, catalog).startswith("public.customers has masked columns, and whether what COPY")

    def test_a_column_that_the_catalog_has_not_seen_is_masked_by_its_name(self, catalog: Catalog) -> None:
        column = OutputColumn("profile", (ColumnName("new", "t", "profile"),), Derivation.column)

        found = plan(dataclasses.replace(self.SELECT, accesses=(), output=(column,)), RULES, catalog)

        assert found.for_rows(1) == (NULL,)
        assert found.withhold_errors


def test_columns_that_nobody_has_are_not_kept(catalog: Catalog) -> None:
    """INV-9: names made up by whoever asks do not pile up."""
    from hoopd.masking.plan import MaskedColumns

    masked = MaskedColumns(RULES, catalog)
    before = len(masked._found)
    for number in range(100):
        masked.on(ColumnName("public", f"t{number}", "x"))
        masked.on(ColumnName("public", "customers", f"x{number}"))

    assert len(masked._found) == before
