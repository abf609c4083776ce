"""The record as lines: nothing in it commands a terminal or passes for the gateway's word (THREATS 18)."""

from dataclasses import replace
from datetime import UTC, datetime

from hoopctl.client.audit import Approval, Session, Statement, Step, Verified
from hoopctl.commands.audit_text import listed, step_lines, told, verdict_line
from hoopctl.requests import Param

AT = datetime(2026, 3, 1, 12, 0, 1, 250000, tzinfo=UTC)
STATEMENT = Statement(
    time=AT,
    session="s-4kq7",
    id="s-4kq7/2",
    principal="alice@example.com",
    connection="prod-db",
    sql="DELETE FROM orders\nWHERE id = $1",
    params=(Param("integer", "7", masked=False), Param("text", None, masked=True)),
    kind="delete",
    effects=("write",),
    decision="review",
    rules=("writes need a DBA",),
    request="r-7f3k",
    approvals=(Approval("approve", "bob@example.com", "fine", AT),),
    outcome="done",
    rows=1,
    duration_ms=1.25,
    masked=("public.orders.note",),
    error=None,
)
SESSION = Session(
    "s-4kq7", "alice@example.com", "prod-db", "psql", "h", AT, AT, "client closed", 9, "ab12", (STATEMENT,)
)


def step(kind: str, text: str, **more: object) -> Step:
    return replace(Step(1, AT, kind, "s-4kq7/2", text, (), ()), **more)


def test_a_statement_in_the_table() -> None:
    who, what = listed(STATEMENT)
    assert who.splitlines() == ["2026-03-01 12:00:01", "alice@example.com", "prod-db", "delete"]
    assert what.splitlines() == [
        "s-4kq7/2  review, done, 1 row, 1.2 ms",
        "rule: writes need a DBA",
        "request: r-7f3k",
        "approved by bob@example.com: fine",
        "masked: public.orders.note",
        "  DELETE FROM orders",
        "  WHERE id = $1",
        "  $1 integer = '7'",
        "  $2 text = NULL (masked)",
    ]


def test_what_is_cut_in_the_table_says_so_and_show_cuts_nothing() -> None:
    long = replace(STATEMENT, sql="x" * 5_000, params=(Param("text", "y" * 5_000, masked=False),))
    _, what = listed(long)
    assert "… 5000 characters in all: see hoopctl audit show" in what
    assert "(5002 characters)" in what
    lines = list(told(replace(SESSION, statements=(long,)), whole=True))
    assert "  " + "x" * 5_000 in lines
    assert any("y" * 5_000 in line for line in lines)


def test_one_that_runs_or_was_denied() -> None:
    running = replace(STATEMENT, outcome=None, rows=None, duration_ms=None)
    assert listed(running)[1].startswith("s-4kq7/2  review, running\n")
    assert listed(replace(running, approvals=()))[1].startswith("s-4kq7/2  review, held\n")
    denied = replace(STATEMENT, decision="deny", outcome="denied", rows=None, duration_ms=None, error="no")
    assert "error: no\n" in listed(denied)[1]


def test_a_session_is_told_with_its_head() -> None:
    lines = list(told(SESSION, whole=False))
    assert lines[:7] == [
        "session      s-4kq7",
        "who          alice@example.com",
        "connection   prod-db",
        "client       psql  h",
        "started      2026-03-01T12:00:01.250000Z",
        "ended        2026-03-01T12:00:01.250000Z  client closed",
        "record       9 events, head ab12",
    ]
    assert "ended        still open" in list(told(replace(SESSION, ended=None, ended_because=None), whole=False))


def test_steps_of_a_replay() -> None:
    decided = step("StatementDecided", "review by writes\nDELETE FROM orders\n$1 = 7 (integer)")
    assert list(step_lines(decided)) == [
        "12:00:01.250  #2 review by writes",
        "    DELETE FROM orders",
        "    $1 = 7 (integer)",
    ]
    rows = step("RowsReturned", "", columns=("id", "card"), rows=(("1", "****1234"), ("22", None)))
    assert list(step_lines(rows)) == [
        "    id | card",
        "    ---+---------",
        "    1  | ****1234",
        "    22 | NULL",
    ]
    more = step("RowsReturned", "3 more rows were not kept", rows=(("3", "x"),))
    assert list(step_lines(more)) == ["    3 | x", "12:00:01.250  #2 3 more rows were not kept"]
    assert list(step_lines(step("SessionEnded", "the session ended", statement=None))) == [
        "12:00:01.250  the session ended"
    ]


def test_nothing_of_the_record_reaches_the_terminal_as_a_command() -> None:
    evil = "a\x1b[2Jb\u202ec\rd\u200b"
    marked = replace(
        STATEMENT,
        sql=evil,
        principal=evil,
        connection=evil,
        kind=evil,
        rules=(evil,),
        request=evil,
        approvals=(Approval("approve", evil, evil, AT),),
        outcome=evil,
        masked=(evil,),
        error=evil,
        params=(Param(evil, evil, masked=False),),
    )
    said = [
        *listed(marked),
        *told(
            replace(SESSION, principal=evil, ended_because=evil, application=evil, statements=(marked,)), whole=False
        ),
        *step_lines(step("NoticeSeen", f"{evil}\n{evil}")),
        *step_lines(step("RowsReturned", evil, columns=(evil,), rows=((evil,),))),
        verdict_line(Verified(evil, ok=False, events=1, bad_event=1, message=evil, open=False)),
    ]
    for line in said:
        assert not set(line) & {"\x1b", "\u202e", "\r", "\u200b"}, line


def test_what_a_client_typed_cannot_start_a_line() -> None:
    forged = replace(STATEMENT, sql="SELECT 1\nrule: read freely\napproved by carol@example.com", rules=())
    lines = listed(forged)[1].splitlines()
    assert "approved by carol@example.com" not in lines
    assert "  approved by carol@example.com" in lines
    cell = step("RowsReturned", "", columns=("a\nb",), rows=(("x\n12:00:00.000  the session ended",),))
    assert list(step_lines(cell))[-1] == "    x\\n12:00:00.000  the session ended"


def test_verdicts() -> None:
    good = Verified("s-1", ok=True, events=9, bad_event=None, message="9 events, sealed", open=False)
    assert verdict_line(good) == "ok    s-1  9 events, sealed"
    assert verdict_line(replace(good, open=True, message="so far")) == "open  s-1  so far"
    bad = replace(good, ok=False, bad_event=4, message="event 4 is missing")
    assert verdict_line(bad) == "BAD   s-1  event 4 is missing"
    assert verdict_line(replace(bad, message="no seal")) == "BAD   s-1  event 4: no seal"
