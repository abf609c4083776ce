"""Whether the seats of a request are filled.

Pure. Inside one rule each person fills one seat, so a rule is met when its seats can all be given to different
people (a bipartite matching); across rules one approval serves several. Terms without a seat are never met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hoopd.approvals.people import same_person
from hoopd.domain.decision import ReviewTerms, Seats
from hoopd.domain.request import Reviewer, Verdict, Word


@dataclass(frozen=True, slots=True)
class Seated:
    """One ``Seats`` and who sits on it."""

    seats: Seats
    people: tuple[Reviewer, ...]

    @property
    def missing(self) -> int:
        return max(0, self.seats.needed - len(self.people))


def approvers(words: Iterable[Word]) -> tuple[Reviewer, ...]:
    """The distinct people who approved, in the order they did: whoever speaks twice counts once (INV-6)."""
    people: list[Reviewer] = []
    for word in words:
        if word.verdict is Verdict.approve and not any(same_person(word.by, known) for known in people):
            people.append(word.by)
    return tuple(people)


def seat(terms: ReviewTerms, words: Iterable[Word]) -> tuple[Seated, ...]:
    """Give the seats of every rule to those who approved, as many as can be, in the order of ``terms.seats``."""
    people = approvers(words)
    seated: dict[int, tuple[Reviewer, ...]] = {}
    for rule in {seats.rule for seats in terms.seats}:
        seated.update(_match([(n, seats) for n, seats in enumerate(terms.seats) if seats.rule == rule], people))
    return tuple(Seated(seats, seated[n]) for n, seats in enumerate(terms.seats))


def is_met(terms: ReviewTerms, words: Iterable[Word]) -> bool:
    """Whether every seat of every rule is filled."""
    places = seat(terms, words)
    return bool(places) and all(place.seats.needed > 0 and not place.missing for place in places)


def waiting_for(terms: ReviewTerms, words: Iterable[Word] = ()) -> tuple[str, ...]:
    """Whom a request still waits for, in words: ``dba``, ``2 of dba or security``."""
    said: dict[str, None] = {}
    for place in seat(terms, words):
        if place.missing:
            groups = " or ".join(sorted(place.seats.groups))
            said[groups if place.missing == 1 else f"{place.missing} of {groups}"] = None
    return tuple(said)


def _match(rule: Sequence[tuple[int, Seats]], people: Sequence[Reviewer]) -> dict[int, tuple[Reviewer, ...]]:
    """The largest matching of people to the seats of one rule, by augmenting paths; seats keep their number."""
    places = [number for number, seats in rule for _ in range(min(seats.needed, len(people)))]
    groups = dict(rule)
    sitting: dict[int, int] = {}

    def place(person: int, tried: set[int]) -> bool:
        for chair, number in enumerate(places):
            if chair in tried or not groups[number].groups & people[person].groups:
                continue
            tried.add(chair)
            if chair not in sitting or place(sitting[chair], tried):
                sitting[chair] = person
                return True
        return False

    for person in range(len(people)):
        place(person, set())
    return {
        number: tuple(people[sitting[chair]] for chair, at in enumerate(places) if at == number and chair in sitting)
        for number, _ in rule
    }
