"""Limits on what a statement really does, as transcripts (DESIGN.md section 8, INV-8, INV-9)."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import timedelta

import pytest

from hoopd.domain.ids import PolicyVersion, StatementNo
from hoopd.domain.limits import Limits
from hoopd.domain.request import RequestState
from hoopd.pgwire.framing import FrameReader
from hoopd.session import bounding, commands, events
from hoopd.session.judgement import Verdict
from hoopd.session.results import KEPT_ROWS
from hoopd.session.state import Phase
from hoopd.sql.facts import Copying, Effect, Facts
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    NO_DATA,
    PARSE_COMPLETE,
    SYNC,
    Outcome,
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

WRITE, READ = frozenset({Effect.write}), frozenset({Effect.read})
BEGINS, COMMITS, ROLLS_BACK = (f"server Q {word} /* hoopd */" for word in ("BEGIN", "COMMIT", "ROLLBACK"))
FAILS = "server Q hoopd refused this statement"
TOO_MANY = "client E 54000 DELETE touched 6 rows; at most 5 were allowed"
DELETES = facts("delete from t", "delete", effects=WRITE)
INSERTS = facts("insert into u values (1)", "insert", effects=WRITE)
SELECTS = facts("select a from t", effects=READ)
BEGIN = verdict(facts("begin", "begin", effects=frozenset({Effect.transaction})))
FIVE = Limits(changed_rows=5)


def bounded(*statements: Facts, most: Limits = FIVE, **more: object) -> Verdict:
    return verdict(*statements, limits=most, **more)  # type: ignore[arg-type]


def asked(play: Play, found: Verdict) -> Play:
    return play.client(query(found.sql)).skip().judged(found)


def in_block(play: Play) -> Play:
    return asked(play, BEGIN).server(complete("BEGIN"), ready("T")).skip()


def begun(play: Play, found: Verdict) -> Play:
    return asked(play, found).skip().server(complete("BEGIN"), ready("T"))


# A Query outside a block


def test_a_query_runs_in_a_transaction_that_the_client_does_not_see() -> None:
    """The tag is told when it has committed, as PostgreSQL does it."""
    with Play() as play:
        asked(play, bounded(DELETES))
        assert play.said() == ["record StatementDecided", BEGINS]
        play.server(complete("BEGIN"), ready("T"))
        assert play.said() == ["record StatementStarted", "server Q delete from t"]
        play.server(complete("DELETE 5"), ready("T"))
        assert play.said() == [COMMITS]
        play.server(complete("COMMIT"))
        assert play.said() == []
        play.server(ready())
        assert play.said() == ["record StatementFinished done", "client C DELETE 5", "client Z I"]
        assert (play.machine.phase, play.machine.state.transaction) == (Phase.ready, "I")


def test_a_query_that_touches_too_many_rows_is_rolled_back() -> None:
    with Play() as play:
        begun(play, bounded(DELETES)).skip()
        play.server(complete("DELETE 6"))
        assert play.said() == ["record StatementFinished error"]
        play.server(ready("T"))
        assert play.said() == [TOO_MANY, ROLLS_BACK]
        play.server(complete("ROLLBACK"), ready())
        assert play.said() == ["client Z I"]


def test_an_error_of_its_own_is_told_and_rolled_back() -> None:
    with Play() as play:
        begun(play, bounded(DELETES)).skip()
        play.server(failure("23503", "a key is in use"), ready("E"))
        assert play.said() == ["client E 23503 a key is in use", "record StatementFinished error", ROLLS_BACK]
        play.server(complete("ROLLBACK"), ready())
        assert play.said() == ["client Z I"]


def test_an_error_of_the_commit_takes_the_place_of_the_tag() -> None:
    """A deferred constraint: PostgreSQL too tells of it instead of the tag."""
    with Play() as play:
        begun(play, bounded(DELETES)).server(complete("DELETE 1"), ready("T")).skip()
        play.server(failure("23503", "a key is in use"), ready())
        assert play.said() == ["client E 23503 a key is in use", "record StatementFinished error", "client Z I"]


def test_rows_of_it_go_out_at_once_and_only_the_last_tag_waits() -> None:
    with Play() as play:
        begun(play, bounded(DELETES, SELECTS)).skip()
        play.server(complete("DELETE 2"), columns("a"), row("x"), complete("SELECT 1"))
        said = play.said()
        assert "client C DELETE 2" in said
        assert "client D ['x']" in said
        assert "client C SELECT 1" not in said
        play.server(ready("T")).skip().server(complete("COMMIT"), ready())
        assert play.said()[-2:] == ["client C SELECT 1", "client Z I"]


def test_nothing_that_follows_it_in_its_batch_reaches_the_client() -> None:
    copies = facts("copy u from stdin", "copy", effects=WRITE, copies=Copying.from_client)
    with Play() as play:
        begun(play, bounded(DELETES, SELECTS, copies)).skip()
        play.server(complete("DELETE 6"), columns("a"), row("x"), complete("SELECT 1"))
        assert play.said() == ["record StatementFinished error"] * 3
        play.server(encode("G", b"\0\0\0"))
        assert play.said() == ["server f"]  # else the server would wait for its data
        play.server(failure("57014", "COPY from stdin failed"), ready("E"))
        assert play.said() == [TOO_MANY, ROLLS_BACK]
        play.server(complete("ROLLBACK"), ready())
        assert play.said() == ["client Z I"]


def test_what_its_batch_does_to_names_behind_it_is_followed_all_the_same() -> None:
    """INV-1: the server has run it, and a ROLLBACK brings no prepared statement back."""
    drops = facts("deallocate s", "deallocate", deallocates=("s",), effects=frozenset({Effect.session}))
    with Play() as play:
        play.client(parse("select 1", "s")).judged(verdict(facts("select 1")))
        play.server(PARSE_COMPLETE, parameters(), columns("a")).client(SYNC).server(ready()).skip()
        begun(play, bounded(DELETES, drops)).server(complete("DELETE 6"), complete("DEALLOCATE"), ready("T"))
        play.server(complete("ROLLBACK"), ready()).skip()
        play.client(bind("", "s"))
        assert play.said()[0] == "server P hoopd_refused hoopd refused this statement"  # it is not there any more


def test_copy_into_a_table_is_bounded_too() -> None:
    copies = facts("copy t from stdin", "copy", effects=WRITE, copies=Copying.from_client)
    with Play() as play:
        begun(play, bounded(copies)).skip()
        play.server(encode("G", b"\0\0\0")).client(encode("d", b"1\n"), encode("c")).skip()
        play.server(complete("COPY 6"), ready("T"))
        assert play.said()[-2:] == ["client E 54000 COPY touched 6 rows; at most 5 were allowed", ROLLS_BACK]
        play.server(complete("ROLLBACK"), ready()).skip()


def test_a_tag_without_a_count_is_over() -> None:
    """INV-2"""
    with Play() as play:
        begun(play, bounded(DELETES)).server(complete("DELETE"), ready("T"))
        assert "client E 54000 DELETE touched uncounted rows; at most 5 were allowed" in play.said()
        play.server(complete("ROLLBACK"), ready()).skip()


def test_a_cancel_before_it_has_begun_leaves_it_out() -> None:
    """Sent on, it could hit the BEGIN, and what follows would commit by itself."""
    with Play() as play:
        asked(play, bounded(DELETES)).skip().event(events.CancelAsked())
        assert play.said() == []
        play.server(complete("BEGIN"), ready("T"))
        assert play.said() == [
            "client E 57014 canceling statement due to user request",
            "record StatementFinished cancelled",
            ROLLS_BACK,
        ]
        play.server(complete("ROLLBACK"), ready())
        assert play.said() == ["client Z I"]


def test_where_it_cannot_begin_it_is_not_sent() -> None:
    with Play() as play:
        asked(play, bounded(DELETES)).skip().server(failure("57014", "canceled"), ready())
        assert play.said() == ["client E 57014 canceled", "record StatementFinished error", "client Z I"]


def test_the_record_has_the_error_that_the_client_was_told() -> None:
    with Play() as play:
        asked(play, bounded(DELETES)).skip().server(failure("57P03", "not now"))
        assert play.said() == ["client E 57P03 not now"]
        (frame,) = play._frames(ready())
        out = play.machine.receive(events.ServerSent(frame))
        assert [one.event.sqlstate for one in out if isinstance(one, commands.Record)] == ["57P03"]


def test_a_rollback_that_is_cancelled_is_sent_again() -> None:
    with Play() as play:
        begun(play, bounded(DELETES)).server(complete("DELETE 6"), ready("T")).skip()
        play.server(failure("57014", "canceled"), ready("E"))
        assert play.said() == [ROLLS_BACK]
        play.server(complete("ROLLBACK"), ready())
        assert play.said() == ["client Z I"]


def test_a_transaction_that_ends_before_its_time_ends_the_session() -> None:
    """INV-2: what it held has committed, and nobody knows how much."""
    with Play() as play:
        begun(play, bounded(DELETES)).server(complete("DELETE 6"), ready("I"))
        assert [line for line in play.said() if line.startswith("client E XX000")]
        assert play.machine.phase is Phase.ended


def test_a_statement_whose_commit_is_not_seen_is_unknown() -> None:
    """INV-3"""
    with Play() as play:
        begun(play, bounded(DELETES)).server(complete("DELETE 5"), ready("T")).skip()
        play.event(events.ServerGone("lost"))
        assert play.said() == ["client E 08006 lost", "record StatementFinished unknown", "end database"]


def test_what_was_approved_is_bounded() -> None:
    held = bounded(DELETES, outcome=Outcome.review)
    with Play() as play:
        asked(play, held).raised().settled(RequestState.approved).judged(held).skip()
        play.event(events.Consumed(play.ticket, True))
        assert play.said() == ["tell approved", BEGINS]
        play.server(complete("BEGIN"), ready("T"), complete("DELETE 6"), ready("T"))
        said = play.said()
        assert said[-2:] == [TOO_MANY, ROLLS_BACK]
        assert "finish" in said
        play.server(complete("ROLLBACK"), ready()).skip()


def test_an_approval_under_another_bound_is_void() -> None:
    """INV-5"""
    with Play() as play:
        asked(play, bounded(DELETES, outcome=Outcome.review)).raised().settled(RequestState.approved).skip()
        play.judged(bounded(DELETES, outcome=Outcome.review, most=Limits(changed_rows=50)))
        assert [line for line in play.said() if line.startswith("client E 42501 the approval of r-1 is void")]


def test_what_is_not_bounded_is_sent_as_it_is() -> None:
    with Play() as play:
        asked(play, verdict(DELETES))
        assert play.said()[-1] == "server Q delete from t"


# A Query inside a block


def test_inside_a_block_postgresql_aborts_it() -> None:
    """INV-8: a failing message of the gateway's own, before the client is told that the server is ready."""
    with Play() as play:
        asked(in_block(play), bounded(DELETES)).skip()
        play.server(complete("DELETE 6"), ready("T"))
        assert play.said() == ["record StatementFinished error", FAILS]
        play.server(failure("42601", "syntax error"), ready("E"))
        assert play.said() == [TOO_MANY, "client Z E"]


def test_inside_a_block_nothing_changes_for_what_is_within_its_bound() -> None:
    with Play() as play:
        asked(in_block(play), bounded(DELETES)).skip()
        play.server(complete("DELETE 5"), ready("T"))
        assert play.said() == ["record StatementFinished done", "client C DELETE 5", "client Z T"]


# The extended protocol


def piped(play: Play, found: Verdict, *behind: bytes, rows: int = 0) -> Play:
    """Parse, Bind and Execute of one statement, with what the client sends behind it."""
    play.client(parse(found.sql), bind(), encode("E", b"\0" + struct.pack("!I", rows)), *behind).skip()
    play.judged(found).server(PARSE_COMPLETE, parameters(), NO_DATA).judged(found).skip()
    return play


def test_sync_waits_for_the_tag() -> None:
    with Play() as play:
        piped(play, bounded(DELETES), SYNC)
        assert play.machine.phase is Phase.draining
        play.server(BIND_COMPLETE, complete("DELETE 5"))
        assert play.said() == ["client 2", "record StatementFinished done", "client C DELETE 5", "server S"]
        play.server(ready()).skip()


def test_a_failing_message_goes_before_sync() -> None:
    """INV-8: PostgreSQL itself undoes it and skips to Sync."""
    with Play() as play:
        piped(play, bounded(DELETES), parse("select 1"), bind(), execute(""), SYNC)
        play.server(BIND_COMPLETE, complete("DELETE 6"))
        assert play.said() == [
            "client 2",
            "record StatementFinished error",
            "server P hoopd_refused hoopd refused this statement",
            "server S",
        ]
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == [TOO_MANY, "client Z I"]


def test_nothing_that_could_commit_overtakes_it() -> None:
    """COMMIT as the next of the pipeline, and a portal that is closed."""
    for behind in (parse("commit"), bind(), execute(""), encode("C", b"P\0"), encode("D", b"P\0"), SYNC, query("x")):
        with Play() as play:
            piped(play, bounded(DELETES), behind)
            assert play.machine.phase is Phase.draining
            assert play.machine.inbox_bytes > 0
            play.skip()


def test_rows_in_portions_cannot_be_counted() -> None:
    """PostgreSQL has changed them all when it gives the first of RETURNING, and tells how many at the last."""
    returning = facts("delete from t returning a", "delete", effects=WRITE)
    with Play() as play:
        piped(play, bounded(returning), SYNC, rows=1)
        play.server(BIND_COMPLETE, encode("s"))
        assert play.said()[-2:] == ["server P hoopd_refused hoopd refused this statement", "server S"]
        play.server(failure("42601", "syntax error"), ready())
        assert [line for line in play.said() if line.startswith("client E 0A000 the rows that a statement changes")]


# Answers


def limited_read(play: Play, most: Limits) -> Play:
    return asked(play, bounded(SELECTS, most=most)).skip().server(columns("a")).skip()


@pytest.mark.parametrize("most", [Limits(rows=2), Limits(bytes=2 * 7)], ids=["rows", "bytes"])
def test_an_answer_past_its_limit_is_an_error_and_is_cancelled(most: Limits) -> None:
    with Play() as play:
        limited_read(play, most).server(row("1"), row("2"))
        assert play.said() == ["client D ['1']", "client D ['2']"]
        play.server(row("3"), row("4"))
        assert play.said() == ["cancelserver"]
        play.server(failure("57014", "canceled"), ready())
        (told, *rest) = [line for line in play.said() if not line.startswith("record")]
        assert told.startswith("client E 54000 the answer has more than ")
        assert rest == ["client Z I"]


def test_an_answer_that_ends_before_the_cancel_is_an_error_all_the_same() -> None:
    with Play() as play:
        limited_read(play, Limits(rows=1)).server(row("1"), row("2"), complete("SELECT 2"), ready())
        assert [line.split(" the")[0] for line in play.said() if line.startswith("client")] == [
            "client D ['1']", "client E 54000", "client Z I",
        ]  # fmt: skip


def test_inside_a_block_that_aborts_the_block() -> None:
    with Play() as play:
        asked(in_block(play), bounded(SELECTS, most=Limits(rows=1))).server(columns("a"), row("1"), row("2")).skip()
        play.server(complete("SELECT 2"), ready("T"))
        assert play.said()[-1] == FAILS
        play.server(failure("42601", "syntax error"), ready("E"))
        assert [line.split(" the")[0] for line in play.said()] == ["client E 54000", "client Z E"]


def test_a_read_alone_does_not_make_its_sync_wait() -> None:
    """There is nothing to undo: no message of its own stands between a driver and its answer."""
    with Play() as play:
        piped(play, bounded(SELECTS, most=Limits(rows=1)), SYNC)
        assert play.machine.phase is Phase.running


def test_a_read_behind_a_change_makes_its_sync_wait() -> None:
    """Else the change would commit, and the client be told that its pipeline failed."""
    with Play() as play:
        piped(play, verdict(INSERTS)).client(parse(SELECTS.sql, "s")).skip()
        found = bounded(SELECTS, most=Limits(rows=1))
        play.judged(found).server(BIND_COMPLETE, complete("INSERT 0 1")).skip()
        play.server(PARSE_COMPLETE, parameters(), columns("a")).client(bind("", "s")).judged(found)
        play.client(execute(""), SYNC).skip()
        assert play.machine.phase is Phase.draining
        play.server(BIND_COMPLETE, row("1"), row("2"), complete("SELECT 2"))
        assert play.said()[-2:] == ["server P hoopd_refused hoopd refused this statement", "server S"]
        play.server(failure("42601", "syntax error"), ready()).skip()


def test_what_changes_and_gives_rows_is_undone_with_its_answer() -> None:
    returning = facts("insert into t select 1 returning a", "insert", effects=WRITE)
    with Play() as play:
        begun(play, bounded(returning, most=Limits(rows=1))).server(columns("a"), row("1"), row("2")).skip()
        play.server(complete("INSERT 0 2"), ready("T"))
        assert play.said()[-1] == ROLLS_BACK
        play.server(complete("ROLLBACK"), ready()).skip()


def test_a_copy_out_is_limited_as_an_answer() -> None:
    copies = facts("copy t to stdout", "copy", effects=READ, copies=Copying.to_client)
    with Play() as play:
        asked(play, bounded(copies, most=Limits(rows=1))).server(encode("H", b"\0\0\0")).skip()
        play.server(encode("d", b"1\n"), encode("d", b"2\n"), encode("c"))
        assert play.said() == ["client d", "cancelserver"]
        play.server(complete("COPY 2"), ready())
        assert play.said()[-1] == "client Z I"


def test_a_portal_is_under_the_limits_of_the_policy_that_came_since_as_well() -> None:
    """DESIGN.md section 4: at Execute, limits are checked again."""
    again = bounded(SELECTS, most=Limits(rows=2))
    newer = replace(again.decision, policy_version=PolicyVersion(2))
    again = replace(again, decision=newer, statements=(replace(again.statements[0], decision=newer),))
    with Play() as play:
        in_block(play).client(parse(SELECTS.sql), bind("p"), encode("E", b"p\0\0\0\0\1"), SYNC).skip()
        play.judged(verdict(SELECTS)).server(PARSE_COMPLETE, parameters(), columns("a")).judged(verdict(SELECTS))
        play.server(BIND_COMPLETE, row("1"), encode("s"), ready("T")).skip()
        play.machine.note_policy(PolicyVersion(2))
        play.client(execute("p"), SYNC).judged(again).skip()
        play.server(row("2"), row("3"))
        assert play.said() == ["client D ['2']", "client D ['3']"]
        play.server(row("4"))
        assert play.said() == ["cancelserver"]
        play.server(failure("57014", "canceled")).skip()


# Time


MINUTE = Limits(statement_timeout=timedelta(seconds=60))


def test_a_statement_that_runs_too_long_is_cancelled() -> None:
    with Play() as play:
        asked(play, bounded(SELECTS, most=MINUTE))
        assert "time" in play.said()
        play.event(events.TimeUp(StatementNo(1)))
        assert play.said() == ["cancelserver"]
        play.server(failure("57014", "canceling statement due to user request"), ready())
        told = "client E 57014 canceling statement: it ran for 60 s, which is as long as the policy lets it"
        assert play.said() == [told, "record StatementFinished cancelled", "client Z I"]


def test_one_that_ends_before_the_cancel_is_done() -> None:
    with Play() as play:
        asked(play, bounded(SELECTS, most=MINUTE)).event(events.TimeUp(StatementNo(1))).skip()
        play.server(columns("a"), complete("SELECT 0"), ready())
        assert play.said()[-2:] == ["client C SELECT 0", "client Z I"]
        play.event(events.TimeUp(StatementNo(1)))
        assert play.said() == []


def test_each_statement_of_a_batch_has_its_own_time() -> None:
    with Play() as play:
        asked(play, bounded(SELECTS, SELECTS, most=MINUTE))
        assert play.said().count("time") == 1
        play.server(columns("a"), complete("SELECT 0"))
        assert play.said().count("time") == 1


def test_one_that_is_queued_in_the_server_waits_on() -> None:
    with Play() as play:
        piped(play, verdict(INSERTS)).client(parse(SELECTS.sql, "s")).skip()
        found = bounded(SELECTS, most=MINUTE)
        play.judged(found).server(BIND_COMPLETE).skip()
        play.event(events.TimeUp(StatementNo(2)))
        assert play.said() == []


# The bypass of each rule


@pytest.mark.parametrize("rule", ["waits", "needs_transaction", "over"])
def test_a_rule_taken_out_lets_too_many_rows_commit(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the database is told to commit six rows where five were allowed."""
    assert not _commits()
    monkeypatch.setattr(bounding, rule, {"over": lambda *_: None}.get(rule, lambda *_: False))
    assert _commits()


def _commits() -> bool:
    """Six rows are deleted by a Query, in a pipeline and with a COMMIT in the same pipeline."""
    found = bounded(DELETES)
    plain = asked(Play(), found)
    if BEGINS in plain.said():
        plain.server(complete("BEGIN"), ready("T"), complete("DELETE 6"), ready("T"))
        plain_commits = COMMITS in plain.said()
    else:
        plain_commits = True
    pipe = piped(Play(), found, SYNC)
    pipe.server(BIND_COMPLETE, complete("DELETE 6"))
    sent = [line for line in pipe.said() if line.startswith("server")]
    return plain_commits or sent[:1] != ["server P hoopd_refused hoopd refused this statement"]


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_rows_that_come_together_are_cut_at_the_limit_too(together: bool) -> None:
    """INV-9: what is not looked into is counted all the same."""
    most = KEPT_ROWS + 5
    with Play() as play:
        asked(play, bounded(SELECTS, most=Limits(rows=most))).skip()
        reader = FrameReader(1 << 20, rows=together)
        frames = list(reader.feed(columns("a") + row("1") * (most + 50)))
        assert (len(frames) == 2) is together
        play._take(play.machine.server_sent(frames))
        said = play.said()
        assert said.count("client D ['1']") == most
        assert said.count("cancelserver") == 1
