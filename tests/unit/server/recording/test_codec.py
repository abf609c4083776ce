"""Events to bytes and back: every event has a form, and no text breaks it."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.events import DataCopied, Event, NoticeSeen, RowsReturned, SessionEnded, StatementPrepared
from hoopd.recording import codec
from hoopd.recording.codec import NotAnEvent, decode, message_of, micros, moment

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_every_event_has_a_form() -> None:
    assert set(codec._BODIES) == set(get_args(Event))


def test_the_story_comes_back_as_it_was(story) -> None:
    events = [
        *story.whole(),
        StatementPrepared("s1", "SELECT 1", "select", ("read",), Outcome.allow),
        NoticeSeen(1, "NOTICE", "00000", "hello"),
        DataCopied(1, True, False, 12, "ab" * 32),
    ]
    for seq, event in enumerate(events, start=1):
        body = message_of(story.session, seq, AT, event).SerializeToString(deterministic=True)
        message = decode(body)
        assert (message.session, message.seq, moment(message.time_us)) == (story.session, seq, AT)
        assert message.SerializeToString(deterministic=True) == body
    decided = decode(message_of(story.session, 2, AT, events[1]).SerializeToString()).decided
    assert (decided.sql, decided.params[0].value) == ("SELECT * FROM customers", "7")
    assert not decided.params[1].HasField("value")
    assert decided.params[1].masked
    settled = message_of(story.session, 8, AT, events[7]).request_settled
    assert (settled.outcome, settled.words[0].by, settled.words[0].comment) == ("approved", "bob@example.com", "fine")


def test_null_is_not_the_empty_text(story) -> None:
    message = message_of(story.session, 1, AT, RowsReturned(1, ("a", "b"), (("", None),), 3))
    cells = message.rows.rows[0].cells
    assert [cell.HasField("value") for cell in cells] == [True, False]
    assert message.rows.not_kept == 3


def test_text_that_is_no_utf8_is_recorded_all_the_same(story) -> None:
    """INV-3: no text of a client may make an event that cannot be written."""
    message = message_of(story.session, 1, AT, SessionEnded("gone", "lone \udce9 and NUL \x00"))
    assert decode(message.SerializeToString()).session_ended.message == "lone \\udce9 and NUL \x00"


@pytest.mark.parametrize("body", [b"", b"\xff\xff", b"\x0a\x01s"])
def test_other_bytes_are_not_an_event(body: bytes) -> None:
    with pytest.raises(NotAnEvent):
        decode(body)


def test_a_time_that_no_calendar_has_is_not_an_event(story) -> None:
    message = message_of(story.session, 1, AT, SessionEnded("gone", ""))
    message.time_us = 2**62
    with pytest.raises(NotAnEvent):
        decode(message.SerializeToString())


def test_micros_are_exact() -> None:
    assert moment(micros(AT)) == AT
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1
