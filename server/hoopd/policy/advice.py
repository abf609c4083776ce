"""What is allowed in a policy file and is hardly meant: rules that never have a say, and rules that contradict others.

Advice, not errors: such a file loads. Only what is certain is said, so that silence proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hoopd.domain.decision import Outcome
from hoopd.domain.patterns import NamePattern
from hoopd.policy.model import Labels, Match, People, Policy, Rule
from hoopd.policy.problems import Path
from hoopd.policy.values import kind_matches
from hoopd.sql.facts import Predicate

MOST_STEPS = 20_000
MOST_PATTERNS = 20
"""Pairs of rules, and entries of one selector, that are compared one by one (INV-9). Past them advice is short."""

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
    yield from _unreachable(list(enumerate(policy.rules)))
    yield from _impossible(statements)
    if policy.default is Outcome.allow and not any(rule.outcome is not Outcome.allow for _, rule in statements):
        yield ("default",), "the default is `allow` and no rule reviews or denies: every statement runs"
    yield from _masks(policy)


def _unreachable(rules: list[tuple[int, Rule]]) -> Iterator[Advice]:
    kept = [(number, rule, _sets(rule.match)) for number, rule in rules]
    steps = 0
    for number, rule, narrow in kept:
        for _, other, wide in kept:
            steps += 1
            if steps > MOST_STEPS:
                return
            stricter = other.outcome.strictness > rule.outcome.strictness and other.connects is rule.connects
            if stricter and _contains(wide, narrow):
                says = _DENIED if other.outcome is Outcome.deny else _HELD
                yield ("rules", number), says.format(rule.name, other.name)
                break


_DENIED = "`{}` never has a say: `{}` denies all that it fits"
_HELD = "`{}` allows nothing: `{}` sends all that it fits to review"


def _impossible(rules: list[tuple[int, Rule]]) -> Iterator[Advice]:
    """Selectors that nothing can fit together."""
    for number, rule in rules:
        kinds = rule.match.kinds
        if rule.match.predicate is None or kinds is None:
            continue
        if not any(kind_matches(entry, kind) for entry in kinds for kind in _WITH_PREDICATE):
            path: Path = ("rules", number, "match", "predicate")
            yield path, f"`{rule.name}` fits nothing: only UPDATE, DELETE and MERGE have a `predicate`"


_WITH_PREDICATE = ("update", "delete", "merge")


def _masks(policy: Policy) -> Iterator[Advice]:
    seen: dict[str, int] = {}
    for number, mask in enumerate(policy.masks):
        for pattern in mask.columns:
            first = seen.setdefault(pattern.text, number)
            if first != number:
                text = f"`{pattern.text}` has a mask already, number {first + 1}: the strongest of the two holds"
                yield ("masks", number), text


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries of one selector, by what tells them apart. ``whole``: one of them fits everything."""

    whole: bool
    words: frozenset[str]
    patterns: tuple[NamePattern, ...] = ()


_Sets = Mapping[str, Any]


def _sets(match: Match) -> _Sets:
    """What each selector that is given holds, made once."""
    found: dict[str, Any] = {}
    for name in type(match).model_fields:
        value = getattr(match, name)
        if value is None:
            continue
        if isinstance(value, People):
            found[name] = (frozenset(value.users or ()), frozenset(value.groups or ()))
        elif isinstance(value, Labels):
            found[name] = frozenset(value.labels.items())
        elif isinstance(value, tuple | Predicate):
            found[name] = _entries(value if isinstance(value, tuple) else (value,))
        else:
            found[name] = value
    return found


def _entries(values: tuple[Any, ...]) -> _Entries:
    patterns = tuple(value for value in values if isinstance(value, NamePattern))
    words = frozenset(str(getattr(value, "text", value)) for value in values)
    return _Entries(any(pattern.everything for pattern in patterns), words, patterns)


def _contains(wide: _Sets, narrow: _Sets) -> bool:
    """Whether every statement that the one rule fits surely fits the other.

    ``columns`` are never sure: a read of none of them (``count(*)``) is covered by an allow rule and fits no other.
    """
    return "columns" not in wide and all(
        name in narrow and _wider(name, value, narrow[name]) for name, value in wide.items()
    )


def _wider(name: str, wide: Any, narrow: Any) -> bool:
    if isinstance(wide, _Entries) and isinstance(narrow, _Entries):
        if wide.whole or narrow.words <= wide.words:
            return True
        few = max(len(wide.words), len(narrow.words)) <= MOST_PATTERNS
        return few and name in ("kinds", "objects") and all(_inside(name, word, wide) for word in _all(name, narrow))
    if isinstance(wide, tuple) and isinstance(narrow, tuple):
        return all(one >= other for one, other in zip(wide, narrow, strict=True))
    if isinstance(wide, frozenset) and isinstance(narrow, frozenset) and name == "connections":
        return wide <= narrow
    return bool(wide == narrow)


def _all(name: str, entries: _Entries) -> tuple[Any, ...]:
    return tuple(entries.words) if name == "kinds" else entries.patterns


def _inside(name: str, narrow: Any, wide: _Entries) -> bool:
    """Whether an entry without stars is among what another's entries fit."""
    if name == "kinds":
        return any(kind_matches(one, narrow) for one in wide.words)
    if narrow.text in wide.words:
        return True
    return narrow.names is not None and any(pattern.matches(*narrow.names) for pattern in wide.patterns)
