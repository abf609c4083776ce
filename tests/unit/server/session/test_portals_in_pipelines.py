"""What is sent ahead of its answers: a name is another's by then, and what ends the one does not end the other (INV-1,
INV-3, THREATS 9).
"""

from __future__ import annotations

from hoopd.pgwire import frontend
from hoopd.sql.facts import Effect
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
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
from tests.unit.server.session.test_names import known, prepare, run

READ = verdict(facts("select 1"))
WRITE = verdict(facts("insert", "insert", effects=frozenset({Effect.write})))
DEALLOCATE = verdict(facts("deallocate p", "deallocate", effects=frozenset({Effect.session}), deallocates=("p",)))


def prepared(play: Play, sql: str, name: str = "", *, rows: bool = True) -> None:
    """A Parse and its Sync, answered."""
    play.client(parse(sql, name)).judged(READ)
    play.server(PARSE_COMPLETE, parameters(), columns("a") if rows else NO_DATA)
    play.client(SYNC).server(ready()).skip()


def finished(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("record StatementFinished")]


def test_a_close_that_was_sent_before_a_bind_does_not_end_what_was_bound() -> None:
    """The DEALLOCATE of the new portal is seen, and with it that its name is free for another statement."""
    with Play() as play:
        run(play, prepare(), status="I")
        assert known(play) == (True, False)
        prepared(play, "deallocate p", rows=False)
        play.client(frontend.make_close("P", ""), bind(), execute("")).judged(DEALLOCATE)
        play.client(SYNC).skip()
        play.server(CLOSE_COMPLETE, BIND_COMPLETE)
        assert finished(play.said()) == []
        play.server(complete("DEALLOCATE"), ready())
        assert finished(play.said()) == ["record StatementFinished done"]
        play.client(query("execute p"))
        assert play.said() == ["judge execute p"]
        assert known(play) == (False, False)


def test_a_portal_whose_close_was_sent_leaves_its_name_to_the_next() -> None:
    with Play() as play:
        prepared(play, "select 1", "s")
        play.client(bind("c", "s"), execute("c")).judged(READ)
        play.client(frontend.make_close("P", "c"), bind("c", "s")).judged(READ)
        play.client(execute("c"), SYNC)
        assert [line for line in play.said() if line.startswith("client")] == []
        play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"), CLOSE_COMPLETE, BIND_COMPLETE, row("2"))
        assert finished(play.said()) == ["record StatementFinished done"]
        play.server(complete("SELECT 1"), ready())
        assert finished(play.said()) == ["record StatementFinished done"]


def test_a_close_that_the_server_passed_over_leaves_the_name_taken() -> None:
    with Play() as play:
        play.client(query("begin")).judged(verdict(facts("begin", "begin", effects=frozenset({Effect.transaction}))))
        play.server(complete("BEGIN"), ready("T")).skip()
        play.client(parse("select 1", "s")).judged(READ)
        play.server(PARSE_COMPLETE, parameters(), columns("a"))
        play.client(SYNC).server(ready("T"))
        play.client(bind("c", "s")).judged(READ)
        play.server(BIND_COMPLETE).client(SYNC).server(ready("T"))
        play.client(bind("d", "s")).judged(READ)
        play.client(frontend.make_close("P", "c"), SYNC).skip()
        play.server(failure("22012", "no"), ready("E")).skip()
        play.client(bind("c", "s"))
        assert "server P hoopd_refused hoopd refused this statement" in play.said()


def test_each_of_a_pipeline_ends_as_it_did() -> None:
    """executemany: the first fails in the server, and the second was never looked at."""
    with Play() as play:
        prepared(play, "insert", rows=False)
        play.client(bind(), execute("")).judged(WRITE)
        play.client(bind(), execute("")).judged(WRITE)
        play.client(SYNC)
        assert finished(play.said()) == []
        play.server(BIND_COMPLETE, failure("23505", "duplicate key"), ready())
        assert finished(play.said()) == ["record StatementFinished error", "record StatementFinished error"]


def test_the_rows_of_each_of_a_pipeline_are_recorded() -> None:
    with Play() as play:
        prepared(play, "select 1")
        play.client(bind(), execute("")).judged(READ)
        play.client(bind(), execute("")).judged(READ)
        play.client(SYNC).skip()
        for _ in range(2):
            play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"))
            said = play.said()
            assert [line for line in said if line.startswith("record")] == [
                "record RowsReturned",
                "record StatementFinished done",
            ]
        play.server(ready()).skip()


def test_what_follows_a_sync_waits_for_its_answer() -> None:
    """So that the end of one transaction, or an error in it, cannot be taken for that of the next."""
    with Play() as play:
        prepared(play, "select 1")
        play.client(bind(), execute("")).judged(READ)
        play.client(SYNC, bind(), execute(""), SYNC).skip()
        play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"))
        assert [line for line in play.said() if line.startswith(("judge", "server"))] == []
        play.server(ready())
        assert play.said()[-1] == "judge select 1"
        play.judged(READ).skip()
        play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"), ready())
        assert finished(play.said()) == ["record StatementFinished done"]


def test_a_close_all_does_not_close_what_is_bound_behind_it() -> None:
    close_all = verdict(facts("close all", "close", effects=frozenset({Effect.session}), closes=()))
    with Play() as play:
        prepared(play, "close all", "x", rows=False)
        prepared(play, "select 1", "s")
        play.client(bind("", "x"), execute("")).judged(close_all)
        play.client(bind("c", "s")).judged(READ)
        play.client(execute("c"), SYNC).skip()
        play.server(BIND_COMPLETE, complete("CLOSE CURSOR ALL"))
        assert finished(play.said()) == ["record StatementFinished done"]
        play.server(BIND_COMPLETE, row("1"), complete("SELECT 1"), ready())
        assert finished(play.said()) == ["record StatementFinished done"]


def test_the_last_unnamed_statement_that_was_sent_is_the_one_that_is_bound() -> None:
    """Descriptions are known from before, so that the second Parse goes out while the first is not yet answered."""
    one, other = verdict(facts("select 1")), verdict(facts("select 2"))
    with Play() as play:
        for sql, found in (("select 1", one), ("select 2", other)):
            play.client(parse(sql)).judged(found)
            play.server(PARSE_COMPLETE, parameters(), columns("a"))
            play.client(SYNC).server(ready()).skip()
        play.client(parse("select 1")).judged(one)
        play.client(parse("select 2")).judged(other).skip()
        play.server(PARSE_COMPLETE, parameters(), columns("a")).skip()
        play.client(bind())
        assert play.said() == ["judge select 2"]
        play.judged(other).skip()
        play.server(PARSE_COMPLETE, parameters(), columns("a"), BIND_COMPLETE).skip()
        play.client(SYNC).server(ready()).skip()
