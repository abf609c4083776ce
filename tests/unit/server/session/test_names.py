"""One namespace for what SQL and the protocol make by name (THREATS 9), as transcripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopd.domain.decision import Outcome
from hoopd.pgwire import frontend
from hoopd.session.judgement import Verdict
from hoopd.session.tables import MAX_STATEMENTS
from hoopd.sql.catalog import FIRST_USER_OID
from hoopd.sql.facts import Effect, Facts, FunctionUse, ObjectAccess, ObjectKind, Opened, PreparedText
from hoopd.sql.named import meaning
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
    verdict,
)

READ = verdict(facts("select 1"))
CODE = verdict(facts("do 'x'", "do", effects=frozenset({Effect.opaque}), barrier=True, names_depend=False))
TEXT = PreparedText("p", "select 1", "PREPARE p AS select 1")


def prepare(sql: str = "select 1", name: str = "p") -> Facts:
    text = f"PREPARE {name} AS {sql}"
    return facts(text, "prepare", prepares=PreparedText(name, sql, text, meant=meaning(facts(sql))))


def declare(name: str = "c", *, holds: bool = False, **more: object) -> Facts:
    return facts(f"DECLARE {name}", "declare", opens=Opened(name, holds), **more)


def control(kind: str, **more: object) -> Facts:
    return facts(kind, kind, effects=frozenset({Effect.transaction}), names_depend=False, **more)


EXECUTE = verdict(facts("EXECUTE p", "execute", executes=("p",), by_name=True))
FETCH = verdict(facts("FETCH c", "fetch", continues="c", by_name=True))


def run(play: Play, found: Facts, tag: str = "OK", status: str = "T") -> None:
    """A Query that is allowed and succeeds."""
    play.client(query(found.sql)).judged(verdict(found)).server(complete(tag), ready(status))
    if play.said()[-1].startswith("server"):
        play.read_back().server(ready(status)).skip()


def known(play: Play) -> tuple[bool, bool]:
    """Whether the statement p and the cursor c are known to who is asked next."""
    return play.named.statement("p") is not None, play.named.cursor("c") is not None


def asked(play: Play, sql: str = "x") -> tuple[bool, bool]:
    play.client(query(sql))
    assert play.said() == [f"judge {sql}"]
    seen = known(play)
    play.judged(verdict(facts(sql), outcome=Outcome.deny)).skip()
    if play.machine.state.transaction != "I":
        play.server(failure("42601", "syntax error"), ready("E")).skip()
    return seen


def test_an_entry_counts_at_its_command_complete_and_not_before() -> None:
    with Play() as play:
        play.client(query("PREPARE p AS select 1")).judged(verdict(prepare())).skip()
        play.server(failure("42P05", "it is there"), ready()).skip()
        assert asked(play) == (False, False)
        run(play, prepare(), status="I")
        assert asked(play) == (True, False)
        run(play, declare(), status="T")
        assert asked(play) == (True, True)


def test_what_the_protocol_prepared_is_there_for_execute_as_well() -> None:
    with Play() as play:
        play.client(parse("select 1", "p")).judged(READ).skip()
        play.server(PARSE_COMPLETE, parameters(), columns("x")).skip()
        play.client(bind("c", "p"), SYNC).judged(READ).server(BIND_COMPLETE, ready("T")).skip()
        play.client(query("x"))
        assert play.said() == ["judge x"]
        made, cursor = play.named.statement("p"), play.named.cursor("c")
        assert made is not None
        assert (made.sql, made.shown) == ("select 1", 'PREPARE "p" AS select 1')
        assert cursor is not None
        assert cursor.facts == READ.statements[0].facts
        assert cursor.decision == READ.statements[0].decision


def test_what_a_portal_of_an_execute_runs_is_not_known_to_fetch() -> None:
    """INV-1: it looks its name up when it begins to run, which the FETCH may be."""
    with Play() as play:
        run(play, prepare())
        _parsed(play, EXECUTE, "s")
        play.client(bind("c", "s"), SYNC).judged(EXECUTE).server(BIND_COMPLETE, ready("T")).skip()
        play.client(query("x"))
        cursor = play.named.cursor("c")
        assert cursor is not None
        assert Effect.opaque in cursor.facts.effects
        play.skip()


def test_what_sql_prepared_can_be_bound_by_the_protocol() -> None:
    with Play() as play:
        run(play, prepare(), status="I")
        play.client(bind("", "p"))
        assert play.said() == ["judge select 1"]
        play.judged(READ)
        assert play.said() == ["server D", "server H"]
        play.server(parameters(), columns("x"))
        assert play.said() == ["judge select 1"]
        play.judged(READ)
        assert play.said()[-1] == "server B :p"


def test_prepared_in_sql_and_replaced_by_code_it_is_not_bound() -> None:
    """INV-1: there is no Parse of the client's to make sure with."""
    with Play() as play:
        run(play, prepare())
        run(play, CODE.statements[0].facts)
        play.client(bind("", "p"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_after_code_no_name_is_known_until_it_is_made_again() -> None:
    """INV-1, THREATS 9"""
    with Play() as play:
        run(play, prepare())
        run(play, declare())
        run(play, CODE.statements[0].facts)
        run(play, prepare(name="q"))
        play.client(query("x"))
        assert known(play) == (False, False)
        assert play.named.statement("q") is not None
        assert not play.named.certain
        play.skip()


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        (facts("DEALLOCATE p", "deallocate", deallocates=("p",)), (False, True)),
        (facts("DEALLOCATE ALL", "deallocate", deallocates=()), (False, True)),
        (facts("CLOSE c", "close", closes=("c",)), (True, False)),
        (facts("CLOSE ALL", "close", closes=()), (True, False)),
        (facts("DISCARD ALL", "discard", deallocates=(), closes=()), (False, False)),
        (control("rollback_to", savepoint="s"), (True, False)),
        (control("rollback_to", savepoint="other"), (True, True)),
        (control("release", savepoint="s"), (True, True)),
    ],
)
def test_what_takes_entries_away(statement: Facts, left: tuple[bool, bool]) -> None:
    with Play() as play:
        run(play, control("savepoint", savepoint="s"))
        run(play, prepare())
        run(play, declare())
        run(play, statement)
        assert asked(play) == left


@pytest.mark.parametrize(
    ("holds", "end", "tag", "left"),
    [(False, "commit", "COMMIT", False), (True, "commit", "COMMIT", True), (True, "rollback", "ROLLBACK", False),
     (True, "commit", "ROLLBACK", False)],
)  # fmt: skip
def test_cursors_at_the_end_of_their_transaction(holds: bool, end: str, tag: str, left: bool) -> None:
    with Play() as play:
        run(play, prepare())
        run(play, declare(holds=holds))
        run(play, control(end), tag, "I")
        assert asked(play) == (True, left)


def test_a_cursor_with_hold_is_gone_when_its_own_query_failed_and_stays_when_a_later_one_does() -> None:
    with Play() as play:
        run(play, prepare(), status="I")
        play.client(query("DECLARE c; x")).judged(verdict(declare(holds=True), facts("x"))).skip()
        play.server(complete("DECLARE CURSOR"), failure("22012", "division by zero"), ready()).skip()
        assert asked(play) == (True, False)
        run(play, declare(holds=True), status="I")
        play.client(query("x")).judged(READ).server(failure("22012", "division by zero"), ready()).skip()
        assert asked(play) == (True, True)


def test_code_that_a_commit_runs_for_a_cursor_puts_every_name_in_doubt() -> None:
    """INV-1: the query of a cursor WITH HOLD runs to its end at the commit."""
    with Play() as play:
        code = declare(holds=True, effects=frozenset({Effect.read, Effect.opaque}), barrier=True)
        run(play, code)
        run(play, prepare())
        play.client(query("x"))
        assert play.named.statement("p") is not None
        play.judged(READ).server(complete("SELECT 1"), ready("T")).skip()
        run(play, control("commit"), "COMMIT", "I")
        play.client(query("x"))
        assert play.named.statement("p") is None
        play.skip()


def _parsed(play: Play, found: Verdict, name: str) -> None:
    text = found.statements[0].facts.sql
    play.client(parse(text, name)).judged(found).server(PARSE_COMPLETE, parameters(), NO_DATA)
    play.client(SYNC).server(ready("T")).skip()


def _bound(play: Play, found: Verdict, portal: str, statement: str) -> None:
    play.client(bind(portal, statement)).judged(found)
    if play.said()[-1] == "server H":
        play.server(parameters(), NO_DATA).judged(found).skip()


def test_a_bound_execute_whose_name_means_something_else_by_then_does_not_run() -> None:
    """INV-1: the server looks the name up at Execute, when another statement may stand behind it."""
    with Play() as play:
        run(play, prepare())
        other = verdict(prepare("delete from t"))
        _parsed(play, EXECUTE, "s")
        _parsed(play, other, "t")
        _bound(play, EXECUTE, "a", "s")
        _bound(play, other, "b", "t")
        play.client(frontend.make_close("S", "p"), execute("b")).skip()
        play.client(execute("a"))
        assert play.said() == ["server H"], "what is under way may change the name"
        play.server(BIND_COMPLETE, BIND_COMPLETE, CLOSE_COMPLETE, complete("PREPARE"))
        assert play.said()[-1] == "server P hoopd_refused hoopd refused this statement"
        play.client(SYNC).server(failure("42601", "syntax error"), ready("E"))
        assert "client E 26000 a name in this statement means something else than when it was bound" in play.said()


def test_a_bound_execute_whose_name_stays_runs() -> None:
    with Play() as play:
        run(play, prepare())
        _parsed(play, EXECUTE, "s")
        _bound(play, EXECUTE, "a", "s")
        play.client(execute("a"))
        assert play.said() == ["server E"]
        play.server(BIND_COMPLETE, complete("SELECT 1")).skip()


def test_a_bound_fetch_of_a_cursor_that_was_closed_and_opened_again_does_not_run() -> None:
    """INV-1"""
    with Play() as play:
        run(play, declare())
        _parsed(play, FETCH, "s")
        _bound(play, FETCH, "a", "s")
        play.client(SYNC).server(BIND_COMPLETE, ready("T")).skip()
        run(play, facts("CLOSE c", "close", closes=("c",)))
        run(play, declare())
        play.client(execute("a"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_what_follows_a_declare_in_a_pipeline_is_judged_when_the_cursor_is_there() -> None:
    with Play() as play:
        made = verdict(declare())
        _parsed(play, made, "s")
        _bound(play, made, "", "s")
        play.client(execute(""), parse("FETCH c"))
        assert play.said() == ["server E", "server H"]
        play.server(BIND_COMPLETE, complete("DECLARE CURSOR"))
        assert play.said()[-1] == "judge FETCH c"
        assert play.named.cursor("c") is not None


def test_a_fetch_is_described_before_each_bind() -> None:
    """Its columns are those of the cursor that has the name by then."""
    with Play() as play:
        run(play, declare())
        _parsed(play, FETCH, "s")
        play.client(bind("", "s")).judged(FETCH)
        assert play.said()[-1] == "server B :s"
        play.client(execute(""), SYNC).server(BIND_COMPLETE, complete("FETCH 0"), ready("T")).skip()
        play.client(bind("", "s")).judged(FETCH)
        assert play.said() == ["judge FETCH c", "server D", "server H"]
        play.server(parameters(), columns("y")).judged(FETCH)
        assert play.said()[-1] == "server B :s"


def test_the_protocols_execute_of_a_declared_cursor_is_refused() -> None:
    with Play() as play:
        run(play, declare())
        play.client(execute("c"), SYNC)
        assert play.said() == ["server P hoopd_refused hoopd refused this statement", "server S"]
        play.server(failure("42601", "syntax error"), ready("E"))
        assert play.said()[0] == 'client E 0A000 cursor "c" was declared in SQL'


def test_the_gateways_own_names_are_refused_in_sql_as_well() -> None:
    """INV-1: its SHOW would run what stands behind the name."""
    for made in (prepare(name="hoopd_show"), declare("hoopd_show")):
        with Play() as play:
            play.client(query(made.sql)).judged(verdict(made))
            assert [line for line in play.said() if line.startswith(("client", "server"))] == [
                'client E 42602 names that begin with "hoopd_" are the gateway\'s own: choose another',
                "client Z I",
            ]


def test_the_table_is_bounded_whichever_way_entries_are_made() -> None:
    """INV-9"""
    with Play() as play:
        many = tuple(prepare(name=f"n{number}") for number in range(MAX_STATEMENTS + 1))
        play.client(query("many")).judged(verdict(*many))
        refused = [line for line in play.said() if line.startswith("client")]
        assert refused[0] == f"client E 54000 a session may hold {MAX_STATEMENTS} prepared statements at most"


def test_in_an_aborted_transaction_no_name_is_missed() -> None:
    """INV-8: PostgreSQL looks none up there."""
    with Play() as play:
        run(play, control("begin"))
        play.client(query("x")).judged(READ).server(failure("22012", "division by zero"), ready("E")).skip()
        missing = facts("FETCH c", "fetch")
        found = verdict(missing, outcome=Outcome.deny)
        play.client(query("FETCH c"))
        play.judged(_with_sqlstate(found, "34000")).server(failure("42601", "syntax error"), ready("E"))
        text = "current transaction is aborted, commands ignored until end of transaction block"
        assert f"client E 25P02 {text}" in play.said()


def _with_sqlstate(found: Verdict, sqlstate: str) -> Verdict:
    return replace(found, decision=replace(found.decision, sqlstate=sqlstate))


# What names stand for by then

SHADOWED = verdict(facts("select 1", accesses=(ObjectAccess(Effect.read, ObjectKind.table, "scratch", "t"),)))
TRIGGER = facts(
    "insert into t values (1)",
    "insert",
    effects=frozenset({Effect.write}),
    functions=(FunctionUse("public", "audit", "volatile", trusted=False),),
)


def _prepared(play: Play, name: str = "s1") -> None:
    play.client(parse("select 1", name)).judged(READ).server(PARSE_COMPLETE, parameters(), columns("x"))
    play.client(SYNC).server(ready("T")).skip()


@pytest.mark.parametrize("name", ["s1", ""])
def test_a_statement_whose_names_mean_something_else_by_now_is_parsed_anew_before_it_is_bound(name: str) -> None:
    """INV-1, THREATS 5 and 9: PostgreSQL goes on with what it made of it before an object came to shadow another."""
    with Play() as play:
        _prepared(play, name)
        play.client(bind("", name)).judged(SHADOWED)
        assert play.said() == ["judge select 1", "judge select 1"]
        play.judged(SHADOWED)
        assert play.said() == ["server C", f"server P {name} select 1".replace("  ", " "), "server D", "server H"]
        play.server(CLOSE_COMPLETE, PARSE_COMPLETE, parameters(), columns("x"))
        assert play.said() == ["judge select 1"]
        play.judged(SHADOWED)
        assert play.said()[-1] == f"server B :{name}"


def test_prepared_in_sql_it_is_not_bound_then() -> None:
    with Play() as play:
        run(play, prepare(), status="I")
        play.client(bind("", "p")).judged(READ).server(parameters(), columns("x")).judged(SHADOWED).skip()
        play.client(SYNC).server(failure("42601", "syntax error"), ready()).skip()
        play.client(bind("", "p"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_code_of_a_trigger_may_have_given_a_name_to_another_statement() -> None:
    """INV-1. A portal is left: a driver reads from it and writes in between."""
    with Play() as play:
        run(play, prepare())
        run(play, declare())
        _prepared(play)
        play.client(bind("p1", "s1"), SYNC).judged(READ).server(BIND_COMPLETE, ready("T")).skip()
        run(play, TRIGGER)
        play.client(query("x"))
        assert (known(play), play.named.certain) == ((False, False), False)
        play.judged(READ).server(complete("SELECT 1"), ready("T")).skip()
        play.client(execute("p1"))
        assert play.said() == ["server E"]


def test_a_trigger_that_was_put_off_runs_at_the_commit() -> None:
    """INV-1: what was prepared since is in doubt as well."""
    with Play() as play:
        run(play, TRIGGER)
        run(play, prepare())
        run(play, control("commit"), "COMMIT", "I")
        assert asked(play) == (False, False)


def test_a_commit_that_goes_on_with_another_transaction_ends_the_one_before() -> None:
    """COMMIT AND CHAIN, and COMMIT; BEGIN in one Query."""
    with Play() as play:
        run(play, prepare())
        run(play, declare("gone"))
        run(play, declare(holds=True))
        run(play, control("commit"), "COMMIT", "T")
        play.client(query("x"))
        assert (known(play), play.named.cursor("gone")) == ((True, True), None)
        play.judged(READ).server(complete("SELECT 1"), ready("T")).skip()
        run(play, control("rollback"), "ROLLBACK", "I")
        assert asked(play) == (True, True)


def test_types_that_a_client_gives_its_parameters_are_judged_with_the_text() -> None:
    """INV-1: reading a value of a domain runs its checks at Bind."""
    with Play() as play:
        oid = FIRST_USER_OID + 1
        play.client(frontend.make_parse("s1", b"select $1", (oid, 25)))
        assert play.types == (oid,)
        play.judged(READ).server(PARSE_COMPLETE, parameters(oid), columns("x")).skip()
        play.client(bind("", "s1", "a"))
        assert play.types == (oid,)
        play.skip()
        play.judged(READ).client(SYNC).server(BIND_COMPLETE, ready()).skip()
        play.client(query("x"))
        made = play.named.statement("s1")
        assert made is not None
        assert (made.types, made.shown) == ({oid}, f'PREPARE "s1" (oid {oid}) AS select $1')
        play.skip()


def test_a_statement_that_was_parsed_anew_and_gives_other_columns_is_refused_once_as_postgresql_refuses_it() -> None:
    """INV-8: drivers know these words, and prepare again."""
    with Play() as play:
        _prepared(play)
        play.client(bind("", "s1"), SYNC).judged(SHADOWED).judged(SHADOWED)
        play.server(CLOSE_COMPLETE, PARSE_COMPLETE, parameters(), columns("x", "y")).skip()
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == ["client E 0A000 cached plan must not change result type", "client Z I"]
        play.client(bind("", "s1"))
        assert play.said() == ["judge select 1"]
