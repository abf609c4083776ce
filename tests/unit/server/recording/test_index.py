"""The rows that search works on, derived from events alone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.events import NoticeSeen, SessionEnded, StatementOutcome
from hoopd.recording.codec import message_of
from hoopd.recording.index import Derived, StatementIndex

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def index() -> StatementIndex:
    return StatementIndex()


@pytest.fixture
def fed(index, story):
    """Feeds events and gives the rows that are new or changed."""
    seq = 0

    def feed(*events) -> list[Derived]:
        nonlocal seq
        for event in events:
            seq += 1
            index.see(message_of(story.session, seq, AT, event))
        return index.take()

    return feed


def test_a_row_grows_with_its_events(fed, story) -> None:
    decided, raised, settled, started, finished = story.held(1, "DELETE FROM orders")
    (first,) = fed(story.start(), decided)
    assert (first.row.decision, first.row.outcome, first.row.request, first.made_by) == ("review", None, None, 2)
    (second,) = fed(raised)
    assert (second.row.request, second.row.approvals, second.row.changed_by) == ("r-7f3kaaaa", (), 3)
    (third,) = fed(settled)
    assert [word.by for word in third.row.approvals] == ["bob@example.com"]
    assert fed(started, story.rows(1), NoticeSeen(1, "NOTICE", "00000", "x")) == []
    (last,) = fed(finished)
    assert (last.row.outcome, last.row.rows, last.row.duration_ms) == ("done", 2, 1.25)
    assert (last.made_by, last.row.changed_by, last.finished) == (2, 8, True)
    assert last.row.request == "r-7f3kaaaa"


def test_a_denial_is_known_at_once(fed, story) -> None:
    (denied,) = fed(story.start(), story.decided(1, "DROP TABLE t", Outcome.deny, "use a migration"))
    assert (denied.row.outcome, denied.row.error) == ("denied", "use a migration")


def test_what_never_ran_has_no_duration(fed, story) -> None:
    decided, raised, *_ = story.held(1, "DELETE FROM orders")
    rejected = replace(story.finished(1), outcome=StatementOutcome.rejected, rows=None, duration_ms=0.0)
    (row,) = [each.row for each in fed(story.start(), decided, raised, rejected)]
    assert (row.outcome, row.rows, row.duration_ms) == ("rejected", None, None)


def test_a_statement_decided_again_is_the_same_statement(fed, index, story) -> None:
    decided, raised, *_ = story.held(1, "DELETE FROM orders")
    fed(story.start(), decided, raised)
    (again,) = fed(replace(decided, decision=Outcome.deny, message="void"))
    assert (again.row.decision, again.row.request, again.made_by, index.statements) == ("deny", "r-7f3kaaaa", 2, 1)


def test_what_comes_after_the_end_of_a_statement_changes_nothing(fed, story) -> None:
    decided, raised, settled, started, finished = story.held(1, "DELETE FROM orders")
    fed(story.start(), decided, started, finished)
    assert fed(raised, settled, story.finished(1, StatementOutcome.error), story.finished(9)) == []


def test_memory_holds_only_what_is_under_way(fed, index, story) -> None:
    """INV-9."""
    fed(story.start())
    for number in range(1, 200):
        fed(story.decided(number, "SELECT 1"), story.started(number), story.finished(number))
    assert index.statements == 199
    assert not index._open
    assert not index._changed


def test_no_value_of_an_event_makes_a_row_that_the_store_refuses(fed, story) -> None:
    decided = replace(story.decided(1, "SELECT '\x00'"), rules=("a\x00b",), statement=2**64 - 1)
    finished = replace(story.finished(1), statement=2**64 - 1, rows=2**64 - 1, duration_ms=float("nan"))
    (row,) = [each.row for each in fed(story.start(), decided, finished)]
    assert (row.sql, row.rules, row.statement, row.rows) == ("SELECT '\\x00'", ("a\\x00b",), 2**63 - 1, 2**63 - 1)
    assert row.duration_ms is None


def test_the_session_is_told_by_its_first_and_last_event(fed, index, story) -> None:
    fed(story.start())
    assert index.session is not None
    assert (index.session.principal, index.session.connection, index.session.ended) == (
        "alice@example.com",
        "prod-db",
        None,
    )
    fed(SessionEnded("limit", "too many rows"))
    assert (index.session.ended, index.session.ended_because) == (AT, "limit: too many rows")


def test_statements_before_the_start_of_a_session_are_nobodys(fed, story) -> None:
    assert fed(story.decided(1, "SELECT 1")) == []
