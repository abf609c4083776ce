"""Requests as plain values, and their JSON line."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hoopctl.requests import Param, Person, Seat, Word, as_line
from tests.fixtures.inbox import START, request


def test_the_line_has_the_fields_of_the_contract_and_cuts_nothing():
    sql = "SELECT '\u202e'\n" + "x" * 100_000
    line = as_line(request(sql=sql, params=(Param("text", None, False), Param("text", "***", True))))
    assert {
        "id", "state", "connection", "principal", "sql", "params", "facts", "rules", "created", "expires"
    } <= set(line)  # fmt: skip
    assert line["sql"] == sql
    assert line["params"] == [
        {"type": "text", "value": None, "masked": False},
        {"type": "text", "value": "***", "masked": True},
    ]
    assert line["principal"] == "alice@example.com"
    assert line["created"] == "2025-03-01T12:00:00.000000Z"
    assert line["facts"]["kind"] == "delete"
    assert json.loads(json.dumps(line)) == line


def test_what_is_unknown_is_null_and_never_left_out():
    line = as_line(request(batch=(), reason="", application="", message=""))
    assert [line[name] for name in ("facts", "reason", "application", "message")] == [None] * 4


def test_a_batch_is_named_by_all_its_kinds_and_effects():
    first = request().batch[0]
    batch = request(batch=(first, replace(first, kind="drop_table", effects=("ddl",))))
    assert batch.kind == "delete; drop_table"
    assert batch.effects == ("ddl", "read", "write")


def test_it_says_whom_it_waits_for():
    seats = (
        Seat("a", ("dba",), 2, ("bob",)),
        Seat("b", ("security", "ciso"), 2, ()),
        Seat("c", ("dba",), 1, ()),
        Seat("d", ("ops",), 1, ("x",)),
    )
    assert request(seats=seats).waiting_for == ("dba", "2 of security or ciso")


def test_the_deadline_is_the_hold_while_it_is_pending():
    made = request()
    assert made.deadline == START + timedelta(minutes=4)
    assert replace(made, state="approved").deadline == made.expires
    assert made.is_open
    assert not replace(made, state="expired").is_open


def test_words_are_told_with_their_time():
    said = Word("approve", Person("bob", None, ("dba",)), "fine", START)
    assert as_line(request(words=(said,)))["approvals"] == [
        {"verdict": "approve", "by": "bob", "comment": "fine", "at": "2025-03-01T12:00:00.000000Z"}
    ]


def test_what_is_hidden_is_in_the_line():
    """INV-4, INV-7"""
    line = as_line(request(sql="'****'", sql_masked=True, masked_columns=("a.b.c",), redacted=True))
    assert [line[name] for name in ("sql_masked", "masked_columns", "redacted")] == [True, ["a.b.c"], True]
    line = as_line(request())
    assert [line[name] for name in ("sql_masked", "masked_columns", "redacted")] == [False, [], False]


HIDDEN = (Param("text", None, True),)
CARD = "public.customers.card_number"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ()),
        ({"params": (Param("text", None, False),)}, ()),
        (
            {"sql_masked": True, "masked_columns": (CARD,)},
            (f"literals that meet masked columns are hidden from you: {CARD}",),
        ),
        (
            {"params": HIDDEN, "masked_columns": (CARD, "a.b.c")},
            (f"parameters that meet masked columns are hidden from you: {CARD}, a.b.c",),
        ),
        (
            {"sql_masked": True, "params": HIDDEN, "masked_columns": (CARD,)},
            (f"literals and parameters that meet masked columns are hidden from you: {CARD}",),
        ),
        ({"sql_masked": True}, ("literals that may meet masked columns are hidden from you",)),
        ({"redacted": True}, ("a credential in it is recorded as a keyed hash",)),
    ],
)
def test_it_says_what_is_not_shown_INV_4(changes, said):
    assert request(**changes).withheld == said
