"""What a client says of itself makes rules stricter and opens nothing (DESIGN.md section 8)."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.decision import Outcome
from hoopd.policy import Circumstances
from hoopd.policy.clients import ApplicationPattern, Client, possible
from hoopd.policy.model import Match
from tests.unit.server.policy.test_evaluation import circumstances, decide, policy, statement

ALL = "{name: all, then: allow}"
AGENT_REVIEW = "{name: agents, match: {effects: [write], client: agent}, then: {review: {from: [dba]}}}"
WRITE = statement("write public.orders")


def called(application: str) -> Circumstances:
    return replace(circumstances("engineering"), application=application)


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ("psql", {Client.person}),
        ("DBeaver 24.1 - Main", {Client.person}),
        ("PostgreSQL JDBC Driver", {Client.person}),
        ("cursor-vscode", {Client.agent}),
        ("Claude Desktop", {Client.agent}),
        ("postgres-mcp", {Client.agent}),
        ("MCP", {Client.agent}),
        ("", set(Client)),
        ("  ", set(Client)),
    ],
)
def test_who_may_be_behind_a_name(application: str, expected: set[Client]) -> None:
    assert possible(application) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("psql", "PSQL", True),
        ("psql", "psql ", False),
        ("psql*", "psql 16", True),
        ("*sql", "psql", True),
        ("*b*a*", "a-b-a", True),
        ("a*a", "a", False),
        ("ab*ba", "aba", False),
        ("*", "", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
    ],
)
def test_patterns_of_applications(pattern: str, name: str, fits: bool) -> None:
    assert ApplicationPattern.parse(pattern).matches(name) is fits


@given(st.text("ab*", min_size=1, max_size=6), st.text("ab", max_size=6))
def test_a_pattern_fits_as_a_walk_through_all_its_readings_says(pattern: str, name: str) -> None:
    def fits(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return any(fits(pattern[1:], name[at:]) for at in range(len(name) + 1))
        return name[:1] == pattern[0] and fits(pattern[1:], name[1:])

    assert ApplicationPattern.parse(pattern).matches(name) is fits(pattern, name)


def test_a_long_name_is_no_burden() -> None:
    """INV-9"""
    pattern = ApplicationPattern.parse("*a" * 90 + "*b")
    began = perf_counter()
    assert not pattern.matches("a" * 10_000)
    assert perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("application", "outcome"),
    [("cursor", Outcome.review), ("", Outcome.review), ("psql", Outcome.allow)],
)
def test_an_agent_is_asked_for_more(application: str, outcome: Outcome) -> None:
    assert decide(policy(ALL, AGENT_REVIEW), WRITE, called(application)).outcome is outcome


@pytest.mark.parametrize("match", ["client: agent", "client: person", "application: ['*']", "application: [cursor]"])
def test_a_review_by_the_client_s_word_lets_nothing_through(match: str) -> None:
    """Else what is denied to everybody would wait for a reviewer under the right name."""
    rule = f"{{name: r, match: {{effects: [write], {match}}}, then: {{review: {{from: [dba]}}}}}}"
    reads = "{name: reads, match: {effects: [read]}, then: allow}"

    for application in ("cursor", "psql", ""):
        decision = decide(policy(reads, rule), WRITE, called(application))
        assert (decision.outcome, decision.rules) == (Outcome.deny, ("default",))


def test_a_denial_by_application() -> None:
    rules = policy(ALL, "{name: d, match: {application: ['metabase*']}, then: deny}")

    assert decide(rules, WRITE, called("Metabase v50")).outcome is Outcome.deny
    assert decide(rules, WRITE, called("psql")).outcome is Outcome.allow
    assert decide(rules, WRITE, called("")).outcome is Outcome.allow


@pytest.mark.parametrize("selector", ["client", "application"])
def test_even_a_policy_that_was_not_checked_allows_nothing_by_it(selector: str) -> None:
    """INV-2"""
    made = policy(ALL)
    value = Client.agent if selector == "client" else (ApplicationPattern.parse("*"),)
    rule = made.rules[0].model_copy(update={"match": Match().model_copy(update={selector: value})})

    assert decide(made.model_copy(update={"rules": (rule,)}), WRITE, called("cursor")).outcome is Outcome.deny
