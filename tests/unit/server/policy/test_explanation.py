"""What is told of each rule is what the rule does; INV-2 for what cannot be explained otherwise."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.policy.evaluation import evaluate
from hoopd.policy.explanation import RuleTold, needs_told, rules_told
from hoopd.policy.loading import load, sample_policy_text
from hoopd.policy.matching import Circumstances
from hoopd.policy.model import Policy
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog

Tell = Callable[..., dict[str, RuleTold]]
STATE = SessionState('"$user", public', "none", "app", "I", 180000)
SHOP = Connection("prod-db", "h", 5432, "shop", {"env": "production"})
POLICY = load(sample_policy_text(), "sample.yaml", ["prod-db"])


@pytest.fixture
def told(shop_catalog: Catalog) -> Tell:
    def tell(sql: str, group: str = "engineering", policy: Policy = POLICY) -> dict[str, RuleTold]:
        return _told(shop_catalog, sql, group, policy)

    return tell


def _told(catalog: Catalog, sql: str, group: str, policy: Policy) -> dict[str, RuleTold]:
    who = Principal("i", "s", "a@example.com", frozenset({group}), frozenset(), datetime.max.replace(tzinfo=UTC))
    circumstances = Circumstances(who, SHOP, "", datetime(2026, 11, 28, 12, 30, tzinfo=UTC))
    (facts,) = analyse(sql, STATE, catalog)
    (decision,) = evaluate(policy, PolicyVersion(1), [facts], circumstances)
    rules = rules_told(policy, facts, circumstances, decision)
    assert [rule.name for rule in rules] == [rule.name for rule in policy.rules]
    assert {rule.name for rule in rules if rule.decides} == {r for r in decision.rules if r in {x.name for x in rules}}
    assert all(rule.fits for rule in rules if rule.decides)
    needs = needs_told(policy, facts, circumstances)
    if decision.outcome is Outcome.allow:
        assert all(need.covered_by or need.built_in for need in needs)
    return {rule.name: rule for rule in rules}


def test_a_rule_that_does_not_fit_says_which_selector(told: Tell) -> None:
    rules = told("update orders set total = 0 where id = 1")
    assert rules["production changes need a DBA"].why == "it fits write public.orders"
    assert rules["read freely"].why == "it covers read public.orders, and no more"
    assert rules["mass changes need a DBA and security"].why == "`predicate` does not fit: it is present"
    assert rules["nobody drops"].why == "`kinds` does not fit: the statement is update"
    assert rules["engineers may connect"].why == "it speaks of opening a session"


def test_who_asks_and_where_are_told(told: Tell) -> None:
    rules = told("select 1 from orders", group="interns")
    assert rules["read freely"].why == "`principals` does not fit: a@example.com is in interns"


def test_an_allow_that_covers_a_part_says_so(told: Tell) -> None:
    rules = told("insert into orders select * from orders")
    assert rules["read freely"].fits
    assert rules["read freely"].why.startswith("it covers read public.orders, and no more")


def test_selectors_that_fit_one_by_one_but_nothing_at_once(told: Tell) -> None:
    policy = load(
        "version: 1\nrules:\n  - {name: r, match: {effects: [write], objects: [public.orders]}, then: allow}\n", "p"
    )
    rules = told("insert into customers select * from orders", policy=policy)
    assert rules["r"].why == "nothing that it does fits all of the selectors at once"


@pytest.mark.parametrize(
    "sql",
    [
        "select 1", "select * from orders", "delete from orders", "drop table orders", "do $$ begin end $$", "begin",
        "set search_path to x", "selec", "select app.f(1)", "truncate orders", "select * from hr.salaries, orders",
        "with d as (delete from orders returning *) select * from d", "copy orders to '/tmp/x'", "show work_mem",
    ],
)  # fmt: skip
@pytest.mark.parametrize("group", ["engineering", "interns", "dba"])
def test_what_is_told_is_what_is_done(told: Tell, sql: str, group: str) -> None:
    told(sql, group)


SELECTORS = """
version: 1
timezone: Europe/Berlin
reviewers: {from: [dba]}
rules:
  - {name: everything, then: allow}
  - {name: evening, match: {if: now.hours > 17}, then: deny}
  - {name: no answer, match: {if: connection.labels.nope == 'x'}, then: review}
  - {name: not surely, match: {if: connection.labels.nope == 'x'}, then: allow}
  - {name: email, match: {columns: [public.customers.email]}, then: review}
  - {name: cursor, match: {application: [cursor]}, then: review}
  - {name: sleeping, match: {functions: [pg_catalog.pg_sleep]}, then: review}
"""


def test_columns_functions_clients_and_conditions_are_told(told: Tell) -> None:
    rules = told("select email from customers", policy=load(SELECTORS, "p"))
    assert rules["evening"].why == "`if` does not fit: it is false, or has no answer at 13:30"
    assert rules["no answer"].fits
    assert rules["no answer"].decides
    assert rules["not surely"].why == "`if` does not fit: it is false, or has no answer at 13:30"
    assert rules["email"].why == "it fits read public.customers"
    assert rules["cursor"].why == "`application` does not fit: it is not given"
    assert rules["sleeping"].why == "`functions` does not fit"
    assert not told("select id from customers", policy=load(SELECTORS, "p"))["email"].fits
