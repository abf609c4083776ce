"""What a review asks for, and how several reviews become one: all of their seats, the shortest times."""

from __future__ import annotations

from collections.abc import Iterable

from hoopd.domain.decision import ReviewTerms, Seats
from hoopd.policy.model import Review


def terms_of(rule: str, review: Review) -> ReviewTerms:
    """The terms that one rule sets."""
    entries = [(seat.groups, seat.approvals) for seat in review.all or ()]
    if not entries:
        entries = [(review.groups or (), review.approvals or 1)]
    return ReviewTerms(
        seats=tuple(Seats(rule, frozenset(groups), needed) for groups, needed in entries),
        hold=review.hold,
        expires=review.expires,
        reason_required=review.reason == "required",
    )


def merged(several: Iterable[ReviewTerms]) -> ReviewTerms:
    """Terms that are met only when each of ``several`` (at least one) is: independent of their order.

    Inside one rule two entries for the same groups are two sets of seats and both stay; the same rule met twice, as by
    two statements of a batch, asks once.
    """
    every = tuple(several)
    by_rule = {rule: tuple(s for s in terms.seats if s.rule == rule) for terms in every for rule in _rules(terms)}
    return ReviewTerms(
        seats=tuple(seats for rule in sorted(by_rule) for seats in by_rule[rule]),
        hold=min(terms.hold for terms in every),
        expires=min(terms.expires for terms in every),
        reason_required=any(terms.reason_required for terms in every),
    )


def _rules(terms: ReviewTerms) -> set[str]:
    return {seats.rule for seats in terms.seats}
