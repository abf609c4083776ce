"""Masked values on their way back are known by their shapes (THREATS 19)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.domain.mask import ColumnMask, MaskKind
from hoopd.masking import MaskContext, mask_value
from hoopd.masking.placeholders import has_masked_literal, looks_masked, refusal

SHAPES = [
    ColumnMask(MaskKind.full),
    ColumnMask(MaskKind.hash),
    ColumnMask(MaskKind.email),
    ColumnMask(MaskKind.first, keep=4),
    ColumnMask(MaskKind.last, keep=4),
]


@given(st.sampled_from(SHAPES), st.text("abc123@. -", min_size=8, max_size=40))
def test_what_masks_make_is_known_again(mask: ColumnMask, value: str) -> None:
    made = mask_value(mask, 25, False, value.encode(), MaskContext(b"k"))

    assert made is not None
    assert looks_masked(made.decode())
    assert has_masked_literal(f"UPDATE t SET c = '{made.decode()}'")


@pytest.mark.parametrize(
    "value", [None, "", "plain", "4000001234567899", "a@example.com", "**bold** text", "2 * 3", "***"]
)
def test_other_values_are_not(value: str | None) -> None:
    assert not looks_masked(value)
    assert not has_masked_literal(f"UPDATE t SET c = '{value}'")


def test_a_refusal_is_one_sentence() -> None:
    assert refusal("UPDATE t SET c = $1", ["x", "****1111"]) is not None
    assert refusal("UPDATE t SET c = '****1111'", []) is not None
    assert refusal("UPDATE t SET c = $1 /* **** */", ["x", None]) is None
