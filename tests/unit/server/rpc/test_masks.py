"""Whose masks hold is said by the policy in force, for each viewer and connection (INV-4)."""

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Role
from hoopd.policy.loading import load
from hoopd.rpc.masks import ViewerMasks
from hoopd.runtime.policies import Policies
from hoopd.session.judgement import PolicyInForce
from tests.fixtures.requests import principal

POLICY = """
version: 1
reviewers: {from: [dba]}
masks:
  - {columns: ["public.customers.card"], with: full, except: {groups: [fraud]}}
  - {columns: ["public.customers.email"], with: email, connections: [prod-db]}
"""


@pytest.fixture
def policies():
    made = Policies()
    made.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(1)))
    return made


@pytest.fixture
def masks(policies):
    return ViewerMasks(policies, {name: Connection(name, "h", 5432, "d") for name in ("prod-db", "test-db")})


def masked(found):
    return sorted(pattern.text for rule in found for pattern in rule.columns)


def test_masks_hold_for_reviewers_as_for_everybody_INV_4(masks):
    everything = frozenset(Role)
    assert masked(masks.masks_for(principal("bob", "dba", roles=everything), "prod-db")) == [
        "public.customers.card",
        "public.customers.email",
    ]


def test_the_policy_says_who_has_the_right_and_where(masks):
    assert masked(masks.masks_for(principal("fay", "fraud"), "prod-db")) == ["public.customers.email"]
    assert masked(masks.masks_for(principal("bob", "dba"), "test-db")) == ["public.customers.card"]
    assert masks.masks_for(principal("fay", "fraud"), "test-db") == ()


def test_the_policy_in_force_now_is_asked(masks, policies):
    policies.put(PolicyInForce(load("version: 1", "test"), PolicyVersion(2)))
    assert masks.masks_for(principal("bob", "dba"), "prod-db") == ()


def test_what_cannot_be_told_is_not_made_up_INV_2(masks):
    assert masks.masks_for(principal("bob", "dba"), "gone-db") is None
    with pytest.raises(Unavailable):
        ViewerMasks(Policies(), {"db": Connection("db", "h", 5432, "d")}).masks_for(principal("bob"), "db")
