"""The bytes written straight out are protobuf's own, whatever is in the event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.decision import Outcome
from hoopd.domain.events import (
    Event,
    RowsReturned,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.statement import Param
from hoopd.recording import wire
from hoopd.recording.codec import message_of
from hoopd.recording.wire import body_of, varint

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(["", "lone \udce9", "NUL \x00", "é" * 200])
MANY = st.lists(TEXTS, max_size=4).map(tuple)
NUMBERS = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 127, 128, 16_383, 16_384])
EVENTS = st.one_of(
    st.builds(
        StatementDecided,
        NUMBERS,
        TEXTS,
        st.lists(st.builds(Param, TEXTS, st.none() | TEXTS, st.booleans()), max_size=3).map(tuple),
        TEXTS,
        MANY,
        MANY,
        st.sampled_from(Outcome),
        MANY,
        TEXTS,
        NUMBERS,
    ),
    st.builds(StatementStarted, NUMBERS),
    st.builds(
        RowsReturned, NUMBERS, MANY, st.lists(st.lists(st.none() | TEXTS, max_size=3).map(tuple)).map(tuple), NUMBERS
    ),
    st.builds(
        StatementFinished,
        NUMBERS,
        st.sampled_from(StatementOutcome),
        TEXTS,
        st.none() | NUMBERS,
        st.floats(0, allow_nan=False),
        TEXTS,
        TEXTS,
        MANY,
    ),
)


@given(NUMBERS.filter(bool), st.timedeltas(timedelta(days=-20_500), timedelta(days=9000)), EVENTS)
def test_the_bytes_are_protobufs_own(seq: int, later: timedelta, event: Event) -> None:
    expected = message_of("s-4kq7aaaabbbb", seq, AT + later, event).SerializeToString(deterministic=True)
    assert body_of("s-4kq7aaaabbbb", seq, AT + later, event) == expected


def test_every_event_has_bytes_and_those_of_each_statement_are_written_straight_out(story) -> None:
    for seq, event in enumerate(story.whole(), start=1):
        expected = message_of(story.session, seq, AT, event).SerializeToString(deterministic=True)
        assert body_of(story.session, seq, AT, event) == expected
    assert set(wire._FORMS) < set(get_args(Event))


def test_a_clock_before_1970_is_written_as_well(story) -> None:
    at = datetime(1969, 12, 31, tzinfo=UTC)
    expected = message_of(story.session, 1, at, story.started(1)).SerializeToString(deterministic=True)
    assert body_of(story.session, 1, at, story.started(1)) == expected


def test_what_is_kept_is_bounded(story) -> None:
    """INV-9"""
    wire._decided_rest.cache_clear()
    many = tuple(f"read public.t{number}" for number in range(wire.MOST + 1))
    body_of(story.session, 1, AT, replace(story.decided(1, "select 1"), accesses=many))
    assert wire._decided_rest.cache_info().currsize == 0
    body_of(story.session, 1, AT, story.decided(1, "select 1"))
    body_of(story.session, 1, AT, story.decided(2, "select 2"))
    assert wire._decided_rest.cache_info().currsize == 1


@pytest.mark.parametrize(("number", "expected"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_varints(number: int, expected: bytes) -> None:
    assert varint(number) == expected


@given(st.integers(1, 2**62) | st.sampled_from([2**28 - 1, 2**28, 2**28 + 1, 2**56 - 1, 2**56]))
def test_times_are_varints(number: int) -> None:
    assert wire._time(number) == varint(number)
