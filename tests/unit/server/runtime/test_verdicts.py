"""Verdicts are kept for the same question only (INV-1, INV-9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.connection import Connection
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.statement import SessionState
from hoopd.policy.loading import load
from hoopd.policy.matching import Circumstances
from hoopd.runtime.verdicts import HEAVIEST, LONGEST, VerdictCache
from hoopd.session.judgement import PolicyInForce, Verdict, judge
from hoopd.sql.catalog import Catalog, Column, Relation
from tests.fixtures.requests import ALICE

STATE = SessionState(search_path="public", role="none", user="app", transaction="I", server_version=180006)
IN_FORCE = PolicyInForce(
    load("version: 1\nrules: [{name: reads, match: {effects: [read]}, then: allow}]", "t"), PolicyVersion(1)
)
WHO = Circumstances(ALICE, Connection("prod-db", "h", 5432, "d"), "psql")
CATALOG = Catalog.builtin()
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


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
        lambda asked: asked(who=replace(WHO, now=NOON)),
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


def test_equal_states_and_people_ask_the_same(asked: Asked) -> None:
    for _ in range(3):
        asked(state=replace(STATE), who=replace(WHO))
    assert asked.made == 1


def test_transactions_do_not_empty_it(asked: Asked) -> None:
    """Each has states of its own, equal to those of the one before."""
    for _ in range(50):
        asked(state=replace(STATE, transaction="T"))
        asked()
        assert len(asked.cache._seen) <= 10
    assert asked.made == 2


def test_who_asks_is_kept_within_bounds(asked: Asked) -> None:
    """INV-9: every session has states and principals of its own."""
    for number in range(50):
        asked(state=replace(STATE, search_path=f"s{number}"))
        assert max(len(asked.cache._askers), len(asked.cache._seen), len(asked.cache)) <= 10


def test_a_verdict_by_the_client_s_name_is_of_that_name(asked: Asked) -> None:
    """INV-1: what is kept of one client is not told to another."""
    rules = (
        "version: 1\nrules: [{name: reads, match: {effects: [read]}, then: allow}, "
        "{name: agents, match: {client: agent}, then: deny}]"
    )
    by_client = PolicyInForce(load(rules, "t"), PolicyVersion(1))
    for application, outcome in (("psql", "allow"), ("cursor", "deny"), ("", "deny"), ("psql", "allow")):
        told = asked(in_force=by_client, who=replace(WHO, application=application))
        assert told.decision.outcome == outcome
    assert asked.made == 3


def test_a_verdict_by_the_time_is_of_that_minute(asked: Asked) -> None:
    """INV-1: what was allowed a minute ago is not allowed now for that."""
    rules = (
        "version: 1\ntimezone: UTC\nrules: [{name: reads, match: {effects: [read]}, then: allow}, "
        "{name: evening, match: {if: now.hours > 17}, then: deny}]"
    )
    by_time = PolicyInForce(load(rules, "t"), PolicyVersion(1))
    for text in ("select 1", "select a from t where b = 1", "select a from t where b = 2"):
        for hour, minute, outcome in ((17, 59, "allow"), (17, 59, "allow"), (18, 0, "deny"), (17, 59, "allow")):
            who = replace(WHO, now=NOON.replace(hour=hour, minute=minute))
            assert asked(text, catalog=TABLES, in_force=by_time, who=who).decision.outcome == outcome
    assert asked.made == 5, "of two that are alike, what is allowed is told again"


# Texts that differ in numbers

TABLES = Catalog(
    {("public", "t"): Relation(20001, "public", "t", "r", tuple(Column(name, 23) for name in "abcd"))},
    frozenset({"public", "pg_catalog", "information_schema"}),
    fingerprint="one",
)
LIKE = "select a from t where b = {} and c < {}"


def test_a_number_that_no_fact_depends_on_is_not_judged_again(asked: Asked) -> None:
    for number in range(20):
        told = asked(LIKE.format(number, 5), catalog=TABLES)
        assert told.sql == told.statements[0].sql == told.statements[0].facts.sql == LIKE.format(number, 5)
    assert asked.made == 1


@pytest.mark.parametrize(
    "another",
    [
        lambda asked: asked(LIKE.format(3, 4), catalog=TABLES, state=replace(STATE, search_path="hidden")),
        lambda asked: asked(LIKE.format(3, 4), catalog=TABLES, state=replace(STATE, role="owner")),
        lambda asked: asked(LIKE.format(3, 4), catalog=replace(TABLES, fingerprint="another")),
        lambda asked: asked(LIKE.format(3, 4), catalog=TABLES, in_force=replace(IN_FORCE, version=PolicyVersion(2))),
        lambda asked: asked(LIKE.format(3, 4), catalog=TABLES, who=replace(WHO, application="other")),
        lambda asked: asked(LIKE.format(3, 4), catalog=TABLES, who=replace(WHO, now=NOON)),
        lambda asked: asked(LIKE.format(3, "3000000000"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "4.0"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, -4), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "'4'"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "4 limit 5"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "4; drop table t"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "(4)"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, "4 -- 5"), catalog=TABLES),
        lambda asked: asked(LIKE.format(3, 4).upper(), catalog=TABLES),
    ],
)
def test_anything_else_is_judged(asked: Asked, another: Callable[[Asked], Verdict]) -> None:
    """INV-1, THREATS 3, 4 and 6."""
    asked(LIKE.format(1, 2), catalog=TABLES)
    another(asked)
    assert asked.made == 2


@pytest.mark.parametrize(
    "text",
    [
        "select a from t where b = 1 limit {}",
        "select a, b from t where b = 1 order by {}",
        "select a, b from t where b = 1 group by {}",
        "select pg_sleep({}) from t where b = 1",
        "select cast(a as varchar({})) from t where b = 1",
        "select a from t where b = 1 and {} = {}",
        "select a from t where b = 1 and c in ({})",
        "select a from t where b = 1 and c = (select {})",
        "delete from t where b = {}",
        "update t set a = {}",
        "set statement_timeout = {}",
        "create table u (a numeric({}))",
        "select a from t where b = {}; select 1",
    ],
)
def test_a_number_that_is_not_free_is_judged_each_time(asked: Asked, text: str) -> None:
    """INV-1"""
    for number in (1, 2, 3):
        asked(text.format(*[number] * 2), catalog=TABLES)
    assert asked.made == 3


MASKED = PolicyInForce(
    load(
        "version: 1\nrules: [{name: r, match: {effects: [read]}, then: allow}]\n"
        "masks: [{columns: [public.t.a], with: full, predicates: deny}]",
        "t",
    ),
    PolicyVersion(1),
)


def test_masks_go_by_columns_and_so_are_those_of_a_text_that_is_alike(asked: Asked) -> None:
    """INV-4"""
    for number in range(5):
        told = asked(LIKE.format(number, 5), catalog=TABLES, in_force=MASKED)
        assert told.statements[0].plan.masked
        assert not told.plain, "it rests on the catalog of this moment"
    assert asked.made == 1


def test_what_is_not_plainly_allowed_is_judged_each_time(asked: Asked) -> None:
    """INV-5: of what is held or denied every text has its own verdict."""
    rules = "version: 1\nrules: [{name: asks, match: {effects: [read]}, then: {review: {from: [dba]}}}]"
    review = PolicyInForce(load(rules, "t"), PolicyVersion(1))
    denial = PolicyInForce(load("version: 1\nrules: []", "t"), PolicyVersion(1))
    for made, (in_force, text) in enumerate(
        ((review, LIKE), (denial, LIKE), (MASKED, "select b from t where a = {} and c < {}"))
    ):
        for number in (1, 2):
            asked(text.format(number, 1), catalog=TABLES, in_force=in_force)
        assert asked.made == 2 * (made + 1)


NUMBERS = st.integers(0, 2**31) | st.sampled_from([0, 1, 2, 3, 999_999_999, 10**9, 2**63])
TERMS = st.sampled_from(
    [
        "a = {}",
        "{} < b",
        "c <> {}",
        "t.d >= {}",
        "a = b + {}",
        "a = -{}",
        "abs(a) = {}",
        "{} = {}",
        "a between {} and 9",
        "a in ({}, 2)",
        "b = (select max(a) from t where c = {})",
        "not a = {}",
        "(b = {} or c > {})",
        "a::text = '{}'",
        "a = {}.5",
        "a = {}e1",
        "x = {}",
        "a operator(pg_catalog.=) {}",
        "a = $1 + {}",
        "a = {} -- ",
    ]
)
HEADS = st.sampled_from(
    [
        "select a, b from t",
        "select {} from t",
        "select count(*), {} + a from t",
        "select * from t as u(a, x)",
        "with v as (select a, {} as b, c, d from t) select * from v",
        "select x from t",
        "delete from t",
        "update t set a = {}",
        "select a into u from t",
        "select pg_sleep({}) from t",
        "select lo_import('{}') from t",
    ]
)
TAILS = st.sampled_from(
    ["", ";", " limit {}", " order by {}", " group by {}", " for update", "; select {}", " offset {}"]
)


@given(
    HEADS,
    st.lists(TERMS, min_size=1, max_size=3),
    TAILS,
    st.lists(st.lists(NUMBERS, min_size=9, max_size=9)),
    st.sampled_from([IN_FORCE, MASKED]),
)
def test_what_is_told_again_is_what_would_be_judged(
    head: str, terms: list[str], tail: str, several: list[list[int]], in_force: PolicyInForce
) -> None:
    """INV-1, INV-4: the verdict that is kept and the verdict that is made are one, in every part of them."""
    asked = Asked()
    text = f"{head} where {' and '.join(terms)}{tail}"
    for numbers in several:
        given_now = text.format(*(numbers * 2))
        expected = judge(given_now, STATE, TABLES, in_force, WHO, b"k" * 32)
        told = asked(given_now, catalog=TABLES, in_force=in_force)
        assert told == expected
        assert (told.plain, [one.summary for one in told.statements]) == (
            expected.plain,
            [one.summary for one in expected.statements],
        )
