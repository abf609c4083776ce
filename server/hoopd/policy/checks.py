"""What must hold between the places of one policy file, beyond the form of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hoopd.domain.decision import Outcome
from hoopd.policy.model import Bounds, Labels, Mask, Match, Policy, Review, Rule, nearest
from hoopd.policy.problems import Path
from hoopd.sql.facts import Effect

Finding = tuple[Path, str]

_TAKEN = ("built-in", "default", "mask")
_ONLY_STATEMENTS = ("effects", "kinds", "objects", "columns", "functions", "predicate", "client", "application")
_DECLARED = ("client", "application")
_ANYBODY = "is the client's own word, which anybody can choose: a rule may deny or review by it, and allow nothing"
MOST_CONDITIONS = 100


def findings(policy: Policy, connections: Collection[str] | None = None) -> Iterator[Finding]:
    """Every contradiction, with the path of the value it is about. ``connections``: the names that exist, if known."""
    seen: dict[str, int] = {}
    for number, rule in enumerate(policy.rules):
        path: Path = ("rules", number)
        yield from _name(rule, path, seen.setdefault(rule.name, number) != number)
        yield from _rule(rule, path, policy.reviewers)
        yield from _condition(rule, (*path, "match", "if"), policy.timezone)
        yield from _connections(rule.match, (*path, "match", "connections"), connections)
    for number, mask in enumerate(policy.masks):
        yield from _mask(mask, ("masks", number), policy.reviewers)
        yield from _connections(mask, ("masks", number, "connections"), connections)
    if sum(rule.match.condition is not None for rule in policy.rules) > MOST_CONDITIONS:
        yield ("rules",), f"more than {MOST_CONDITIONS} rules have an `if`, which every statement would wait for"
    yield from _limits(policy.limits, ("limits",))
    if policy.reviewers is not None:
        yield from _review(policy.reviewers, ("reviewers",))
    if policy.default is Outcome.review and policy.reviewers is None:
        yield ("default",), "`default: review` needs `reviewers` at the top of the file: who is asked"


def _name(rule: Rule, path: Path, again: bool) -> Iterator[Finding]:
    if again:
        yield (*path, "name"), f"another rule is called `{rule.name}`: names tell rules apart in decisions"
    if rule.name.split(":")[0].strip().lower() in _TAKEN:
        yield (*path, "name"), f"`{rule.name}` begins like a name of the gateway's own: choose another"


def _rule(rule: Rule, path: Path, reviewers: Review | None) -> Iterator[Finding]:
    yield from _selectors(rule, (*path, "match"))
    if rule.review is not None:
        yield from _review(rule.review, (*path, "then", *(["connect"] if rule.connects else []), "review"))
    elif rule.outcome is Outcome.review and reviewers is None:
        yield (*path, "then"), "a bare `review` needs `reviewers` at the top of the file, or terms of its own here"
    if rule.limits is not None and (rule.connects or rule.outcome is Outcome.deny):
        yield (*path, "limits"), "`limits` bound statements that run, and by this rule none does: take them out"
    yield from _limits(rule.limits, (*path, "limits"))


def _selectors(rule: Rule, path: Path) -> Iterator[Finding]:
    match = rule.match
    for field in sorted(match.model_fields_set):
        if getattr(match, field) is None:
            word = Match.model_fields[field].alias or field
            yield (*path, word), f"`{word}` is empty, and would fit everything: leave it out, or give it a value"
    if rule.connects:
        for selector in _ONLY_STATEMENTS:
            if getattr(match, selector) is not None:
                text = f"`{selector}` is of statements, and `connect` speaks of opening a session"
                yield (*path, selector), f"{text}: take one of them out"
    elif rule.outcome is Outcome.allow:
        for selector in _DECLARED:
            if getattr(match, selector) is not None:
                yield (*path, selector), f"`{selector}` {_ANYBODY}"
        yield from _covers_nothing(match, path)
    people = match.principals
    if people is not None and people.users is None and people.groups is None:
        yield (*path, "principals"), "`principals` is empty: name `users` or `groups`, or leave it out"


def _condition(rule: Rule, path: Path, timezone: str | None) -> Iterator[Finding]:
    condition = rule.match.condition
    if condition is None:
        return
    if condition.timed and timezone is None:
        yield path, "`now` needs `timezone` at the top of the file, such as `timezone: Europe/Berlin`"
    if rule.connects and (condition.declared or condition.of_statement):
        word = "application" if condition.declared else "statement"
        yield path, f"`{word}` is not known yet when a session is opened, of which `connect` speaks: take it out"
    elif rule.outcome is Outcome.allow and condition.declared:
        yield path, f"`application` {_ANYBODY}"


def _covers_nothing(match: Match, path: Path) -> Iterator[Finding]:
    """Selectors of an allow rule that no access could fit together, or that none could fit surely."""
    if match.functions is not None:
        if match.columns is not None:
            text = "an allow of calls (`functions`) and an allow of reads (`columns`) are two rules: no access is both"
            yield (*path, "functions"), text
        if match.effects is not None and Effect.opaque not in match.effects:
            text = "`functions` of an allow rule covers calls, whose effect is `opaque`: add it, or leave `effects` out"
            yield (*path, "functions"), text
        for number, pattern in enumerate(match.functions):
            if len(pattern.parts) == 1:
                text = f"`{pattern.text}` names no schema, and a rule allows none but functions that it surely names"
                yield (*path, "functions", number), f"{text}: write schema.name"
    if match.columns is not None and match.effects is not None and Effect.read not in match.effects:
        text = "`columns` of an allow rule covers reads only: add `read` to `effects`, or name tables by `objects`"
        yield (*path, "columns"), text


def _limits(limits: Bounds | None, path: Path) -> Iterator[Finding]:
    if limits is not None and not limits.limits:
        yield path, "`limits` is empty: name `rows`, `bytes`, `changed_rows` or `statement_timeout`, or leave it out"


def _review(review: Review, path: Path) -> Iterator[Finding]:
    if (review.groups is None) == (review.all is None):
        yield path, "a review needs either `from` with groups, or `all` with several entries of `from`"
    if review.all is not None and review.approvals is not None:
        yield (*path, "approvals"), "`approvals` belongs inside the entries of `all`"
    if review.hold > review.expires:
        yield (*path, "hold"), "`hold` is longer than `expires`: a statement cannot be held past the end of its request"


def _mask(mask: Mask, path: Path, reviewers: Review | None) -> Iterator[Finding]:
    if mask.predicates is Outcome.review and reviewers is None:
        column = mask.title.removeprefix("mask: ")
        missing = "add `reviewers` at the top of the file, or `predicates: deny` here"
        yield path, f"`{column}` in a predicate needs a review, and nobody is named for it: {missing}"
    if mask.excepted is not None and mask.excepted.users is None and mask.excepted.groups is None:
        yield (*path, "except"), "`except` is empty: name `users` or `groups`, or leave it out"


def _connections(where: Match | Mask, path: Path, known: Collection[str] | None) -> Iterator[Finding]:
    if known is None or where.connections is None or isinstance(where.connections, Labels):
        return
    for number, name in enumerate(where.connections):
        if name not in known:
            meant = nearest(name, tuple(known))
            yield (*path, number), f"no connection is called `{name}`" + (f"; did you mean `{meant}`?" if meant else "")
