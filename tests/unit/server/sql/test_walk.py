"""Effects come from the whole tree: attacks by class of THREATS.md, without a catalog."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from hoopd.domain.statement import SessionState
from hoopd.sql import analysis
from hoopd.sql.facts import Effect, Facts, Predicate
from hoopd.sql.parser import Statement
from tests.unit.server.sql.conftest import Sample, read_catalog

Alone = Callable[..., tuple[Facts, ...]]


def effects(facts: Facts) -> set[str]:
    return {str(e) for e in facts.effects}


def accesses(facts: Facts) -> set[str]:
    return {str(a) for a in facts.accesses}


def test_every_statement_of_a_batch_has_its_facts(alone: Alone) -> None:
    """THREATS 1."""
    found = alone("BEGIN READ ONLY; SELECT 1; COMMIT; DROP TABLE t")
    assert [f.kind for f in found] == ["begin", "select", "commit", "drop_table"]
    assert [f.harmless for f in found] == [True, False, True, False]


HIDDEN = {
    "with d as (delete from t returning *) select * from d": ({"read", "write"}, ("select", "delete")),
    "with a as (with b as (update t set x = 1 returning x) select * from b) select * from a": (
        {"read", "write"},
        ("select", "update"),
    ),
    "with m as (merge into t using s on t.a = s.a when matched then delete returning t.a) select * from m": (
        {"read", "write"},
        ("select", "merge"),
    ),
    "select * into t from s": ({"read", "write", "ddl"}, ("select_into",)),
    "select * from (select 1 into t) x": ({"read", "write", "ddl"}, ("select", "select_into")),
    "select 1 union select 2 into t": None,
    "explain analyze delete from t": ({"read", "write"}, ("explain", "delete")),
    "explain (costs off, analyze) delete from t": ({"read", "write"}, ("explain", "delete")),
    "explain (analyze on) delete from t": ({"read", "write"}, ("explain", "delete")),
    "explain (analyze off, analyze 1) delete from t": ({"read", "write"}, ("explain", "delete")),
    "explain (analyze 'yes') create table x as select * from t": (
        {"read", "write", "ddl"},
        ("explain", "create_table_as"),
    ),
    "select * from t for update": ({"read", "lock"}, ("select",)),
    "select * from (select * from t for no key update) x": ({"read", "lock"}, ("select",)),
    "create table x as select * from t": ({"read", "write", "ddl"}, ("create_table_as",)),
    "create schema s create table t (a int) grant select on t to public": (
        {"ddl", "privilege"},
        ("create_schema", "create_table", "grant"),
    ),
    "insert into t select * from u": ({"read", "write"}, ("insert",)),
    "insert into t values ((with d as (delete from u returning 1) select * from d))": (
        {"write"},
        ("insert", "delete"),
    ),
    "insert into t values (1)": ({"write"}, ("insert",)),
}


@pytest.mark.parametrize(("text", "expected"), HIDDEN.items(), ids=HIDDEN.keys())
def test_effects_of_the_whole_tree(alone: Alone, text: str, expected: tuple[set[str], tuple[str, ...]] | None) -> None:
    """THREATS 2: first-word guards."""
    (found,) = alone(text)
    if expected is None:
        assert found.error is not None or Effect.write in found.effects
        return
    assert effects(found) == expected[0]
    assert set(found.kinds) == set(expected[1])
    assert found.kind == expected[1][0]


@pytest.mark.parametrize(
    "text",
    ["explain delete from t", "explain (analyze off) delete from t", "explain (analyze, analyze false) delete from t"],
)
def test_a_plan_alone_is_a_read(alone: Alone, text: str) -> None:
    (found,) = alone(text)
    assert effects(found) == {"read"}
    assert accesses(found) == {"read public.t"}
    assert found.predicate is None


def test_a_target_is_never_a_cte(alone: Alone) -> None:
    """THREATS 5: PostgreSQL writes to the table, whatever a CTE is called."""
    (found,) = alone("with t as (select 1) delete from t")
    assert accesses(found) == {"write public.t"}
    (found,) = alone("with t as (select 1) select * from t, s.t, (with u as (select 1) select * from t, u) x, u")
    assert accesses(found) == {"read s.t", "read public.u"}
    (found,) = alone("with a as (select * from b), b as (select 1) select * from a")
    assert accesses(found) == {"read public.b"}
    (found,) = alone("with recursive a as (select * from b), b as (select 1) select * from a")
    assert accesses(found) == set()


def test_a_change_that_looks_at_columns_also_reads(alone: Alone) -> None:
    assert accesses(alone("update t set a = 1")[0]) == {"write public.t"}
    assert accesses(alone("update t set a = b")[0]) == {"write public.t", "read public.t"}
    assert accesses(alone("delete from t returning a")[0]) == {"write public.t", "read public.t"}
    assert accesses(alone("delete from t using u where true")[0]) == {"write public.t", "read public.u"}


def test_the_worst_predicate_of_the_tree_counts(alone: Alone) -> None:
    (found,) = alone("with d as (delete from u returning 1) update t set a = 1 where id = 1")
    assert found.predicate is Predicate.missing


OPAQUE = [
    "do $$ begin delete from t; end $$",
    "call p(1)",
    "select f()",
    "select app.f(1)",
    "select * from f()",
    "select query_to_xml('delete from t', true, true, '')",
    "select table_to_xml('t', true, true, '')",
    "select cursor_to_xml('c', 1, true, true, '')",
    "select ts_stat('delete from t')",
    "select ts_rewrite('a'::tsquery, 'select 1')",
    "select dblink('', 'delete from t')",
    "select lo_import('/etc/passwd')",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('.')",
    "select pg_logical_emit_message(true, 'a', 'b')",
    "select pg_notify('a', 'b')",
    "select pg_switch_wal()",
    "select pg_terminate_backend(1)",
    "select pg_cancel_backend(1)",
    "select pg_advisory_lock(1)",
    "select pg_sleep(1)",
    "select (0.3).pg_sleep",
    'select U&"pg_sl\\0065ep"(1)',
    "select U&\"pg_sl!0065ep\" uescape '!' (1)",
    'select "pg_sleep" /* ( */ (1)',
    "select PG_CATALOG.PG_SLEEP(1)",
    "select t.pg_sleep from t",
    "select current_query()",
    "select pg_stat_get_activity(null)",
    "select pg_input_is_valid('x', 'mydomain')",
    "select jsonb_populate_record(null::t, '{}')",
    "select record_in('(1)', 1, 1)",
    "select domain_in('1', 1, 1)",
    "select a ### b from t",
    "select a operator(public.+) b from t",
    "select 'x'::mydomain",
    "select mydomain 'x'",
    "select cast('x' as mydomain[])",
    "select pg_catalog.int4(1) ### 2",
    "select * from json_to_record('{}') as x(a mydomain)",
    "select * from t order by a using ###",
    "select a in (select b from u) , a ### any (select b from u) from t",
    "select array_agg(a order by f(a)) from t",
    "select count(*) filter (where f(a)) from t",
    "select sum(a) over (partition by f(a)) from t",
    "select * from t tablesample bernoulli (f(1))",
    "select 1 limit f(1)",
    "select * from t, lateral (select f(t.a)) x",
    "select xmlelement(name a, f(1))",
    "select json_value('{}', '$' returning mydomain)",
    "create rule r as on insert to t do instead delete from u",
    "load 'x'",
    "create extension dblink",
]


@pytest.mark.parametrize("text", OPAQUE)
def test_code_that_is_not_known_to_be_harmless_is_opaque(alone: Alone, text: str) -> None:
    """THREATS 6 and 7: a function is safe only if known so."""
    (found,) = alone(text)
    assert found.error is None
    assert Effect.opaque in found.effects
    assert found.barrier
    assert not found.harmless


@pytest.mark.parametrize(
    "text",
    ["select 'x'::mydomain", "select mydomain 'x'", "select f(1)", "select '(1)'::t", "select '{}'::_mydomain"],
)
def test_what_can_run_at_parse_is_known(alone: Alone, text: str) -> None:
    """THREATS 9: a domain's check inside a literal runs when the server parses it."""
    assert alone(text)[0].runs_at_parse


READS = [
    "select lower(a) || 'x', count(*) from t where a like 'x%' and b between 1 and 2 group by 1 having sum(c) > 1",
    "select a::int, cast(b as numeric(10, 2)), date '2020-01-01', '{1}'::int[], interval '1 day' from t",
    "select extract(year from a), substring(b from 1 for 2), trim(c), position('a' in b) from t",
    "select overlay(b placing 'x' from 1), normalize(a), collation for (a) from t",
    "select coalesce(a, b), nullif(a, b), greatest(a, b), case a when 1 then 2 end from t",
    "select current_user, current_date, now(), localtimestamp, random(), gen_random_uuid() from t",
    "select row_number() over w, lag(a) over (order by b) from t window w as (partition by c)",
    "select a -> 'b' ->> 'c', a @> '{}', jsonb_build_object('a', b), to_jsonb(t) from t",
    "select * from t, generate_series(1, 3) g, unnest(t.a) u, jsonb_array_elements(t.b) e",
    "select a at time zone 'UTC', a similar to 'x', a is distinct from b, a in (1, 2), a = any (b) from t",
    "select json_object('a': 1), json_exists(a, '$.b'), a is json from t",
    "select percentile_cont(0.5) within group (order by a) from t",
    "select (a).b, a[1], array[a, b], row(a, b) from t",
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select * from r, t",
]


@pytest.mark.parametrize("text", READS)
def test_plain_reads_are_plain_reads(alone: Alone, text: str) -> None:
    (found,) = alone(text)
    assert found.error is None
    assert effects(found) == {"read"}
    assert not found.barrier
    assert found.names_depend
    assert not found.runs_at_parse


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("select system_user", 160000),
        ("select json_exists('{}', '$')", 170000),
        ("select json_scalar(1)", 170000),
        ("select json('{}')", 170000),
        ("select json_array(1)", 160000),
        ("select * from json_table('{}', '$' columns (a int))", 170000),
    ],
)
def test_what_an_older_server_reads_otherwise_is_opaque_there(alone: Alone, text: str, since: int) -> None:
    """THREATS 3: ``system_user`` is a column on 15, ``json_exists`` a user's function."""
    assert Effect.opaque in alone(text, server_version=since - 10000)[0].effects
    assert Effect.opaque not in alone(text, server_version=since)[0].effects


@pytest.mark.parametrize("text", ["select 0x1F", "select 1_000", "select 0b1", "select 1_0.5", "select 1; select 0o7"])
def test_new_numbers_are_refused_on_older_servers(alone: Alone, text: str) -> None:
    assert alone(text, server_version=150018)[-1].forbidden
    assert not alone(text, server_version=160000)[-1].forbidden
    assert not alone("select '0x1F', \"1_0\" -- 0x1F", server_version=150018)[0].forbidden


def test_a_part_that_is_not_known_is_opaque(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-2: the tree of a new grammar."""
    nodes: tuple[dict[str, Any], ...] = (
        {"targetList": [{"NewExpr": {"arg": {}}}]},
        {"newClause": [{"String": {"sval": "a"}}]},
        {"fromClause": [{"NewRange": {}}]},
    )
    for node in nodes:
        monkeypatch.setattr(analysis, "parse", lambda _, n=node: (Statement("select", "SelectStmt", n),))
        assert Effect.opaque in alone("select")[0].effects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("delete from customers where id = 1", {"write billing.customers", "write public.customers"}),
        ("update customers set id = 2", {"write billing.customers", "write public.customers"}),
        ("insert into customers (id) values (1)", {"write billing.customers", "write public.customers"}),
        ("copy customers (id) from stdin", {"write billing.customers", "write public.customers"}),
        (
            "with gone as (delete from customers returning id) select 1",
            {"write billing.customers", "write public.customers"},
        ),
        ("delete from billing.customers", {"write billing.customers"}),
        ("delete from public.customers", {"write public.customers"}),
    ],
)
def test_a_write_counts_for_all_that_its_name_may_come_to_mean(sample: Sample, text: str, expected: set[str]) -> None:
    """THREATS 5: PostgreSQL looks a name up again that it had to wait for, and the first may be gone by then."""
    found = accesses(sample.facts(text, search_path="billing, public"))
    assert {each for each in found if each.startswith("write ")} == expected
    assert accesses(sample.facts("select id from customers", search_path="billing, public")) == {
        "read billing.customers"
    }
    if "billing." not in text:
        last = accesses(sample.facts(text, search_path="public, billing"))
        assert {each for each in last if each.startswith("write ")} == {
            "write public.customers",
            *(() if "public." in text else ("write billing.customers",)),
        }


WRITES_THROUGH_VIEWS = [
    "update customer_cards set card = 'x'",
    "with u as (update customer_cards set card = 'x' returning id) select * from customers, u",
    "with u as (delete from nested_view returning card) select * from (select id from customers) c, customer_cards, u",
]


@pytest.mark.parametrize("text", WRITES_THROUGH_VIEWS)
def test_a_write_through_a_view_counts_beside_a_read_of_the_table(sample: Sample, text: str) -> None:
    """INV-1, THREATS 5: whichever of the two is met first."""
    assert "write public.customers" in accesses(sample.facts(text))


def test_what_a_view_reads_and_the_statement_writes_is_both(sample: Sample) -> None:
    found = accesses(sample.facts("delete from customers where id in (select id from customer_cards)"))
    assert {"write public.customers", "read public.customers", "read public.customer_cards"} <= found
    assert "read public.orders" in accesses(sample.facts("insert into orders (id) select id from orders"))


def test_a_foreign_table_is_external_behind_a_view_and_as_a_partition(database: str) -> None:
    """INV-2, THREATS 5."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            b"""create foreign data wrapper dummy; create server away foreign data wrapper dummy;
            create foreign table far (a int) server away; create view near as select a from far;
            create table whole (a int) partition by list (a);
            create foreign table part partition of whole default server away;
            """
        )
        state = SessionState("public", "app", "app", "I", connection.info.server_version)
    catalog = read_catalog(database)
    for text in ("select a from far", "select a from near", "select a from whole"):
        (facts,) = analysis.analyse(text, state, catalog)
        assert "external" in effects(facts), text
