"""Constants among the columns that they stand beside. What becomes of whole texts is in test_literals.py."""

import pytest

from hoopd.sql import constants
from hoopd.sql.constants import ANYTHING, Constant, ConstantFlow, Meets, type_modifiers
from hoopd.sql.facts import ColumnName
from hoopd.sql.namespace import Unfollowed
from hoopd.sql.parser import parse

CARD, NAME = ColumnName("public", "customers", "card"), ColumnName("public", "customers", "name")


def followed(sample, text, *unknown):
    """Of each constant, by the text that it begins with, what it meets."""
    (statement,) = parse(text)
    modifiers = frozenset(type_modifiers(statement.node))
    flow = ConstantFlow(sample.catalog.names(sample.state), unknown=frozenset(unknown), modifiers=modifiers)
    flow.query({statement.node_type: statement.node}, None, {})
    places = {one: f"${one.column}" if one.table == "ParamRef" else text[int(one.column)] for one in flow.meets.of}
    return {places[one]: met for one, met in flow.meets.of.items()}


def test_a_constant_is_no_column():
    """They are alike in all of their fields, and must not be taken for each other in a set."""
    assert Constant("a", "b", "c") != ColumnName("a", "b", "c")
    assert len({Constant("a", "b", "c"), ColumnName("a", "b", "c")}) == 2


def test_constants_meet_the_columns_of_their_own_clause_INV_4(sample):
    assert followed(sample, "select 1 from customers where card = $1 and (name = '2' or not name = 3::text)") == {
        "1": set(), "$1": {CARD}, "'": {NAME}, "3": {NAME},
    }  # fmt: skip


def test_a_parameter_meets_what_each_of_its_places_does_INV_4(sample):
    assert followed(sample, "update customers set card = $1 where name = $1") == {"$1": {CARD, NAME}}


def test_constants_are_followed_through_queries_INV_4(sample):
    text = "with v as (select 1::text as x union all values ($1)) "
    text += "select card from customers, (select x from v) w where x = card"
    assert followed(sample, text) == {"1": {CARD}, "$1": {CARD}}


def test_what_is_written_to_a_column_that_is_not_known_meets_anything_INV_2(sample):
    met = followed(sample, "insert into orders (nosuch) values (1)")["1"]
    assert ANYTHING in met
    assert ColumnName("public", "orders", "note") in met


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("f(1)", "f"), ("s.f(1)", "f"), ("card ~~> 1", "~~>"), ("1::f", "f"), ("(1).f", "f"), ("name like 1", "~~"),
        ("name between 1 and card", ">="), ("case name when 1 then card end", "="), ("name = any (select 1)", "="),
        ("nullif(name, 1)", "="), ("name in (1)", "="), ("name operator(s.=) 1", "="),
    ],
)  # fmt: skip
def test_beside_code_that_is_not_known_constants_meet_anything_INV_2(sample, expression, word):
    text = f"select id from customers where {expression} and card = $1"
    assert ANYTHING in followed(sample, text, word)["1"]
    if word != "=":
        assert followed(sample, text, word)["$1"] == {CARD}
    assert ANYTHING not in followed(sample, text, "other")["1"]


def test_lengths_of_types_and_numbers_of_columns_are_no_values(sample):
    text = "select card::varchar(20), id from customers order by 1"
    assert followed(sample, text) == {"1": set()}


def test_what_is_noted_is_bounded_INV_9(sample, monkeypatch):
    """A constant beside a row of many columns, over and over."""
    monkeypatch.setattr(constants, "MAX_PAIRS", 10)
    text = "select id from customers where customers::text = 'a'"
    assert len(followed(sample, text)["'"]) == 6
    with pytest.raises(Unfollowed, match="too many"):
        followed(sample, f"{text} and customers::text = 'b' and customers::text = 'c'")
    meets = Meets()
    meets.meet(frozenset({ANYTHING, CARD, NAME}))
    assert meets.of == {}
