"""What functions, operators, casts and types of users mean, on a real catalog (THREATS 5, 6, 7)."""

import psycopg
import pytest

from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Effect, ObjectKind
from tests.unit.server.sql.conftest import Sample, read_catalog

OPAQUE = {
    "select app.charge(1)": "app.charge",
    "select twice(2)": "public.twice",
    "select upper(name) from customers": "public.upper",
    "select lower(m) from typed": "public.lower",
    "select lower('fine'::mood)": "public.lower",
    "select m = 1 from typed": "public.=",
    "select case m when 1 then 2 end from typed": "public.=",
    "select m in (1, 2) from typed": "public.=",
    "select m = any (array[1]) from typed": "public.=",
    "select 1 from typed join orders using (id)": "public.=",
    "select 1 where 1 in (select id from typed)": "public.=",
    "select 1 ### 2": "public.###",
    "select '5'::positive": "public.positive",
    "select positive '5'": "public.positive",
    "select 5::public.positive": "public.positive",
    "select '{5}'::positive[]": "public.positive",
    "select '(5,x)'::pair": "public.pair",
    "select positive(5)": "public.positive",
    "select (5).positive": "public.positive",
    "select (5).twice": "public.twice",
    "select g.twice from generate_series(1, 2) g": "public.twice",
    "select c.id_of from customers c": "public.id_of",
    "select null::typed": "public.typed",
    "select of_pair(row(1, 'x'))": "public.of_pair",
    "select id_of(c) from customers c": "public.id_of",
    "select * from with_function": "app.charge",
    "select * from that_sleeps": "pg_catalog.pg_sleep",
    "insert into ruled values (1)": "public.ruled",
    "select * from app.charge(1) c": "app.charge",
    "select lower(x) from (select app.charge(1)::text x) y": "app.charge",
}


@pytest.mark.parametrize(("text", "name"), OPAQUE.items(), ids=OPAQUE.keys())
def test_users_code_is_opaque_and_named(sample: Sample, text: str, name: str) -> None:
    facts = sample.facts(text)
    assert Effect.opaque in facts.effects
    assert f"opaque {name}" in {str(a) for a in facts.accesses}
    assert facts.barrier


TRUSTED = [
    "select lower(name), id = 5, name || 'x' from customers",
    "select twice from (select 1 as twice) x",
    "select x.twice from (select 1 as twice) x",
    "select 'fine'::mood, m from typed",
    "select '{fine}'::mood[]",
    "select pg_catalog.upper(name) from customers",
    "select customers.name, c.email from customers, customers c",
    "select 1 operator(pg_catalog.+) 1",
]


@pytest.mark.parametrize("text", TRUSTED)
def test_postgresqls_own_code_is_trusted(sample: Sample, text: str) -> None:
    facts = sample.facts(text)
    assert facts.effects == {Effect.read}
    assert all(use.trusted for use in facts.functions)


def test_a_users_function_counts_only_where_the_path_reaches_it(sample: Sample) -> None:
    assert Effect.opaque in sample.facts("select upper(name) from customers").effects
    facts = sample.facts("select upper(iban) from billing.customers", search_path="billing")
    assert Effect.opaque not in facts.effects
    assert Effect.opaque in sample.facts("select public.upper('x')", search_path="billing").effects


def test_what_a_write_sets_off_is_shown(sample: Sample) -> None:
    facts = sample.facts("insert into watched values (1)")
    assert facts.effects == {Effect.write}
    assert [(f.schema, f.name, f.volatility, f.trusted) for f in facts.functions] == [
        ("public", "on_write", "volatile", False)
    ]
    assert facts.barrier
    assert [f.name for f in sample.facts("insert into checked values (1)").functions] == ["twice"]
    assert sample.facts("select * from watched").functions == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from typed where p = 5", True),
        ("select * from typed where c = '(0,x)'", True),
        ("insert into typed values (1, 'fine', 0, '(0,x)')", True),
        ("select '(0,x)'::pair", True),
        ("select of_pair('(0,x)')", True),
        ("select 'fine'::mood", False),
        ("select * from customers where name = 'x'", False),
    ],
)
def test_what_can_run_users_code_at_parse(sample: Sample, text: str, expected: bool) -> None:
    """THREATS 9."""
    assert sample.facts(text).runs_at_parse is expected


def test_what_a_view_reads_is_accessed(sample: Sample) -> None:
    """THREATS 12: view over view."""
    found = {(str(a), a.kind) for a in sample.facts("select * from nested_view").accesses}
    assert found == {
        ("read public.nested_view", ObjectKind.view),
        ("read public.customer_cards", ObjectKind.view),
        ("read public.customers", ObjectKind.table),
    }
    written = {str(a) for a in sample.facts("delete from customer_cards").accesses}
    assert "write public.customers" in written


def test_volatility_is_the_servers(sample: Sample) -> None:
    (use,) = sample.facts("select app.charge(1)").functions
    assert (use.schema, use.name, use.volatility, use.trusted) == ("app", "charge", "volatile", False)
    (use,) = sample.facts("select now()").functions
    assert use.volatility == "stable"


def test_foreign_keys_carry_changes_to_other_tables(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create table a (id int primary key); create table b (id int primary key references a on delete cascade);
            create table c (id int references b on delete set null); create table d (id int references a);
            create table e (id int references a on update cascade);"""
        )
    catalog, state = read_catalog(database), SessionState("public", "app", "app", "I", 180000)

    def written(text: str) -> set[str]:
        return {a.name for a in analyse(text, state, catalog)[0].cascades if a.effect is Effect.write}

    assert written("delete from a where id = 1") == {"b", "c"}
    assert written("update a set id = 2") == {"e"}
    assert written("delete from d") == set()
    assert written("merge into a using d on a.id = d.id when matched then delete") == {"b", "c", "e"}


def test_event_triggers_run_code_on_ddl(database: str) -> None:
    """THREATS 7."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create function public.on_ddl() returns event_trigger language plpgsql as 'begin end';
            create event trigger watch on ddl_command_end execute function public.on_ddl();"""
        )
    catalog, state = read_catalog(database), SessionState("public", "app", "app", "I", 180000)
    assert [f.name for f in analyse("create table t (a int)", state, catalog)[0].functions] == ["on_ddl"]
    assert analyse("delete from pg_class", state, catalog)[0].functions == ()


OF_ROWS = {
    "select md5(t) from t": "public.md5",
    "select md5(t.*) from t": "public.md5",
    "select md5(x) from (select * from t) x": "public.md5",
    "select initcap(row(1, 'x'))": "public.initcap",
    "select array_length(array_agg(t), 1) from t": "public.array_length",
    "select t - 1 from t": "public.-",
    "select row(1, 'x') ~ 'y'": "public.~",
    "select t::text from t": "cast of public.t",
}


@pytest.mark.parametrize(("text", "name"), OF_ROWS.items(), ids=OF_ROWS.keys())
def test_code_for_rows_counts_where_rows_may_be(database: str, text: str, name: str) -> None:
    """INV-2, THREATS 5: the server prefers it to its own of that name."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create table t (a int, b text); create type pair as (a int, b text); insert into t values (1, 'b');
            create function md5(t) returns text language plpgsql as $$ begin return 'mine'; end $$;
            create function initcap(pair) returns text language plpgsql as $$ begin return 'mine'; end $$;
            create function array_length(t[], int) returns int language sql as 'select 1';
            create function minus(t, int) returns int language sql as 'select 1';
            create operator - (leftarg = t, rightarg = int, function = minus);
            create function like_it(pair, text) returns bool language sql as 'select true';
            create operator ~ (leftarg = pair, rightarg = text, function = like_it);
            create function text_of(t) returns text language plpgsql as $$ begin return 'mine'; end $$;
            create cast (t as text) with function text_of(t);
            """
        )
        assert connection.execute(text.encode()).fetchone() is not None
        state = SessionState("public", "app", "app", "I", connection.info.server_version)
    (facts,) = analyse(text, state, read_catalog(database))
    assert f"opaque {name}" in {str(a) for a in facts.accesses}
    (plain,) = analyse("select md5('x'), 3 - 1, 'x' ~ 'y', initcap('x')", state, Catalog.builtin())
    assert Effect.opaque not in plain.effects
