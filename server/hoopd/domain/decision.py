"""What a policy says of a statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hoopd.domain.ids import PolicyVersion
from hoopd.domain.limits import NO_LIMITS, Limits


class Outcome(StrEnum):
    """Ordered by strictness: deny beats review beats allow."""

    allow = "allow"
    review = "review"
    deny = "deny"

    @property
    def strictness(self) -> int:
        return ("allow", "review", "deny").index(self.value)


@dataclass(frozen=True, slots=True)
class Seats:
    """``needed`` distinct people out of any of ``groups`` must approve, for ``rule``."""

    rule: str
    groups: frozenset[str]
    needed: int


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """What releases a held statement: every one of ``seats`` filled.

    One approval may fill a seat in several ``Seats`` of different rules; inside one rule each person fills one.
    """

    seats: tuple[Seats, ...]
    hold: timedelta
    expires: timedelta
    reason_required: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, review or deny, with the rules that made it.

    ``rules`` are the names of the rules that decided (built-in ones start with ``built-in:``);
    ``message`` is for the person who asked, present on a deny; ``review`` is present on a review only.
    ``sqlstate`` is what the client is given on a deny. ``limits`` bound what is allowed or approved.
    """

    outcome: Outcome
    rules: tuple[str, ...]
    policy_version: PolicyVersion
    message: str | None = None
    hint: str | None = None
    review: ReviewTerms | None = None
    sqlstate: str = "42501"
    limits: Limits = NO_LIMITS
