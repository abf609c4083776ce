"""Binary dates and times as PostgreSQL prints them with DateStyle ISO in UTC (datetime.c).

Calendar arithmetic is the server's own (``j2date``): Python's dates know neither years before 1 nor after 9999.
Bytes of another length raise struct.error.
"""

from __future__ import annotations

import struct

_EPOCH = 2451545
"""Julian day of 2000-01-01, from which PostgreSQL counts."""
_DAY = 86_400_000_000
_INT4, _INT8 = struct.Struct(">i"), struct.Struct(">q")
_INFINITE = {2**31 - 1: "infinity", -(2**31): "-infinity", 2**63 - 1: "infinity", -(2**63): "-infinity"}


def date(data: bytes) -> str:
    (days,) = _INT4.unpack(data)
    if days in _INFINITE:
        return _INFINITE[days]
    text, era = _calendar(days)
    return text + era


def time(data: bytes) -> str:
    (microseconds,) = _INT8.unpack(data)
    return _clock(microseconds)


def timetz(data: bytes) -> str:
    """Time and the zone's seconds west of UTC."""
    microseconds, west = struct.unpack(">qi", data)
    return _clock(microseconds) + _zone(-west)


def timestamp(data: bytes) -> str:
    return _timestamp(data, "")


def timestamptz(data: bytes) -> str:
    return _timestamp(data, "+00")


def interval(data: bytes) -> str:
    """IntervalStyle ``postgres`` (documentation, 8.5.5)."""
    microseconds, days, months = struct.unpack(">qii", data)
    if (microseconds, days, months) == (2**63 - 1, 2**31 - 1, 2**31 - 1):
        return "infinity"
    if (microseconds, days, months) == (-(2**63), -(2**31), -(2**31)):
        return "-infinity"
    years, months = _towards_zero(months, 12)
    parts: list[str] = []
    before = 0
    for amount, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if amount:
            plus = "+" if before < 0 < amount else ""
            parts.append(f"{plus}{amount} {unit}{'' if amount == 1 else 's'}")
            before = amount
    if microseconds or not parts:
        sign = "-" if microseconds < 0 else "+" if before < 0 else ""
        parts.append(sign + _clock(abs(microseconds)))
    return " ".join(parts)


def _timestamp(data: bytes, zone: str) -> str:
    (microseconds,) = _INT8.unpack(data)
    if microseconds in _INFINITE:
        return _INFINITE[microseconds]
    days, rest = divmod(microseconds, _DAY)
    text, era = _calendar(days)
    return f"{text} {_clock(rest)}{zone}{era}"


def _calendar(days: int) -> tuple[str, str]:
    """Proleptic Gregorian date of a day counted from 2000-01-01, and `` BC`` for years before 1."""
    # Days of eras of 400 years (146097 days) that begin on 1 March, after which the leap day is a year's last.
    shifted = days + _EPOCH - 1721120
    era, of_era = divmod(shifted, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    shown = year if year > 0 else 1 - year
    return f"{shown:04d}-{month:02d}-{day:02d}", "" if year > 0 else " BC"


def _clock(microseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours:02d}:{minutes:02d}:{seconds:02d}"
    return text + (f".{fraction:06d}".rstrip("0") if fraction else "")


def _zone(east: int) -> str:
    minutes, seconds = divmod(abs(east), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{'-' if east < 0 else '+'}{hours:02d}"
    if minutes or seconds:
        text += f":{minutes:02d}"
    return text + (f":{seconds:02d}" if seconds else "")


def _towards_zero(value: int, unit: int) -> tuple[int, int]:
    whole, rest = divmod(abs(value), unit)
    return (whole, rest) if value >= 0 else (-whole, -rest)
