"""The policy in force."""

from __future__ import annotations

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.policy.loading import load
from hoopd.runtime.policies import Policies
from hoopd.session.judgement import PolicyInForce
from tests.unit.server.runtime.bench import POLICY


def test_without_one_nothing_is_judged() -> None:
    """INV-2"""
    with pytest.raises(Unavailable, match="no policy is loaded"):
        Policies().current  # noqa: B018 - the reading is what is tried


def test_the_newest_counts() -> None:
    policies = Policies()
    for number in (1, 2):
        policies.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(number)))
        assert policies.current.version == number
