"""Which limits hold for a statement: of all that could, the least (INV-9; DESIGN.md section 8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.limits import NO_LIMITS, Limits, least
from hoopd.policy import mask_decision, strictest
from hoopd.sql.facts import Predicate
from tests.unit.server.policy.test_evaluation import VERSION, access, decide, policy, statement

READ = "{name: reads, match: {effects: [read]}, then: allow}"
WRITE = "{name: writes, match: {effects: [write], objects: ['public.*']}, then: allow, limits: {changed_rows: 100}}"
ORDERS = "{name: orders, match: {effects: [write], objects: [public.orders]}, then: allow, limits: {changed_rows: 9}}"
REVIEW = "{name: all, match: {predicate: missing}, then: {review: {from: [dba]}}, limits: {changed_rows: 5000}}"
TOP = "limits: {rows: 1000, statement_timeout: 60s}\n"


def test_those_at_the_top_hold_for_every_statement() -> None:
    expected = Limits(rows=1000, statement_timeout=timedelta(seconds=60))

    assert decide(policy(READ, more=TOP), statement("read public.orders")).limits == expected
    assert decide(policy(READ), statement("read public.orders")).limits == NO_LIMITS


def test_those_of_a_rule_hold_for_what_it_fits() -> None:
    rules = policy(READ, WRITE)

    assert decide(rules, statement("write public.orders")).limits == Limits(changed_rows=100)
    assert decide(rules, statement("read public.orders")).limits == NO_LIMITS


def test_of_several_the_least_counts_whatever_their_order() -> None:
    for rules in ((READ, WRITE, ORDERS), (ORDERS, WRITE, READ)):
        found = decide(policy(*rules, more=TOP), statement("write public.orders")).limits
        assert found == Limits(1000, None, 9, timedelta(seconds=60))


def test_what_is_approved_is_bounded_too() -> None:
    mass = statement("write public.orders", kind="delete", predicate=Predicate.missing)
    held = decide(policy(REVIEW), mass)

    assert (held.outcome, held.limits) == (Outcome.review, Limits(changed_rows=5000))
    assert decide(policy(REVIEW, WRITE), mass).limits == Limits(changed_rows=100)


def test_what_is_denied_has_none() -> None:
    denied = decide(policy(WRITE), statement("write hr.people"))

    assert (denied.outcome, denied.limits) == (Outcome.deny, NO_LIMITS)


@pytest.mark.parametrize(("name", "known"), [("public.orders", True), ("orders", False)])
def test_doubt_falls_on_the_strict_side(name: str, known: bool) -> None:
    """A rule that does not surely cover a statement bounds it all the same."""
    everything = "{name: any, match: {effects: [write]}, then: allow}"
    doubtful = statement(access(f"write {name}", known=known), kind="insert")

    assert decide(policy(everything, ORDERS), doubtful).limits == Limits(changed_rows=9)


def test_what_is_built_in_is_not_bounded() -> None:
    """Drivers and editors read whole catalogs."""
    assert decide(policy(more=TOP), statement("read pg_catalog.pg_class", harmless=True)).limits == NO_LIMITS


def test_a_batch_and_a_mask_keep_them() -> None:
    rules = policy(READ, WRITE, ORDERS, more="reviewers: {from: [dba]}\n")
    batch = [decide(rules, statement("write public.orders")), decide(rules, statement("read public.orders"))]
    by_mask = mask_decision(rules, VERSION, Outcome.review, ("mask: a",), "a reason")

    assert strictest(batch).limits == Limits(changed_rows=9)
    assert strictest([batch[0], by_mask]).limits == Limits(changed_rows=9)


def test_the_least_of_none_is_none() -> None:
    assert least([]) == NO_LIMITS
    assert not NO_LIMITS
    assert Limits(rows=1)
