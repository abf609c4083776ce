"""The digest covers every field (INV-5), and the JSON comes back as it went."""

import json
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.approvals.snapshots import decode, digest, encode
from hoopd.domain.decision import ReviewTerms
from hoopd.domain.request import Meeting, Snapshot, StatementFacts
from hoopd.domain.statement import Param
from tests.fixtures.requests import seats, snapshot

TEXT = st.text(st.characters(), max_size=20)
PARAMS = st.lists(st.builds(Param, TEXT, st.none() | TEXT, st.booleans()), max_size=3).map(tuple)

CHANGED = {
    "session": "s-other",
    "statement": 8,
    "connection": "staging",
    "issuer": "https://other.example",
    "subject": "mallory",
    "email": None,
    "groups": frozenset({"dba"}),
    "database": "other",
    "role": "owner",
    "search_path": "evil, public",
    "sql": "DELETE FROM orders WHERE id = $1 ",
    "params": (Param("integer", "18"),),
    "param_digest": "11" * 32,
    "facts": (StatementFacts("delete", ("read", "write"), ("write public.orders",), (), "missing"),),
    "rules": (),
    "terms": ReviewTerms((seats(2, "dba"),), timedelta(minutes=4), timedelta(minutes=30)),
    "policy_version": 4,
    "reason": "",
    "application": "cursor",
    "transaction": "T",
    "labels": {"env": "staging"},
    "meets": (Meeting(((1, 2),), (1,), (("public", "orders", "id"),)),),
    "redacted": True,
}


def test_every_field_of_a_snapshot_is_tried_here():
    assert set(CHANGED) == {field.name for field in fields(Snapshot)}


@pytest.mark.parametrize("field", sorted(CHANGED))
def test_a_change_of_any_field_changes_the_digest_INV_5(field):
    assert digest(replace(snapshot(), **{field: CHANGED[field]})) != digest(snapshot())


def test_null_and_the_text_null_differ_INV_5():
    one, other = (snapshot(params=(Param("text", value),)) for value in (None, "null"))
    assert digest(one) != digest(other)


def test_the_order_of_groups_and_labels_does_not_matter():
    one = snapshot(seats(1, "a", "b", "c"), labels={"x": "1", "y": "2"})
    other = snapshot(seats(1, "c", "b", "a"), labels={"y": "2", "x": "1"})
    assert encode(one) == encode(other)


@given(sql=TEXT, params=PARAMS, reason=TEXT)
def test_what_is_encoded_comes_back(sql, params, reason):
    made = snapshot(seats(2, "dba", "security"), sql=sql, params=params, reason=reason)
    assert decode(encode(made)) == made
    assert encode(decode(encode(made))) == encode(made)


NAMES = st.tuples(TEXT, TEXT, TEXT)
PLACES = st.tuples(st.integers(0), st.integers(0))
MEETS = st.builds(
    Meeting,
    st.lists(PLACES, max_size=3).map(tuple),
    st.lists(st.integers(1), max_size=3).map(tuple),
    st.lists(NAMES, max_size=3).map(tuple),
    st.booleans(),
)


@given(meets=st.lists(MEETS, max_size=3).map(tuple), redacted=st.booleans())
def test_what_must_be_hidden_comes_back(meets, redacted):
    made = snapshot(meets=meets, redacted=redacted)
    assert decode(encode(made)) == made


def test_a_row_from_before_meetings_hides_all_INV_2():
    raw = json.loads(encode(snapshot(sql="select $1", params=(Param("text", "a"), Param("text", "b")))))
    del raw["meets"], raw["redacted"]
    old = decode(json.dumps(raw))
    assert old.meets == (Meeting(((0, 9),), (1, 2), (), anything=True),)
    assert not old.redacted


def test_a_value_without_a_canonical_form_is_refused():
    with pytest.raises(TypeError, match="float"):
        encode(snapshot(reason=1.5))


def test_the_text_is_plain_json():
    assert json.loads(encode(snapshot()))["terms"]["hold"] == 240_000_000
