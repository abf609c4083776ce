"""Identifiers that must not be mixed, each its own type."""

from __future__ import annotations

from typing import NewType

RequestId = NewType("RequestId", str)
"""``r-`` and eight characters of base 32."""

SessionId = NewType("SessionId", str)
"""``s-`` and twelve characters of base 32; unguessable, unique over all gateways of a store."""

StatementNo = NewType("StatementNo", int)
"""Counts the statements of one session from 1. Each statement of a batch has its own."""

PolicyVersion = NewType("PolicyVersion", int)


def statement_id(session: SessionId, statement: StatementNo) -> str:
    """The id of a statement as people see it, e.g. ``s-4kq…/12``."""
    return f"{session}/{statement}"
