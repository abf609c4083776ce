"""Which literals and parameters meet which columns: those of public.customers.card are shown here as ***."""

import pytest

from hoopd.domain.request import Meeting
from hoopd.sql import literals
from hoopd.sql.analysis import analyse
from hoopd.sql.literals import meetings

CARD = ("public", "customers", "card")


def found(sample, text, **changes):
    return meetings(text, analyse(text, sample.state, sample.catalog), sample.state, sample.catalog, **changes)


def hidden(sample, text, column=CARD):
    """The text with *** for each literal that meets the column, and the numbers of the parameters that do."""
    met = [one for one in found(sample, text) if one.anything or column in one.columns]
    for start, end in sorted({span for one in met for span in one.spans}, reverse=True):
        text = text[:start] + "***" + text[end:]
    return text, sorted({number for one in met for number in one.params})


# Where a literal stands that meets the column, *** is written here; elsewhere, literals stay.
SHAPES = (
    """
select id from customers where card = ***
select id from customers where *** = card
select id from customers where card = *** and id = 3
select id from customers where (card = *** or name = 'x') and not id = 3
select id from customers where card::text like *** || ***
select 'x', 3 from customers where card in (***, ***) and name in ('a', 'b')
select id from customers where card between *** and *** and id between 1 and 2
select id from customers where card = any(array[***, ***]) and id = any('{1,2}')
select id from customers where lower(card) = lower(***)
select id from customers where coalesce(card, ***) is null
select id from customers where nullif(card, ***) is null and nullif(name, 'x') is null
select case when card = *** then *** else *** end, case when id = 3 then 'x' end from customers
select case card when *** then *** end from customers
select id from customers where (id, card) = (3, ***)
select id from customers where (id, card) in ((3, ***), (4, ***))
select id from customers where row(id, card) > row(3, ***)
select id from customers where (card, 1) is distinct from (***, 1)
select id from customers where substr(card, ***, ***) = *** and substr(name, 1, 4) = '4111'
select card || ***, name || 'x' from customers
select id from customers where card = -*** and id = -3
select id from customers where card = - (***) and id > + 3
select id from customers where card is not distinct from ***
select id from customers where (card = ***) is true
select id from customers where card ~ *** order by 1, name limit 10 offset 5
select id from customers order by card <-> ***, length(name) + 1
select id, count(*) from customers group by 1, card = *** having max(card) > *** and count(*) > 1
select sum(id) filter (where card = ***) over (order by id rows *** preceding) from customers
update customers set card = *** where id = 3
update customers set card = ***, name = 'x' where id = 3
update customers set (name, card) = ('x', ***) where id = 3
update customers set (name, card) = row('x', ***) where id = 3
update customers c set name = 'x' from orders o where o.note = c.card || *** and o.id = 3
insert into customers (id, card) values (1, ***), (2, ***)
insert into customers values (1, 'n', 'e', ***)
insert into customers (card, id) select ***, 3
insert into customers (id, card) select 3, *** union all select 4, ***
insert into customers (id, card) values (1, ***) \
on conflict (id) do update set card = ***, name = 'n' where customers.id = 3
insert into customers (id, card) values (1, ***) on conflict (id) do update set name = excluded.card || ***
insert into customers (id, name) values (1, 'n') returning card = ***, name = 'm'
delete from customers where card = *** and id = 3
delete from orders using customers c where c.card = *** and orders.id = 3
merge into customers c using (values (1, ***)) v(id, card) on c.id = v.id and c.id > 5 \
when matched and c.card <> *** then update set card = v.card, name = 'n' \
when not matched then insert (id, card, name) values (7, ***, 'm')
with v(x) as (values (***)) select id from customers, v where card = v.x
with v as (select *** as x, 'other' as y) select id from customers, v where card = v.x and name = v.y
with recursive v(x) as (select *** union all select x || *** from v) select id from customers, v where card = x
with gone as (delete from customers where card = *** returning id) select id + 1 from gone
select id from customers c join (values (***, 'y')) v(card, z) using (card)
select id from customers c natural join (select *** as card) v where c.id = 3
select id from customers where card in (select *** union select note from orders where id = 3)
select id from customers where exists (select 1 from orders where note = customers.card || *** and id = 3)
select card from customers where id = 3 union select ***
select card from customers where id = 3 except select ***
select id from customers where (select max(card) from customers) = ***
select id from (select id, card as c from customers) s where s.c = *** and s.id = 3
select id from customers c where c::text = ***
select id from customers where row(customers.*) = ***
select id from customers where card = *** -- card = 'x'
select id from customers where card = U&*** uescape *** and id = 3
select id from customers where card = $$4111$$
select card from customers where id = 3 union all select *** union all select ***
values (3, ***), (4, (select card from customers where id = 3))
explain (costs off) select id from customers where card = *** and id = 3
create table copy_of as select id from customers where card = *** and id = 3
declare c cursor for select id from customers where card = *** and id = 3
select id from customer_cards where card = ***
select id from nested_view where card = ***
select varchar(20) 'x', card::varchar(20) = *** from customers
select extract(year from date '2020-01-01') from customers where card = ***
select id from customers where card = *** and info ->> 'a' = 'b'
""".strip()
    .replace("\\\n", "")
    .splitlines()
)


@pytest.mark.parametrize("shape", [s for s in SHAPES if "***" in s])
def test_what_meets_a_column_is_found_and_nothing_else_INV_4(sample, shape):
    literal = "'4111'"
    if "-***" in shape or "- (***)" in shape:
        literal = "4111"
    text = shape.replace("U&***", "U&'41'").replace("uescape ***", "uescape '!'").replace("***", literal)
    assert hidden(sample, text) == (shape.replace("U&***", "***"), [])


@pytest.mark.parametrize(
    "literal",
    ["'41''11'", "E'41\\'11'", "$$4111$$", "$a$41'11$a$", "'41'\n'11'", "b'01'", "x'1F'", "4111", "0.5e3", "true"],
)
def test_every_kind_of_literal_is_hidden_whole_INV_4(sample, literal):
    text = f"select id from customers where /* ä */ note('ß') and card = {literal} and id = 3".replace(
        "note('ß') and ", ""
    )
    assert hidden(sample, text) == (text.replace(literal, "***"), [])


def test_places_are_counted_in_characters(sample):
    text = "select 'äöü€😀' from customers where card = '€4111' and name = '😀' and id = 3"
    assert hidden(sample, text) == (text.replace("'€4111'", "***"), [])


def test_every_statement_of_a_batch_is_looked_at(sample):
    text = "select 'x'; update customers set card = '1' where id = 2; select id from customers where card = '3'"
    assert hidden(sample, text)[0] == text.replace("'1'", "***").replace("'3'", "***")


def test_parameters_are_found_by_their_numbers(sample):
    text = "update customers set name = $1, card = $2 where id = $3 and card = $4 || $2 || 'x'"
    assert hidden(sample, text) == (text.replace("'x'", "***"), [2, 4])


# Where the flow of columns is lost, or runs through code that cannot be seen through.
LOST = (
    """
select id from customers where id = *** and nosuch = *** and id = ***
select nosuch(id) from customers where card = *** and id = ***
select app.charge(***) from customers where id > 3
select id from orders where app.charge(***) > id and id > 3
select * from app.charge(***) c where c = *** and 3 > 2
select charged from with_function where charged = ***
select (***)::positive from orders where id > 3
select id from orders where id operator(public.###) *** = *** and id = 3
do *** language plpgsql
copy customers from stdin with (delimiter ***)
copy (select id from customers where card = *** and id = 3) to stdout with (delimiter ***)
alter table customers alter column name set default ***
alter domain positive add check (value <> ***)
alter type mood add value ***
execute p(***)
prepare p as update customers set card = *** where id = 3
create function f() returns int language sql as ***
create index i on customers (id) where card = ***
create policy p on customers using (card = ***)
copy customers from program ***
create view v as select id from customers where card = *** and id = 3
with recursive v(x) as (select 'a' union select 'b') search depth first by x set o select *** from customers
""".strip()
    .replace("'a'", "***")
    .replace("'b'", "***")
    .splitlines()
)


@pytest.mark.parametrize("shape", LOST)
def test_what_cannot_be_followed_counts_as_meeting_INV_4(sample, shape):
    text = shape.replace("***", "'4'")
    assert hidden(sample, text) == (shape, [])


@pytest.mark.parametrize(
    "text",
    [
        "set statement_timeout = '5s'",
        "create table fresh (id int default 5, name varchar(20) default 'x')",
        "alter table orders alter column note set default 'x'",
        "comment on table orders is 'x'",
        "select nosuch_column from orders where id = 3",
        "notify c, 'x'",
    ],
)
def test_what_is_out_of_reach_of_the_column_stays_visible(sample, text):
    assert hidden(sample, text) == (text, [])


def test_the_columns_of_a_new_table_are_in_reach_of_its_literals(sample):
    text = "create table public.fresh (id int default 5, ssn text default 'x')"
    assert hidden(sample, text, ("public", "fresh", "ssn"))[0] == text.replace("5", "***").replace("'x'", "***")


def test_partitions_and_children_are_met_with_their_parents(sample):
    text = "select id from parent where hidden = '4'"
    assert hidden(sample, text, ("public", "child", "hidden"))[0] == text.replace("'4'", "***")
    text = "select id from events where secret = '4' and id = 1"
    assert hidden(sample, text, ("public", "events_2020", "secret"))[0] == text.replace("'4'", "***")


@pytest.mark.parametrize("text", ["select 'x' from", "select 'x", "select 1; select $2 from (", "\0"])
def test_text_that_cannot_be_read_is_met_whole_INV_2(sample, text):
    numbers = (2,) if "$2" in text else ()
    assert found(sample, text) == (Meeting(((0, len(text)),), numbers, (), anything=True),)


def test_facts_of_other_statements_are_not_taken_for_these_INV_2(sample):
    text = "select 1; select 2"
    facts = analyse("select 1", sample.state, sample.catalog)
    (one,) = meetings(text, facts, sample.state, sample.catalog)
    assert one.anything
    assert one.spans == ((0, len(text)),)


def test_what_is_kept_is_bounded_INV_9(sample, monkeypatch):
    """Past the bound everything that meets something is taken to meet anything."""
    monkeypatch.setattr(literals, "MAX_COLUMNS", 3)
    text = "select id from customers where name = 'a' and card = 'b' and email = 'c'"
    assert [one.anything for one in found(sample, text)] == [False] * 3
    (one,) = found(sample, f"{text} and name || card = 'd' and 1 = 1")
    assert one.anything
    assert len(one.spans) == 4


def test_nothing_is_met_by_nothing(sample):
    assert found(sample, "") == ()
    assert found(sample, "select id from customers") == ()
