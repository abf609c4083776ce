"""What limits mean for a statement before it runs: counted, not counted, or never to be told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.limits import NO_LIMITS, Limits
from hoopd.session.limits import answers, bounded, limited, only_reads, refusal
from hoopd.sql.analysis import analyse
from hoopd.sql.facts import Facts
from tests.fuzz.conversation import CATALOG, STATE

CHANGES = Decision(Outcome.allow, ("r",), PolicyVersion(1), limits=Limits(changed_rows=5))
ROWS = replace(CHANGES, limits=Limits(rows=5))


def statements(sql: str) -> list[Facts]:
    return list(analyse(sql, STATE, CATALOG))


def executed(sql: str, code: str = "") -> Facts:
    """EXECUTE of a statement that was prepared in the same text, behind ``code`` that could have replaced it."""
    return statements(f"prepare p as {sql}; {code}; execute p")[-1]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into things values (1, 'a')", "insert into things select * from things", "update things set id = 1",
        "delete from things", "copy things from stdin", "create table a as select 1", "select 1 into a",
        "merge into things t using things u on t.id = u.id when matched then delete",
        "insert into things values (1, 'a') on conflict do nothing",
    ],
)  # fmt: skip
def test_what_the_tag_counts_is_bounded(sql: str) -> None:
    (facts,) = statements(sql)
    assert bounded(facts, CHANGES) == 5
    assert limited(facts, CHANGES)
    assert refusal([(facts, CHANGES)]) is None
    assert not only_reads(facts)


@pytest.mark.parametrize(
    "sql",
    [
        "with d as (delete from things returning id) select * from d",
        "with d as (delete from things returning id) insert into things select id, 'x' from d",
        "with d as (insert into things values (1, 'a') returning id) update things set id = 2",
        "explain analyze delete from things", "truncate things", "copy (delete from things returning id) to stdout",
        "refresh materialized view things", "explain analyze create table a as select 1",
    ],
)  # fmt: skip
def test_what_the_tag_does_not_count_is_refused(sql: str) -> None:
    """Six rows deleted inside WITH are ``SELECT 1`` to who reads the tag."""
    (facts,) = statements(sql)
    found = refusal([(facts, CHANGES)])
    assert found is not None
    assert found[0] == 0
    assert "PostgreSQL does not count those of this one" in found[1]
    assert refusal([(facts, replace(CHANGES, limits=NO_LIMITS))]) is None


@pytest.mark.parametrize(
    "sql",
    ["select 1", "select nextval('s')", "explain delete from things", "create table a (id int)", "vacuum things",
     "select * from things for update", "copy things to stdout", "set search_path = a", "do 'x'", "begin"],
)  # fmt: skip
def test_what_changes_no_rows_is_not_bounded(sql: str) -> None:
    (facts,) = statements(sql)
    assert bounded(facts, CHANGES) is None
    assert refusal([(facts, CHANGES)]) is None


@pytest.mark.parametrize(
    "sql",
    ["begin; delete from things; commit", "delete from things; commit", "rollback; select 1; delete from things"],
)
@pytest.mark.parametrize("decision", [CHANGES, ROWS], ids=["changes", "rows"])
def test_what_would_commit_in_the_same_message_is_refused(sql: str, decision: Decision) -> None:
    """The COMMIT has run when the tag before it is read."""
    found = refusal([(facts, decision) for facts in statements(sql)])
    assert found is not None
    assert "send BEGIN and COMMIT apart" in found[1]


def test_reads_between_begin_and_commit_leave_nothing_to_undo() -> None:
    assert refusal([(facts, ROWS) for facts in statements("begin; select 1; commit")]) is None


def test_what_is_executed_by_name_is_bounded_as_what_stands_behind_the_name() -> None:
    assert bounded(executed("delete from things"), CHANGES) == 5
    assert bounded(executed("select 1"), CHANGES) is None
    assert limited(executed("select 1"), ROWS)
    assert refusal([(executed("with d as (delete from things returning id) select 1 from d"), CHANGES)]) is not None
    (analysed,) = [
        s for s in statements("prepare p as delete from things; explain analyze execute p") if s.kind == "explain"
    ]
    assert refusal([(analysed, CHANGES)]) is not None


@pytest.mark.parametrize("decision", [CHANGES, ROWS], ids=["changes", "rows"])
def test_an_execute_that_nobody_knows_any_more_is_refused_where_it_is_limited(decision: Decision) -> None:
    """Its tag would tell how many; but it may be a COMMIT as well."""
    unknown = executed("delete from things", "do 'x'")
    free = replace(decision, limits=NO_LIMITS)
    assert refusal([(unknown, decision)]) is not None
    assert refusal([(unknown, free)]) is None
    assert refusal([(statements("delete from things")[0], decision), (unknown, free)]) is not None


def test_the_row_of_a_call_is_not_counted() -> None:
    """What it did could not be undone: a procedure may commit."""
    (facts,) = statements("call p()")
    assert not answers(facts, ROWS)


def test_to_prepare_is_not_to_run() -> None:
    (made,) = statements("prepare p as delete from things")
    assert bounded(made, CHANGES) is None
    assert not limited(made, CHANGES)
    assert refusal([(made, CHANGES)]) is None


def test_a_batch_of_changes_is_none_of_these() -> None:
    assert refusal([(facts, CHANGES) for facts in statements("delete from things; delete from people")]) is None


def test_rows_of_answers_are_limited_where_there_are_answers() -> None:
    for sql in (
        "select 1",
        "table things",
        "values (1)",
        "insert into things values (1, 'a') returning id",
        "show all",
    ):
        (facts,) = statements(sql)
        assert limited(facts, ROWS), sql
        assert not limited(facts, replace(ROWS, limits=NO_LIMITS))
    for sql in ("create table a (id int)", "vacuum things", "begin", "set search_path = a"):
        (facts,) = statements(sql)
        assert not limited(facts, ROWS), sql
