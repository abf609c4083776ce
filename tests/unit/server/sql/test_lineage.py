"""Where values come from, against what a real server answers (THREATS 12 and 13).

Every cell of the sample names its column (``card-2``): whatever such a value turns up in must have that column among
its sources, or the statement must not be followed at all.
"""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from hoopd.sql.facts import Derivation, Facts
from hoopd.sql.lineage import MAX_FOLLOWED, Flow
from tests.unit.server.sql.conftest import Sample

MARKS = {
    "name": "customers.name", "email": "customers.email", "card": "customers.card", "info": "customers.info",
    "tag": "customers.tags", "note": "orders.note", "secret": "events.secret", "hidden": "parent.hidden",
    "extra": "child.extra", "iban": "customers.iban", "quoted": "Quoted Table.Card No", "plain": "Quoted Table.plain",
}  # fmt: skip
FOLLOWED = [
    "select card from customers",
    "select c.card as x, c.* from customers c",
    "select * from customers c (a, b, d)",
    "select lower(name)::text || card, substr(card, 1, 6), reverse(reverse(card)) from customers",
    "select case when id = 1 then card else email end, coalesce(null, card), greatest(card, email) from customers",
    "select array[card], row(card, 1), array_agg(card) over (), max(card) over () from customers",
    "select string_agg(card, ','), json_agg(card), jsonb_object_agg(id, card) from customers",
    "select customers from customers",
    "select c, row_to_json(c), to_jsonb(c), c::text from customers c",
    "select (c).card, (customers.c).email from (select c from customers c) customers",
    "select a.x from (select card as x from customers) a",
    "select x, y from (select card, email from customers) a (x, y)",
    "with q as (select card as k from customers) select k from q",
    "with q (z) as (select card from customers), r as (select z as y from q) select y, (select max(z) from q) from r",
    (
        "with recursive r as (select id, card from customers union all select r.id + 1, card from r where r.id < 3)"
        " select * from r"
    ),
    (
        "with recursive r (a, b, c) as"
        " (select card, email, 1 from customers union select b, a, c + 1 from r where c < 3) select a from r"
    ),
    "select id, card from customers union all select id, note from orders order by 2",
    "select card from customers union select note from orders intersect select email from customers",
    "values ((select max(card) from customers)), ('x')",
    "select * from customers natural join orders",
    "select * from customers join orders using (id)",
    "select id from customers full join orders using (id)",
    "select * from customers c join orders o on c.id = o.customer_id",
    "select j.* from (customers c join orders o using (id)) j",
    "select u.id, c.card from customers c join orders o using (id) as u",
    (
        "select o.* from customers c"
        " left join lateral (select c.card, o.note from orders o where o.customer_id = c.id) o on true"
    ),
    "select (select card from customers c where c.id = o.customer_id) from orders o",
    "select array(select card from customers)",
    "select (select c) from customers c",
    "select x.v from customers c, lateral (values (c.card)) x (v)",
    "select * from (values (1, 'x'), (2, (select max(card) from customers))) v (a, b)",
    "select key, value from customers, jsonb_each(info)",
    "select k, v from customers, jsonb_each_text(info) as e (k, v)",
    "select info ->> 'k', info -> 'k', info #>> '{k}', jsonb_pretty(info) from customers",
    "select t from customers, unnest(tags) t",
    "select tags[1], array_to_string(tags, ',') from customers",
    "select x from customers, string_to_table(card, '-') x",
    "select p from customers, regexp_split_to_table(card, '#') p",
    "select e.n from customers, generate_series(1, 2) with ordinality as e (n, o)",
    "select * from json_table('[\"x\"]', '$[*]' columns (c text path '$')) j, (select max(card) from customers) m",
    "select * from json_table('[{}]', '$[*]' columns (a int, nested '$.x[*]' columns (b int, d int), c text)) j",
    "select json_value(to_jsonb(c), '$.card') from customers c",
    "select card, count(*) from customers group by 1 having max(email) > 'a' order by 2",
    "select distinct on (card) card, email from customers order by card, 2 desc",
    "select first_value(card) over (order by id), lag(email) over w from customers window w as (order by id)",
    "select card k from customers group by k order by k",
    "select secret from events",
    "select secret from events_2020",
    "select hidden from parent",
    "select hidden from only parent",
    "select * from child",
    "select iban from billing.customers",
    "select billing.customers.iban, public.customers.card from billing.customers, public.customers",
    'select "Card No" from "Quoted Table"',
    'select q."Card No" as "X" from "Quoted Table" as q',
    "select c.ctid, c.tableoid from customers c",
    "select card from customers tablesample bernoulli (100)",
    "select card from customers for update",
    "select * from customers where card = 'card-1' limit 1",
    "table customers",
    "select",
    'select c.card collate "C" from customers c',
    "select current_user, current_date, nullif(1, 2), exists (select card from customers)",
    "update orders set note = note where id = 1 returning *",
    "update orders o set note = c.card from customers c where c.id = o.customer_id returning o.id, c.card",
    "delete from orders using customers c where c.id = customer_id returning c.email, orders.*",
    "delete from customers returning customers, lower(card)",
    "insert into orders values (9, 1, 1, 'x') on conflict (id) do update set note = excluded.note returning id, total",
    "with d as (delete from customers returning card) select * from d",
    "with u as (update customers set name = 'x' returning id, card as c) select c from u join orders using (id)",
]


def run(sample: Sample, text: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows as the server gives them; nothing stays."""
    with psycopg.connect(sample.dsn) as connection:
        try:
            cursor = connection.execute(text.encode())
            return [c.name for c in cursor.description or ()], cursor.fetchall()
        finally:
            connection.rollback()


@pytest.mark.parametrize("text", FOLLOWED)
def test_every_value_is_traced_to_its_column(sample: Sample, text: str) -> None:
    """INV-4: by real values, and under the names that the server gives."""
    facts = sample.facts(text)
    names, rows = run(sample, text)
    assert facts.unfollowed is None
    assert facts.output is not None
    assert [c.name for c in facts.output] == names
    for row in rows:
        for column, value in zip(facts.output, row, strict=True):
            found = {MARKS[mark] for mark in re.findall(r"([a-z]+)-\d", str(value).lower()) if mark in MARKS}
            sources = {f"{s.table}.{s.column}" for s in column.sources}
            assert found <= sources, column


def columns(facts: Facts) -> list[tuple[list[str], str]]:
    assert facts.output is not None
    return [([str(s) for s in c.sources], str(c.derivation)) for c in facts.output]


def test_a_column_stays_a_column_through_names(sample: Sample) -> None:
    for text in (
        "select card from customers",
        "select x from (select card as x from customers) y",
        "with q as (select card from customers) select q.card from q",
        "select c.card from customers c left join orders o on true",
    ):
        facts = sample.facts(text)
        assert columns(facts) == [(["public.customers.card"], "column")]
        assert facts.derived == ()


def test_what_is_computed_is_derived(sample: Sample) -> None:
    facts = sample.facts("select lower(card) from customers")
    assert facts.output is not None
    assert facts.output[0].derivation is Derivation.derived
    assert [str(c) for c in facts.derived] == ["public.customers.card"]


def test_a_whole_row_holds_every_column(sample: Sample) -> None:
    for value in ("c", "row_to_json(c)", "row(c.*)"):
        facts = sample.facts(f"select {value} from customers c")
        assert len(columns(facts)[0][0]) == 6
        assert len(facts.derived) == 6


def test_a_family_of_tables_shares_its_columns(sample: Sample) -> None:
    """A mask on a partition or its parent is found, whichever of them is read."""
    for text in ("select secret from events", "select secret from events_2020"):
        assert columns(sample.facts(text))[0][0] == ["public.events.secret", "public.events_2020.secret"]
    assert columns(sample.facts("select hidden from child"))[0][0] == ["public.child.hidden", "public.parent.hidden"]


def test_xml_is_followed(sample: Sample) -> None:
    """The sample's server has no XML, so only what analysis says is tested."""
    facts = sample.facts(
        "select x.*, xmlforest(c.email) from customers c,"
        " xmltable('/a' passing xmlelement(name a, c.card) columns a text path '.') x"
    )
    assert columns(facts) == [(["public.customers.card"], "derived"), (["public.customers.email"], "derived")]


INFERABLE = [
    "select id from customers where card like '4%'",
    "select id from customers order by card",
    "select id, card from customers order by 2",
    "select id from customers c join orders o on o.note = c.card",
    "select id from customers where exists (select 1 from orders o where o.note = card)",
    "select count(*) from customers group by card",
    "select count(*) from customers having max(card) > 'x'",
    "select distinct card from customers",
    "select distinct on (card) id from customers",
    "select 1 from customers a join (select card from customers) b using (card)",
    "select 1 from customers a natural join (select card from customers) b",
    "select card from customers union select 'x'",
    "select card from customers except select 'x'",
    "select id from customers where case when card = '1' then true end",
    "select id from customers where 1 / length(card) = 1",
    "select id from customers limit (select length(max(card)) from customers)",
    "select row_number() over w from customers window w as (order by card)",
    "select id from customers where card in (select note from orders)",
    "select 1 where (select card from customers limit 1) = 'x'",
    "delete from customers where card = 'x'",
    "update customers set name = 'x' where card = 'x'",
    "merge into orders o using customers c on c.card = o.note when matched then delete",
    "merge into orders o using customers c on c.id = o.id when matched and c.card = 'x' then delete",
    "explain select id from customers where card = 'x'",
    "explain select card from customers",
    "with q as (select id from customers where card = 'x') select 1",
]


@pytest.mark.parametrize("text", INFERABLE)
def test_what_decides_on_rows_is_inferable(sample: Sample, text: str) -> None:
    """THREATS 14."""
    facts = sample.facts(text)
    assert facts.unfollowed is None
    assert "public.customers.card" in {str(c) for c in facts.inferable}


CARRIED = [
    "insert into orders (note) select card from customers",
    "insert into orders (note) values ((select max(card) from customers))",
    (
        "insert into orders (id, note) values (1, 'x')"
        " on conflict (id) do update set note = (select max(card) from customers)"
    ),
    "create table x as select card from customers",
    "create temp table x as select lower(card) from customers",
    "create materialized view x as select card from customers",
    "create view x as select card from customers",
    "select card into x from customers",
    "update orders set note = card from customers c where c.id = customer_id",
    "update orders set (note, total) = (select card, 1 from customers limit 1)",
    "update customers set name = card",
    "merge into orders o using customers c on c.id = o.id when matched then update set note = c.card",
    "merge into orders o using customers c on c.id = o.id when not matched then insert (id, note) values (9, c.card)",
    "with i as (insert into orders (note) select card from customers returning 1) select * from i",
    "explain analyze insert into orders (note) select card from customers",
]


@pytest.mark.parametrize("text", CARRIED)
def test_what_is_carried_elsewhere_is_derived(sample: Sample, text: str) -> None:
    """THREATS 13: copy, then read."""
    facts = sample.facts(text)
    assert facts.unfollowed is None
    reached = {str(c) for c in (*facts.derived, *(facts.inferable if facts.kind == "explain" else ()))}
    assert "public.customers.card" in reached


UNFOLLOWED = [
    "select nothing from customers",
    "select * from nowhere, customers",
    "select x.y.z from customers",
    "select app.charge(id) from customers",
    "select * from customers, unnest(tags) t",
    "select (c).* from customers c",
    "select * from app.charge(1), customers",
    (
        "with recursive r as (select card from customers union all select card from r)"
        " search depth first by card set o select * from r"
    ),
    "select id from customers union all select id, card from customers",
    "select card from customers order by 5",
    "select nothing.card from customers",
    "with r as (select * from r) select * from r, customers",
    "create function f() returns text language sql begin atomic select card from customers; end",
]


@pytest.mark.parametrize("depth", [12, 40, 100])
def test_queries_that_are_followed_again_and_again_are_given_up(
    sample: Sample, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-9: each arm that may name itself is followed twice, and each of its own as often: 2 to the power of depth."""
    followed = 0
    select = Flow.select

    def counted(flow: Flow, *given: Any) -> Any:
        nonlocal followed
        followed += 1
        return select(flow, *given)

    monkeypatch.setattr(Flow, "select", counted)
    text = "select card from customers"
    for _ in range(depth):
        text = f"with recursive a as (select name from customers union all ({text})) select * from a"
    facts = sample.facts(text)
    assert facts.unfollowed == "its queries are nested too deeply to be followed"
    assert "public.customers.card" in {str(column) for column in facts.derived}
    assert MAX_FOLLOWED < followed < 3 * MAX_FOLLOWED


def test_what_cannot_name_itself_is_followed_once(sample: Sample) -> None:
    text = "select card from customers"
    for _ in range(100):
        text = f"with a as (select name from customers union all ({text})) select * from a"
    facts = sample.facts(text)
    assert facts.unfollowed is None
    assert facts.output is not None
    assert {str(c) for c in facts.output[0].sources} == {"public.customers.card", "public.customers.name"}


@pytest.mark.parametrize("text", UNFOLLOWED)
def test_what_cannot_be_followed_counts_all_columns_in_reach(sample: Sample, text: str) -> None:
    """INV-4: no output, a reason, and every column derived."""
    facts = sample.facts(text)
    assert facts.output is None
    assert facts.unfollowed
    assert {f"public.customers.{c}" for c in ("id", "name", "email", "card", "info", "tags")} <= {
        str(c) for c in facts.derived
    }


def test_reads_name_their_columns(sample: Sample) -> None:
    facts = sample.facts("select name from customers where card = 'x'")
    (access,) = facts.accesses
    assert access.columns == ("card", "name")
    assert sample.facts("select (c).* from customers c").accesses[0].columns is None


@pytest.mark.parametrize(
    "text",
    [
        "with q as (select card, name from customers) select 1",
        "select 1 from (select * from (select card, name from customers) s) q",
        "select 1 where exists (select card, name from customers)",
        "select 1 where exists (select * from (table customers) c (id, name, email, card))",
    ],
)
def test_columns_are_read_where_they_are_named(sample: Sample, text: str) -> None:
    """As for PostgreSQL, whose rights to columns are asked for by name, whatever becomes of the values."""
    facts = sample.facts(text)
    (access,) = facts.accesses
    assert {"card", "name"} <= set(access.columns or ())
    assert facts.inferable == facts.derived == ()


def test_the_columns_that_a_view_reads_are_not_told(sample: Sample) -> None:
    """They would be told as none at all, or as those alone that the statement reads besides."""
    found = {a.name: a.columns for a in sample.facts("select c.id from customer_cards, customers c").accesses}
    assert found == {"customer_cards": (), "customers": None}
    found = {a.name: a.columns for a in sample.facts("select card from nested_view").accesses}
    assert found == {"nested_view": ("card",), "customer_cards": None, "customers": None}


def test_a_name_beside_what_is_open_may_be_a_whole_row(sample: Sample) -> None:
    """INV-4: rows of functions may have that column, or not; then it is the row of a table."""
    text = "select concat(c) from rows from (generate_series(1, 2), unnest(array['x'])) f (m, w), customers c"
    for query in (
        text,
        "select x::text from json_to_record('{}') as y (a int), lateral (select card from customers) x",
    ):
        facts = sample.facts(query)
        assert "public.customers.card" in {str(c) for c in facts.derived}


@pytest.mark.parametrize("target", ["(card)", "(lower(card))", "(id) where card > 'x'"])
def test_the_key_of_on_conflict_decides_on_rows(sample: Sample, target: str) -> None:
    """INV-4: whether a row comes back tells whether its key was there."""
    text = f"insert into customers (id) values (1) on conflict {target} do nothing returning 1"
    assert "public.customers.card" in {str(c) for c in sample.facts(text).inferable}


@pytest.mark.parametrize(
    "text",
    [
        "select card from customer_cards",
        "select card from nested_view",
        "select v.id from customer_cards v, customers c",
        "select id from cards",
    ],
)
def test_what_a_view_reads_has_no_known_columns(sample: Sample, text: str) -> None:
    """INV-2: the flow ends at the view's own columns, so that of the table behind it any may be read."""
    columns = {access.name: access.columns for access in sample.facts(text).accesses}
    assert columns.pop("customers") is None
    assert columns in (
        {"customer_cards": ("card",)},
        {"customer_cards": ("id",)},
        {"cards": ("id",)},
        {"nested_view": ("card",), "customer_cards": None},
    )


def test_no_catalog_still_gives_a_guess(alone: Callable[..., tuple[Facts, ...]]) -> None:
    (facts,) = alone("select o.total, upper(card_number) from shop.customers, orders o")
    assert facts.output is not None
    assert "shop.customers.card_number" in {str(s) for s in facts.output[1].sources}
    assert [str(s) for s in facts.output[0].sources] == ["public.orders.total"]


def test_more_columns_than_a_server_takes_are_not_followed(sample: Sample) -> None:
    """INV-9, THREATS 23: a star expanded over and over, which the server itself refuses."""
    facts = sample.facts(f"select {', '.join(['c.*'] * 2_000)} from customers c")
    assert facts.output is None
    assert facts.unfollowed == "target lists can have at most 1664 entries"
