"""Who counts as the same person, and who may see a request (INV-6)."""

import pytest

from hoopd.approvals.lifecycle import objection, raised
from hoopd.approvals.people import may_see, reviewer_of, same_person
from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Role
from hoopd.domain.request import Verdict
from tests.fixtures.requests import ALICE, BOB, CAROL, DAVE, START, principal, seats, snapshot


@pytest.mark.parametrize(
    "other",
    [
        principal("alice", "dba"),
        principal("alice", "dba", email=None),
        principal("alice", "dba", email="someone.else@example.com"),
        principal("alice-2", "dba", email="alice@example.com"),
        principal("alice-2", "dba", email="ALICE@Example.COM"),
        principal("alice-2", "dba", email="\uff41lice@example.com"),
        principal("alice-2", "dba", email=" alice@example.com", issuer="https://other.example"),
    ],
    ids=["groups", "no e-mail", "other e-mail", "other subject", "other case", "full-width letter", "other issuer"],
)
def test_one_person_under_another_guise_is_the_same_person_INV_6(other):
    assert same_person(ALICE, other)
    assert same_person(other, ALICE)
    request = raised(RequestId("r-aaaaaaaa"), snapshot(), START)
    assert objection(request, reviewer_of(other), Verdict.approve, START)


@pytest.mark.parametrize(
    "other", [BOB, principal("alice", email=None, issuer="https://other.example"), principal("x", email=None)]
)
def test_different_people_are_different(other):
    assert not same_person(ALICE, other)


def test_two_people_without_an_email_differ_by_subject():
    assert not same_person(principal("x", email=None), principal("y", email=None))


@pytest.mark.parametrize(
    ("eyes", "sees"),
    [
        (ALICE, True),
        (BOB, True),
        (CAROL, True),
        (DAVE, True),
        (principal("erin", roles=frozenset({Role.admin})), True),
        (principal("mallory", "engineering"), False),
        (principal("mallory", "engineering", email="alice@example.com"), False),
    ],
)
def test_requester_reviewers_auditors_and_admins_see_a_request_and_nobody_else(eyes, sees):
    request = raised(RequestId("r-aaaaaaaa"), snapshot(seats(1, "dba"), seats(1, "security")), START)
    assert may_see(request, eyes) is sees


def test_a_role_gives_eyes_and_no_vote():
    request = raised(RequestId("r-aaaaaaaa"), snapshot(), START)
    assert objection(request, reviewer_of(DAVE), Verdict.approve, START)
