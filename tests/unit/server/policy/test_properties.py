"""What must hold of every policy and every statement, whatever they are (DESIGN.md sections 7 and 8)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.policy import Circumstances, Policy, PolicyError, evaluate, load
from hoopd.policy.matching import is_built_in, needs, surely_fits
from hoopd.sql.facts import ColumnName, Effect, Facts, FunctionUse, ObjectAccess, ObjectKind, Predicate

AROUND = Circumstances(
    Principal("i", "u", "a@x", frozenset({"g1"}), frozenset(), datetime(2030, 1, 1, tzinfo=UTC)),
    Connection("c1", "h", 1, "d", {"env": "production"}),
    now=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
)
PARTS = st.sampled_from(["a", "b", "*", "a*"])
NAMES = st.sampled_from(["a", "b", "ab"])
GROUPS = st.lists(st.sampled_from(["g1", "g2"]), min_size=1, max_size=2, unique=True)
REVIEWS = st.fixed_dictionaries(
    {"from": GROUPS, "approvals": st.integers(1, 3), "hold": st.sampled_from(["1m", "4m"])},
    optional={"reason": st.sampled_from(["required", "optional"])},
)
NO_ANSWER = ["connection.labels.nope == 'x'", "1 / 0 == 1", "statement.objects[1000] == 'a'"]
CONDITIONS = st.sampled_from(
    [
        "true",
        "now.hours < 12",
        "'a.b' in statement.objects",
        "'g1' in principal.groups || 'read' in statement.effects",
        *NO_ANSWER,
    ]
)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "effects": st.lists(st.sampled_from([str(effect) for effect in Effect]), min_size=1, max_size=4),
        "kinds": st.lists(st.sampled_from(["select", "update", "drop_*"]), min_size=1, max_size=2),
        "objects": st.lists(st.lists(PARTS, min_size=1, max_size=2).map(".".join), min_size=1, max_size=3),
        "columns": st.lists(st.lists(PARTS, min_size=3, max_size=3).map(".".join), min_size=1, max_size=2),
        "functions": st.lists(st.lists(PARTS, min_size=2, max_size=2).map(".".join), min_size=1, max_size=2),
        "if": CONDITIONS,
        "predicate": st.sampled_from(["missing", "constant", "present"]),
        "connections": st.sampled_from([["c1"], ["c2"], {"labels": {"env": "production"}}]),
        "principals": st.fixed_dictionaries({"groups": GROUPS}),
    },
)
VERDICTS = st.one_of(st.sampled_from(["allow", "deny"]), st.fixed_dictionaries({"review": REVIEWS}))


DECLARED = st.fixed_dictionaries(
    {"client": st.sampled_from(["person", "agent"])},
    optional={"application": st.lists(st.sampled_from(["psql", "p*", "*sql", "cursor*"]), min_size=1, max_size=2)},
)


def whole(rule: dict[str, object]) -> bool:
    """Whether a policy takes it: an allow rule that could cover nothing is refused."""
    try:
        written("deny", [{"name": "r", **rule}])
    except PolicyError:
        return False
    return True


def rules(then: st.SearchStrategy[object] = VERDICTS) -> st.SearchStrategy[list[dict[str, object]]]:
    return st.lists(st.fixed_dictionaries({"match": MATCHES, "then": then}).filter(whole), max_size=6)


ACCESSES = st.builds(
    ObjectAccess,
    st.sampled_from(Effect),
    st.sampled_from(
        [
            ObjectKind.table,
            ObjectKind.schema,
            ObjectKind.unknown,
            ObjectKind.setting,
            ObjectKind.catalog,
            ObjectKind.function,
        ]
    ),
    st.none() | NAMES,
    NAMES,
    st.booleans(),
    st.none() | st.lists(NAMES, max_size=2).map(tuple),
)
COLUMNS = st.lists(st.builds(ColumnName, NAMES, NAMES, NAMES), max_size=2).map(tuple)
FACTS = st.builds(
    Facts,
    sql=st.just("…"),
    kind=st.sampled_from(["select", "update", "drop_table"]),
    effects=st.frozensets(st.sampled_from(Effect), max_size=3),
    accesses=st.lists(ACCESSES, max_size=4).map(tuple),
    functions=st.lists(st.builds(FunctionUse, st.none() | NAMES, NAMES, st.none(), st.booleans()), max_size=2).map(
        tuple
    ),
    predicate=st.none() | st.sampled_from(Predicate),
    harmless=st.booleans(),
    inferable=COLUMNS,
)
CLIENTS = st.sampled_from(["", "psql", "cursor-vscode", "x"])
DEFAULTS = st.sampled_from(["deny", "review", "allow"])


def made(default: str, *parts: list[dict[str, object]]) -> Policy:
    """A policy whose rules have names that do not depend on where they stand."""
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(rule for part in parts for rule in part)]
    return written(default, named)


def written(default: str, named: list[dict[str, object]]) -> Policy:
    whole = {"version": 1, "timezone": "UTC", "default": default, "reviewers": {"from": ["g1"]}, "rules": named}
    return load(json.dumps(whole, ensure_ascii=False), "p.yaml")


def decide(policy: Policy, facts: Facts, application: str = "psql") -> Decision:
    (decision,) = evaluate(policy, PolicyVersion(1), [facts], replace(AROUND, application=application))
    return decision


@given(DEFAULTS, rules(), FACTS, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(
    default: str, some: list[dict[str, object]], facts: Facts, random: object
) -> None:
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(some)]
    shuffled = named.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(written(default, named), facts) == decide(written(default, shuffled), facts)


@given(DEFAULTS, rules(), rules(st.just("deny")), FACTS)
def test_more_deny_rules_never_allow_more(
    default: str, some: list[dict[str, object]], denies: list[dict[str, object]], facts: Facts
) -> None:
    before, after = decide(made(default, some), facts), decide(made(default, some, denies), facts)

    assert after.outcome.strictness >= before.outcome.strictness


@given(DEFAULTS, rules(), rules(st.fixed_dictionaries({"review": REVIEWS})), FACTS)
def test_more_review_rules_never_loosen(
    default: str, some: list[dict[str, object]], reviews: list[dict[str, object]], facts: Facts
) -> None:
    """What was allowed or reviewed is never less strict, asks for no fewer people, and waits no longer."""
    before, after = decide(made(default, some), facts), decide(made(default, some, reviews), facts)

    assert after.outcome is not Outcome.allow or before.outcome is Outcome.allow
    if before.rules != ("default",):
        assert after.outcome.strictness >= before.outcome.strictness
    if before.review is not None and after.review is not None and "default" not in before.rules:
        assert set(before.review.seats) <= set(after.review.seats)
        assert after.review.hold <= before.review.hold
        assert after.review.reason_required or not before.review.reason_required


@given(rules(), rules(st.just("allow")), FACTS)
def test_more_allow_rules_never_undo_a_rule_s_deny_or_review(
    some: list[dict[str, object]], allows: list[dict[str, object]], facts: Facts
) -> None:
    before, after = decide(made("deny", some), facts), decide(made("deny", some, allows), facts)

    if before.rules != ("default",):
        assert after.outcome.strictness >= before.outcome.strictness


@given(rules(st.just("allow") | VERDICTS), FACTS)
def test_what_is_allowed_is_covered_in_every_part(some: list[dict[str, object]], facts: Facts) -> None:
    """INV-2: under `default: deny`, each access and each effect has an allow rule that surely fits it."""
    policy = made("deny", some)
    decision = decide(policy, facts)
    if decision.outcome is not Outcome.allow or facts.harmless:
        return

    allowing = [rule for rule in policy.rules if rule.name in decision.rules]
    assert all(rule.outcome is Outcome.allow for rule in allowing)
    assert allowing or all(is_built_in(need) for need in needs(facts))
    for need in needs(facts):
        assert is_built_in(need) or any(surely_fits(rule.match, need) for rule in allowing)
    assert {need.effect for need in needs(facts)} >= facts.effects


@given(rules(), FACTS)
def test_a_decision_is_whole(some: list[dict[str, object]], facts: Facts) -> None:
    decision = decide(made("deny", some), facts)

    assert decision.rules
    assert (decision.review is not None) == (decision.outcome is Outcome.review)
    assert (decision.message is not None) == (decision.outcome is Outcome.deny)
    assert decision.review is None or decision.review.hold <= decision.review.expires


@given(DEFAULTS, rules(), MATCHES, DECLARED, st.just("deny") | REVIEWS.map(lambda r: {"review": r}), FACTS, CLIENTS)
def test_no_client_s_word_loosens_anything(
    default: str,
    some: list[dict[str, object]],
    match: dict[str, object],
    declared: dict[str, object],
    then: object,
    facts: Facts,
    application: str,
) -> None:
    """Whatever a client calls itself, with such a rule it gets at most what it gets without."""
    rule = {"match": {**match, **declared}, "then": then}
    before = decide(made(default, some), facts, application)
    after = decide(made(default, some, [rule]), facts, application)

    assert after.outcome.strictness >= before.outcome.strictness
    if before.review is not None and after.review is not None:
        assert set(before.review.seats) <= set(after.review.seats)
        assert after.review.hold <= before.review.hold


@given(DEFAULTS, rules(), MATCHES, st.sampled_from(NO_ANSWER), VERDICTS, FACTS)
def test_a_condition_without_an_answer_loosens_nothing(
    default: str, some: list[dict[str, object]], match: dict[str, object], condition: str, then: object, facts: Facts
) -> None:
    """INV-2: an allow rule with it does not match; a review or deny rule does, and lets nothing through."""
    rule = {"match": {**match, "if": condition}, "then": then}
    if not whole(rule):
        return
    without = {"match": {key: value for key, value in match.items() if key != "if"}, "then": then}
    before, after = decide(made(default, some), facts), decide(made(default, some, [rule]), facts)

    assert after.outcome.strictness >= before.outcome.strictness
    if then == "allow":
        assert after == before
    if then == "deny":
        assert after.outcome == decide(made(default, some, [without]), facts).outcome
