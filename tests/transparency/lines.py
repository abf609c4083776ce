"""How what a driver gives becomes the lines of a transcript. Nothing is left out but by a digest of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

SHOWN_ROWS = 30
SHOWN_LETTERS = 2_000
# What psycopg knows of an error or notice: every field of the protocol's message (53.8).
FIELDS = (
    "severity", "severity_nonlocalized", "sqlstate", "message_primary", "message_detail", "message_hint",
    "statement_position", "internal_position", "internal_query", "context", "schema_name", "table_name", "column_name",
    "datatype_name", "constraint_name", "source_file", "source_line", "source_function",
)  # fmt: skip


def value(found: Any) -> str:
    """One line for any value; a long one by its beginning and digest."""
    text = repr(found)
    if len(text) <= SHOWN_LETTERS:
        return text
    return f"{text[:80]}… {len(text)} letters, {hashlib.sha256(text.encode()).hexdigest()}"


def rows(found: Iterable[Any]) -> Iterator[str]:
    """A line for each row, and one digest for those past the first."""
    listed = [value(row) for row in found]
    yield f"{len(listed)} rows"
    yield from listed[:SHOWN_ROWS]
    if len(listed) > SHOWN_ROWS:
        yield f"and {hashlib.sha256(chr(10).join(listed[SHOWN_ROWS:]).encode()).hexdigest()}"


def diagnosis(diag: Any, names: Sequence[str] = FIELDS) -> Iterator[str]:
    """The fields of an error or notice that are there."""
    for name in names:
        if (found := getattr(diag, name, None)) is not None:
            yield f"  {name}: {found}"
