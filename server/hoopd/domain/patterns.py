"""Patterns over the names of database objects, as the policy file writes them.

``public.orders``, ``billing.*``, ``*.*.national_id``. An unquoted part is folded to lower case, as PostgreSQL folds an
unquoted identifier (documentation, 4.1.1); a part in double quotes is taken as it stands. ``*`` stands for any run of
characters inside one part. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_PATTERN = 200
"""Characters of one pattern; an identifier of PostgreSQL has at most 63 bytes."""

MAX_STARS = 3
"""Of one part: keeps matching cheap whatever is matched."""

_PART = re.compile(r'"(?:[^"]|"")+"|[^."]+')


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern of one to three parts. ``text`` is how it was written, ``parts`` are regular expressions."""

    text: str
    parts: tuple[str, ...]
    _compiled: tuple[re.Pattern[str] | str, ...] = field(repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> NamePattern:
        """Read a pattern; ValueError with one sentence where it is none."""
        if not text or len(text) > MAX_PATTERN:
            raise ValueError(f"a name pattern has 1 to {MAX_PATTERN} characters")
        pieces = tuple(_pieces(part, text) for part in _split(text))
        regexes = tuple(".*".join(map(re.escape, each)) for each in pieces)
        # A part without a star is compared as it is: catalogs have many names.
        compiled = tuple(
            re.compile(regex, re.DOTALL) if len(each) > 1 else each[0]
            for regex, each in zip(regexes, pieces, strict=True)
        )
        return NamePattern(text, regexes, compiled)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names that it fits, if it fits no others: no part has a star."""
        parts = tuple(part for part in self._compiled if isinstance(part, str))
        return parts if len(parts) == len(self._compiled) else None

    @property
    def everything(self) -> bool:
        """Whether every part is a lone ``*``."""
        return all(part == ".*" for part in self.parts)

    def matches(self, *names: str) -> bool:
        """Whether there are as many names as parts, and each fits its own."""
        return len(names) == len(self._compiled) and all(map(_fits, self._compiled, names))

    def part_matches(self, index: int, name: str) -> bool:
        """Whether one part (counted from 0, or from the end when negative) fits ``name``."""
        return _fits(self._compiled[index], name)


def _fits(part: re.Pattern[str] | str, name: str) -> bool:
    return part == name if isinstance(part, str) else part.fullmatch(name) is not None


def _split(text: str) -> list[str]:
    parts: list[str] = []
    position = 0
    while True:
        found = _PART.match(text, position)
        if found is None:
            raise ValueError(f"`{text}` is not a name pattern: write names with dots between, such as `public.orders`")
        parts.append(found.group())
        position = found.end()
        if position == len(text):
            return parts
        if text[position] != ".":
            raise ValueError(f"`{text}` is not a name pattern: a part is quoted whole or not at all")
        position += 1


def _pieces(part: str, text: str) -> list[str]:
    """What stands between the stars of a part; one piece where there is no star."""
    if part.startswith('"'):
        return [part[1:-1].replace('""', '"')]
    if part != part.strip() or any(character.isspace() for character in part):
        raise ValueError(f"`{text}` has a blank in a name: put that part in double quotes")
    if part.count("*") > MAX_STARS:
        raise ValueError(f"`{text}` has more than {MAX_STARS} `*` in one part")
    return part.lower().split("*")
