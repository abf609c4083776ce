"""Policies for people. Nothing of a file, a database or another person commands a terminal."""

from datetime import UTC, datetime

from rich.console import Console

from hoopctl.client.policy import Access, Change, Decision, Explanation, Problem, Rule, Seat, Statement, Totals
from hoopctl.commands.policy_text import change_words, changes, difference, explained, problem_line, totals_line

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REVIEW = Decision("review", ("two\x1b[31m",), None, None, (Seat("r", ("dba", "sre"), 2),), False, 1, 1)
DENY = Decision("deny", ("no",), "never", "ask somebody", (), False, 0, 0)


def drawn(told: Explanation) -> str:
    console = Console(width=400, color_system=None, record=True, markup=False, emoji=False, file=None)
    with console.capture() as capture:
        console.print(explained(told, "prod-db"))
    return capture.get()


def statement(sql: str, decision: Decision = REVIEW) -> Statement:
    rules = (
        Rule("two\x1b[31m", "review", True, True, "it fits"),
        Rule("one", "allow", False, False, "`kinds` does not"),
    )
    accesses = (Access("write a", (), False), Access("read pg_class", (), True), Access("read b", ("one",), False))
    return Statement(sql, "update", decision, rules, accesses, (("card", "last"),))


def test_an_explanation_is_a_tree_of_all_that_counts() -> None:
    told = Explanation(REVIEW, DENY, (statement("update\n  a"), statement("b", DENY)), 7, "a@example.com", ("x", "y"))
    text = drawn(told)
    for part in (
        "a@example.com (x, y) on prod-db, under policy version 7",
        "opening a session: DENY by no: never",
        "update a", "needs 2 of dba or sre, for r", "write a: no rule", "read pg_class: built in", "read b: one",
        "card: last", "* two\\x1b[31m: review  it fits", "- one: allow  `kinds` does not", "ask somebody",
        "all of it together: REVIEW",
    ):  # fmt: skip
        assert part in text
    assert "\x1b" not in text


def test_a_draft_and_somebody_in_no_group_are_called_so() -> None:
    text = drawn(Explanation(REVIEW, DENY, (statement("x" * 1000),), None, "a", ()))
    assert "a (no group) on prod-db, under a draft" in text
    assert "x" * 300 + "…" in text
    assert "all of it together" not in text


def test_problems_are_lines_that_an_editor_jumps_to() -> None:
    assert problem_line(Problem("p.yaml", 3, 4, "no", False)) == "p.yaml:3:4: no"
    assert problem_line(Problem("p.yaml", 3, 4, "no", True)) == "p.yaml:3:4: warning: no"


def test_a_difference() -> None:
    assert difference("a\nb\n", "a\nc\n", ("version 1", "new")) == [
        "--- version 1", "+++ new", "@@ -1,2 +1,2 @@", " a", "-b", "+c",
    ]  # fmt: skip
    assert difference("a\n", "a\n", ("x", "y")) == []


def change(sql: str, was: str = "allow") -> Change:
    return Change("s/1", NOW, "a", "prod-db", sql, was, (), "deny", ("default",), None, ("outcome",))


def test_changes_are_counted_once_each_the_most_often_first() -> None:
    found = changes([change("a"), change("b"), change("b"), change("b", "review")])
    assert [(times, each.sql, each.was) for times, each in found] == [
        (2, "b", "allow"),
        (1, "a", "allow"),
        (1, "b", "review"),
    ]


def test_what_changes_beside_the_outcome_is_said() -> None:
    same = Change("s/1", NOW, "a", "prod-db", "q", "review", (), "review", (), None, ("reviewers", "limits"))
    assert change_words(same) == "review, other reviewers and limits"
    assert change_words(change("q")) == "allow -> deny"


def test_totals_in_one_sentence() -> None:
    totals = Totals(10, 3, 2, (("allow", "deny", 3),), more=False, done=True)
    assert totals_line(totals) == (
        "10 recorded statements, 3 would be decided otherwise: 3 from allow to deny; "
        "2 could not be judged as they were then."
    )
    assert totals_line(Totals(1, 0, 0, (), more=False, done=True)) == (
        "1 recorded statements, 0 would be decided otherwise."
    )
