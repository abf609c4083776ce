"""Seats are filled by distinct people; one approval serves several rules (INV-2, INV-6)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.approvals.people import reviewer_of
from hoopd.approvals.quorum import approvers, is_met, seat, waiting_for
from hoopd.domain.decision import ReviewTerms, Seats
from hoopd.domain.request import Verdict, Word
from tests.fixtures.requests import BOB, CAROL, START, principal, seats, terms

FRANK = principal("frank", "security")
GINA = principal("gina", "dba")


def approvals(*people):
    return tuple(Word(Verdict.approve, reviewer_of(person), "", START) for person in people)


@pytest.mark.parametrize(
    ("places", "people", "met"),
    [
        ((seats(1, "dba"),), (), False),
        ((seats(1, "dba"),), (BOB,), True),
        ((seats(1, "dba", "security"),), (FRANK,), True),
        ((seats(2, "dba"),), (BOB,), False),
        ((seats(2, "dba"),), (BOB, CAROL), True),
        ((seats(1, "dba"), seats(1, "security")), (CAROL,), False),
        ((seats(1, "dba"), seats(1, "security")), (CAROL, BOB), True),
        ((seats(1, "dba"), seats(1, "security")), (BOB, CAROL), True),
        ((seats(1, "dba"), seats(1, "security")), (BOB, GINA), False),
        ((seats(1, "dba"), seats(1, "security", rule="other")), (CAROL,), True),
        ((seats(1, "dba"), seats(2, "security", rule="other")), (CAROL,), False),
        ((seats(1, "dba"), seats(2, "security", rule="other")), (CAROL, FRANK), True),
        ((seats(0, "dba"),), (BOB,), False),
    ],
)
def test_seats_are_filled_by_different_people_inside_a_rule_INV_6(places, people, met):
    assert is_met(terms(*places), approvals(*people)) is met


def test_terms_without_seats_are_never_met_INV_2():
    assert not is_met(ReviewTerms((), terms().hold, terms().expires), approvals(BOB, CAROL))


@pytest.mark.parametrize(
    "twin", [BOB, principal("bob-2", "dba", email="Bob@Example.com"), principal("bob", "dba", email=None)]
)
def test_a_person_counts_once_however_often_they_speak_INV_6(twin):
    words = approvals(BOB, twin)
    assert approvers(words) == (reviewer_of(BOB),)
    assert not is_met(terms(seats(2, "dba")), words)


def test_a_rejection_is_no_approval():
    assert not is_met(terms(), (Word(Verdict.reject, reviewer_of(BOB), "no", START),))


def test_it_is_told_who_sits_and_who_is_missing():
    wanted = terms(seats(2, "dba"), seats(1, "security"), seats(1, "cto", "ceo", rule="other"))
    places = seat(wanted, approvals(CAROL, BOB))
    assert [sorted(person.subject for person in place.people) for place in places] in (
        [["bob", "carol"], [], []],
        [["bob"], ["carol"], []],
    )
    assert sum(place.missing for place in places) == 2
    assert waiting_for(terms(seats(2, "dba"))) == ("2 of dba",)
    assert waiting_for(wanted, approvals(BOB, GINA)) == ("security", "ceo or cto")


GROUPS = st.frozensets(st.sampled_from("abc"), min_size=1)


@given(
    places=st.lists(st.builds(Seats, st.just("r"), GROUPS, st.integers(1, 2)), min_size=1, max_size=3),
    groups=st.lists(st.frozensets(st.sampled_from("abc")), max_size=5),
)
def test_the_matching_agrees_with_trying_every_seating(places, groups):
    people = [principal(f"p{n}", *sorted(mine)) for n, mine in enumerate(groups)]
    chairs = [place.groups for place in places for _ in range(place.needed)]
    possible = any(
        all(chair & person.groups for chair, person in zip(chairs, seating, strict=True))
        for seating in permutations(people, len(chairs))
    )
    wanted = terms(*places)
    assert is_met(wanted, approvals(*people)) is possible
    for place in seat(wanted, approvals(*people)):
        assert all(person.groups & place.seats.groups for person in place.people)
