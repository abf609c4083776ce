"""The small values of a policy file, read and bounded: durations, names, messages, patterns.

Each is a type for ``policy.model``; what is wrong with a value is said in one sentence.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from hoopd.domain.patterns import MAX_PATTERN, NamePattern
from hoopd.policy.kinds import KINDS

MAX_NAME = 100
MAX_TEXT = 500
LONGEST = timedelta(days=7)

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
        raise wrong(f"`{pattern.text}` names a column: rules on columns are not supported yet, name the table")
    return pattern


def _column_pattern(value: object) -> NamePattern:
    pattern = _pattern(value)
    if len(pattern.parts) != 3:
        raise wrong(f"`{pattern.text}` is no column: write schema.table.column, such as `public.customers.email`")
    return pattern


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
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(_visible)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_visible)]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(_kind)]
ObjectPattern = Annotated[
    NamePattern,
    PlainValidator(_object_pattern),
    text_schema("schema.name, or the name of an object without a schema.", minLength=1, maxLength=MAX_PATTERN),
]
ColumnPattern = Annotated[
    NamePattern,
    PlainValidator(_column_pattern),
    text_schema("schema.table.column", minLength=1, maxLength=MAX_PATTERN),
]
