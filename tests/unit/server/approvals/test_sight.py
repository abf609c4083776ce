"""What a viewer is shown of a request's text (INV-4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.approvals.sight import HIDDEN, Sight, seen, whole
from hoopd.domain.request import Meeting
from hoopd.domain.statement import Param
from tests.fixtures.requests import mask, snapshot

SQL = "select '1', '22', 333"
CARD, NAME = ("public", "customers", "card"), ("public", "customers", "name")
FIRST, SECOND, THIRD = (7, 10), (12, 16), (18, 21)


def sight(*meets, masks=("public.customers.card",), params=()):
    return seen(snapshot(sql=SQL, meets=meets, params=params), [mask(each) for each in masks])


def test_nothing_is_hidden_that_meets_no_masked_column():
    one = Meeting((FIRST,), (1,), (NAME,))
    assert sight(one, params=(Param("text", "a"),)) == Sight(SQL, (Param("text", "a"),))


def test_literals_are_hidden_whatever_their_length_INV_4():
    made = sight(Meeting((FIRST, THIRD), (), (NAME, CARD)), Meeting((SECOND,), (), (NAME,)))
    assert made == Sight(f"select {HIDDEN}, '22', {HIDDEN}", (), sql_masked=True, columns=("public.customers.card",))


def test_patterns_of_masks_hold_for_what_is_met_INV_4():
    assert sight(Meeting((FIRST,), (), (CARD,)), masks=("*.*.card",)).sql_masked
    assert not sight(Meeting((FIRST,), (), (CARD,)), masks=("billing.*.card",)).sql_masked


def test_what_may_meet_anything_is_hidden_from_all_who_are_under_a_mask_INV_2():
    one = Meeting(((0, len(SQL)),), (1,), (), anything=True)
    assert sight(one, params=(Param("text", "a"),)) == Sight(HIDDEN, (Param("text", None, masked=True),), True)
    assert sight(one, masks=()) == Sight(SQL, ())


def test_parameters_are_hidden_by_their_numbers_and_null_stays_null_INV_4():
    params = (Param("text", "a"), Param("text", "b"), Param("text", None))
    made = sight(Meeting((), (2, 3, 9), (CARD,)), params=params)
    assert made.params == (Param("text", "a"), Param("text", None, masked=True), Param("text", None))
    assert not made.sql_masked
    assert made.columns == ("public.customers.card",)


def test_where_masks_are_not_known_all_that_meets_columns_is_hidden_INV_2():
    assert seen(snapshot(sql=SQL, meets=(Meeting((FIRST,), (), (NAME,)),)), None).sql == f"select {HIDDEN}, '22', 333"


def test_the_requester_sees_it_as_typed():
    assert whole(snapshot(sql=SQL, meets=(Meeting((FIRST,), (), (CARD,)),))).sql == SQL


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=6))
def test_no_character_of_what_is_hidden_is_left_INV_4(places):
    text = "".join(chr(0x3B1 + place) for place in range(24))
    spans = tuple((start, min(start + length, 24)) for start, length in places)
    made = seen(snapshot(sql=text, meets=(Meeting(spans, (), (CARD,)),)), [mask("*.*.*")])
    gone = {text[place] for start, end in spans for place in range(start, end)}
    assert not gone & set(made.sql)
    assert [c for c in made.sql if c in text] == [c for c in text if c not in gone]
    assert made.sql_masked is bool(spans)


@pytest.mark.parametrize("spans", [((7, 10), (7, 10)), ((7, 16), (12, 16)), ((0, 21), (7, 10))])
def test_spans_over_each_other_are_one(spans):
    assert sight(Meeting(spans, (), (CARD,))).sql.count(HIDDEN) == 1
