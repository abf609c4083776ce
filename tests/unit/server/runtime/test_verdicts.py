"""Verdicts are kept for the same question only (INV-1, INV-9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.statement import SessionState
from hoopd.policy.loading import load
from hoopd.policy.matching import Circumstances
from hoopd.runtime.verdicts import HEAVIEST, LONGEST, VerdictCache
from hoopd.session.judgement import PolicyInForce, Verdict, judge
from hoopd.sql.catalog import Catalog
from tests.fixtures.requests import ALICE

STATE = SessionState(search_path="public", role="none", user="app", transaction="I", server_version=180006)
IN_FORCE = PolicyInForce(
    load("version: 1\nrules: [{name: reads, match: {effects: [read]}, then: allow}]", "t"), PolicyVersion(1)
)
WHO = Circumstances(ALICE, Connection("prod-db", "h", 5432, "d"), "psql")
CATALOG = Catalog.builtin()


class Asked:
    """Asks a cache, and counts how often a verdict was made."""

    def __init__(self, entries: int = 10) -> None:
        self.cache = VerdictCache(entries)
        self.made = 0

    def __call__(
        self,
        text: str = "select 1",
        state: SessionState = STATE,
        catalog: Catalog = CATALOG,
        in_force: PolicyInForce = IN_FORCE,
        who: Circumstances = WHO,
    ) -> Verdict:
        def make() -> Verdict:
            self.made += 1
            return judge(text, state, catalog, in_force, who, b"k" * 32)

        return self.cache.verdict(text, state, catalog, in_force, who, make)


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_the_same_question_has_the_same_answer(asked: Asked) -> None:
    assert asked() is asked()
    assert asked.made == 1


@pytest.mark.parametrize(
    "another",
    [
        lambda asked: asked("select 2"),
        lambda asked: asked("SELECT 1"),
        lambda asked: asked("set role a"),
        lambda asked: asked(state=replace(STATE, search_path="hidden")),
        lambda asked: asked(state=replace(STATE, role="owner")),
        lambda asked: asked(state=replace(STATE, transaction="T")),
        lambda asked: asked(state=replace(STATE, server_version=140000)),
        lambda asked: asked(state=replace(STATE, temporary_objects=True)),
        lambda asked: asked(state=replace(STATE, catalog_changed=True)),
        lambda asked: asked(state=replace(STATE, settings_local=True)),
        lambda asked: asked(catalog=replace(CATALOG, fingerprint="another")),
        lambda asked: asked(in_force=replace(IN_FORCE, version=PolicyVersion(2))),
        lambda asked: asked(who=replace(WHO, application="other")),
        lambda asked: asked(who=replace(WHO, connection=replace(WHO.connection, name="other"))),
        lambda asked: asked(who=replace(WHO, principal=replace(ALICE, groups=frozenset({"interns"})))),
        lambda asked: asked(who=replace(WHO, principal=replace(ALICE, expires=ALICE.expires + timedelta(hours=1)))),
    ],
)
def test_another_question_is_judged(asked: Asked, another: Callable[[Asked], Verdict]) -> None:
    """INV-1, THREATS 4 and 9: no part of the question may be left out of the key."""
    asked()
    another(asked)
    assert asked.made == 2


def test_what_was_before_a_new_catalog_or_policy_is_forgotten(asked: Asked) -> None:
    asked()
    asked(in_force=replace(IN_FORCE, version=PolicyVersion(2)))
    asked()
    assert asked.made == 3
    assert len(asked.cache) == 1


def test_entries_are_bounded_and_the_last_asked_for_stay() -> None:
    """INV-9"""
    asked = Asked(entries=2)
    for text in ("select 1", "select 2", "select 1", "select 3"):
        asked(text)
    assert (asked.made, len(asked.cache)) == (3, 2)
    asked("select 1")
    assert asked.made == 3
    asked("select 2")
    assert asked.made == 4


def test_a_long_text_is_not_kept(asked: Asked) -> None:
    """INV-9"""
    asked(f"select '{'x' * LONGEST}'")
    assert len(asked.cache) == 0


def test_a_verdict_that_holds_much_is_not_kept(asked: Asked) -> None:
    """INV-9, THREATS 23: a short text can name many columns, over and over."""
    asked(f"select {', '.join(['1'] * (HEAVIEST + 1))}")
    assert len(asked.cache) == 0


def test_what_could_not_be_judged_is_not_kept(asked: Asked) -> None:
    """INV-2"""

    def fails() -> Verdict:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        asked.cache.verdict("select 1", STATE, CATALOG, IN_FORCE, WHO, fails)
    assert len(asked.cache) == 0


@pytest.mark.parametrize("text", ["execute p", "explain execute p", "prepare p as select 1; execute p", "fetch c"])
def test_what_runs_by_name_is_judged_each_time(asked: Asked, text: str) -> None:
    """INV-1: what a name means is a matter of one session, which is not in the key."""
    assert asked(text) is not asked(text)
    assert asked.made == 2
