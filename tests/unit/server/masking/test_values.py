"""A masked value is valid for its type in either format, or NULL, and shows no more than its mask says (INV-4)."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from hoopd.domain.mask import ColumnMask, MaskKind, strongest
from hoopd.masking import MaskContext, mask_value
from hoopd.masking.values import TEXT_TYPES

TEXT, VARCHAR, BPCHAR, NAME = 25, 1043, 1042, 19
CONTEXT = MaskContext(b"a key")
MASKS = [
    ColumnMask(MaskKind.null),
    ColumnMask(MaskKind.full),
    ColumnMask(MaskKind.replacement, text="[hidden, ünd länger als das Original]"),
    ColumnMask(MaskKind.hash),
    ColumnMask(MaskKind.email),
    ColumnMask(MaskKind.first, keep=4),
    ColumnMask(MaskKind.last, keep=4),
]
LAST, FIRST, EMAIL = ColumnMask(MaskKind.last, keep=4), ColumnMask(MaskKind.first, keep=4), ColumnMask(MaskKind.email)


def masked(mask: ColumnMask, value: str, oid: int = TEXT, typmod: int | None = None) -> str | None:
    found = mask_value(mask, oid, False, value.encode(), CONTEXT, typmod)
    assert found == mask_value(mask, oid, True, value.encode(), CONTEXT, typmod)
    return None if found is None else found.decode()


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        (LAST, "4000001234567899", "****7899"),
        (LAST, "12345678", "****5678"),
        (LAST, "1234567", "****567"),
        (LAST, "1234", "****34"),
        (LAST, "1", "****"),
        (LAST, "", "****"),
        (FIRST, "4000001234567899", "4000****"),
        (FIRST, "ab", "a****"),
        (ColumnMask(MaskKind.last, keep=2), "+1 200 555 0142", "****42"),
        (EMAIL, "adra.alderwick.1@example.com", "a****@example.com"),
        (EMAIL, "a@example.com", "****@example.com"),
        (EMAIL, "no address", "****"),
        (EMAIL, "@example.com", "****"),
        (EMAIL, "a@", "****"),
        (EMAIL, "secret@more@example.com", "****"),
        (EMAIL, "a secret: bob@example.com", "****"),
        (ColumnMask(MaskKind.full), "anything", "****"),
        (ColumnMask(MaskKind.replacement, text="[hidden]"), "x", "[hidden]"),
        (ColumnMask(MaskKind.null), "x", None),
    ],
)
def test_what_a_mask_shows(mask: ColumnMask, value: str, expected: str | None) -> None:
    assert masked(mask, value) == expected


def test_a_null_stays_one() -> None:
    assert {mask_value(mask, TEXT, binary, None, CONTEXT) for mask in MASKS for binary in (False, True)} == {None}


class TestHash:
    MASK = ColumnMask(MaskKind.hash)

    def test_equal_values_have_equal_hashes(self) -> None:
        first = masked(self.MASK, "4000001234567899")

        assert first == masked(self.MASK, "4000001234567899", VARCHAR, -1)
        assert first != masked(self.MASK, "4000001234567898")
        assert first is not None
        assert len(first) == len("hash:") + 32

    def test_it_cannot_be_looked_up_without_the_key(self) -> None:
        other = mask_value(self.MASK, TEXT, False, b"4000001234567899", MaskContext(b"another key"))

        assert other != masked(self.MASK, "4000001234567899", TEXT)

    def test_the_key_is_not_shown(self) -> None:
        assert "a key" not in repr(CONTEXT)


@given(st.sampled_from(MASKS), st.text(max_size=80), st.sampled_from(sorted(TEXT_TYPES)))
def test_it_never_shows_more_than_half(mask: ColumnMask, value: str, oid: int) -> None:
    found = masked(mask, value, oid)

    if mask.kind in (MaskKind.first, MaskKind.last):
        assert found is not None
        bare = value.rstrip(" ") if oid == BPCHAR else value
        shown = found.rstrip(" ") if oid == BPCHAR else found
        # Stars stand on one side; what is left is shown, and is from that end of the value.
        end = shown.lstrip("*") if mask.kind is MaskKind.last else shown.rstrip("*")
        assert len(end) <= min(4, len(bare) // 2)
        assert bare.endswith(end) if mask.kind is MaskKind.last else bare.startswith(end)


@given(st.sampled_from(MASKS), st.text(max_size=80))
def test_a_value_with_a_limit_does_not_outgrow_it(mask: ColumnMask, value: str) -> None:
    for oid in (VARCHAR, BPCHAR, NAME):
        found = masked(mask, value, oid)
        assert found is None or len(found) <= len(value)
    wide = masked(mask, value[:10], VARCHAR, 4 + 10)
    assert wide is None or len(wide) <= 10
    name = masked(mask, value, NAME)
    assert name is None or len(name.encode()) <= 63


@given(st.sampled_from(MASKS), st.binary(max_size=60), st.integers(0, 20_000), st.booleans())
def test_no_bytes_make_it_raise(mask: ColumnMask, data: bytes, oid: int, binary: bool) -> None:
    found = mask_value(mask, oid, binary, data, CONTEXT)

    assert found is None or oid in TEXT_TYPES


@pytest.mark.parametrize("mask", MASKS[1:])
def test_what_is_not_utf_8_is_masked_whole(mask: ColumnMask) -> None:
    assert mask_value(mask, TEXT, True, b"secret\xff9999", CONTEXT) == b"****"


def test_a_padded_value_keeps_its_width_and_its_padding_is_no_content() -> None:
    assert masked(LAST, "12345678        ", BPCHAR) == "****5678        "
    assert masked(ColumnMask(MaskKind.hash), "x" + " " * 50, BPCHAR) == (
        masked(ColumnMask(MaskKind.hash), "x") or ""
    ).ljust(51)


def test_the_length_of_a_value_is_hidden() -> None:
    for mask in (LAST, FIRST, ColumnMask(MaskKind.full), ColumnMask(MaskKind.hash)):
        lengths = {len(masked(mask, "x" * length) or "") for length in range(8, 200)}
        assert len(lengths) == 1


def test_the_strongest_of_several_holds() -> None:
    order = [*MASKS[:5], ColumnMask(MaskKind.last, keep=2), LAST]

    for place, mask in enumerate(order):
        assert strongest(order[place:][::-1]) == mask
    assert strongest([FIRST, LAST]) == strongest([LAST, FIRST])
    assert strongest([]) is None


@pytest.fixture(scope="module")
def connection(postgres_server: object) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as opened:  # type: ignore[attr-defined]
        yield opened


def test_every_type_of_the_server_gives_a_valid_value_or_null(connection: psycopg.Connection) -> None:
    """INV-4, THREATS 17: over pg_type itself, arrays, ranges, composites and pseudo types included."""
    types = connection.execute("SELECT oid::int, typname, typtype FROM pg_type").fetchall()
    assert len(types) > 500

    for oid, name, kind in types:
        for mask in MASKS:
            for binary in (False, True):
                found = mask_value(mask, oid, binary, b"4000001234567899", CONTEXT)
                if found is None:
                    continue
                assert (name, kind) in {
                    *((n, "b") for n in ("text", "varchar", "bpchar", "name")),
                    *(("unknown", "p"), ("cstring", "p")),
                }


@pytest.mark.parametrize("type_name", ["text", "varchar", "varchar(16)", "char(20)", "name"])
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: mask.kind)
@pytest.mark.parametrize("binary", [False, True])
def test_the_server_and_its_driver_read_a_masked_value_back(
    connection: psycopg.Connection, type_name: str, mask: ColumnMask, binary: bool
) -> None:
    query = sql.SQL("SELECT %s::text::{}").format(sql.SQL(type_name))
    cursor = connection.cursor(binary=binary)
    cursor.execute(query, ["4000001234567899"])
    result = cursor.pgresult
    assert result is not None
    oid = result.ftype(0)
    value = mask_value(mask, oid, binary, result.get_value(0, 0), CONTEXT, result.fmod(0))
    if mask.kind is MaskKind.null:
        assert value is None
        return

    # As the client decodes it, and as the server takes it back under the same type.
    loaded = psycopg.adapt.Transformer(cursor).get_loader(oid, result.fformat(0)).load(value or b"")
    assert loaded == (value or b"").decode()
    format_code = psycopg.pq.Format.BINARY if binary else psycopg.pq.Format.TEXT
    echoed = connection.pgconn.exec_params(
        f"SELECT $1::{type_name}".encode(), [value], [oid], [format_code], format_code
    )
    assert echoed.status == psycopg.pq.ExecStatus.TUPLES_OK
    assert echoed.get_value(0, 0) == value
