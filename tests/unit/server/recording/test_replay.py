"""Replay tells each event as a line."""

from dataclasses import replace
from datetime import UTC, datetime

from hoopd.domain.decision import Outcome
from hoopd.domain.events import (
    DataCopied,
    NoticeSeen,
    RowsReturned,
    StatementFinished,
    StatementOutcome,
    StatementPrepared,
)
from hoopd.domain.statement import Param
from hoopd.recording import replay
from hoopd.recording.codec import _BODIES, message_of
from hoopd.recording.ports import EventRow
from hoopd.recording.replay import ReplayLine, tell

OPENED = "alice@example.com opened prod-db (database shop, role hoop_service) with psql from 10.0.0.7; reason: ticket 7"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lines(story, events) -> list[ReplayLine]:
    return [
        tell(EventRow(seq, message_of(story.session, seq, AT, event).SerializeToString(), b""))
        for seq, event in enumerate(events, start=1)
    ]


def test_a_session_is_told_from_start_to_end(story) -> None:
    told = lines(story, story.whole())
    assert [(line.seq, line.kind, line.statement.removeprefix(story.session), line.text) for line in told] == [
        (
            1,
            "SessionStarted",
            "",
            OPENED,
        ),
        (
            2,
            "StatementDecided",
            "/1",
            "allow by read freely\nSELECT * FROM customers\n$1 = 7 (integer)\n$2 = NULL (text, masked)",
        ),
        (3, "StatementStarted", "/1", "running"),
        (4, "RowsReturned", "/1", ""),
        (5, "StatementFinished", "/1", "SELECT 2 (1.2 ms); masked: public.customers.card_number"),
        (
            6,
            "StatementDecided",
            "/2",
            "review by read freely\nDELETE FROM orders WHERE id = 7\n$1 = 7 (integer)\n$2 = NULL (text, masked)",
        ),
        (7, "RequestRaised", "/2", "held as r-7f3kaaaa, waiting for dba"),
        (8, "RequestSettled", "/2", "r-7f3kaaaa approved\napproved by bob@example.com: fine"),
        (9, "StatementStarted", "/2", "running"),
        (10, "StatementFinished", "/2", "SELECT 2 (1.2 ms); masked: public.customers.card_number"),
        (
            11,
            "StatementDecided",
            "/3",
            "deny by read freely: use a migration\nDROP TABLE orders\n$1 = 7 (integer)\n$2 = NULL (text, masked)",
        ),
        (12, "SessionEnded", "", "the session ended: client closed"),
    ]
    assert told[3].columns == ("id", "card")
    assert told[3].rows == (("1", "****1234"), ("2", None))


def test_what_else_can_happen(story) -> None:
    told = lines(
        story,
        [
            StatementPrepared("", "SELECT 1", "select", ("read",), Outcome.allow),
            NoticeSeen(1, "WARNING", "01000", "careful"),
            RowsReturned(1, (), (), 12),
            DataCopied(1, True, False, 6, "ab" * 32),
            DataCopied(1, False, True, 9, "cd" * 32),
            StatementFinished(1, StatementOutcome.error, "", None, 0.0, "42P01", "no such table"),
            StatementFinished(1, StatementOutcome.unknown, "", None, 0.0, "", "its end was not seen"),
        ],
    )
    assert [line.text for line in told] == [
        "prepared\nSELECT 1",
        "WARNING 01000: careful",
        "12 more rows went to the client and were not kept",
        f"6 bytes of text data came from the client, SHA-256 {'ab' * 32}",
        f"9 bytes of binary data went to the client, SHA-256 {'cd' * 32}",
        "error 42P01: no such table",
        "unknown: its end was not seen",
    ]


def test_every_event_has_a_line() -> None:
    assert {kind for kind, _ in replay._LINES.values()} == {event.__name__ for event in _BODIES}


def test_a_parameter_cannot_look_like_another_line(story) -> None:
    """THREATS 18: what a client typed does not pass for what the gateway said."""
    decided = replace(story.decided(1, "SELECT $1"), params=(Param("text", "x\nallow by nobody\\n"),))
    assert lines(story, [decided])[0].text.split("\n")[2:] == ["$1 = x\\nallow by nobody\\\\n (text)"]
