"""What is learned of a text's description, and when it holds, as transcripts."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.masking.plan import MaskPlan
from hoopd.session.descriptions import MAX_DESCRIBED_BYTES, MAX_DESCRIPTIONS
from hoopd.session.judgement import Verdict
from hoopd.session.state import Phase
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

SELECT = verdict(facts("select $1"))
AGAIN = (parse("select $1"), bind("", "", "a"), execute(""), SYNC)
ANSWER = (PARSE_COMPLETE, parameters(25), columns("x"), BIND_COMPLETE, row("a"), complete("SELECT 1"), ready())


def prepared_once(play: Play) -> Play:
    """The client has sent ``AGAIN`` once, and has had its answer."""
    play.client(*AGAIN).judged(SELECT).server(*ANSWER[:3]).judged(SELECT).server(*ANSWER[3:])
    assert play.said()[-1] == "client Z I"
    return play


def test_a_text_that_was_described_under_the_same_verdict_is_bound_without_waiting() -> None:
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(SELECT)
        assert play.said() == [
            "judge select $1",
            "record StatementPrepared",
            "server P select $1",
            "server D",
            "judge select $1",
        ]
        play.judged(SELECT)
        assert play.said() == [
            "record StatementDecided",
            "record StatementStarted",
            "server B :",
            "server E",
            "server S",
        ]
        play.server(*ANSWER)
        said = play.said()
        assert said[:3] == ["client 1", "client 2", "client D ['a']"]
        assert said[-1] == "client Z I"


@pytest.mark.parametrize(
    ("other", "cells"),
    [
        ((parameters(23), columns("x")), ("a",)),
        ((parameters(25), columns("y")), ("a",)),
        ((parameters(25), columns("x", type_oid=23)), ("7",)),
        ((parameters(25), columns("x", "y")), ("a", "b")),
    ],
)
def test_a_description_that_is_another_by_now_holds_for_the_rows_that_come(
    other: tuple[bytes, bytes], cells: tuple[str, ...]
) -> None:
    """INV-8: another session has altered the table within the moment that a plain read may lag."""
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(SELECT).judged(SELECT).skip()
        play.server(PARSE_COMPLETE, *other, BIND_COMPLETE, row(*cells), complete("SELECT 1"), ready())
        said = play.said()
        assert said[:3] == ["client 1", "client 2", f"client D {list(cells)}"]
        assert said[-1] == "client Z I"
        play.client(*AGAIN).judged(SELECT)
        assert play.said()[-1] == "server H", "what was learnt is forgotten"


@pytest.mark.parametrize(
    "other", [(parameters(25), columns("x", "y")), (parameters(25), NO_DATA)], ids=["columns", "no rows"]
)
def test_rows_of_another_shape_than_is_described_by_then_end_the_session(other: tuple[bytes, bytes]) -> None:
    """INV-2"""
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(SELECT).judged(SELECT).skip()
        play.server(PARSE_COMPLETE, *other, BIND_COMPLETE, row("a"))
        said = play.said()
        assert said[-1] == "end gateway"
        assert not any(line.startswith("client D") for line in said)


def test_another_description_under_masks_that_came_in_between_ends_the_session_before_any_row() -> None:
    """INV-4: the Bind went out on a plan for other columns."""
    masked = verdict(facts("select $1"), plan=MaskPlan(Outcome.allow, columns=(None,), in_force=True))
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(SELECT).judged(masked).skip()
        play.server(PARSE_COMPLETE, parameters(25), columns("y"), BIND_COMPLETE, row("a"))
        said = play.said()
        assert said[-1] == "end gateway"
        assert not any(line.startswith("client D") for line in said)


def test_a_parse_that_fails_leaves_no_unnamed_statement() -> None:
    """INV-1: what the table does not have cannot be bound."""
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(SELECT).judged(SELECT).skip()
        play.server(failure("42P01", "no such table"), ready())
        assert play.said() == [
            "client E 42P01 no such table",
            "record RowsReturned",
            "record StatementFinished error",
            "client Z I",
        ]
        play.client(bind("", "", "a"), SYNC)
        play.server(failure("00000", "x"), ready())
        assert play.said()[-2:] == ["client E 26000 unnamed prepared statement does not exist", "client Z I"]


@pytest.mark.parametrize(
    "found",
    [
        verdict(facts("select $1")),
        verdict(facts("select $1", runs_at_parse=True)),
        verdict(facts("select $1", barrier=True)),
        verdict(facts("select $1", effects=frozenset({Effect.write}))),
        verdict(facts("select $1"), plan=MaskPlan(Outcome.allow, columns=(None,), in_force=True)),
    ],
)
def test_under_another_verdict_the_description_is_waited_for(found: Verdict) -> None:
    """Another verdict, be it an equal one, may rest on another catalog, path or policy."""
    with Play() as play:
        prepared_once(play).client(*AGAIN).judged(found)
        said = play.said()
        assert said[-2:] == ["server D", "server H"]
        assert play.machine.phase is Phase.describing


@pytest.mark.parametrize("effect", [Effect.ddl, Effect.opaque])
def test_a_text_is_described_each_time_where_the_session_has_changed_what_the_catalog_shows(effect: Effect) -> None:
    """INV-8: in one transaction SELECT, ALTER TABLE ADD COLUMN and the same SELECT have one verdict, and the server
    describes them otherwise."""
    change = verdict(facts("alter table t", "alter_table", effects=frozenset({effect})))
    with Play() as play:
        prepared_once(play).client(query("alter table t")).judged(change)
        play.server(complete("ALTER TABLE"), ready("T")).skip()
        if effect is Effect.opaque:
            play.read_back().server(ready("T")).skip()
        play.client(*AGAIN).judged(SELECT)
        assert play.said()[-3:] == ["server P select $1", "server D", "server H"]
        play.server(PARSE_COMPLETE, parameters(25), columns("x", "y")).judged(SELECT)
        assert play.said()[-3:] == ["server B :", "server E", "server S"]
        play.server(BIND_COMPLETE, row("a", "b"), complete("SELECT 1"), ready("T"))
        assert "client D ['a', 'b']" in play.said()


def test_a_named_statement_is_described_each_time() -> None:
    with Play() as play:
        for number in range(2):
            play.client(parse("select $1", f"s{number}"), bind("", f"s{number}", "a"), SYNC).judged(SELECT)
            assert play.said()[-1] == "server H"
            play.server(*ANSWER[:3]).judged(SELECT).server(BIND_COMPLETE, ready()).skip()


def test_descriptions_that_are_kept_are_bounded() -> None:
    """INV-9"""
    with Play() as play:
        for number in range(MAX_DESCRIPTIONS + 5):
            play.client(parse(f"select $1 + {number}"), SYNC).judged(SELECT).server(*ANSWER[:3], ready()).skip()
        play.client(parse("select $1 -- " + "x" * MAX_DESCRIBED_BYTES), SYNC).judged(SELECT)
        play.server(*ANSWER[:3], ready()).skip()
        kept = play.machine._core.descriptions
        assert len(kept) == MAX_DESCRIPTIONS
        assert max(map(len, kept)) < MAX_DESCRIBED_BYTES
