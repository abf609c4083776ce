"""The machine itself: late answers, unknown messages, the end."""

from __future__ import annotations

from hoopd.domain.decision import Outcome
from hoopd.pgwire.framing import Frame
from hoopd.session import events
from hoopd.session.core import FRAME_BYTES
from hoopd.session.state import Phase
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    NO_DATA,
    PARSE_COMPLETE,
    SYNC,
    Play,
    bind,
    columns,
    complete,
    encode,
    execute,
    facts,
    failure,
    parameters,
    parse,
    query,
    ready,
    row,
    verdict,
)


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


def test_an_end_of_the_clients_input_is_taken_in_its_turn() -> None:
    """As PostgreSQL does with a socket that is closed on one side: what came before it is answered."""
    with Play() as play:
        play.client(query("select 1"), query("select 2")).event(events.ClientClosed())
        assert play.said() == ["judge select 1"]
        play.judged(verdict(facts("select 1"))).skip().server(complete("SELECT 1"), ready())
        assert play.said()[-3:] == ["client C SELECT 1", "client Z I", "judge select 2"]
        play.judged(verdict(facts("select 2"))).skip().server(complete("SELECT 1"), ready())
        assert play.said()[-2:] == ["client Z I", "end client"]


def test_a_stream_that_breaks_pre_empts_what_came_before_it() -> None:
    with Play() as play:
        play.client(query("select 1"), query("select 2")).event(events.ClientClosed()).skip()
        play.event(events.ClientGone())
        assert play.said() == ["end client"]


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


def test_a_stream_both_ways_that_the_server_begins_ends_the_session() -> None:
    """THREATS 10: CopyBoth is of replication, which is refused at the start."""
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        play.server(encode("W", b"\0\0\0"))
        assert play.said() == [
            "client E 08P01 the database sent a message of type 'W' that nobody asked for",
            "record StatementFinished unknown",
            "end database",
        ]


def test_a_cancel_hits_what_runs_and_not_what_is_queued_behind_it() -> None:
    """THREATS 11: while queued, and after the end."""
    with Play() as play:
        play.client(query("select 1"), query("select 2")).skip().judged(verdict(facts("select 1"))).skip()
        play.event(events.CancelAsked())
        assert play.said() == ["cancelserver"]
        play.server(complete("SELECT 1"), ready())
        assert play.said()[-1] == "judge select 2"
        play.event(events.EndAsked("gateway", "57P01", "stopping")).skip()
        play.event(events.CancelAsked())
        assert play.said() == []


def test_thousands_of_messages_behind_a_hold_are_counted_and_not_looked_at() -> None:
    """INV-9, THREATS 23: the interpreter stops reading by this count."""
    held = verdict(facts("delete from t", "delete"), outcome=Outcome.review)
    with Play() as play:
        play.client(query("delete from t")).judged(held).raised().skip()
        play.client(*[query("delete from t")] * 5_000)
        assert play.said() == []
        assert play.machine.inbox_bytes == 5_000 * (len("delete from t\0") + FRAME_BYTES)
        play.event(events.ClientGone())
        assert play.said()[-1] == "end client"


def test_frames_that_come_together_are_taken_as_if_they_came_apart() -> None:
    asked = [parse("select 1"), bind(), execute(""), SYNC, query("select 2")]
    answers = [
        PARSE_COMPLETE,
        parameters(),
        columns("a"),
        NO_DATA,
        BIND_COMPLETE,
        row("1"),
        complete("SELECT 1"),
        ready(),
    ]
    said: list[list[str]] = []
    for together in (False, True):
        with Play() as play:

            def take(frames: list[Frame], receive, event, play: Play = play, together: bool = together) -> None:
                if together:
                    play._take(receive(frames))
                else:
                    for frame in frames:
                        play.event(event(frame))

            machine = play.machine
            take(play._frames(b"".join(asked)), machine.client_sent, events.ClientSent)
            play.judged(verdict(facts("select 1")))
            take(play._frames(b"".join(answers[:3])), machine.server_sent, events.ServerSent)
            play.judged(verdict(facts("select 1")))
            take(play._frames(b"".join(answers[4:])), machine.server_sent, events.ServerSent)
            said.append(play.said())
    apart, as_one = said
    assert apart == as_one
    assert "client C SELECT 1" in as_one
    assert as_one[-1] == "judge select 2"


def test_what_comes_behind_the_end_in_one_piece_is_nothing() -> None:
    with Play() as play:
        fatal = failure("57P01", "terminating", severity="FATAL")
        play._take(play.machine.server_sent(play._frames(fatal + ready())))
        assert play.said() == ["client E 57P01 terminating", "end database"]
        play._take(play.machine.client_sent(play._frames(query("select 1"))))
        assert play.said() == []
