"""Finds masked values on their way back in: a person or an agent that read ``****1111`` must not write it over the
number that it stands for (THREATS 19).

A guard against accidents, not a defence: it knows the shapes that ``masking.values`` makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hoopd.masking.values import HASH_PREFIX, STARS

_STARS = re.escape(STARS)
_HASH = re.escape(HASH_PREFIX)
_SHAPES = rf"{_STARS}.{{0,64}}|.{{1,64}}{_STARS}|\S?{_STARS}@\S+|{_HASH}[0-9a-f]{{8,32}}"
_WHOLE = re.compile(_SHAPES, re.DOTALL)
_QUOTED = re.compile(
    rf"'(?:{_STARS}[^']{{0,64}}|[^']{{1,64}}{_STARS}|[^'\s]?{_STARS}@[^'\s]+|{_HASH}[0-9a-f]{{8,32}}) *'"
)


def looks_masked(value: str | None) -> bool:
    """Whether a parameter's text has the shape of a masked value."""
    return value is not None and _WHOLE.fullmatch(value.rstrip(" ")) is not None


def has_masked_literal(sql: str) -> bool:
    """Whether a quoted literal of the statement has the shape of a masked value.

    Looks at the text alone, so a comment that quotes one counts too: better asked once more than written over.
    """
    return _QUOTED.search(sql) is not None


def refusal(sql: str, parameters: Iterable[str | None]) -> str | None:
    """Why a statement that writes masked columns may not run with these values, or None."""
    if not has_masked_literal(sql) and not any(looks_masked(value) for value in parameters):
        return None
    return "a value to be written looks like a masked one, and would replace the real value by its mask"
