"""What the database answers, as transcripts."""

from __future__ import annotations

from tests.unit.server.session.play import Play, columns, complete, encode, facts, failure, query, ready, row, verdict


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


def test_a_copy_that_the_server_starts_ends_the_session() -> None:
    """COPY is refused by the analysis; should one start all the same, it does not go on."""
    with Play() as play:
        play.client(query("select 1")).skip().judged(verdict(facts("select 1"))).skip()
        play.server(encode("H", b"\0\0\0"))
        assert play.said()[-1] == "end database"
