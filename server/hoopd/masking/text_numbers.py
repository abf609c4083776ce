"""Binary numbers as PostgreSQL prints them (numeric.c, float.c, int.c). Others raise ValueError or struct.error."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

_POSITIVE, _NEGATIVE, _NAN, _PLUS_INFINITY, _MINUS_INFINITY = 0x0000, 0x4000, 0xC000, 0xD000, 0xF000
_NUMERIC_HEADER = struct.Struct(">hhHh")
_HALVES_ARE_SHORT = 2.0**52
"""Below it no decimal of 17 digits lies exactly between two doubles."""
_FLOAT4, _FLOAT8 = struct.Struct(">f"), struct.Struct(">d")


def int2(data: bytes) -> str:
    return str(struct.unpack(">h", data)[0])


def int4(data: bytes) -> str:
    return str(struct.unpack(">i", data)[0])


def int8(data: bytes) -> str:
    return str(struct.unpack(">q", data)[0])


def oid(data: bytes) -> str:
    """Also xid and cid."""
    return str(struct.unpack(">I", data)[0])


def oid8(data: bytes) -> str:
    """xid8."""
    return str(struct.unpack(">Q", data)[0])


def numeric(data: bytes) -> str:
    """``numeric_send``: groups of four decimal digits, the first of weight 10000 ** weight."""
    count, weight, sign, scale = _NUMERIC_HEADER.unpack_from(data)
    special = {_NAN: "NaN", _PLUS_INFINITY: "Infinity", _MINUS_INFINITY: "-Infinity"}.get(sign)
    if special is not None:
        return special
    if sign not in (_POSITIVE, _NEGATIVE) or not 0 <= scale <= 16383 or len(data) != _NUMERIC_HEADER.size + 2 * count:
        raise ValueError("not a numeric")
    groups = struct.unpack_from(f">{count}H", data, _NUMERIC_HEADER.size)
    if any(group > 9999 for group in groups):
        raise ValueError("not a numeric")
    whole = "".join(f"{groups[n]:04d}" if n < count else "0000" for n in range(weight + 1)).lstrip("0") or "0"
    fraction = "0000" * max(0, -weight - 1) if weight < -1 else ""
    fraction += "".join(f"{group:04d}" for group in groups[max(0, weight + 1) :])
    minus = "-" if sign == _NEGATIVE else ""
    return minus + whole + ("." + fraction[:scale].ljust(scale, "0") if scale else "")


def float4(data: bytes) -> str:
    (value,) = _FLOAT4.unpack(data)
    if special := _special(value):
        return special
    (bits,) = struct.unpack(">I", data)
    sides = [_FLOAT4.unpack(struct.pack(">I", bits + step))[0] for step in (-1, 1)]
    return _layout(value < 0, *_shortest(value, sides, 1), digits=6)


def float8(data: bytes) -> str:
    (value,) = _FLOAT8.unpack(data)
    if special := _special(value):
        return special
    bare, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = bare.partition(".")
    number, place = _trimmed(whole + fraction, int(exponent or 0) - len(fraction))
    if abs(value) >= _HALVES_ARE_SHORT:
        # Python takes a decimal that lies exactly between two doubles, PostgreSQL does not.
        sides = [math.nextafter(value, side) for side in (math.inf, -math.inf)]
        number, place = _shortest(value, sides, len(number))
    return _layout(value < 0, number, place, digits=15)


def _special(value: float) -> str | None:
    if value != value:
        return "NaN"
    if value in (math.inf, -math.inf):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    return None


def _shortest(value: float, sides: list[float], precision: int) -> tuple[str, int]:
    """Digits and power of ten of the shortest decimal that lies strictly nearer to ``value`` than to either side.

    Of several the closest, as Ryu gives it (d2s.c, f2s.c); ``precision`` is the number of digits to begin with.
    """
    exact = Fraction(abs(value))
    halves = [(exact + abs(Fraction(side))) / 2 for side in sides if math.isfinite(side)]
    if len(halves) == 1:
        # Past the greatest number there is none; the way up is as long as the way down.
        halves.append(2 * exact - halves[0])
    while True:
        digits, _, exponent = f"{abs(value):.{precision - 1}e}".replace(".", "").partition("e")
        place = int(exponent) - precision + 1
        unit = Fraction(10) ** place
        near = (int(digits) + step for step in (0, 1, -1))
        fitting = [number for number in near if min(halves) < number * unit < max(halves)]
        if fitting:
            return str(min(fitting, key=lambda number: abs(number * unit - exact))), place
        precision += 1


def _layout(negative: bool, number: str, place: int, *, digits: int) -> str:
    """``number`` times 10 ** ``place`` as ``float8out`` writes it: plain from 1e-4 to 10 ** digits."""
    number, place = _trimmed(number, place)
    exponent = len(number) + place - 1
    minus = "-" if negative else ""
    if not -4 <= exponent < digits:
        tail = "." + number[1:] if len(number) > 1 else ""
        return f"{minus}{number[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if place >= 0:
        return minus + number + "0" * place
    if exponent < 0:
        return minus + "0." + "0" * (-exponent - 1) + number
    return minus + number[: exponent + 1] + "." + number[exponent + 1 :]


def _trimmed(number: str, place: int) -> tuple[str, int]:
    bare = number.rstrip("0") or "0"
    return bare.lstrip("0") or "0", place + len(number) - len(bare)
