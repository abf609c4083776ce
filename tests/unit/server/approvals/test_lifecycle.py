"""The table, the four eyes, and a model of every way through a request's life."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hoopd.approvals.lifecycle import (
    OPEN_STATES,
    TABLE,
    IllegalTransition,
    Refusal,
    RequestEvent,
    apply,
    deadline,
    decide,
    expire,
    is_due,
    raised,
)
from hoopd.approvals.people import reviewer_of, same_person
from hoopd.approvals.quorum import is_met
from hoopd.domain.errors import InvalidInput
from hoopd.domain.ids import RequestId
from hoopd.domain.request import Request, RequestState, Verdict, Word
from tests.fixtures.requests import ALICE, BOB, CAROL, START, principal, seats, snapshot, terms

ID = RequestId("r-aaaaaaaa")


def word(person, verdict=Verdict.approve, comment=""):
    return Word(verdict, reviewer_of(person), comment, START)


def pending(*places):
    return raised(ID, snapshot(*places), START)


@pytest.mark.parametrize("state", list(RequestState))
@pytest.mark.parametrize("event", list(RequestEvent))
def test_every_pair_of_state_and_event_is_a_move_or_an_error_that_names_both(state, event):
    request = replace(pending(), state=state)
    if (state, event) in TABLE:
        assert apply(request, event).state is TABLE[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"is {state}: {event} is not possible"):
            apply(request, event)


def test_no_way_leads_back_and_running_is_reached_by_consumption_of_an_approval_only_INV_5():
    order = [RequestState.pending, RequestState.approved, RequestState.running]
    for (before, event), after in TABLE.items():
        assert before in order
        if after in order and before is not after:
            assert order.index(after) == order.index(before) + 1
        if after is RequestState.running:
            assert (before, event) == (RequestState.approved, RequestEvent.consumption)
    assert frozenset(order) == OPEN_STATES


def test_one_approval_of_the_group_releases():
    approved = decide(pending(), word(BOB, comment="fine"), START)
    assert isinstance(approved, Request)
    assert approved.state is RequestState.approved
    assert approved.words == (word(BOB, comment="fine"),)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize(
    ("reviewer", "why"),
    [
        (principal("alice", "dba"), "own request"),
        (principal("alice-2", "dba", email="ALICE@example.COM"), "own request"),
        (principal("alice", "dba", email="other@example.com"), "own request"),
        (principal("mallory", "engineering"), "none of the groups"),
        (principal("mallory"), "none of the groups"),
        (principal("mallory", "DBA"), "none of the groups"),
    ],
    ids=["self", "same e-mail", "same subject", "not in from", "no group", "case of the group"],
)
def test_four_eyes_INV_6(reviewer, verdict, why):
    refusal = decide(pending(), word(reviewer, verdict), START)
    assert isinstance(refusal, Refusal)
    assert why in refusal.message


def test_nobody_approves_twice_INV_6():
    half = decide(pending(seats(2, "dba")), word(BOB), START)
    assert isinstance(half, Request)
    assert half.state is RequestState.pending
    for again in (BOB, principal("bob-2", "dba", email="BOB@example.com")):
        refusal = decide(half, word(again), START)
        assert isinstance(refusal, Refusal)
        assert "already" in refusal.message
    whole = decide(half, word(CAROL), START)
    assert isinstance(whole, Request)
    assert whole.state is RequestState.approved


def test_any_eligible_reviewer_ends_it_even_after_approving_or_when_it_is_approved():
    half = decide(pending(seats(2, "dba")), word(BOB), START)
    assert isinstance(half, Request)
    changed_mind = decide(half, word(BOB, Verdict.reject, "no, wait"), START)
    assert isinstance(changed_mind, Request)
    assert changed_mind.state is RequestState.rejected
    assert changed_mind.message == "rejected by bob@example.com: no, wait"
    approved = decide(pending(), word(BOB), START)
    assert isinstance(approved, Request)
    rejected = decide(approved, word(CAROL, Verdict.reject), START)
    assert isinstance(rejected, Request)
    assert rejected.state is RequestState.rejected


@pytest.mark.parametrize("state", [s for s in RequestState if s is not RequestState.pending])
def test_what_is_decided_takes_no_approval(state):
    refusal = decide(replace(pending(), state=state), word(BOB), START)
    assert isinstance(refusal, Refusal)
    assert f"already {state}" in refusal.message


def test_an_approval_at_the_deadline_is_too_late():
    request = pending()
    last = request.hold_until - timedelta(microseconds=1)
    assert isinstance(decide(request, word(BOB), last), Request)
    assert isinstance(decide(request, word(BOB), request.hold_until), Refusal)


def test_held_ones_expire_with_their_hold_and_approved_ones_later():
    request = pending()
    assert deadline(request) == request.hold_until
    assert expire(request).state is RequestState.expired
    approved = decide(request, word(BOB), START)
    assert isinstance(approved, Request)
    assert deadline(approved) == request.expires
    assert is_due(approved, request.expires)
    assert not is_due(replace(request, state=RequestState.done), request.expires)


@pytest.mark.parametrize("bad", [(), (seats(0, "dba"),), (seats(1),), (seats(1, "dba"), seats(1, rule="other"))])
def test_terms_that_nobody_or_anybody_could_meet_are_refused_INV_2(bad):
    with pytest.raises(InvalidInput):
        raised(ID, snapshot(terms=replace(terms(), seats=bad)), START)


def test_a_hold_of_no_time_is_refused():
    with pytest.raises(InvalidInput):
        raised(ID, snapshot(hold=timedelta(0)), START)


PEOPLE = [
    ALICE,
    principal("alice-2", "dba", email="Alice@example.com"),
    BOB,
    principal("bob-2", "dba", email="BOB@EXAMPLE.COM"),
    CAROL,
    principal("frank", "security"),
    principal("mallory", "engineering"),
]


class LifeOfARequest(RuleBasedStateMachine):
    """Every interleaving of words, time and events: nothing runs unapproved, nothing runs twice (INV-5, INV-6)."""

    def __init__(self):
        super().__init__()
        self.now = START
        self.runs = 0
        self.said = []

    @initialize(
        places=st.sampled_from(
            [
                (seats(1, "dba"),),
                (seats(2, "dba"),),
                (seats(1, "dba"), seats(1, "security")),
                (seats(1, "dba"), seats(1, "security", rule="b")),
            ]
        )
    )
    def raise_it(self, places):
        self.request = raised(ID, snapshot(*places), self.now)

    @rule(minutes=st.integers(0, 6))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(person=st.sampled_from(PEOPLE), verdict=st.sampled_from(Verdict))
    def someone_speaks(self, person, verdict):
        before = self.request
        after = decide(before, Word(verdict, reviewer_of(person), "", self.now), self.now)
        if isinstance(after, Refusal):
            return
        assert not is_due(before, self.now)
        assert not same_person(person, ALICE)
        assert person.groups & {"dba", "security"}
        self.said.append((person, verdict))
        self.request = after

    @rule(event=st.sampled_from([RequestEvent.cancellation, RequestEvent.voiding, RequestEvent.completion]))
    def something_happens(self, event):
        if (self.request.state, event) in TABLE:
            self.request = apply(self.request, event)

    @precondition(lambda self: is_due(self.request, self.now))
    @rule()
    def it_expires(self):
        self.request = expire(self.request)

    @rule()
    def it_is_consumed(self):
        try:
            self.request = apply(self.request, RequestEvent.consumption)
        except IllegalTransition:
            return
        self.runs += 1
        people = {person.subject.removesuffix("-2") for person, verdict in self.said if verdict is Verdict.approve}
        assert is_met(self.request.snapshot.terms, self.request.words)
        assert len(people) >= max(place.needed for place in self.request.snapshot.terms.seats)
        assert all(verdict is Verdict.approve for _, verdict in self.said)

    @invariant()
    def it_runs_once_at_most(self):
        assert self.runs <= 1


TestLifeOfARequest = LifeOfARequest.TestCase
