"""What a tunnel tells, for programs and for people."""

from datetime import UTC, datetime

import pytest

from hoopctl.client.stream import Signal
from hoopctl.tunnel import events

HELD = Signal(
    "held", "r-7f3k", "", "DELETE FROM orders\nWHERE id = 1", ("dba",), datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
)


def test_a_held_statement_is_a_line_with_its_request() -> None:
    assert events.as_line(events.Signalled("s-1", HELD)) == {
        "event": "held",
        "request": "r-7f3k",
        "session": "s-1",
        "message": "",
        "sql": "DELETE FROM orders\nWHERE id = 1",
        "waiting_for": ["dba"],
        "until": "2026-01-01T12:00:00.000000Z",
    }


def test_a_held_statement_is_a_sentence_on_one_line() -> None:
    said = events.as_sentence(events.Signalled("s-1", HELD))
    assert said.startswith("held as r-7f3k, waiting for dba until ")
    assert said.endswith(": DELETE FROM orders WHERE id = 1")


@pytest.mark.parametrize("outcome", ["approved", "rejected", "expired", "cancelled", "void"])
def test_an_outcome_comes_with_the_reviewers_words(outcome: str) -> None:
    signal = Signal(outcome, "r-7f3k", "bob: fine", "", (), None)
    assert events.as_sentence(events.Signalled("s-1", signal)) == f"{outcome} r-7f3k: bob: fine"
    line = events.as_line(events.Signalled("s-1", signal))
    assert (line["event"], line["request"], line["until"]) == (outcome, "r-7f3k", None)


def test_a_message_that_names_the_request_is_not_preceded_by_it() -> None:
    signal = Signal("approved", "r-7f3k", "r-7f3k is approved and runs now", "", (), None)
    assert events.as_sentence(events.Signalled("s-1", signal)) == "approved: r-7f3k is approved and runs now"


@pytest.mark.parametrize(
    ("event", "name", "sentence"),
    [
        (events.SessionStarted("s-1"), "session_started", "session s-1 started"),
        (events.SessionEnded("s-1", "client", ""), "session_ended", "session s-1 ended (client)"),
        (events.SessionEnded(None, "lost", "Gone."), "session_ended", "a client ended (lost): Gone."),
        (events.GatewayLost("Away."), "gateway_lost", "Away."),
        (events.GatewayBack("Back."), "gateway_back", "Back."),
        (events.SignInEnded("Over.", "Sign in."), "sign_in_ended", "Over. Sign in."),
    ],
)
def test_each_event_has_a_line_and_a_sentence(event: events.TunnelEvent, name: str, sentence: str) -> None:
    assert events.as_line(event)["event"] == name
    assert events.as_sentence(event) == sentence
