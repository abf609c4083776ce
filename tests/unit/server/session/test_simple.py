"""Simple queries, as transcripts."""

from __future__ import annotations

from hoopd.domain.decision import Outcome
from hoopd.sql.facts import Effect
from tests.unit.server.session.play import Play, columns, complete, encode, facts, failure, query, ready, row, verdict


def test_an_allowed_query_is_recorded_before_it_is_sent() -> None:
    """INV-3: the record comes before the message that runs it; INV-1: the client's own bytes."""
    with Play() as play:
        play.client(query("select 1"))
        assert play.said() == ["judge select 1"]
        play.judged(verdict(facts("select 1")))
        assert play.said() == ["record StatementDecided", "record StatementStarted", "server Q select 1"]
        play.server(columns("x"), row("1"), complete("SELECT 1"), ready())
        assert play.said() == [
            "client T",
            "client D ['1']",
            "record RowsReturned",
            "record StatementFinished done",
            "client C SELECT 1",
            "client Z I",
        ]


def test_nothing_is_sent_before_its_verdict() -> None:
    """INV-1"""
    with Play() as play:
        play.client(query("select 1"), query("select 2"))
        assert play.said() == ["judge select 1"]


def test_a_late_verdict_changes_nothing() -> None:
    with Play() as play:
        play.client(query("select 1"))
        play.ticket -= 1
        play.skip().judged(verdict(facts("select 1")))
        assert play.said() == []


def test_a_denial_outside_a_transaction_is_answered_here() -> None:
    with Play() as play:
        play.client(query("drop table t")).skip().judged(verdict(facts("drop table t"), outcome=Outcome.deny))
        assert play.said() == [
            "record StatementDecided",
            "record StatementFinished denied",
            "client E 42501 not like this",
            "client Z I",
        ]


def test_a_denial_inside_a_transaction_lets_postgresql_abort_it() -> None:
    """INV-8: a failing message of the gateway's own takes its place; its error is replaced, its state is not."""
    with Play() as play:
        _in_transaction(play)
        play.client(query("drop table t")).skip().judged(verdict(facts("drop table t"), outcome=Outcome.deny))
        assert play.said() == [
            "record StatementDecided",
            "record StatementFinished denied",
            "server Q hoopd refused this statement",
        ]
        play.server(failure("42601", 'syntax error at or near "hoopd"'), ready("E"))
        assert play.said() == ["client E 42501 not like this", "client Z E"]


def test_one_denied_statement_of_a_batch_stops_all_of_it() -> None:
    """THREATS 1: the batch takes the strictest decision, and nothing of it runs before that."""
    with Play() as play:
        sql = "select 1; drop table t"
        play.client(query(sql)).skip()
        play.judged(verdict(facts("select 1"), facts("drop table t"), outcome=Outcome.deny))
        said = play.said()
        assert not [line for line in said if line.startswith("server")]
        assert said.count("record StatementFinished denied") == 2


def test_each_statement_of_a_batch_has_its_own_end() -> None:
    with Play() as play:
        play.client(query("select 1; select 2; select 3")).skip()
        play.judged(verdict(facts("select 1"), facts("select 2"), facts("select 3"))).skip()
        play.server(columns("a"), row("1"), complete("SELECT 1")).skip()
        play.server(failure("22012", "division by zero"), ready())
        assert play.said() == [
            "client E 22012 division by zero",
            "record StatementFinished error",
            "record StatementFinished error",
            "client Z I",
        ]


def test_an_empty_query_passes() -> None:
    with Play() as play:
        play.client(query("")).skip().judged(verdict())
        assert play.said() == ["server Q "]
        play.server(encode("I"), ready())
        assert play.said() == ["client I", "client Z I"]


def test_settings_are_read_back_after_what_may_change_them() -> None:
    """DESIGN section 4: by gateway-named statements in the extended protocol, before the next message is judged."""
    with Play() as play:
        play.client(query("set search_path = x")).skip()
        play.judged(verdict(facts("set search_path = x", "set", effects=frozenset({Effect.session}), barrier=True)))
        play.skip().server(complete("SET"), ready()).client(query("select 1"))
        said = play.said()
        assert said[:3] == ["record StatementFinished done", "client C SET", "client Z I"]
        assert "server P hoopd_show SHOW search_path" in said
        assert not [line for line in said if line.startswith("judge")]
        play.read_back(path="x").server(ready())
        assert play.said() == ["judge select 1"]
        assert play.machine.state.search_path == "x"


def test_a_pinned_setting_that_changes_ends_the_session() -> None:
    """THREATS 3: with it changed the server would read other statements than the analysis did."""
    with Play() as play:
        play.server(encode("S", b"standard_conforming_strings\0off\0"))
        said = play.said()
        assert said[-1] == "end gateway"
        assert "client E 55P02" in said[0]


def test_an_answer_that_nobody_asked_for_ends_the_session() -> None:
    """INV-4: nothing of it is passed on."""
    with Play() as play:
        play.server(row("4111111111111111"))
        said = play.said()
        assert said[-1] == "end database"
        assert not [line for line in said if "4111" in line]


def test_copy_data_that_nobody_asked_for_is_passed_over() -> None:
    with Play() as play:
        play.client(encode("d", b"1\n"), encode("c"), query("select 1"))
        assert play.said() == ["judge select 1"]


def test_a_copy_that_the_server_starts_ends_the_session() -> None:
    """COPY is refused by the analysis; should one start all the same, it does not go on."""
    with Play() as play:
        play.client(query("select 1")).skip().judged(verdict(facts("select 1"))).skip()
        play.server(encode("H", b"\0\0\0"))
        assert play.said()[-1] == "end database"


def test_function_calls_are_refused() -> None:
    """THREATS 10"""
    with Play() as play:
        play.client(encode("F", b"\0\0\0\0"))
        assert play.said() == ["client E 0A000 the function call protocol is refused by the gateway", "client Z I"]


def test_an_unknown_message_ends_the_session() -> None:
    """THREATS 10"""
    with Play() as play:
        play.client(encode("v", b""))
        said = play.said()
        assert said[0].startswith("client E 08P01")
        assert said[-1] == "end client"


def test_a_query_that_is_not_utf8_is_refused() -> None:
    with Play() as play:
        play.client(encode("Q", b"select '\xff'\0"))
        assert play.said()[0].startswith("client E 22021")
        play.skip()


def _in_transaction(play: Play) -> None:
    play.client(query("begin")).skip()
    begin = facts("begin", "begin", effects=frozenset({Effect.transaction}), names_depend=False)
    play.judged(verdict(begin)).skip().server(complete("BEGIN"), ready("T")).skip()
