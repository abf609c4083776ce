"""Of several masks the strongest holds, in whatever order they come (DESIGN.md section 8)."""

from __future__ import annotations

import itertools

from hoopd.domain.decision import Outcome
from hoopd.domain.mask import ColumnMask, MaskKind, MaskRule, strongest
from hoopd.domain.patterns import NamePattern

ORDER = [
    ColumnMask(MaskKind.null),
    ColumnMask(MaskKind.full),
    ColumnMask(MaskKind.replacement, text="x"),
    ColumnMask(MaskKind.hash),
    ColumnMask(MaskKind.email),
    ColumnMask(MaskKind.last, keep=2),
    ColumnMask(MaskKind.first, keep=4),
]


def test_the_strongest_of_any_two() -> None:
    for first, second in itertools.combinations(ORDER, 2):
        assert strongest([first, second]) == strongest([second, first]) == first


def test_of_none_there_is_none() -> None:
    assert strongest([]) is None


def test_a_rule_covers_by_any_of_its_patterns() -> None:
    rule = MaskRule("m", (NamePattern.parse("a.b.c"), NamePattern.parse("*.*.ssn")), ORDER[0])

    assert [rule.covers(*names.split(".")) for names in ("a.b.c", "x.y.ssn", "a.b.d")] == [True, True, False]
    assert rule.predicates is Outcome.review
