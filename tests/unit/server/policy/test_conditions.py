"""Conditions are typed when a policy is loaded, bounded when they are asked, and strict without an answer (INV-2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter

import pytest

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.policy import Circumstances, Policy, connect_decision, evaluate, load
from hoopd.policy.checks import MOST_CONDITIONS
from hoopd.policy.conditions import (
    LONGEST,
    MOST_CHARACTERS,
    MOST_ITEMS,
    VARIABLES,
    Condition,
    circumstantial,
    of_statement,
)
from hoopd.sql.facts import Effect, Facts, FunctionUse, ObjectAccess, ObjectKind, Predicate
from tests.unit.server.policy.test_docs import PAGE
from tests.unit.server.policy.test_evaluation import PRODUCTION, VERSION, access, decide, person, policy, statement
from tests.unit.server.policy.test_loading import problems

NOON = datetime(2026, 11, 28, 12, 5, tzinfo=UTC)  # a Saturday
AROUND = Circumstances(person("engineering", "dba"), PRODUCTION, "psql", NOON)
WRITE = statement("write public.orders", "read public.orders", kind="update", predicate=Predicate.missing)
ALL = "{name: all, then: allow}"
HUNDRED = f"[{'1,' * 70}]"
NO_ANSWER = [
    "connection.labels.nope == 'x'",
    "statement.objects[9] == 'x'",
    "1 / 0 == 1",
    "9223372036854775807 + 1 > 0",
    "application.matches('(')",
    "timestamp(application) == timestamp(application)",
    f"{HUNDRED}.all(a, {HUNDRED}.all(b, {HUNDRED}.all(c, true)))",
]


def conditional(condition: str, then: str = "deny", *more: str, zone: str = "UTC") -> Policy:
    quoted = condition.replace('"', '\\"')
    return policy(f'{{name: c, match: {{if: "{quoted}"}}, then: {then}}}', *more, more=f"timezone: {zone}\n")


def holds(condition: str, facts: Facts = WRITE, around: Circumstances = AROUND) -> bool | None:
    given = circumstantial(around.principal, around.connection, around.application, around.now)
    return Condition.parse(condition).holds({**given, **of_statement(facts)})


@pytest.mark.parametrize(
    "condition",
    [
        "now.hours == 12 && now.minutes == 5",
        "now.weekday == 6",
        "now.date == '2026-11-28' && now.date < '2026-12-01'",
        "principal.email == 'alice@example.com' && principal.subject == 'u1'",
        "principal.groups == ['dba', 'engineering'] && principal.groups.exists(g, g.startsWith('eng'))",
        "connection.name == 'prod-db' && connection.labels.env == 'production'",
        "'nope' in connection.labels || connection.labels['team'] == 'shop'",
        "application == 'psql' && application.matches('^p.*l$')",
        "statement.kind == 'update' && 'update' in statement.kinds",
        "statement.effects == ['read', 'write']",
        "statement.objects == ['public.orders'] && statement.predicate == 'missing'",
        "statement.functions.size() == 0",
        "connection.labels.nope == 'x' || true",
        "true\n  && true  // why",
    ],
)
def test_what_a_condition_sees(condition: str) -> None:
    assert holds(condition) is True
    assert holds(f"!({condition.split('//', maxsplit=1)[0]})") is False


def test_every_name_is_described() -> None:
    assert not [name for name in VARIABLES if f"`{name}`" not in PAGE]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("now.hour < 7", "a condition has no `now.hour` (at character 4); did you mean `now.hours`?"),
        ("now < 7", "a condition has no `now` (at character 1)"),
        ("statement.sql == 'x'", "a condition has no `statement.sql`"),
        ("open('/etc/passwd') == 'x'", "a condition has no `open` (at character 5)"),
        ("application.__class__ == 'x'", "this is no condition in CEL (at character"),
        ("now.hours < 'a'", "`<` cannot be used with int, string (at character 11)"),
        ("true &&\n  now.hours < 'a'", "(at line 2, character 13)"),
        ("'x' in application", "`in` cannot be used with string, string"),
        ("statement.kinds.exists(k, k == 1)", "`==` cannot be used with string, int"),
        ("now.hours <", "this is no condition in CEL (at character 12): mismatched input '<EOF>'"),
        ("", "this is no condition in CEL"),
        ("now.hours", "a condition is true or false, and this is of type int"),
        ("dyn(true)", "a condition has no `dyn`"),
        ("{'a': 1, 'b': 'x'}.a", "a condition is true or false, and this is of type dyn"),
        ("application + application == 'x'", "`+` cannot be used with string, string"),
        ("[1] + [2] == [1, 2]", "`+` cannot be used with list(int), list(int)"),
        ("b'a' + b'b' == b'ab'", "`+` cannot be used with bytes, bytes"),
        ("[1].map(x, x) == [1]", "a condition has no `x`"),
        ("[[[[1].all(a, true)].all(b, b)].exists(c, c)].filter(d, d) == []", "at most 3 loops"),
        ("(" * 60 + "true" + ")" * 60, "the condition is nested too deeply"),
        ("true || " * 63 + "true", f"a condition has at most {LONGEST} characters"),
    ],
)
def test_what_is_wrong_is_said_when_the_policy_is_loaded(condition: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        Condition.parse(condition)
    assert expected in str(caught.value)


@pytest.mark.parametrize("condition", NO_ANSWER)
def test_without_an_answer_an_allow_rule_does_not_match_and_the_others_do(condition: str) -> None:
    """INV-2"""
    wide = replace(WRITE, accesses=tuple(access(f"write public.t{number}") for number in range(3)))
    assert holds(condition, wide) is None

    if not Condition.parse(condition).declared:  # which an allow rule may not have
        assert evaluate(conditional(condition, "allow"), VERSION, [wide], AROUND)[0].outcome is Outcome.deny
    assert evaluate(conditional(condition, "deny", ALL), VERSION, [wide], AROUND)[0].rules == ("c",)
    review = evaluate(conditional(condition, "{review: {from: [dba]}}", ALL), VERSION, [wide], AROUND)[0]
    assert (review.outcome, review.rules) == (Outcome.review, ("c",))


def test_a_review_that_matches_for_want_of_an_answer_lets_nothing_through() -> None:
    rules = conditional("connection.labels.nope == 'x'", "{review: {from: [dba]}}")

    assert decide(rules, WRITE, AROUND).outcome is Outcome.deny
    assert decide(conditional("true", "{review: {from: [dba]}}"), WRITE, AROUND).outcome is Outcome.review


def test_a_review_by_the_client_s_word_lets_nothing_through() -> None:
    rules = conditional("application == 'psql'", "{review: {from: [dba]}}")

    assert decide(rules, WRITE, AROUND).outcome is Outcome.deny
    assert (
        decide(conditional("application == 'psql'", "{review: {from: [dba]}}", ALL), WRITE, AROUND).outcome == "review"
    )


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("principal.email == 'x'", replace(AROUND, principal=person(email=None))),
        ("now.hours == 99", replace(AROUND, now=None)),
        ("application == 'x'", replace(AROUND, application="x" * (MOST_CHARACTERS + 1))),
        ("application == 'x'", replace(AROUND, application="\ud800")),
        ("principal.groups == ['x']", replace(AROUND, principal=person(*(f"g{n}" for n in range(MOST_ITEMS + 1))))),
        (
            "connection.labels == {'a': 'b'}",
            replace(AROUND, connection=Connection("c", "h", 1, "d", {"a": "x" * 2000})),
        ),
    ],
)
def test_what_is_not_known_of_who_asks_is_not_made_up(name: str, around: Circumstances) -> None:
    assert holds(name, around=around) is None


@pytest.mark.parametrize(
    "facts",
    [
        statement(access("read ordrs", ObjectKind.unknown, known=False)),
        statement(effects=[Effect.opaque], kind="do"),
        statement(effects=[Effect.maintenance], kind="vacuum"),
        statement(*(f"read public.t{number}" for number in range(MOST_ITEMS + 1))),
    ],
)
def test_objects_that_are_not_known_in_full_are_not_given(facts: Facts) -> None:
    """Else `all objects are of billing` would be true of what nobody can name."""
    assert holds("statement.objects.all(o, o.startsWith('billing.'))", facts) is None
    assert holds("statement.kind == 'x'", facts) is False


@pytest.mark.parametrize(
    "facts",
    [
        statement(effects=[Effect.opaque], kind="do"),
        statement(functions=(FunctionUse(None, "f", None, False),)),
        statement(functions=(FunctionUse(None, "cast of app.t", None, False),)),
        statement(access("opaque app.t", ObjectKind.type)),
        statement(access("opaque p", ObjectKind.function, known=False)),
    ],
)
def test_functions_that_are_not_known_in_full_are_not_given(facts: Facts) -> None:
    assert holds("statement.functions.all(f, f.startsWith('app.'))", facts) is None


def test_functions_are_given_by_name() -> None:
    use = FunctionUse("app", "f", None, False)
    facts = statement(ObjectAccess(Effect.opaque, ObjectKind.function, "app", "f"), functions=(use,))

    assert holds("statement.functions == ['app.f']", facts) is True


@pytest.mark.parametrize(
    ("zone", "hours", "date"),
    [("UTC", 23, "2026-06-30"), ("Europe/Berlin", 1, "2026-07-01"), ("Asia/Kolkata", 5, None)],
)
def test_the_time_is_that_of_the_policy_s_zone(zone: str, hours: int, date: str | None) -> None:
    late = replace(AROUND, now=datetime(2026, 6, 30, 23, 40, tzinfo=UTC))
    more = f" && now.date == '{date}'" if date else " && now.minutes == 10"

    assert decide(conditional(f"now.hours == {hours}{more}", zone=zone), WRITE, late).rules == ("c",)


def test_a_policy_knows_whether_it_hangs_on_the_time() -> None:
    assert conditional("now.hours < 7").timed
    assert conditional("[1].exists(x, x == now.weekday)").timed
    assert not conditional("statement.kind == 'now.hours'").timed
    assert not conditional("[1].exists(now, now == 1)").timed
    assert not load("version: 1\ntimezone: UTC\n", "p").timed


def test_it_decides_on_opening_a_session() -> None:
    rules = conditional("now.hours < 7", "{connect: deny}", "{name: all, then: {connect: allow}}")

    assert connect_decision(rules, VERSION, AROUND).outcome is Outcome.allow
    assert connect_decision(rules, VERSION, replace(AROUND, now=NOON.replace(hour=3))).outcome is Outcome.deny
    assert connect_decision(rules, VERSION, replace(AROUND, now=None)).outcome is Outcome.deny
    allowing = conditional("now.hours < 7", "{connect: allow}")
    assert connect_decision(allowing, VERSION, AROUND).outcome is Outcome.deny
    assert connect_decision(allowing, VERSION, replace(AROUND, now=None)).outcome is Outcome.deny


def test_limits_hold_where_there_is_no_answer() -> None:
    rules = policy(ALL, "{name: l, match: {if: 'connection.labels.nope == \"x\"'}, then: allow, limits: {rows: 5}}")

    assert decide(rules, WRITE, AROUND).limits.rows == 5


EXPENSIVE = [
    "statement.objects.all(a, statement.objects.exists(b, a == b) || statement.objects.exists(c, a == c))",
    f"[[application{', application' * 9}]].all(a, [[a{', a' * 35}]].all(b, [[b{', b' * 35}]].all(c, c == c)))",
    "statement.objects.all(a, a.matches('(a*)*(b*)*(c*)*$'))",
]


@pytest.mark.parametrize("condition", EXPENSIVE)
def test_no_condition_runs_away(condition: str) -> None:
    """INV-9"""
    facts = statement(*(f"read public.{'t' * 50}{number}" for number in range(MOST_ITEMS)))
    began = perf_counter()
    holds(condition, facts)
    assert perf_counter() - began < 1


def test_the_conditions_of_a_policy_are_bounded() -> None:
    """INV-9"""
    rules = "".join(f"  - {{name: r{n}, match: {{if: 'true'}}, then: deny}}\n" for n in range(MOST_CONDITIONS + 1))

    assert "more than 100 rules have an `if`" in problems(f"version: 1\nrules:\n{rules}")[0]
