"""The extended protocol, as transcripts."""

from __future__ import annotations

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.masking.plan import MaskPlan
from hoopd.session.state import Phase
from hoopd.session.tables import MAX_KEPT_TEXT, MAX_PARAMETER_BYTES
from hoopd.sql.facts import Effect
from hoopd.sql.parser import MAX_BYTES
from tests.unit.server.session.play import (
    BIND_COMPLETE,
    FLUSH,
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

SELECT = verdict(facts("select $1"))


def test_parse_describe_bind_execute_sync() -> None:
    """A Parse is recorded as prepared; the Bind, as about to run, before it is sent (INV-3)."""
    with Play() as play:
        play.client(parse("select $1", "s1"))
        assert play.said() == ["judge select $1"]
        play.judged(SELECT)
        assert play.said() == ["record StatementPrepared", "server P s1 select $1", "server D", "server H"]
        play.server(PARSE_COMPLETE, parameters(25), columns("x"))
        assert play.said() == ["client 1"]
        play.client(bind("", "s1", "a"), execute(""), SYNC)
        assert play.said() == ["judge select $1"]
        play.judged(SELECT)
        assert play.said() == [
            "record StatementDecided",
            "record StatementStarted",
            "server B :s1",
            "server E",
            "server S",
        ]
        play.server(BIND_COMPLETE, row("a"), complete("SELECT 1"), ready())
        assert play.said() == [
            "client 2",
            "client D ['a']",
            "record RowsReturned",
            "record StatementFinished done",
            "client C SELECT 1",
            "client Z I",
        ]


def test_the_gateways_own_describe_is_not_seen_by_the_client() -> None:
    with Play() as play:
        _prepared(play)
        play.client(frontend_describe())
        assert play.said() == ["judge select $1"]
        play.judged(SELECT)
        assert play.said() == ["server D"]
        play.server(parameters(25), columns("x"))
        assert play.said() == ["client t", "client T"]


def test_bind_of_a_statement_that_is_not_in_the_table_is_refused() -> None:
    """INV-1, THREATS 9: what was not judged here is not bound, whatever the server may have under that name."""
    with Play() as play:
        play.client(bind("", "other"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]
        play.client(execute(""), SYNC)
        assert play.said() == ["server S"]
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == ['client E 26000 prepared statement "other" does not exist', "client Z I"]


def test_a_statement_counts_only_after_parse_complete() -> None:
    """THREATS 9: a named Parse that fails leaves what the server had, and the table too."""
    with Play() as play:
        _prepared(play)
        play.client(parse("drop table t", "s1")).skip()
        play.judged(verdict(facts("drop table t", "drop_table"))).skip()
        play.server(failure("42P05", 'prepared statement "s1" already exists')).skip()
        play.client(SYNC).skip().server(ready()).skip()
        play.client(bind("", "s1", "a"))
        assert play.said() == ["judge select $1"]


def test_execute_of_a_portal_that_is_not_in_the_table_is_refused() -> None:
    """INV-1"""
    with Play() as play:
        play.client(execute("p"), SYNC)
        assert play.said() == ["server P hoopd_refused hoopd refused this statement", "server S"]
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == ['client E 34000 portal "p" does not exist', "client Z I"]


def test_every_bind_is_judged() -> None:
    """THREATS 9: approve one, bind others."""
    with Play() as play:
        _prepared(play)
        for value in ("a", "b"):
            play.client(bind("", "s1", value))
            assert play.said() == ["judge select $1"]
            play.judged(SELECT).skip().client(execute("")).skip()


def test_a_denied_bind_makes_the_server_skip_to_sync() -> None:
    """INV-8"""
    with Play() as play:
        _prepared(play)
        play.client(bind("", "s1", "a"), execute(""), bind("", "s1", "b"), execute(""), SYNC).skip()
        play.judged(verdict(facts("select $1"), outcome=Outcome.deny))
        assert play.said() == [
            "record StatementDecided",
            "record StatementFinished denied",
            "server P hoopd_refused hoopd refused this statement",
            "server S",
        ]
        play.server(failure("42601", "syntax error"), ready("E"))
        assert play.said() == ["client E 42501 not like this", "client Z E"]


def test_a_denied_parse_of_the_unnamed_statement_drops_the_one_before() -> None:
    """INV-8: as a failing Parse does in PostgreSQL."""
    with Play() as play:
        _prepared(play, name="")
        play.client(parse("drop table t")).skip().judged(verdict(facts("drop table t"), outcome=Outcome.deny))
        assert "server P  hoopd refused this statement".replace("  ", " ") in play.said()
        play.server(failure("42601", "syntax error")).client(SYNC).server(ready()).skip()
        play.client(bind("", "", "a"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_an_error_passes_over_everything_up_to_sync() -> None:
    with Play() as play:
        _prepared(play)
        play.client(bind("", "s1", "a"), execute("")).skip().judged(SELECT).skip()
        play.server(BIND_COMPLETE, failure("22012", "division by zero")).skip()
        play.client(bind("", "s1", "b"), execute(""), query("select 9"))
        assert play.said() == []
        play.client(SYNC)
        assert play.said() == ["server S"]
        play.server(ready()).skip()


def test_an_error_drops_what_was_waiting_for_its_verdict() -> None:
    with Play() as play:
        _prepared(play)
        play.client(bind("", "s1", "a"), execute("")).skip().judged(SELECT).skip()
        play.client(bind("", "s1", "b")).skip()
        play.server(BIND_COMPLETE, failure("22012", "division by zero")).skip()
        assert play.machine.phase is Phase.ready
        play.judged(SELECT)
        assert play.said() == []


def test_a_suspended_portal_goes_on() -> None:
    with Play() as play:
        _prepared(play)
        play.client(bind("p", "s1", "a"), execute("p")).judged(SELECT).skip()
        play.server(BIND_COMPLETE, row("1"), encode("s")).skip()
        play.client(execute("p"), SYNC).skip()
        play.server(row("2"), complete("SELECT 1"), ready())
        assert "record StatementFinished done" in play.said()


def test_what_follows_a_barrier_waits_until_it_has_completed() -> None:
    """DESIGN section 4: the gateway adds Flush, never Sync, and reads the settings back in between."""
    with Play() as play:
        _prepared(play, facts("set search_path = x", "set", effects=frozenset({Effect.session}), barrier=True), "b")
        _prepared(play)
        play.client(bind("", "b"), execute(""), bind("p2", "s1", "a")).skip()
        play.judged(verdict(facts("set search_path = x", "set", effects=frozenset({Effect.session}), barrier=True)))
        said = play.said()
        assert said[-2:] == ["server E", "server H"]
        play.server(BIND_COMPLETE, complete("SET"))
        said = play.said()
        assert "server P hoopd_show SHOW search_path" in said
        assert said[-1] == "server H"
        assert not [line for line in said if line == "server S"]
        play.read_back(path="x")
        assert play.said() == ["judge select $1"]


def test_names_of_the_gateways_own_statements_are_not_for_clients() -> None:
    with Play() as play:
        play.client(parse("select 1", "hoopd_show"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_deallocate_takes_the_entry_out_of_the_table() -> None:
    with Play() as play:
        _prepared(play)
        play.client(query("deallocate s1")).skip()
        play.judged(verdict(facts("deallocate s1", "deallocate", deallocates=("s1",)))).skip()
        play.server(complete("DEALLOCATE"), ready()).skip()
        play.client(bind("", "s1", "a"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_portals_end_with_their_transaction() -> None:
    with Play() as play:
        _prepared(play)
        play.client(bind("p", "s1", "a"), SYNC).judged(SELECT).skip()
        play.server(BIND_COMPLETE, ready())
        assert play.said() == ["client 2", "record RowsReturned", "record StatementFinished done", "client Z I"]
        play.client(execute("p"))
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]


def test_a_flush_is_passed_on() -> None:
    with Play() as play:
        play.client(FLUSH)
        assert play.said() == ["server H"]


def test_a_literal_that_runs_code_at_parse_cannot_be_held() -> None:
    """DESIGN section 4: nothing of a statement runs before it is decided, and Parse would run the check."""
    with Play() as play:
        play.client(parse("update t set x = '1'::checked")).skip()
        held = verdict(facts("update t …", "update", runs_at_parse=True), outcome=Outcome.review)
        play.judged(held)
        assert play.said() == ["server P hoopd refused this statement"]


def test_a_policy_that_came_since_the_bind_is_asked_at_execute() -> None:
    """DESIGN section 4: on a decided portal, and the policy is checked again."""
    with Play() as play:
        _prepared(play)
        play.client(bind("p", "s1", "a")).judged(SELECT).server(BIND_COMPLETE).skip()
        play.machine.note_policy(PolicyVersion(2))
        play.client(execute("p"))
        assert play.said() == ["judge select $1"]
        play.judged(SELECT)
        assert play.said() == ["server E"]


def test_a_policy_that_hangs_on_the_time_is_asked_again_in_another_minute() -> None:
    """DESIGN section 4: a portal that was bound by day is not executed by night for that."""
    with Play() as play:
        play.machine.note_policy(PolicyVersion(1), 100)
        _prepared(play)
        play.client(bind("p", "s1", "a")).judged(SELECT).server(BIND_COMPLETE).skip()
        play.client(execute("p"))
        assert play.said() == ["server E"]
        play.machine.note_policy(PolicyVersion(1), 101)
        play.client(execute("p"))
        assert play.said() == ["judge select $1"]
        play.judged(SELECT)
        assert play.said() == ["server E"]
        play.client(execute("p"))
        assert play.said() == ["server E"]


def test_a_review_of_others_since_the_bind_needs_another_bind() -> None:
    """INV-5: it was approved by those who were asked then."""
    with Play() as play:
        play.machine.note_policy(PolicyVersion(1), 100)
        _prepared(play)
        play.client(bind("p", "s1", "a")).judged(SELECT).server(BIND_COMPLETE).skip()
        play.machine.note_policy(PolicyVersion(1), 101)
        play.client(execute("p"), SYNC).skip()
        play.judged(verdict(facts("select $1"), outcome=Outcome.review))
        assert "server E" not in play.said()
        play.server(failure("42601", "syntax error"), ready())
        assert [line for line in play.said() if "bind the statement again" in line]


def test_a_policy_that_denies_since_the_bind_stops_the_portal() -> None:
    """INV-1"""
    with Play() as play:
        _prepared(play)
        play.client(bind("p", "s1", "a")).judged(SELECT).server(BIND_COMPLETE).skip()
        play.machine.note_policy(PolicyVersion(2))
        play.client(execute("p"), SYNC).skip()
        play.judged(verdict(facts("select $1"), outcome=Outcome.deny))
        said = play.said()
        assert "server E" not in said
        assert "server P hoopd_refused hoopd refused this statement" in said
        play.server(failure("42601", "syntax error"), ready())
        assert "client E 42501 not like this" in play.said()


def test_other_masks_since_the_bind_need_another_bind() -> None:
    """INV-4: rows would be masked by the old plan."""
    with Play() as play:
        _prepared(play)
        play.client(bind("p", "s1", "a")).judged(SELECT).server(BIND_COMPLETE).skip()
        play.machine.note_policy(PolicyVersion(2))
        play.client(execute("p"), SYNC).skip()
        masked = MaskPlan(Outcome.allow, columns=(ColumnMask(MaskKind.full),), in_force=True)
        play.judged(verdict(facts("select $1"), plan=masked))
        assert "server E" not in play.said()
        play.server(failure("42601", "syntax error"), ready())
        assert [line for line in play.said() if "bind the statement again" in line]


def _prepared(play: Play, one: object = None, name: str = "s1") -> None:
    made = verdict(one) if one is not None else SELECT  # type: ignore[arg-type]
    text = made.statements[0].facts.sql
    play.client(parse(text, name)).judged(made)
    answer = parameters(25) + columns("x") if one is None else parameters() + NO_DATA
    play.server(PARSE_COMPLETE, answer).skip()


def frontend_describe() -> bytes:
    return encode("D", b"Ss1\0")


@pytest.mark.parametrize(
    "message",
    [parse("select 1", "n" * 64), bind("n" * 64, "s1"), bind("", "n" * 64), execute("n" * 64)]
    + [encode(kind, what + b"n" * 64 + b"\0") for kind in "DC" for what in (b"S", b"P")],
    ids=["parse", "bind portal", "bind statement", "execute", "describe S", "describe P", "close S", "close P"],
)
def test_names_that_the_server_would_cut_are_refused(message: bytes) -> None:
    """INV-1: the server tells names apart by 63 bytes, so a longer one could run what another was judged for."""
    with Play() as play:
        _prepared(play)
        play.client(message)
        assert play.said() == ["server P hoopd_refused hoopd refused this statement"]
        play.client(SYNC).skip()
        play.server(failure("42601", "syntax error"), ready())
        assert play.said() == ["client E 42622 names of statements and portals have 63 bytes at most", "client Z I"]


def _refused(play: Play, message: str) -> None:
    assert play.said()[-1].startswith("server P")
    play.client(SYNC).skip()
    play.server(failure("42601", "syntax error"), ready())
    said = play.said()
    assert (said[0], said[-1]) == (f"client E 54000 {message}", "client Z I")


def test_a_text_longer_than_is_judged_is_neither_looked_through_nor_recorded() -> None:
    """INV-9: a text of the size of a message would keep the search for credentials, and the store, for seconds."""
    with Play() as play:
        text = "select '" + "a" * MAX_BYTES
        play.client(parse(text))
        _refused(play, f"the text has {len(text)} bytes; at most {MAX_BYTES} are judged")
        play.client(query(text))
        said = f"client E 54000 the text has {len(text)} bytes; at most {MAX_BYTES} are judged"
        assert play.said() == [said, "client Z I"]


def test_prepared_statements_are_bounded_by_their_text() -> None:
    """INV-9: five thousand of a megabyte each would be the gateway's memory."""
    with Play() as play:
        text = "select 1 --" + "a" * (MAX_BYTES - 20)
        for number in range(MAX_KEPT_TEXT // len(text)):
            play.client(parse(text, f"s{number}")).judged(SELECT)
            play.server(PARSE_COMPLETE, parameters(), columns("x"))
        play.skip()
        play.client(parse(text, "more")).judged(SELECT)
        _refused(play, f"the texts of a session's prepared statements have {MAX_KEPT_TEXT} characters at most")


def test_portals_are_bounded_by_the_text_of_their_statements() -> None:
    """INV-9: a portal keeps what was found out about its statement."""
    with Play() as play:
        text = "select 1 --" + "a" * (MAX_BYTES - 20)
        play.client(parse(text, "s")).judged(SELECT)
        play.server(PARSE_COMPLETE, parameters(), columns("x"))
        for number in range(MAX_KEPT_TEXT // len(text)):
            play.client(bind(f"p{number}", "s")).judged(SELECT)
        play.server(*[BIND_COMPLETE] * (MAX_KEPT_TEXT // len(text)))
        play.skip()
        play.client(bind("more", "s"))
        _refused(play, f"the texts of a session's portals have {MAX_KEPT_TEXT} characters at most")


def test_the_parameters_of_a_bind_are_bounded() -> None:
    """INV-9: they are recorded whole, and the store has to take them in time."""
    with Play() as play:
        _prepared(play)
        play.client(bind("", "s1", "a" * (MAX_PARAMETER_BYTES + 1)))
        text = f"the parameters have {MAX_PARAMETER_BYTES + 1} bytes; a statement may have {MAX_PARAMETER_BYTES}"
        _refused(play, text)
