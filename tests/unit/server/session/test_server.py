"""What the database answers, as transcripts."""

from __future__ import annotations

from hoopd.domain.events import NoticeSeen
from hoopd.domain.ids import StatementNo
from hoopd.pgwire.errors import ErrorFields
from hoopd.pgwire.framing import Frame
from hoopd.session import commands, events
from hoopd.session.core import KEPT_NOTICES, NOTICE_CHARACTERS
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


def _noticed(play: Play, *words: str) -> list[NoticeSeen]:
    """What the record keeps of notices with these words."""
    frames = [Frame("N", ErrorFields("WARNING", "01000", each).encode()) for each in words]
    out = [command for frame in frames for command in play.machine.receive(events.ServerSent(frame))]
    assert sum(isinstance(command, commands.ToClient) for command in out) == len(words), "the client gets all of them"
    return [c.event for c in out if isinstance(c, commands.Record) and isinstance(c.event, NoticeSeen)]


def test_notices_of_a_statement_are_recorded_as_the_client_sees_them() -> None:
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        assert _noticed(play, "careful") == [NoticeSeen(StatementNo(1), "WARNING", "01000", "careful")]
        play.server(complete("SELECT 0"), ready()).skip()
        assert _noticed(play, "nobody's") == []


def test_a_flood_of_notices_does_not_fill_the_record() -> None:
    """INV-9, THREATS 23."""
    with Play() as play:
        play.client(query("select 1")).judged(verdict(facts("select 1"))).skip()
        kept = _noticed(play, *["x" * 5_000] * (KEPT_NOTICES + 10))
        assert len(kept) == KEPT_NOTICES
        assert kept[-1].message == "more notices went to the client and were not kept"
        assert max(len(each.message) for each in kept) == NOTICE_CHARACTERS


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
