"""What bounds one statement that runs: how much it may give, change and last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Each is None where nothing is bounded.

    ``rows`` and ``bytes`` are of the answer, as the database gives it; ``changed_rows`` is what the statement's command
    tag counts; ``statement_timeout`` is how long it may run.
    """

    rows: int | None = None
    bytes: int | None = None
    changed_rows: int | None = None
    statement_timeout: timedelta | None = None

    def __bool__(self) -> bool:
        return self is not NO_LIMITS and self != NO_LIMITS


NO_LIMITS = Limits()
"""What most statements have: the same object wherever nothing is bounded, so that asking costs nothing."""


def least(several: Iterable[Limits]) -> Limits:
    """The strictest of each."""
    every = tuple(one for one in several if one)
    if not every:
        return NO_LIMITS
    made = {}
    for field in fields(Limits):
        given = [value for one in every if (value := getattr(one, field.name)) is not None]
        made[field.name] = min(given) if given else None
    return Limits(**made)
