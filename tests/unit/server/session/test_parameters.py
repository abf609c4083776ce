"""Parameters as people see them, and the digest that an approval is for."""

from __future__ import annotations

import pytest

from hoopd.domain.statement import Param
from hoopd.pgwire.frontend import Bind
from hoopd.session.parameters import digest_of, params_of, type_name


def test_text_and_binary_are_shown_alike() -> None:
    text = Bind("", "", (), (b"7", None), ())
    binary = Bind("", "", (1,), (b"\0\0\0\x07", None), ())
    assert params_of(text, (23, 25)) == params_of(binary, (23, 25)) == (Param("integer", "7"), Param("text", None))


def test_a_type_that_is_not_known_is_named_by_its_number() -> None:
    assert (type_name(25), type_name(99999)) == ("text", "oid 99999")


@pytest.mark.parametrize(
    "other",
    [
        (Bind("", "", (), (b"8",), ()), (23,)),
        (Bind("", "", (1,), (b"7",), ()), (23,)),
        (Bind("", "", (), (None,), ()), (23,)),
        (Bind("", "", (), (b"7",), ()), (20,)),
        (Bind("", "", (), (b"7", b""), ()), (23, 23)),
    ],
)
def test_the_digest_differs_with_value_format_type_and_number(other: tuple[Bind, tuple[int, ...]]) -> None:
    """INV-5"""
    assert digest_of(*other) != digest_of(Bind("", "", (), (b"7",), ()), (23,))


def test_the_digest_does_not_depend_on_portal_and_statement_names() -> None:
    assert digest_of(Bind("p", "s", (), (b"7",), ()), (23,)) == digest_of(Bind("", "", (), (b"7",), ()), (23,))
