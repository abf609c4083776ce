"""Brokers on a real store: nobody is left waiting, nothing is consumed twice, everything that fails is no approval.

INV-2, INV-5, INV-6, INV-9, INV-10.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hoopd.approvals.broker import COMMENT_LIMIT, Broker, Limits
from hoopd.approvals.lifecycle import IllegalTransition
from hoopd.approvals.repository import CHANNEL
from hoopd.approvals.snapshots import digest
from hoopd.domain.errors import InvalidInput, LimitExceeded, NotFound, NotSignedIn, Refused, Unavailable
from hoopd.domain.ids import RequestId
from hoopd.domain.request import RequestState, Verdict
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.requests import StoredRequests
from tests.fixtures.requests import ALICE, BOB, CAROL, DAVE, START, SetClock, principal, seats, snapshot

MALLORY = principal("mallory", "engineering")


class Gateway:
    """A broker with its own pool and its own listener, as one process has them."""

    def __init__(self, broker, repository, listener):
        self.broker, self.repository, self.listener = broker, repository, listener


@asynccontextmanager
async def gateway(dsn, name="gateway-1", clock=None, **limits):
    store = Store(dsn, max_size=4)
    await store.open()
    listener = Listener(dsn, [CHANNEL])
    repository = StoredRequests(store)
    broker = Broker(repository, listener, clock or SetClock(), name, limits=Limits(**limits))
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(listener.run()), tasks.create_task(broker.run())]
            await broker.until_ready()
            try:
                yield Gateway(broker, repository, listener)
            finally:
                for task in running:
                    task.cancel()
    finally:
        await store.close()


@pytest.fixture
async def dsn(database):
    await migrate(database)
    return database


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
async def here(dsn, clock):
    async with gateway(dsn, clock=clock) as made:
        yield made


@pytest.fixture
async def there(dsn, clock):
    async with gateway(dsn, "gateway-2", clock=clock) as made:
        yield made


def decide(broker, request, person, verdict=Verdict.approve, comment=""):
    return broker.decide(request.id, verdict, person, comment, digest(request.snapshot))


async def begun(waiting):
    """Let a wait begin; whether it has is of no matter to the outcome, which is the point."""
    await asyncio.sleep(0)
    return waiting


async def test_a_decision_on_one_gateway_releases_a_wait_on_another(here, there):
    request = await here.broker.raise_request(snapshot())
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(here.broker.wait(request.id))
        await begun(waiting)
        result = await decide(there.broker, request, BOB, comment="go")
    assert (result.result, result.message) == ("approved", "")
    released = waiting.result()
    assert released.state is RequestState.approved
    assert [(word.by.subject, word.comment) for word in released.words] == [("bob", "go")]


async def test_a_decision_before_the_wait_begins_is_not_lost(here):
    request = await here.broker.raise_request(snapshot())
    await decide(here.broker, request, BOB, Verdict.reject, "not on a Friday")
    ended = await here.broker.wait(request.id)
    assert ended.state is RequestState.rejected
    assert ended.message == "rejected by bob@example.com: not on a Friday"


async def test_a_decision_between_the_read_and_the_sleep_is_not_lost(here, there):
    """The change falls just after the state was read: subscribed before, the wait must still wake."""
    request = await here.broker.raise_request(snapshot())
    read = here.repository.get

    async def read_then_decided(request_id):
        seen = await read(request_id)
        here.repository.get = read
        await decide(there.broker, request, BOB)
        return seen

    here.repository.get = read_then_decided
    assert (await here.broker.wait(request.id)).state is RequestState.approved


async def test_each_approval_is_consumed_once_over_two_gateways_INV_5(here, there):
    request = await here.broker.raise_request(snapshot())
    await decide(here.broker, request, BOB)
    told = digest(request.snapshot)
    spent = await asyncio.gather(*(g.broker.consume(request.id, told) for g in (here, there) * 4))
    assert sorted(spent) == [False] * 7 + [True]
    await here.broker.finish(request.id)
    assert (await here.repository.get(request.id)).state is RequestState.done
    assert not await there.broker.consume(request.id, told)


async def test_an_approval_is_for_that_snapshot_only_and_void_for_another_INV_5(here):
    request = await here.broker.raise_request(snapshot())
    await decide(here.broker, request, BOB)
    assert not await here.broker.consume(request.id, digest(snapshot(sql="DELETE FROM orders")))
    assert (await here.repository.get(request.id)).state is RequestState.void
    assert not await here.broker.consume(request.id, digest(request.snapshot))


async def test_what_is_not_approved_is_not_consumed_INV_5(here, clock):
    told = digest(snapshot())
    undecided = await here.broker.raise_request(snapshot())
    assert not await here.broker.consume(undecided.id, told)
    half = await here.broker.raise_request(snapshot(seats(2, "dba")))
    await decide(here.broker, half, BOB)
    assert not await here.broker.consume(half.id, digest(half.snapshot))
    late = await here.broker.raise_request(snapshot())
    await decide(here.broker, late, BOB)
    clock.now = late.expires
    assert not await here.broker.consume(late.id, told)


@pytest.mark.parametrize("round_number", range(5))
async def test_of_approval_cancel_and_expiry_that_race_one_wins_INV_5(here, there, round_number):
    request = await here.broker.raise_request(snapshot())
    told = digest(request.snapshot)

    async def approve_and_run():
        await decide(there.broker, request, BOB)
        return await there.broker.consume(request.id, told)

    async def withdraw():
        await here.broker.withdraw(request.id, "the client is gone")

    async def approve_and_run_here():
        await decide(here.broker, request, CAROL)
        return await here.broker.consume(request.id, told)

    async def expire():
        before = await here.repository.get(request.id)
        if before.state is RequestState.pending:
            late = SetClock(before.hold_until)
            await Broker(here.repository, here.listener, late, "third").sweep()

    outcomes = await asyncio.gather(approve_and_run(), withdraw(), approve_and_run_here(), expire())
    ran = sum(outcome is True for outcome in outcomes)
    state = (await here.repository.get(request.id)).state
    assert ran == (1 if state is RequestState.running else 0)
    assert state in {RequestState.running, RequestState.cancelled, RequestState.expired}


async def test_two_reviewers_at_once_are_both_heard(here, there):
    request = await here.broker.raise_request(snapshot(seats(2, "dba")))
    results = await asyncio.gather(decide(here.broker, request, BOB), decide(there.broker, request, CAROL))
    assert {result.result for result in results} == {"approved"}
    stored = await here.repository.get(request.id)
    assert stored.state is RequestState.approved
    assert {word.by.subject for word in stored.words} == {"bob", "carol"}


async def test_one_reviewer_on_two_gateways_at_once_counts_once_INV_6(here, there):
    request = await here.broker.raise_request(snapshot(seats(2, "dba")))
    results = await asyncio.gather(decide(here.broker, request, BOB), decide(there.broker, request, BOB))
    assert sorted(result.result for result in results) == ["approved", "refused"]
    assert (await here.repository.get(request.id)).state is RequestState.pending


@pytest.mark.parametrize(
    "reviewer",
    [principal("alice", "dba"), principal("alice-2", "dba", email="ALICE@EXAMPLE.COM"), MALLORY, DAVE],
    ids=["same subject", "same e-mail", "other group", "auditor"],
)
@pytest.mark.parametrize("verdict", list(Verdict))
async def test_four_eyes_INV_6(here, reviewer, verdict):
    request = await here.broker.raise_request(snapshot())
    result = await decide(here.broker, request, reviewer, verdict)
    assert result.result == "refused"
    assert (await here.repository.get(request.id)) == request


async def test_a_decision_on_something_else_than_was_shown_is_refused_INV_5(here):
    request = await here.broker.raise_request(snapshot())
    for shown in ("", digest(snapshot(sql="SELECT 1"))):
        result = await here.broker.decide(request.id, Verdict.approve, BOB, "", shown)
        assert result.result == "refused"
        assert "not the one that was shown" in result.message
    assert (await here.repository.get(request.id)).words == ()


async def test_the_hold_ends_the_wait_and_the_request(here, clock):
    request = await here.broker.raise_request(snapshot())
    clock.now = request.hold_until
    ended = await here.broker.wait(request.id)
    assert (ended.state, ended.message) == (RequestState.expired, "nobody decided in time")
    assert (await decide(here.broker, request, BOB)).result == "refused"


async def test_the_timer_of_the_hold_ends_a_wait_that_nobody_wakes(dsn):
    def ticking():
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    async with gateway(dsn, clock=ticking) as made:
        request = await made.broker.raise_request(snapshot(hold=timedelta(milliseconds=20)))
        assert (await made.broker.wait(request.id)).state is RequestState.expired


async def test_a_wait_reminds_while_it_lasts(dsn):
    def ticking():
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    async with gateway(dsn, clock=ticking, remind_every=timedelta(milliseconds=5)) as made:
        request = await made.broker.raise_request(snapshot())
        reminded = []

        async def on_reminder(pending):
            reminded.append(pending.state)
            if len(reminded) == 3:
                await made.broker.withdraw(request.id, "enough")

        ended = await made.broker.wait(request.id, on_reminder=on_reminder)
        assert ended.state is RequestState.cancelled
        assert reminded == [RequestState.pending] * 3


async def test_a_withdrawn_request_takes_no_late_answer(here):
    request = await here.broker.raise_request(snapshot())
    await here.broker.withdraw(request.id, "the client cancelled")
    assert (await here.broker.wait(request.id)).message == "the client cancelled"
    assert (await decide(here.broker, request, BOB)).message == f"request {request.id} is already cancelled"
    await here.broker.withdraw(request.id, "again")
    assert (await here.repository.get(request.id)).message == "the client cancelled"


async def test_a_cancelled_wait_leaves_the_request_to_be_withdrawn(here):
    request = await here.broker.raise_request(snapshot())
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(here.broker.wait(request.id))
        await begun(waiting)
        waiting.cancel()
    assert (await here.repository.get(request.id)).state is RequestState.pending


async def test_the_sweep_expires_what_nobody_waits_for(here, there, clock):
    held, approved = [await here.broker.raise_request(snapshot()) for _ in range(2)]
    await decide(here.broker, approved, BOB)
    await there.broker.sweep()
    assert (await here.repository.get(held.id)).state is RequestState.pending
    clock.now = held.hold_until
    await there.broker.sweep()
    assert (await here.repository.get(held.id)).state is RequestState.expired
    assert (await here.repository.get(approved.id)).state is RequestState.approved
    clock.now = approved.expires
    await there.broker.sweep()
    assert (await here.repository.get(approved.id)).state is RequestState.expired


async def test_a_gateway_that_starts_again_cancels_what_it_left_and_nothing_of_others(dsn, clock, there):
    others = await there.broker.raise_request(snapshot())
    async with gateway(dsn, clock=clock) as first:
        held, approved, running, done = [await first.broker.raise_request(snapshot()) for _ in range(4)]
        for request in (approved, running, done):
            await decide(first.broker, request, BOB)
        for request in (running, done):
            assert await first.broker.consume(request.id, digest(request.snapshot))
        await first.broker.finish(done.id)
    async with gateway(dsn, clock=clock) as second:
        states = {r.id: (await second.repository.get(r.id)).state for r in (held, approved, running, done, others)}
    assert states == {
        held.id: RequestState.cancelled,
        approved.id: RequestState.cancelled,
        running.id: RequestState.done,
        done.id: RequestState.done,
        others.id: RequestState.pending,
    }


class Away:
    """A store that does not answer, until it does."""

    def __init__(self, repository):
        self._repository, self.away = repository, True

    def __getattr__(self, name):
        if not self.away:
            return getattr(self._repository, name)

        async def refuse(*_):
            raise Unavailable("the store is away")

        return refuse


async def test_a_lost_store_is_no_approval_and_the_request_is_withdrawn_later_INV_2(here, clock):
    request = await here.broker.raise_request(snapshot())
    here.broker._repository = store = Away(here.repository)
    with pytest.raises(Unavailable):
        await here.broker.wait(request.id)
    with pytest.raises(Unavailable):
        await here.broker.consume(request.id, digest(request.snapshot))
    with pytest.raises(Unavailable):
        await here.broker.raise_request(snapshot())
    store.away = False
    await here.broker.sweep()
    ended = await here.repository.get(request.id)
    assert (ended.state, ended.message) == (
        RequestState.cancelled,
        "the gateway could not wait: the store is away",
    )


async def test_a_withdrawal_that_the_store_did_not_hear_is_told_later(here):
    request = await here.broker.raise_request(snapshot())
    here.broker._repository = store = Away(here.repository)
    await here.broker.withdraw(request.id, "the client is gone")
    await here.broker.sweep_if_possible()
    store.away = False
    await here.broker.sweep()
    assert (await here.repository.get(request.id)).message == "the client is gone"


async def test_nothing_is_raised_without_a_channel_INV_2(here):
    here.listener.connected.clear()
    with pytest.raises(Unavailable):
        await here.broker.raise_request(snapshot())


async def test_a_wait_looks_again_when_changes_may_have_been_missed(here):
    """The notification is lost with the connection; the listener says so when it is back."""
    request = await here.broker.raise_request(snapshot())
    async with asyncio.TaskGroup() as tasks:
        here.broker._subscriptions.notice, notice = (lambda _: None), here.broker._subscriptions.notice
        waiting = tasks.create_task(here.broker.wait(request.id))
        await begun(waiting)
        for callbacks in here.listener._callbacks.values():
            callbacks.clear()
        await decide(here.broker, request, BOB)
        notice(None)
    assert waiting.result().state is RequestState.approved


async def test_a_person_has_so_many_open_requests_and_no_more_INV_9(dsn, clock):
    async with gateway(dsn, clock=clock, open_by_person=2) as made:
        first = await made.broker.raise_request(snapshot())
        await made.broker.raise_request(snapshot())
        with pytest.raises(LimitExceeded, match=r"alice@example\.com has 2 open requests"):
            await made.broker.raise_request(snapshot())
        await made.broker.raise_request(snapshot(by=MALLORY))
        await made.broker.cancel(first.id, ALICE)
        await made.broker.raise_request(snapshot())


async def test_a_gateway_has_so_many_waits_and_no_more_INV_9(dsn, clock):
    async with gateway(dsn, clock=clock, subscriptions=1) as made:
        request = await made.broker.raise_request(snapshot())
        watching = made.broker.watch(BOB)
        assert (await anext(watching)).id == request.id
        with pytest.raises(LimitExceeded):
            await made.broker.wait(request.id)
        await watching.aclose()
        assert (await made.repository.get(request.id)).state is RequestState.cancelled


async def test_only_the_requester_cancels(here):
    request = await here.broker.raise_request(snapshot())
    with pytest.raises(Refused, match="only they can cancel it"):
        await here.broker.cancel(request.id, BOB)
    with pytest.raises(NotFound):
        await here.broker.cancel(request.id, MALLORY)
    ended = await here.broker.cancel(request.id, ALICE)
    assert (ended.state, ended.message) == (RequestState.cancelled, "cancelled by alice@example.com")
    with pytest.raises(IllegalTransition):
        await here.broker.cancel(request.id, ALICE)


async def test_a_request_is_found_by_a_beginning_of_its_id_that_is_unique_among_what_one_sees(here, clock):
    ids = iter([RequestId("r-aaaa2222"), RequestId("r-aaab2222"), RequestId("r-aaac2222")])
    here.broker._new_id = lambda: next(ids)
    for asked in ("dba", "dba", "security"):
        await here.broker.raise_request(snapshot(seats(1, asked)))
    assert (await here.broker.show("r-aaab", BOB)).id == "r-aaab2222"
    assert (await here.broker.show("aaaa", BOB)).id == "r-aaaa2222"
    assert (await here.broker.show("r-aaaa2222", BOB)).id == "r-aaaa2222"
    with pytest.raises(InvalidInput, match="several"):
        await here.broker.show("r-aaa", BOB)
    for hidden in ("r-aaac", "r-aaac2222", "r-x", "", "r-", "r-%", "r-aaa_"):
        with pytest.raises(NotFound):
            await here.broker.show(hidden, BOB)
    assert (await here.broker.show("aaac", DAVE)).id == "r-aaac2222"


@pytest.mark.parametrize("comment", ["x" * (COMMENT_LIMIT + 1), "a\0b"])
async def test_a_comment_that_cannot_be_kept_is_refused_before_anything_happens(here, comment):
    request = await here.broker.raise_request(snapshot())
    with pytest.raises(InvalidInput):
        await decide(here.broker, request, BOB, comment=comment)
    assert (await here.repository.get(request.id)) == request


async def test_a_watcher_is_told_what_is_open_and_then_what_changes_and_nothing_of_others(here, there):
    old = await here.broker.raise_request(snapshot())
    hidden = await here.broker.raise_request(snapshot(seats(1, "security")))
    watching = there.broker.watch(BOB)
    assert (await anext(watching)).id == old.id
    await here.broker.cancel(hidden.id, ALICE)
    new = await here.broker.raise_request(snapshot())
    assert (await anext(watching)).id == new.id
    await decide(here.broker, new, CAROL)
    changed = await anext(watching)
    assert (changed.id, changed.state) == (new.id, RequestState.approved)
    await watching.aclose()


async def test_a_watch_ends_when_changes_may_have_been_missed(here):
    request = await here.broker.raise_request(snapshot())
    watching = here.broker.watch(BOB)
    assert (await anext(watching)).id == request.id
    here.broker._subscriptions.notice(None)
    with pytest.raises(Unavailable):
        await anext(watching)


async def test_a_watch_ends_with_the_right_to_it_INV_10(here, clock):
    await here.broker.raise_request(snapshot())
    watching = here.broker.watch(BOB)
    await anext(watching)
    clock.now = BOB.expires
    with pytest.raises(NotSignedIn):
        await anext(watching)
