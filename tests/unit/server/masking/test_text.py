"""The record's text of a binary value is the server's own text of it, byte for byte."""

from __future__ import annotations

import struct

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from hoopd.masking import cells_as_text

SETTINGS = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c bytea_output=hex"

VALUES: dict[str, list[str]] = {
    "bool": ["true", "false"],
    "int2": ["0", "-32768", "32767"],
    "int4": ["0", "-2147483648", "2147483647"],
    "int8": ["0", "-9223372036854775808", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "xid": ["0", "4294967295"],
    "xid8": ["0", "18446744073709551615"],
    "float4": [
        "0", "-0", "1", "-1.5", "0.1", "123456", "999999", "1e6", "1234567", "0.0001", "0.00001", "3.4028235e38",
        "1e-45", "1.17549435e-38", "16777216", "33554432", "9.8607613e-32", "8388608.5",
        "NaN", "Infinity", "-Infinity", "1e10", "-3.4028235e38",
        "2.3509887e-38", "5.877472e-39", "4.7019774e-38", "1.1754944e-38",
    ],
    "float8": [
        "0", "-0", "1", "-1.5", "0.1", "1e14", "1e15", "123456789012345", "1234567890123456", "0.0001", "0.00001",
        "1e22", "2.613550677248385e+16", "5.5140053887034e+17",
        "1e23", "5e-324", "1.7976931348623157e308", "2.2250738585072014e-308", "9007199254740993",
        "NaN", "Infinity",
        "-Infinity", "1e100", "9.5367431640625e-07", "2.9802322387695312e-8", "4.4501477170144023e-308", "8.41e21",
        "9.2234e18", "2.0044e-300", "1.2345678901234567e-7",
    ],
    "numeric": [
        "0", "0.00", "1", "-1", "12345", "10000", "100000000", "0.0001", "0.00001", "0.000000001", "-0.5", "1.50",
        "12345678901234567890.123456789", "1e20", "1e-20", "NaN", "Infinity", "-Infinity", "99999.9999", "10000.0001",
    ],
    "text": ["", "plain", "ünï ✓", "a\tb\nc"],
    "varchar": ["x"],
    "bpchar(5)": ["ab"],
    "name": ["some_name"],
    '"char"': ["a", ""],
    "json": ['{"a": [1, null]}'],
    "jsonb": ['{"b": 1, "a": "ü"}', "null", '"x"'],
    "uuid": ["01234567-89ab-cdef-0123-456789abcdef"],
    "bytea": ["\\x", "\\x00ff41"],
    "date": [
        "2000-01-01", "1999-12-31", "2024-02-29", "1900-03-01", "0001-01-01", "0001-12-31 BC", "4713-01-01 BC",
        "infinity", "-infinity", "5874897-12-31", "12345-06-07", "0044-03-15 BC",
    ],
    "time": ["00:00:00", "23:59:59.999999", "24:00:00", "12:30:00.5"],
    "timetz": ["12:00:00+00", "12:00:00-03:30", "01:02:03.000004+05:45:10", "24:00:00+15:59"],
    "timestamp": [
        "2000-01-01 00:00:00", "1999-12-31 23:59:59.999999", "infinity", "-infinity", "4713-01-01 00:00:00 BC",
        "294276-12-31 23:59:59.999999", "2024-02-29 12:00:00.10", "0001-01-01 00:00:00",
    ],
    "timestamptz": [
        "2000-01-01 00:00:00+00", "2024-06-01 12:00:00+02", "infinity", "-infinity", "0044-03-15 12:00:00+00 BC",
    ],
    "interval": [
        "0", "1 day", "-1 day", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06.789",
        "1 mon -1 day", "-1 mon 1 day 1 hour", "00:00:00.000001", "-00:00:01", "100 hours", "2 years", "-13 mons",
        "178000000 years",
    ],
    "int4[]": ["{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[0:1]={5,6}", "[2:2][-1:0]={{1,2}}"],
    "text[]": ['{a,"b c",NULL,"NULL","",null,"x,y","q\\"r","back\\\\slash","{}","ü"}', "{{a,b},{c,d}}"],
    "numeric[]": ["{1.50,NaN}"],
    "uuid[]": ["{01234567-89ab-cdef-0123-456789abcdef}"],
    "timestamptz[]": ['{"2024-06-01 12:00:00+00",infinity}'],
    "jsonb[]": ['{"{\\"a\\": 1}"}'],
    "bool[]": ["{t,f,NULL}"],
    "bytea[]": ['{"\\\\x00ff"}'],
}  # fmt: skip


def both(connection: psycopg.Connection, type_name: str, literals: list[str]) -> list[tuple[int, str, bytes]]:
    """Type, the server's text and the server's binary of each literal."""
    query = sql.SQL("SELECT v::{type} FROM unnest(%s::text[]) AS v").format(type=sql.SQL(type_name))
    found = []
    raw = []
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        cursor.execute(query, [literals])
        result = cursor.pgresult
        assert result is not None
        raw.append([result.get_value(row, 0) for row in range(result.ntuples)])
        found.append(result.ftype(0))
    return [(found[0], text.decode(), data) for text, data in zip(*raw, strict=True) if text is not None and data]


@pytest.mark.parametrize("type_name", VALUES)
def test_it_is_the_server_s_own_text(postgres_server: object, type_name: str) -> None:
    with psycopg.connect(postgres_server.dsn(), options=SETTINGS) as connection:  # type: ignore[attr-defined]
        cases = both(connection, type_name, VALUES[type_name])

    assert cases or type_name == "text"
    assert [cells_as_text(oid, True, data) for oid, _, data in cases] == [text for _, text, _ in cases]
    assert [cells_as_text(oid, False, text.encode()) for oid, text, _ in cases] == [text for _, text, _ in cases]


@pytest.fixture(scope="module")
def connection(postgres_server: object) -> object:
    with psycopg.connect(postgres_server.dsn(), options=SETTINGS, autocommit=True) as opened:  # type: ignore[attr-defined]
        yield opened


def check(connection: psycopg.Connection, type_name: str, values: list[str]) -> None:
    for oid, text, data in both(connection, type_name, values):
        assert cells_as_text(oid, True, data) == text


MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(st.lists(st.floats(), min_size=100, max_size=200))
def test_any_float8(connection: psycopg.Connection, values: list[float]) -> None:
    check(connection, "float8", [repr(value) for value in values])


@MANY
@given(st.lists(st.integers(0, 2**32 - 1), min_size=100, max_size=200))
def test_any_float4(connection: psycopg.Connection, patterns: list[int]) -> None:
    values = [struct.unpack(">f", struct.pack(">I", pattern))[0] for pattern in patterns]
    check(connection, "float4", [repr(value) for value in values])


@MANY
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=None), min_size=50, max_size=100))
def test_any_numeric(connection: psycopg.Connection, values: list[object]) -> None:
    check(connection, "numeric", [f"{value:f}" for value in values if len(f"{value:f}") < 2000])


@MANY
@given(st.lists(st.integers(-2451545, 100_000_000), min_size=100, max_size=200))
def test_any_day(connection: psycopg.Connection, days: list[int]) -> None:
    raw = [struct.pack(">i", day) for day in days]
    rows = connection.execute("SELECT date '2000-01-01' + d FROM unnest(%s::int[]) AS d", [days])
    assert rows.pgresult is not None
    assert [cells_as_text(1082, True, one) for one in raw] == [
        rows.pgresult.get_value(n, 0).decode() for n in range(len(raw))
    ]


@MANY
@given(
    st.lists(
        st.tuples(st.integers(-4000, 4000), st.integers(-50, 50), st.integers(-(10**12), 10**12)),
        min_size=50,
        max_size=100,
    )
)
def test_any_interval(connection: psycopg.Connection, values: list[tuple[int, int, int]]) -> None:
    check(connection, "interval", [f"{m} mons {d} days {us} microseconds" for m, d, us in values])


@MANY
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6), min_size=1))
def test_any_array_of_text(connection: psycopg.Connection, values: list[str]) -> None:
    cursors = [connection.cursor(binary=binary).execute("SELECT %s::text[]", [values]) for binary in (False, True)]
    text, data = (cursor.pgresult.get_value(0, 0) for cursor in cursors)
    assert cells_as_text(1009, True, data) == text.decode()


def test_null_is_none() -> None:
    assert cells_as_text(25, True, None) is None
    assert cells_as_text(25, False, None) is None


BROKEN = [16, 17, 18, 20, 23, 25, 114, 700, 701, 1007, 1009, 1082, 1083, 1114, 1186, 1231, 1266, 1700, 2950, 3802, 9]


@given(st.sampled_from(BROKEN), st.binary(max_size=40), st.booleans())
def test_no_bytes_make_it_raise(oid: int, data: bytes, binary: bool) -> None:
    assert isinstance(cells_as_text(oid, binary, data), str)


def test_what_is_not_known_is_hexadecimal() -> None:
    assert cells_as_text(600, True, b"\0\1") == "\\x0001"
    assert cells_as_text(23, True, b"\0\1") == "\\x0001"
    assert cells_as_text(25, True, b"\xff") == "\\xff"
    assert cells_as_text(25, False, b"a\xff") == "a\\xff"
