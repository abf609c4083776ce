"""What is allowed in a policy file and is hardly meant: rules that never have a say, and rules that contradict others.

Advice, not errors: such a file loads. Only what is certain is said, so that silence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hoopd.domain.decision import Outcome
from hoopd.policy.model import Labels, Match, People, Policy, Rule
from hoopd.policy.problems import Path

Advice = tuple[Path, str]


def advice(policy: Policy) -> Iterator[Advice]:
    """Each with the path of the rule or mask that it is about."""
    connecting = [rule for rule in policy.rules if rule.connects and rule.outcome is not Outcome.deny]
    if policy.default is Outcome.deny and not connecting:
        yield (
            ("rules",),
            "no rule lets anybody connect, and the default is `deny`: add one with `then: {connect: allow}`",
        )
    statements = [(number, rule) for number, rule in enumerate(policy.rules) if not rule.connects]
    for number, rule in statements:
        yield from _unreachable(number, rule, [other for _, other in statements if other is not rule])
    if policy.default is Outcome.allow and not any(rule.outcome is not Outcome.allow for _, rule in statements):
        yield ("default",), "the default is `allow` and no rule reviews or denies: every statement runs"
    yield from _masks(policy)


def _unreachable(number: int, rule: Rule, others: list[Rule]) -> Iterator[Advice]:
    path: Path = ("rules", number)
    if rule.outcome is Outcome.deny:
        return
    for other in others:
        if other.outcome is Outcome.deny and _contains(other.match, rule.match):
            yield path, f"`{rule.name}` never has a say: `{other.name}` denies all that it fits"
            return
    for other in others:
        if rule.outcome is Outcome.allow and other.outcome is Outcome.review and _contains(other.match, rule.match):
            yield path, f"`{rule.name}` allows nothing: `{other.name}` sends all that it fits to review"
            return


def _masks(policy: Policy) -> Iterator[Advice]:
    seen: dict[str, int] = {}
    for number, mask in enumerate(policy.masks):
        for pattern in mask.columns:
            first = seen.setdefault(pattern.text, number)
            if first != number:
                text = f"`{pattern.text}` has a mask already, number {first + 1}: the strongest of the two holds"
                yield ("masks", number), text


def _contains(wide: Match, narrow: Match) -> bool:
    """Whether every statement that ``narrow`` fits is surely one that ``wide`` fits.

    ``columns`` are never sure: a read of none of them (``count(*)``) is covered by an allow rule and fits no other.
    """
    return wide.columns is None and all(
        _wider(getattr(wide, name), getattr(narrow, name)) for name in type(wide).model_fields
    )


def _wider(wide: Any, narrow: Any) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return False
    if isinstance(wide, People) and isinstance(narrow, People):
        return set(narrow.users or ()) <= set(wide.users or ()) and set(narrow.groups or ()) <= set(wide.groups or ())
    if isinstance(wide, Labels) and isinstance(narrow, Labels):
        return wide.labels.items() <= narrow.labels.items()
    if isinstance(wide, tuple) and isinstance(narrow, tuple):
        return all(any(_covers(one, entry) for one in wide) for entry in narrow)
    return bool(wide == narrow)


def _covers(wide: Any, narrow: Any) -> bool:
    return wide == narrow or bool(getattr(wide, "everything", False))
