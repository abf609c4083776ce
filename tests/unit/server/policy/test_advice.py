"""Advice is about what is certain, and never keeps a file from loading."""

import pytest

from hoopd.policy.advice import advice
from hoopd.policy.loading import load, sample_policy_text

CONNECT = "  - {name: c, then: {connect: allow}}\n"


def advised(rules: str, more: str = "", connect: str = CONNECT) -> list[str]:
    policy = load(f"version: 1\nreviewers: {{from: [dba]}}\n{more}rules:\n{connect}{rules}", "p")
    return [sentence for _, sentence in advice(policy)]


def test_the_sample_needs_no_advice() -> None:
    assert list(advice(load(sample_policy_text(), "sample"))) == []


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("{}", "{effects: [read]}"),
        ("{kinds: [update, delete]}", "{kinds: [delete], objects: [public.a]}"),
        ("{objects: ['*']}", "{objects: [public.a, public.b]}"),
        ("{connections: [a, b]}", "{connections: [a]}"),
        ("{connections: {labels: {env: x}}}", "{connections: {labels: {env: x, tier: y}}}"),
        ("{principals: {groups: [a, b]}}", "{principals: {groups: [a]}}"),
    ],
)
def test_a_rule_inside_a_denial_never_has_a_say(wide: str, narrow: str) -> None:
    rules = f"  - {{name: no, match: {wide}, then: deny}}\n  - {{name: yes, match: {narrow}, then: allow}}\n"
    assert advised(rules) == ["`yes` never has a say: `no` denies all that it fits"]
    reversed_rules = f"  - {{name: no, match: {narrow}, then: deny}}\n  - {{name: yes, match: {wide}, then: allow}}\n"
    assert advised(reversed_rules) == []


def test_an_allow_inside_a_review_allows_nothing() -> None:
    rules = (
        "  - {name: hold, match: {effects: [write]}, then: review}\n"
        "  - {name: yes, match: {effects: [write], objects: [public.a]}, then: allow}\n"
    )
    assert advised(rules) == ["`yes` allows nothing: `hold` sends all that it fits to review"]


def test_nobody_can_connect() -> None:
    assert advised("  - {name: r, then: allow}\n", connect="")[0].startswith("no rule lets anybody connect")
    assert advised("  - {name: r, then: allow}\n", "default: allow\n", connect="") == [
        "the default is `allow` and no rule reviews or denies: every statement runs"
    ]


def test_two_masks_on_one_pattern() -> None:
    masks = "masks:\n  - {columns: [a.b.c], with: full}\n  - {columns: [a.b.c, a.b.d], with: {last: 4}}\n"
    assert advised("  - {name: r, then: allow}\n", masks) == [
        "`a.b.c` has a mask already, number 1: the strongest of the two holds"
    ]


def test_a_denial_of_columns_is_no_denial_of_what_reads_none() -> None:
    """`count(*)` is allowed by the one and not denied by the other."""
    match = "{columns: [public.a.b]}"
    assert (
        advised(f"  - {{name: no, match: {match}, then: deny}}\n  - {{name: yes, match: {match}, then: allow}}\n") == []
    )
