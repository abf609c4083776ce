"""Patterns match names as PostgreSQL folds them, part by part, and cheaply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.patterns import NamePattern


@pytest.mark.parametrize(
    ("text", "names", "fits"),
    [
        ("public.orders", ("public", "orders"), True),
        ("public.orders", ("public", "orders2"), False),
        ("public.orders", ("public", "orders\n"), False),
        ("Public.ORDERS", ("public", "orders"), True),
        ("public.orders", ("public", "Orders"), False),
        ('public."Orders"', ("public", "Orders"), True),
        ('public."Orders"', ("public", "orders"), False),
        ('"a.b".c', ("a.b", "c"), True),
        ('"a""b".c', ('a"b', "c"), True),
        ("public.*", ("public", "anything at all"), True),
        ("public.*", ("public", ""), True),
        ("public.*", ("public",), False),
        ("public.*", ("public", "a", "b"), False),
        ("*.audit_*", ("x", "audit_log"), True),
        ("*.audit_*", ("x", "log_audit"), False),
        ('"*".x', ("a", "x"), False),
        ('"*".x', ("*", "x"), True),
        ("a.b?c", ("a", "bxc"), False),
        ("*", ("x",), True),
        ("*", ("a", "b"), False),
    ],
)
def test_matches(text: str, names: tuple[str, ...], fits: bool) -> None:
    assert NamePattern.parse(text).matches(*names) is fits


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", 'a"b', '"a"b', '"a', "a b", " a", "a ", "a*b*c*d*e", "a" * 201]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|blank|more than"):
        NamePattern.parse(text)


def test_everything_is_stars_alone() -> None:
    assert [NamePattern.parse(text).everything for text in ("*", "*.*", "*.a", "a*", '"*"')] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_part_can_be_tried_alone() -> None:
    pattern = NamePattern.parse("hr.sal*")

    assert (pattern.part_matches(0, "hr"), pattern.part_matches(-1, "salaries"), pattern.part_matches(-1, "x")) == (
        True,
        True,
        False,
    )


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_quoted_name_matches_itself_and_nothing_else(name: str, other: str) -> None:
    pattern = NamePattern.parse('"' + name.replace('"', '""') + '"')

    assert pattern.matches(name)
    assert pattern.matches(other) is (name == other)
