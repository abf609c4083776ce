"""The inbox without a screen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hoopctl.tui.model import Change, Environment, Inbox, environment, time_left
from tests.fixtures.inbox import START, request


def test_what_is_new_comes_last_and_what_has_ended_stays_where_it_is():
    inbox = Inbox()
    first, second = request(1), request(2)
    assert inbox.put(first).change is Change.added
    assert inbox.put(second).change is Change.added
    assert inbox.put(first).change is Change.unchanged
    news = inbox.put(replace(first, state="expired"))
    assert (news.change, news.before) == (Change.ended, first)
    assert inbox.put(replace(second, state="approved")).change is Change.changed
    assert [each.id for each in inbox.requests] == [first.id, second.id]


def test_a_late_copy_does_not_bring_back_what_has_ended():
    inbox = Inbox()
    inbox.put(request(1))
    inbox.put(request(1, state="rejected"))
    assert inbox.put(request(1)).change is Change.unchanged
    assert inbox.get(request(1).id).state == "rejected"


def test_what_had_ended_before_it_was_seen_is_not_shown():
    inbox = Inbox()
    assert inbox.put(request(1, state="done")).change is Change.unchanged
    assert len(inbox) == 0


def test_sweeping_forgets_the_oldest_that_ended_and_nothing_open():
    inbox = Inbox()
    for number in range(1, 6):
        inbox.put(request(number))
    for number in (1, 2, 3, 4):
        inbox.put(request(number, state="cancelled"))
    assert inbox.sweep(keep=request(1).id, at_most=2) == [request(2).id]
    assert inbox.sweep(keep=request(1).id) == [request(3).id, request(4).id]
    assert [each.id for each in inbox.requests] == [request(1).id, request(5).id]


def test_what_waits_for_the_reviewer_is_counted():
    inbox = Inbox()
    for made in (request(1), request(2, can_decide=False), request(3, state="approved")):
        inbox.put(made)
    assert inbox.to_decide == 1


@pytest.mark.parametrize(
    ("labels", "where"),
    [
        ({"env": "production"}, Environment.production),
        ({"Environment": " PROD "}, Environment.production),
        ({"env": "dev", "tier": "prod"}, Environment.production),
        ({"env": "staging"}, Environment.staging),
        ({"stage": "test"}, Environment.development),
        ({"env": "blue"}, Environment.unknown),
        ({"team": "prod"}, Environment.unknown),
        ({}, Environment.unknown),
    ],
)
def test_the_strictest_environment_of_the_labels_counts(labels, where):
    assert environment(request(labels=labels)) is where


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (0, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7200, "2h")]
)
def test_time_left(seconds, shown):
    assert (
        time_left(request(hold_until=START + timedelta(seconds=seconds), expires=START + timedelta(days=1)), START)
        == shown
    )


def test_what_has_ended_has_no_time_left():
    assert time_left(request(state="expired"), START) == ""
