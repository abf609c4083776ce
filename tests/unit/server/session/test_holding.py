"""Held statements, as transcripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.request import RequestState, Reviewer, Verdict, Word
from hoopd.session import events
from hoopd.sql.facts import Effect, ObjectAccess, ObjectKind
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

DELETE = facts("delete from t", "delete", effects=frozenset({Effect.write}))
HELD = verdict(DELETE, outcome=Outcome.review)
SETTING = ObjectAccess(Effect.session, ObjectKind.setting, None, "client_min_messages")
SETS = facts("set client_min_messages = x", "set", effects=frozenset({Effect.session}), accesses=(SETTING,))
BOB = Reviewer("iss", "bob", "bob@example.com", frozenset({"dba"}))
NO = Word(Verdict.reject, BOB, "not today", datetime(2026, 1, 1, tzinfo=UTC))


def test_a_held_statement_runs_after_approval_and_not_before() -> None:
    """INV-1, INV-3, INV-5: approved, judged again, consumed, recorded; then sent."""
    with Play() as play:
        play.client(query("delete from t")).skip().judged(HELD)
        assert play.said() == ["record StatementDecided", "raise"]
        play.raised()
        assert play.said() == ["record RequestRaised", "client N 00000 held as r-1, waiting for dba", "tell held"]
        play.settled(RequestState.approved)
        assert play.said() == ["record RequestSettled approved", "judge delete from t"]
        play.judged(HELD)
        assert play.said() == ["consume"]
        play.event(events.Consumed(play.ticket, True))
        assert play.said() == ["tell approved", "record StatementStarted", "server Q delete from t"]
        play.server(complete("DELETE 3"), ready())
        assert play.said() == ["record StatementFinished done", "finish", "client C DELETE 3", "client Z I"]


def test_the_use_of_an_approval_is_told_to_the_store() -> None:
    with Play() as play:
        _approved(play)
        play.event(events.Consumed(play.ticket, True)).skip()
        play.server(complete("DELETE 3"), ready())
        assert "finish" in play.said()


def test_a_reminder_is_a_notice() -> None:
    with Play() as play:
        _held(play)
        play.event(events.Reminded(play.ticket, ("dba",), 225))
        assert play.said() == ["client N 00000 still held as r-1, waiting for dba"]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_client_that_wants_no_notices_gets_none(level: str) -> None:
    """The side band still tells, and the statement is held all the same."""
    with Play() as play:
        _sets_notices(play, level)
        play.client(query("delete from t")).skip().judged(HELD).skip()
        play.raised()
        assert play.said() == ["record RequestRaised", "tell held"]
        play.event(events.Reminded(play.ticket, ("dba",), 225))
        assert play.said() == []


@pytest.mark.parametrize("level", ["debug5", "debug", "log", "info", "notice"])
def test_a_client_that_wants_notices_gets_them(level: str) -> None:
    with Play() as play:
        _sets_notices(play, level)
        play.client(query("delete from t")).skip().judged(HELD).skip()
        play.raised()
        assert "client N 00000 held as r-1, waiting for dba" in play.said()


def test_a_level_of_notices_that_ends_with_its_transaction_is_read_back() -> None:
    with Play() as play:
        _ends(play, "begin", "BEGIN", "T")
        _sets_notices(play, "error", status="T")
        _ends(play, "rollback", "ROLLBACK", "I")
        play.read_back().server(ready()).skip()
        play.client(query("delete from t")).skip().judged(HELD).skip()
        play.raised()
        assert "client N 00000 held as r-1, waiting for dba" in play.said()


def test_a_level_of_notices_set_earlier_in_the_pipeline_counts() -> None:
    """What follows it waits until it is read back."""
    with Play() as play:
        play.client(parse(SETS.sql), bind(), execute(""), parse("delete from t", "d")).skip()
        play.judged(verdict(SETS)).server(PARSE_COMPLETE, parameters(), NO_DATA).skip()
        play.judged(verdict(SETS)).skip().server(BIND_COMPLETE, complete("SET"))
        assert not [line for line in play.said() if line.startswith("judge")]
        play.read_back(notices="error")
        assert play.said() == ["judge delete from t"]
        assert play.machine._core.notice_level == "error"


def _sets_notices(play: Play, level: str, status: str = "I") -> None:
    play.client(query(SETS.sql)).judged(verdict(SETS)).server(complete("SET"), ready(status)).skip()
    play.read_back(notices=level).server(ready(status)).skip()


def _ends(play: Play, sql: str, tag: str, status: str) -> None:
    done = verdict(facts(sql, sql, effects=frozenset({Effect.transaction})))
    play.client(query(sql)).judged(done).server(complete(tag), ready(status)).skip()


def test_a_rejection_reaches_the_client_with_the_reviewers_words() -> None:
    with Play() as play:
        _held(play)
        play.settled(RequestState.rejected, NO)
        assert play.said() == [
            "record RequestSettled rejected",
            "tell rejected",
            "record StatementFinished rejected",
            "client E 42501 rejected by bob@example.com: not today",
            "client Z I",
        ]


def test_a_rejection_inside_a_transaction_is_aborted_by_postgresql() -> None:
    """INV-8"""
    with Play() as play:
        play.client(query("begin")).judged(verdict(facts("begin", "begin", effects=frozenset({Effect.transaction}))))
        play.server(complete("BEGIN"), ready("T")).skip()
        _held(play)
        play.settled(RequestState.rejected, NO)
        assert play.said()[-1] == "server Q hoopd refused this statement"
        play.server(failure("42601", "syntax error"), ready("E"))
        assert play.said() == ["client E 42501 rejected by bob@example.com: not today", "client Z E"]


def test_a_hold_that_is_over_is_57014() -> None:
    with Play() as play:
        _held(play)
        play.settled(RequestState.expired)
        assert [line for line in play.said() if line.startswith("client E 57014")]


def test_a_changed_verdict_voids_the_approval() -> None:
    """INV-5: decided again under the policy in force when it is released."""
    with Play() as play:
        _held(play)
        play.settled(RequestState.approved).skip()
        play.judged(replace(HELD, identity=("t 1",)))
        said = play.said()
        assert "withdraw" in said
        assert not [line for line in said if line.startswith("server")]
        assert [line for line in said if line.startswith("client E 42501 the approval of r-1 is void")]


def test_an_approval_that_was_used_elsewhere_does_not_run() -> None:
    """INV-5: consumed once."""
    with Play() as play:
        _approved(play)
        play.event(events.Consumed(play.ticket, False))
        assert not [line for line in play.said() if line.startswith("server")]


def test_an_approval_that_comes_after_the_cancel_is_a_no_op() -> None:
    """THREATS 18: race of approve, cancel and expiry."""
    with Play() as play:
        _held(play)
        play.event(events.CancelAsked())
        assert play.said() == [
            "withdraw",
            "tell cancelled",
            "record RequestSettled cancelled",
            "record StatementFinished cancelled",
            "client E 57014 canceling statement due to user request",
            "client Z I",
        ]
        play.settled(RequestState.approved)
        assert play.said() == []


def test_a_cancel_while_the_request_is_being_stored_withdraws_it_then() -> None:
    with Play() as play:
        play.client(query("delete from t")).judged(HELD).skip()
        play.event(events.CancelAsked())
        assert play.said() == []
        play.raised()
        said = play.said()
        assert "withdraw" in said
        assert said[-2:] == ["client E 57014 canceling statement due to user request", "client Z I"]


def test_a_client_that_vanishes_withdraws_its_request() -> None:
    with Play() as play:
        _held(play)
        play.event(events.ClientGone())
        said = play.said()
        assert said[0] == "withdraw"
        assert said[-1] == "end client"


def test_an_end_of_the_clients_input_behind_the_hold_withdraws_it() -> None:
    with Play() as play:
        _held(play)
        play.client(query("select 1")).event(events.ClientClosed())
        said = play.said()
        assert said[0] == "withdraw"
        assert said[-1] == "end client"


def test_what_would_be_held_with_the_end_of_the_input_behind_it_asks_nobody() -> None:
    with Play() as play:
        play.client(query("delete from t")).event(events.ClientClosed()).skip()
        play.judged(HELD)
        assert play.said() == ["record StatementDecided", "record StatementFinished cancelled", "end client"]


def test_a_terminate_queued_behind_the_hold_withdraws_it() -> None:
    with Play() as play:
        _held(play)
        play.client(encode("X"))
        said = play.said()
        assert "withdraw" in said
        assert said[-1] == "end client"


def test_a_database_that_dies_ends_the_wait() -> None:
    with Play() as play:
        _held(play)
        play.server(failure("57P01", "terminating connection", severity="FATAL"))
        assert "client E 57P01 terminating connection" in play.said()
        play.event(events.ServerGone("gone"))
        assert play.said() == []


def test_earlier_results_of_the_pipeline_are_flushed_before_a_hold() -> None:
    with Play() as play:
        read = verdict(facts("select $1"))
        play.client(parse("select $1", "r")).judged(read).server(PARSE_COMPLETE, parameters(25), columns("x"))
        play.client(parse("delete from t", "d")).judged(HELD).server(PARSE_COMPLETE, parameters(), encode("n")).skip()
        play.client(bind("", "r", "1"), execute("")).judged(read).skip()
        play.client(bind("", "d"), execute(""), SYNC).skip()
        play.judged(HELD)
        assert play.said() == ["record StatementDecided", "server H", "raise"]
        play.raised().skip()
        play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"))
        assert "client C SELECT 1" in play.said()
        play.settled(RequestState.approved).judged(HELD).event(events.Consumed(play.ticket, True))
        assert play.said()[-3:] == ["server B :d", "server E", "server S"]


def test_a_statement_in_a_failed_transaction_is_not_shown_to_people() -> None:
    with Play() as play:
        play.client(query("x")).judged(verdict(facts("x"))).server(failure("42601", "syntax"), ready("E")).skip()
        play.client(query("delete from t")).skip().judged(HELD)
        said = play.said()
        assert "raise" not in said
        play.server(failure("42601", "syntax error"), ready("E"))
        assert play.said()[0].startswith("client E 25P02")


def _held(play: Play) -> None:
    play.client(query("delete from t")).judged(HELD).raised().skip()


def _approved(play: Play) -> None:
    _held(play)
    play.settled(RequestState.approved).judged(HELD).skip()
