"""A change between subscription and sleep wakes; a slow subscriber costs one entry for each request."""

import pytest

from hoopd.approvals.subscriptions import Subscriptions
from hoopd.domain.errors import LimitExceeded
from hoopd.domain.ids import RequestId

ONE, OTHER = RequestId("r-aaaaaaaa"), RequestId("r-bbbbbbbb")


async def test_a_change_since_the_last_look_wakes_at_once():
    subscriptions = Subscriptions(1)
    with subscriptions.subscribe(ONE) as subscription:
        subscription.take()
        subscriptions.notice(ONE)
        await subscription.until_changed(3600)
        assert subscription.take() == [ONE]
        assert subscription.take() == []


async def test_a_change_of_another_request_does_not_wake():
    subscriptions = Subscriptions(1)
    with subscriptions.subscribe(ONE) as subscription:
        subscriptions.notice(OTHER)
        await subscription.until_changed(0)
        assert subscription.take() == []


async def test_changes_of_one_request_are_kept_once_in_their_order_INV_9():
    subscriptions = Subscriptions(1)
    with subscriptions.subscribe() as subscription:
        for request_id in [ONE, OTHER] * 1000:
            subscriptions.notice(request_id)
        assert subscription.take() == [ONE, OTHER]


async def test_missed_changes_wake_everybody_and_are_remembered():
    subscriptions = Subscriptions(2)
    with subscriptions.subscribe(ONE) as one, subscriptions.subscribe() as all_of_them:
        subscriptions.notice(None)
        await one.until_changed(3600)
        await all_of_them.until_changed(3600)
        assert one.missed
        assert all_of_them.missed


def test_there_are_so_many_and_no_more_and_a_place_is_given_back_INV_9():
    subscriptions = Subscriptions(1)
    with subscriptions.subscribe(), pytest.raises(LimitExceeded, match="1 waits"), subscriptions.subscribe():
        pass
    with subscriptions.subscribe():
        pass
