"""Requests over the wire as plain values, and a watch that goes on when the gateway comes back (INV-6)."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hoopctl.client.gateway import with_session
from hoopctl.client.requests import Link, RequestsClient
from hoopctl.errors import Denied, NotFound, NotSignedIn, Unreachable, UsageProblem
from hoopctl.invocation import Invocation
from hoopctl.requests import Request, Verdict
from hoopd.approvals.snapshots import digest
from hoopd.dev.oidc import APPROVAL_CLIENT
from hoopd.domain.statement import Param
from tests.fixtures.requests import seats


async def at_once(seconds):
    """A pause that is over; the gateway of a test is back by then."""


@asynccontextmanager
async def client_of(review_gateway, home, name):
    await review_gateway.sign_in(home, name, name)
    asked = Invocation(profile_name=name, no_input=True, environ={"HOOPCTL_HOME": str(home)})
    async with with_session(asked) as gateway:
        yield RequestsClient(gateway, at_once)


@pytest.fixture
async def bob(review_gateway, hoopctl_home):
    async with client_of(review_gateway, hoopctl_home, "bob") as client:
        yield client


async def test_a_request_crosses_the_wire_whole(review_gateway, bob):
    params = (Param("text", None), Param("text", ""), Param("text", "*", masked=True))
    raised = await review_gateway.raised(seats(2, "dba", "security"), params=params, sql="SELECT '\u202e\x01'")
    shown = await bob.show(raised.id)
    snapshot = raised.snapshot
    assert (shown.id, shown.sql, shown.digest) == (raised.id, snapshot.sql, digest(snapshot))
    assert [(p.type, p.value, p.masked) for p in shown.params] == [(p.type, p.value, p.masked) for p in params]
    assert (shown.created, shown.hold_until, shown.expires) == (raised.created, raised.hold_until, raised.expires)
    assert [(s.rule, s.groups, s.needed) for s in shown.seats] == [("writes", ("dba", "security"), 2)]
    assert (shown.requester.name, shown.kind, shown.effects) == ("alice@example.com", "delete", ("read", "write"))
    assert shown.expires - shown.created == timedelta(minutes=30)
    assert shown.can_decide
    assert shown.cannot_decide_because is None
    assert await bob.listed() == [shown]


async def test_what_is_wrong_is_an_error_of_ours(review_gateway, bob):
    raised = await review_gateway.raised()
    with pytest.raises(NotFound):
        await bob.show("r-zzzzzzzz")
    with pytest.raises(UsageProblem):
        await bob.listed(["pendng"])
    with pytest.raises(Denied):
        await bob.cancel(raised.id)


async def test_a_word_with_a_token_for_approving_counts(review_gateway, bob):
    shown = await bob.show((await review_gateway.raised()).id)
    said = await bob.decide(shown, Verdict.approve, "go", await review_gateway.token_of("bob", APPROVAL_CLIENT))
    assert (said.result, said.sign_in_again) == ("approved", False)
    assert said.request is not None
    assert said.request.state == "approved"


async def test_a_word_with_the_kept_token_is_refused_for_the_sign_in_s_sake_INV_6(review_gateway, bob):
    shown = await bob.show((await review_gateway.raised()).id)
    said = await bob.decide(shown, Verdict.approve, "", await review_gateway.token_of("bob"))
    assert (said.result, said.sign_in_again, said.request) == ("refused", True, None)


async def test_a_word_of_the_requester_is_refused_and_not_for_the_sign_in_s_sake_INV_6(review_gateway, bob):
    shown = await bob.show((await review_gateway.raised()).id)
    said = await bob.decide(shown, Verdict.approve, "", await review_gateway.token_of("alice", APPROVAL_CLIENT))
    assert (said.result, said.sign_in_again) == ("refused", False)


async def test_a_watch_of_nothing_says_that_it_watches(bob):
    following = bob.follow()
    assert await anext(following) == Link(up=True)
    await following.aclose()


async def test_a_watch_goes_on_after_a_restart_and_tells_what_ended_meanwhile(review_gateway, bob):
    ends, stays = [await review_gateway.raised() for _ in range(2)]
    following = bob.follow()
    assert await anext(following) == Link(up=True)
    assert {(await anext(following)).id for _ in range(2)} == {ends.id, stays.id}
    await review_gateway.stop()
    lost = await anext(following)
    assert isinstance(lost, Link)
    assert not lost.up
    assert lost.problem
    await review_gateway.broker.withdraw(ends.id, "gone meanwhile")
    await review_gateway.start()
    states = {}
    while set(states) < {ends.id, stays.id}:
        news = await anext(following)
        if isinstance(news, Request):
            states[news.id] = news.state
    assert states == {ends.id: "cancelled", stays.id: "pending"}
    await following.aclose()


async def test_a_watch_ends_when_there_is_no_sign_in_any_more(review_gateway, bob):
    class Ended:
        async def token(self):
            return "a.b.c"

        async def renewed(self):
            raise NotSignedIn("The sign-in has ended.")

    bob._gateway.bearer = Ended()
    with pytest.raises(NotSignedIn, match="has ended"):
        async for _ in bob.follow():
            pass


async def test_a_watch_outlives_a_provider_that_is_away(review_gateway, bob):
    """The token is no longer taken and cannot be renewed at the moment: it tries again until it can."""
    good = await review_gateway.token_of("bob")

    class Away:
        asked = 0

        async def token(self):
            return good if self.asked else "a.b.c"

        async def renewed(self):
            self.asked += 1
            raise Unreachable("The provider is away.")

    bob._gateway.bearer = Away()
    following = bob.follow()
    assert await anext(following) == Link(up=False, problem="The provider is away.")
    assert await anext(following) == Link(up=True)
    await following.aclose()
