"""Values in PostgreSQL's binary format as the text that the server would give, for the record and for reviewers.

The text is that under DateStyle ISO, TimeZone UTC, IntervalStyle postgres and bytea_output hex, whatever the session
has set. A type that is not known here, and bytes that are not what their type has, come as ``\\x`` and hexadecimal
digits: nothing here raises on a value, and nothing is guessed. Layouts are those of each type's send function
(src/backend/utils/adt).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping

from hoopd.masking import text_numbers as numbers
from hoopd.masking import text_times as times


def cells_as_text(type_oid: int, binary: bool, data: bytes | None) -> str | None:
    """One value as text; None for NULL. Never raises."""
    if data is None:
        return None
    if not binary:
        return data.decode("utf-8", "backslashreplace")
    try:
        return _text(type_oid, data)
    except (ValueError, struct.error, OverflowError, IndexError):
        return as_hex(data)


def as_hex(data: bytes) -> str:
    """As bytea's hex format (documentation, 8.4.1)."""
    return "\\x" + data.hex()


def _text(type_oid: int, data: bytes) -> str:
    element = ARRAYS.get(type_oid)
    if element is not None:
        return _array(element, data)
    return _READERS.get(type_oid, as_hex)(data)


def _utf8(data: bytes) -> str:
    return data.decode("utf-8")


def _char(data: bytes) -> str:
    return "" if data == b"\0" else data.decode("ascii")


def _bool(data: bytes) -> str:
    return {b"\0": "f", b"\1": "t"}[data] if data in (b"\0", b"\1") else as_hex(data)


def _jsonb(data: bytes) -> str:
    return data[1:].decode("utf-8") if data[:1] == b"\1" else as_hex(data)


def _uuid(data: bytes) -> str:
    return str(uuid.UUID(bytes=data))


def _void(data: bytes) -> str:
    return "" if not data else as_hex(data)


_READERS: Mapping[int, Callable[[bytes], str]] = {
    16: _bool,
    17: as_hex,
    18: _char,
    19: _utf8,
    20: numbers.int8,
    21: numbers.int2,
    23: numbers.int4,
    25: _utf8,
    26: numbers.oid,
    28: numbers.oid,
    29: numbers.oid,
    114: _utf8,
    700: numbers.float4,
    701: numbers.float8,
    705: _utf8,
    1042: _utf8,
    1043: _utf8,
    1082: times.date,
    1083: times.time,
    1114: times.timestamp,
    1184: times.timestamptz,
    1186: times.interval,
    1266: times.timetz,
    1700: numbers.numeric,
    2275: _utf8,
    2278: _void,
    2950: _uuid,
    3802: _jsonb,
    5069: numbers.oid8,
}

ARRAYS: Mapping[int, int] = {
    199: 114, 1000: 16, 1001: 17, 1002: 18, 1003: 19, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20,
    1021: 700, 1022: 701, 1028: 26, 1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1187: 1186, 1231: 1700, 1270: 1266,
    2951: 2950, 3807: 3802,
}  # fmt: skip
"""Array types and their elements (pg_type.dat)."""

_HEADER = struct.Struct(">iii")
_DIMENSION = struct.Struct(">ii")
_LENGTH = struct.Struct(">i")
_MAX_DIMENSIONS = 6


def _array(element: int, data: bytes) -> str:
    """``array_send``'s layout as ``array_out``'s text (documentation, 8.15.6)."""
    dimensions, _, stated = _HEADER.unpack_from(data)
    if stated != element or not 0 <= dimensions <= _MAX_DIMENSIONS:
        raise ValueError("not an array of this type")
    if dimensions == 0:
        return "{}"
    place = _HEADER.size
    sizes, lowers = [], []
    for _ in range(dimensions):
        size, lower = _DIMENSION.unpack_from(data, place)
        sizes.append(size)
        lowers.append(lower)
        place += _DIMENSION.size
    items = _items(element, data, place)
    count = 1
    for size in sizes:
        count *= size
    if count != len(items) or min(sizes) < 1:
        raise ValueError("the array's size is not that of its items")
    bounds = "".join(f"[{lower}:{lower + size - 1}]" for size, lower in zip(sizes, lowers, strict=True))
    return (bounds + "=" if any(lower != 1 for lower in lowers) else "") + _nested(items, sizes)


def _items(element: int, data: bytes, place: int) -> list[str]:
    items: list[str] = []
    while place < len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        if length < 0:
            items.append("NULL")
            continue
        value = data[place : place + length]
        if len(value) != length:
            raise ValueError("the array ends inside an item")
        items.append(_quoted(_text(element, value)))
        place += length
    return items


def _nested(items: list[str], sizes: list[int]) -> str:
    if len(sizes) == 1:
        return "{" + ",".join(items) + "}"
    step = len(items) // sizes[0]
    return "{" + ",".join(_nested(items[n : n + step], sizes[1:]) for n in range(0, len(items), step)) + "}"


def _quoted(text: str) -> str:
    special = '{},"\\ \t\n\r\v\f'
    if text and text.upper() != "NULL" and not any(character in special for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
