"""The machine itself: late answers, unknown messages, the end."""

from __future__ import annotations

from hoopd.session import events
from hoopd.session.core import FRAME_BYTES
from hoopd.session.state import Phase
from tests.unit.server.session.play import Play, encode, facts, query, verdict


def test_a_late_verdict_changes_nothing() -> None:
    with Play() as play:
        play.client(query("select 1"))
        play.ticket -= 1
        play.skip().judged(verdict(facts("select 1")))
        assert play.said() == []


def test_an_unknown_message_ends_the_session() -> None:
    """THREATS 10"""
    with Play() as play:
        play.client(encode("v", b""))
        said = play.said()
        assert said[0].startswith("client E 08P01")
        assert said[-1] == "end client"


def test_nothing_follows_the_end() -> None:
    with Play() as play:
        play.event(events.EndAsked("gateway", "57P01", "stopping"))
        assert play.said() == ["client E 57P01 stopping", "end gateway"]
        play.client(query("select 1")).event(events.ClientGone())
        assert play.said() == []
        assert play.machine.phase is Phase.ended


def test_a_statement_without_an_end_is_unknown() -> None:
    """INV-3"""
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        play.event(events.ServerGone("the connection was lost"))
        assert play.said() == [
            "client E 08006 the connection was lost",
            "record StatementFinished unknown",
            "end database",
        ]


def test_no_verdict_is_a_refusal() -> None:
    """INV-2"""
    with Play() as play:
        play.client(query("select 1")).skip()
        play.event(events.JudgingFailed(play.ticket, "58000", "the catalog cannot be read"))
        assert play.said() == ["client E 58000 the catalog cannot be read", "client Z I"]


def test_a_cancel_of_a_running_statement_goes_to_the_database() -> None:
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        play.event(events.CancelAsked())
        assert play.said() == ["cancelserver"]


def test_a_cancel_of_nothing_is_nothing() -> None:
    with Play() as play:
        play.event(events.CancelAsked())
        assert play.said() == []


def test_what_the_client_sends_ahead_is_counted() -> None:
    """INV-9"""
    with Play() as play:
        play.client(query("select 1"), query("select 2")).skip()
        assert play.machine.inbox_bytes == len("select 2\0") + FRAME_BYTES
