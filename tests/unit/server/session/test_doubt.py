"""What stays of names that code of the database may have given to something else, and cancels at odd moments."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.request import RequestState
from hoopd.session import events
from hoopd.sql.facts import Effect
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
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
    verdict,
)

READ = verdict(facts("select 1"))
CODE = verdict(facts("do 'x'", "do", effects=frozenset({Effect.opaque}), barrier=True, names_depend=False))
HELD = verdict(facts("delete from t", "delete", effects=frozenset({Effect.write})), outcome=Outcome.review)


def _prepared(play: Play, name: str = "s1") -> None:
    play.client(parse("select 1", name)).skip().judged(READ).skip()
    play.server(PARSE_COMPLETE, parameters(), columns("x")).skip()
    play.client(SYNC).skip().server(ready("T")).skip()


def _code_runs(play: Play) -> None:
    play.client(query("do 'x'")).skip().judged(CODE).skip()
    play.server(complete("DO"), ready("T")).skip()
    play.read_back().server(ready("T")).skip()


def test_a_statement_is_parsed_anew_after_code_that_could_have_replaced_it() -> None:
    """INV-1, THREATS 9: ``DO`` can DEALLOCATE a name and PREPARE another statement under it."""
    with Play() as play:
        _prepared(play)
        _code_runs(play)
        play.client(bind("", "s1"))
        assert play.said() == ["judge select 1"]
        play.judged(READ)
        assert play.said() == ["server C", "server P s1 select 1", "server D", "server H"]
        play.server(CLOSE_COMPLETE, PARSE_COMPLETE, parameters(), columns("x"))
        assert play.said() == ["judge select 1"]
        play.judged(READ)
        assert play.said() == ["record StatementDecided", "record StatementStarted", "server B :s1"]
        play.client(SYNC).skip().server(BIND_COMPLETE, ready("T")).skip()
        play.client(bind("", "s1"))
        assert play.said() == ["judge select 1"], "once is enough"


def test_a_statement_that_cannot_be_parsed_anew_is_not_bound() -> None:
    with Play() as play:
        _prepared(play)
        _code_runs(play)
        play.client(bind("", "s1"), SYNC).judged(READ).skip()
        play.server(CLOSE_COMPLETE, failure("42P01", "no such table"))
        assert play.said() == ["client E 42P01 no such table", "server S"]
        play.server(ready("E"))
        assert play.said() == ["client Z E"]


def test_a_parse_anew_that_the_server_skipped_counts_for_nothing() -> None:
    """INV-1, THREATS 9: an error earlier in the pipeline makes the server pass over it."""
    with Play() as play:
        _prepared(play)
        _code_runs(play)
        play.client(encode("D", b"P\0"), bind("", "s1")).judged(READ)
        assert play.said()[-3:] == ["server P s1 select 1", "server D", "server H"]
        play.server(failure("34000", "no such portal")).client(SYNC).server(ready("E")).skip()
        play.client(bind("", "s1")).judged(READ)
        assert "server P s1 select 1" in play.said()


@pytest.mark.parametrize("outcome", [Outcome.deny, Outcome.review])
def test_what_would_be_denied_now_is_not_parsed_anew(outcome: Outcome) -> None:
    """INV-1: the server would read its literals, under the path and the catalog of now, before anybody judged them."""
    with Play() as play:
        _prepared(play)
        _code_runs(play)
        play.client(bind("", "s1")).skip()
        play.judged(verdict(facts("select 1", runs_at_parse=True), outcome=outcome))
        assert play.said()[-1] == "server P hoopd_refused hoopd refused this statement"


@pytest.mark.parametrize("outcome", [Outcome.deny, Outcome.review])
def test_what_would_be_denied_now_is_not_described(outcome: Outcome) -> None:
    """INV-1, THREATS 9: a Describe makes the server analyse the text again where the path or the catalog changed."""
    with Play() as play:
        _prepared(play)
        play.client(encode("D", b"Ss1\0"))
        assert play.said() == ["judge select 1"]
        play.judged(verdict(facts("select 1", runs_at_parse=True), outcome=outcome))
        assert play.said()[-1] == "server P hoopd_refused hoopd refused this statement"


def test_a_describe_of_what_is_not_in_the_table_is_refused() -> None:
    """INV-1"""
    with Play() as play:
        play.client(encode("D", b"Sother\0"), SYNC).skip()
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == ['client E 26000 prepared statement "other" does not exist', "client Z I"]


def test_checks_that_a_describe_runs_make_names_doubtful() -> None:
    """INV-1, THREATS 7: the settings are read back, and the statement is parsed anew before it is bound."""
    checked = verdict(facts("select 1", runs_at_parse=True))
    with Play() as play:
        _prepared(play)
        play.client(encode("D", b"Ss1\0"), SYNC).judged(checked).skip()
        play.server(parameters(), columns("x"), ready("T")).skip()
        play.read_back().server(ready("T")).skip()
        play.client(bind("", "s1")).judged(checked)
        assert "server P s1 select 1" in play.said()


def test_a_portal_that_code_could_have_replaced_is_not_executed() -> None:
    """INV-1, INV-4: ``DO`` can CLOSE a portal and DECLARE a cursor under its name."""
    with Play() as play:
        _prepared(play)
        play.client(bind("p1", "s1")).skip().judged(READ).skip()
        play.server(BIND_COMPLETE).client(SYNC).skip().server(ready("T")).skip()
        _code_runs(play)
        play.client(execute("p1"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_a_cancel_between_the_approval_and_its_use_still_counts() -> None:
    """The approval is used up by then, and the statement does not run."""
    with Play() as play:
        play.client(query("delete from t")).skip().judged(HELD).raised().skip()
        play.settled(RequestState.approved).skip().judged(HELD).skip()
        play.event(events.CancelAsked()).event(events.Consumed(play.ticket, True))
        assert play.said() == [
            "finish",
            "tell cancelled",
            "record StatementFinished cancelled",
            "client E 57014 canceling statement due to user request",
            "client Z I",
        ]


def test_a_cancel_does_not_hit_the_gateways_own_statements() -> None:
    with Play() as play:
        play.client(query("do 'x'")).skip().judged(CODE).skip()
        play.server(complete("DO"), ready()).skip()
        play.event(events.CancelAsked())
        assert play.said() == []
        play.read_back().server(ready()).skip()


def test_an_impossible_transaction_state_ends_the_session() -> None:
    with Play() as play:
        play.client(query("select 1")).skip().judged(READ).skip()
        play.server(complete("SELECT 1"), encode("Z", b"?"))
        assert play.said()[-1] == "end database"
