"""Catalogs as real servers give them, and how names resolve."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from hoopd.dev.binaries import Binaries
from hoopd.dev.postgres import PostgresServer
from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import CATALOG_QUERIES, FINGERPRINT_QUERY, NEWS_QUERY, Catalog, split_path
from hoopd.sql.facts import Effect, ObjectKind
from tests.fixtures.postgres import INSTALLATIONS, fresh_database, name_of
from tests.unit.server.sql.conftest import SCHEMA, Sample, read_catalog

STATE = SessionState('"$user", public', "app", "app", "I", 180000)


@pytest.mark.parametrize("binaries", INSTALLATIONS, ids=name_of)
def test_every_server_gives_a_catalog(
    binaries: Binaries, postgres_of: Callable[[Binaries], PostgresServer], worker_name: str
) -> None:
    with fresh_database(postgres_of(binaries), f"catalog_{worker_name}") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        catalog = read_catalog(dsn)
    customers = catalog.relations["public", "customers"]
    assert [c.name for c in customers.columns or ()] == ["id", "name", "email", "card", "info", "tags"]
    assert catalog.relations["public", "ruled"].has_rules
    assert catalog.relations["public", "watched"].triggers == (("public", "on_write", "v"),)
    assert catalog.relations["public", "checked"].hidden_calls == (("public", "twice", "i"),)
    assert catalog.relations["public", "with_function"].calls == (("app", "charge", "v"),)
    assert catalog.relations["public", "that_sleeps"].calls == (("pg_catalog", "pg_sleep", "v"),)
    assert catalog.relations["public", "customer_cards"].calls == ()
    assert {f.name for f in catalog.functions["charge"]} == {"charge"}
    assert catalog.relations["pg_catalog", "pg_class"].kind is ObjectKind.catalog


def test_kinds_of_relations(sample: Sample) -> None:
    kinds = {name: relation.kind for (schema, name), relation in sample.catalog.relations.items() if schema == "public"}
    assert kinds["customers"] is ObjectKind.table
    assert kinds["events"] is ObjectKind.partitioned_table
    assert kinds["events_2020"] is ObjectKind.partition
    assert kinds["customer_cards"] is ObjectKind.view
    assert kinds["cards"] is ObjectKind.materialized_view
    assert kinds["numbers"] is ObjectKind.sequence


def test_dropped_columns_are_left_out(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"create table t (a int, b int, c int); alter table t drop column b")
    assert [c.name for c in read_catalog(database).relations["public", "t"].columns or ()] == ["a", "c"]


CHANGES = [
    "create table new (a int)",
    "alter table t add column b int",
    "alter table t rename to u",
    "alter table t drop column a",
    "create function f() returns int language sql as 'select 1'",
    "create or replace function g() returns int language sql as 'select 2'",
    "create schema s",
    "create type e as enum ('a')",
    "create view v as select 1",
    "create or replace view w as select 2 as a",
    "alter table t enable row level security",
    "create policy p on t using (true)",
    "alter table t add check (a > 1)",
    "create trigger x before insert on t execute function trg()",
    "drop function g()",
    "alter function g() volatile",
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_shows_in_the_fingerprint(database: str, change: str) -> None:
    """INV-5: an approval is void when what it named has changed."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create table t (a int); create function g() returns int language sql stable as 'select 1';
            create view w as select 1 as a;
            create function trg() returns trigger language plpgsql as 'begin return new; end';
            """
        )
        before = connection.execute(FINGERPRINT_QUERY.encode()).fetchone()
        assert connection.execute(FINGERPRINT_QUERY.encode()).fetchone() == before
        connection.execute(change.encode())
        assert connection.execute(FINGERPRINT_QUERY.encode()).fetchone() != before


def test_catalog_queries_need_no_search_path_and_run_no_users_code(database: str) -> None:
    """INV-2: a user's function or operator that shadows PostgreSQL's own is not called."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create schema evil; create table evil.pg_class (a int);
            create function evil.boom() returns int language plpgsql as $$ begin raise exception 'called'; end $$;
            create function evil.array_agg(anyelement) returns int language sql as 'select evil.boom()';
            create function evil.regexp_matches(text, text, text) returns text language sql
            as 'select evil.boom()::text';
            create function evil.count() returns int language sql as 'select evil.boom()';
            """
        )
        connection.execute(b"set search_path to evil, pg_catalog")
        for query in (*CATALOG_QUERIES.values(), FINGERPRINT_QUERY):
            connection.execute(query.encode()).fetchall()
        connection.execute(NEWS_QUERY.encode(), (None,)).fetchall()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"$user", public', ("$user", "public")),
        ("Public,  PG_Catalog", ("public", "pg_catalog")),
        ('"A ""b"", c",d', ('A "b", c', "d")),
        ("", ()),
        ('""', ()),
        ("a,,b", ("a", "b")),
        ('"unclosed', ("unclosed",)),
        ("a b, c", ("a",)),
    ],
)
def test_search_paths_are_read_as_the_server_reads_them(text: str, names: tuple[str, ...]) -> None:
    assert split_path(text) == names


PATHS = [
    '"$user", public',
    "$USER, public",
    "hidden, public",
    "\u00a0scratch, public",
    "scratch\u00a0, public",
    "\u2003scratch,public",
    "\u212aelvin, public",
    "KELVIN, public",
    " \tScratch\n,\r public \f",
    "sch\u00d6n, public",
    '"Scratch", "kelvin" , public',
    '"a ""b"", c", public',
    "l" * 70 + ", public",
    "\u00e9" * 40 + ", public",
    '"' + "\u00e9" * 40 + '", public',
    "",
    '""',
    "public, pg_catalog, scratch",
]


@pytest.mark.parametrize("role", ["none", "plain"])
def test_the_path_is_the_one_that_the_server_makes_of_it(database: str, role: str) -> None:
    """THREATS 4, 5: what is a blank or a capital to Python is none to PostgreSQL, `"$user"` is who is signed in until
    there is a SET ROLE, and schemas that the role may not use are passed over."""
    with psycopg.connect(database, autocommit=True) as connection:
        (user,) = connection.execute("select current_user::text").fetchone()
        for name in ("scratch", "kelvin", "schön", "hidden", 'a "b", c', "l" * 63, "\u00e9" * 31, "plain", user):
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(name)))
        connection.execute("do $$begin create role plain; exception when duplicate_object then null; end$$")
        for name in ("scratch", "kelvin", "schön", 'a "b", c', "l" * 63, "\u00e9" * 31, "plain"):
            connection.execute(sql.SQL("grant usage on schema {} to plain").format(sql.Identifier(name)))
        catalog = read_catalog(database)
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role) if role != "none" else sql.SQL("none")))
        for path in PATHS:
            connection.execute("select set_config('search_path', %s, false)", (path,))
            (kept,) = connection.execute("show search_path").fetchone()
            (expected,) = connection.execute("select current_schemas(true)::text[]").fetchone()
            state = replace(STATE, search_path=kept, user=user, role=role)
            assert list(catalog.names(state).path) == [name for name in expected if name != "pg_temp"], path


def resolved(sample: Sample, name: str, path: str, role: str = "app") -> str | None:
    found = sample.catalog.names(replace(sample.state, search_path=path, role=role)).relation(None, name)
    return found.schema if found is not None else None


def test_names_resolve_along_the_path(sample: Sample) -> None:
    """THREATS 5: the same name in two schemas."""
    assert resolved(sample, "customers", '"$user", public') == "public"
    assert resolved(sample, "customers", "billing, public") == "billing"
    assert resolved(sample, "customers", '"$user", public', role="billing") == "billing"
    assert resolved(sample, "customers", "nowhere") is None
    assert resolved(sample, "CUSTOMERS", "public") is None


def test_pg_catalog_is_first_unless_listed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"create table pg_class (a int)")
    catalog = read_catalog(database)
    state = replace(STATE, search_path="public")
    found = catalog.names(state).relation(None, "pg_class")
    assert found is not None
    assert found.schema == "pg_catalog"
    found = catalog.names(replace(state, search_path="public, pg_catalog")).relation(None, "pg_class")
    assert found is not None
    assert found.kind is ObjectKind.table


def test_temporary_objects_shadow_what_they_are_named_like(database: str) -> None:
    """THREATS 5: seen only by the session's own connection; the gateway's own cannot tell, and says so."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"create table customers (card text); create temp table customers (a int)")
        rows = {n: connection.execute(q.encode()).fetchall() for n, q in CATALOG_QUERIES.items()}
        own = Catalog.build(rows)
        others = read_catalog(database)
    state = replace(STATE, temporary_objects=True)
    (facts,) = analyse("select * from customers", state, own)
    assert [c.name for c in facts.output or ()] == ["a"]
    assert Effect.opaque not in facts.effects
    (facts,) = analyse("select * from customers", state, others)
    assert Effect.opaque in facts.effects
    (facts,) = analyse("select * from public.customers", state, others)
    assert Effect.opaque not in facts.effects
    (facts,) = analyse("select 'a'::text", state, others)
    assert facts.runs_at_parse
    assert Effect.opaque in facts.effects
