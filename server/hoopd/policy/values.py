"""The small values of a policy file, read and bounded: durations, names, messages, patterns.

Each is a type for ``policy.model``; what is wrong with a value is said in one sentence.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from hoopd.domain.patterns import MAX_PATTERN, NamePattern
from hoopd.policy import clients
from hoopd.policy.clients import ApplicationPattern
from hoopd.policy.conditions import LONGEST as LONGEST_CONDITION
from hoopd.policy.conditions import Condition
from hoopd.policy.kinds import KINDS

MAX_NAME = 100
MAX_TEXT = 500
LONGEST = timedelta(days=7)

LARGEST = 2**50

_ZONE = r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}"
_SIZE = r"([0-9]{1,7})(KiB|MiB|GiB)"
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION = r"(?=[0-9])(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?"
_NO_TEXT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def wrong(sentence: str) -> PydanticCustomError:
    """A validation error whose text is for people; braces are not interpreted."""
    return PydanticCustomError("policy", "{sentence}", {"sentence": sentence})


def parse_duration(value: object) -> timedelta:
    """``90s``, ``4m``, ``1h30m``, ``2d``: at least a second, at most seven days."""
    found = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    if found is None:
        raise wrong("a duration is written such as `30s`, `4m`, `1h30m` or `2d`")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(seconds=1) <= duration <= LONGEST:
        raise wrong("a duration is at least 1s and at most 7d")
    return duration


def parse_size(value: object) -> int:
    """``65536``, ``64KiB``, ``64MiB`` or ``1GiB``: bytes, at least one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST:
        return value
    found = re.fullmatch(_SIZE, value) if isinstance(value, str) else None
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < size <= LARGEST:
        raise wrong("a size is a number of bytes, or written such as `512KiB`, `64MiB` or `1GiB`")
    return size


def _visible(text: str) -> str:
    """Text that is shown to people holds nothing that a terminal or an eye could be fooled with."""
    for character in text:
        if unicodedata.category(character) in _NO_TEXT:
            raise wrong(f"the text holds the hidden or control character U+{ord(character):04X}: take it out")
    if not text.strip():
        raise wrong("the text is blank")
    return text


def _object_pattern(value: object) -> NamePattern:
    pattern = _pattern(value)
    if len(pattern.parts) > 2:
        raise wrong(f"`{pattern.text}` names a column: that is for `columns`, `objects` are tables and the like")
    return pattern


def _function_pattern(value: object) -> NamePattern:
    pattern = _pattern(value)
    if len(pattern.parts) > 2 or "(" in pattern.text:
        raise wrong(f"`{pattern.text}` is no function: write schema.name without arguments, such as `app.refund`")
    return pattern


def _column_pattern(value: object) -> NamePattern:
    pattern = _pattern(value)
    if len(pattern.parts) != 3:
        raise wrong(f"`{pattern.text}` is no column: write schema.table.column, such as `public.customers.email`")
    return pattern


def _application_pattern(value: object) -> ApplicationPattern:
    if not isinstance(value, str):
        raise wrong("a pattern of applications is text, such as `cursor*`")
    try:
        return ApplicationPattern.parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _condition(value: object) -> Condition:
    if not isinstance(value, str):
        raise wrong("a condition is text, such as `now.hours < 7`")
    try:
        _visible(value.replace("\n", " "))
        return Condition.parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _timezone(value: object) -> str:
    """The name of a zone that this machine, or the package ``tzdata``, knows."""
    if isinstance(value, str) and re.fullmatch(_ZONE, value) and value.lower() != "localtime":
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):  # the last is what it raises for a name that it does not find
            pass
        else:
            return value
    meant = get_close_matches(value, available_timezones() - {"localtime"}, n=1) if isinstance(value, str) else []
    more = f"; did you mean `{meant[0]}`?" if meant else ", such as `Europe/Berlin` or `UTC`"
    raise wrong(f"`timezone` is no name of the IANA time zone database{more}")


def _pattern(value: object) -> NamePattern:
    if not isinstance(value, str):
        raise wrong("a name pattern is text, such as `public.orders`")
    try:
        return NamePattern.parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _kind(value: str) -> str:
    regex = re.compile(".*".join(map(re.escape, value.split("*"))))
    if value.count("*") > 2 or not any(regex.fullmatch(kind) for kind in KINDS):
        raise PydanticCustomError("kind", "no kind of statement is called `{value}`", {"value": value})
    return value


def kind_matches(pattern: str, kind: str) -> bool:
    """Whether a statement's kind fits an entry of ``kinds``, where ``*`` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), kind) is not None


def text_schema(description: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, **more})


Duration = Annotated[
    timedelta,
    PlainValidator(parse_duration),
    text_schema("Such as 30s, 4m, 1h30m or 2d.", pattern=f"^{_DURATION}$"),
]
Size = Annotated[
    int,
    PlainValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE}$"}],
            "description": "Bytes, such as 65536, 512KiB, 64MiB or 1GiB.",
        }
    ),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(_visible)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_visible)]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(_kind)]
ObjectPattern = Annotated[
    NamePattern,
    PlainValidator(_object_pattern),
    text_schema("schema.name, or the name of an object without a schema.", minLength=1, maxLength=MAX_PATTERN),
]
FunctionPattern = Annotated[
    NamePattern,
    PlainValidator(_function_pattern),
    text_schema("schema.name of a function, without its arguments.", minLength=1, maxLength=MAX_PATTERN),
]
ColumnPattern = Annotated[
    NamePattern,
    PlainValidator(_column_pattern),
    text_schema("schema.table.column", minLength=1, maxLength=MAX_PATTERN),
]
Application = Annotated[
    ApplicationPattern,
    PlainValidator(_application_pattern),
    text_schema(
        "application_name as the client gave it, in any case; * stands for any characters.",
        minLength=1,
        maxLength=clients.MAX_PATTERN,
    ),
]
If = Annotated[
    Condition,
    PlainValidator(_condition),
    text_schema("A condition in CEL, such as now.hours < 7.", minLength=1, maxLength=LONGEST_CONDITION),
]
Timezone = Annotated[
    str,
    PlainValidator(_timezone),
    text_schema("A name of the IANA time zone database, such as Europe/Berlin.", pattern=f"^{_ZONE}$"),
]
