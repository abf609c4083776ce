"""What clients send, as transcripts: queries, one at a time, and what becomes of each."""

from __future__ import annotations

from hoopd.domain.decision import Outcome
from hoopd.pgwire import frontend
from hoopd.sql.facts import Effect
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
    parameters,
    parse,
    query,
    ready,
    row,
    verdict,
)


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


def test_one_denied_statement_of_a_batch_stops_all_of_it() -> None:
    """THREATS 1: the batch takes the strictest decision, and nothing of it runs before that."""
    with Play() as play:
        sql = "select 1; drop table t"
        play.client(query(sql)).skip()
        play.judged(verdict(facts("select 1"), facts("drop table t"), outcome=Outcome.deny))
        said = play.said()
        assert not [line for line in said if line.startswith("server")]
        assert said.count("record StatementFinished denied") == 2


def test_an_empty_query_passes() -> None:
    with Play() as play:
        play.client(query("")).skip().judged(verdict())
        assert play.said() == ["server Q "]
        play.server(encode("I"), ready())
        assert play.said() == ["client I", "client Z I"]


def test_copy_data_that_nobody_asked_for_is_passed_over() -> None:
    with Play() as play:
        play.client(encode("d", b"1\n"), encode("c"), query("select 1"))
        assert play.said() == ["judge select 1"]


def test_function_calls_are_refused() -> None:
    """THREATS 10"""
    with Play() as play:
        play.client(encode("F", b"\0\0\0\0"))
        assert play.said() == ["client E 0A000 the function call protocol is refused by the gateway", "client Z I"]


def test_a_query_that_is_not_utf8_is_refused() -> None:
    with Play() as play:
        play.client(encode("Q", b"select '\xff'\0"))
        assert play.said()[0].startswith("client E 22021")
        play.skip()


def test_a_terminate_behind_a_query_lets_it_run_first() -> None:
    """INV-8: PostgreSQL takes its messages in order."""
    with Play() as play:
        play.client(query("select 1"), encode("X")).skip()
        play.judged(verdict(facts("select 1")))
        assert play.said()[-1] == "server Q select 1"
        play.server(complete("SELECT 1"), ready())
        assert play.said()[-1] == "end client"


def test_a_terminate_behind_what_has_to_be_held_asks_nobody() -> None:
    with Play() as play:
        play.client(query("delete from t"), encode("X")).skip()
        play.judged(verdict(facts("delete from t"), outcome=Outcome.review))
        said = play.said()
        assert "raise" not in said
        assert said[-1] == "end client"
        assert "record StatementFinished cancelled" in said


def test_a_portal_is_described_without_a_read_back_before_its_execute() -> None:
    """INV-8: a statement of the gateway's between Bind and Execute would make a VACUUM fail and a LOCK TABLE legal."""
    opaque = verdict(facts("vacuum t", "vacuum", effects=frozenset({Effect.opaque})))
    with Play() as play:
        play.client(parse("vacuum t")).skip().judged(opaque).skip()
        play.server(PARSE_COMPLETE, parameters(), NO_DATA).skip()
        play.client(bind(), frontend.make_describe("P", ""), execute(""), SYNC).skip().judged(opaque)
        assert [line for line in play.said() if line.startswith("server")] == [
            "server B :",
            "server D",
            "server E",
            "server S",
        ]
        play.server(BIND_COMPLETE, NO_DATA, complete("VACUUM"), ready())
        assert "server P hoopd_show SHOW search_path" in play.said()
        play.read_back().server(ready())


def test_a_statement_is_not_described_before_what_may_change_its_meaning_is_read_back() -> None:
    """INV-1: the server may analyse its text again."""
    opaque = verdict(facts("select f()", effects=frozenset({Effect.opaque})))
    with Play() as play:
        play.client(parse("select f()", "s")).skip().judged(opaque).skip()
        play.server(PARSE_COMPLETE, parameters(), columns("f")).skip()
        play.client(bind("", "s"), frontend.make_describe("S", "s")).skip().judged(opaque)
        assert play.said()[-2:] == ["server B :s", "server H"]
        play.server(BIND_COMPLETE)
        assert "server P hoopd_show SHOW search_path" in play.said()
