"""Fields of errors and notices."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.pgwire.errors import MAX_FIELDS, ErrorFields, WireError, parse_error

WHOLE = ErrorFields(
    "ERROR", "23505", "duplicate key", "Key (id)=(1) already exists.", "Use another.",
    {"s": "public", "t": "people", "c": "id", "d": "int4", "n": "people_pkey", "W": "PL/pgSQL function f()",
     "q": "select 4111", "p": "3", "P": "7", "F": "nbtinsert.c", "L": "1", "R": "_bt_check_unique"},
)  # fmt: skip


def test_what_is_encoded_is_read() -> None:
    assert parse_error(WHOLE.encode()) == WHOLE


def test_cut_anywhere_it_is_still_only_fields_or_a_wire_error() -> None:
    body = WHOLE.encode()
    for cut in range(len(body)):
        assert parse_error(body[:cut]).severity in ("ERROR", "ERRO", "ERR", "ER", "E", "")


@given(st.binary(max_size=200))
def test_nothing_but_a_wire_error(body: bytes) -> None:
    with suppress(WireError):
        assert parse_error(body).encode().endswith(b"\0\0")


def test_the_severity_that_is_not_translated_counts() -> None:
    assert parse_error(b"SFEHLER\0VERROR\0C22012\0MDivision\0\0").severity == "ERROR"
    assert parse_error(b"SFEHLER\0C22012\0MDivision\0\0").severity == "FEHLER"
    assert parse_error(b"").sqlstate == "XX000"


def test_too_many_fields() -> None:
    """INV-9"""
    with pytest.raises(WireError, match="too many fields"):
        parse_error(b"".join(bytes([kind]) + b"x\0" for kind in range(1, MAX_FIELDS + 3)))


def test_a_nul_in_a_text_cannot_make_a_field() -> None:
    fields = parse_error(ErrorFields("ERROR", "42501", "no\0Dforged").encode())
    assert (fields.message, fields.detail) == ("noDforged", None)


def test_without_values_nothing_is_left_that_can_quote_data() -> None:
    """INV-4, THREATS 15: names of objects and the position stay."""
    bare = WHOLE.without_values(message="withheld")
    assert bare.detail is None
    assert bare.hint is None
    assert set(bare.rest) == set("stcdnPFLR")
    assert bare.message == "withheld"
    assert bare.sqlstate == "23505"
    assert WHOLE.without_values().message == WHOLE.message
