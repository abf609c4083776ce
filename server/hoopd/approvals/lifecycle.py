"""The life of a request: one table of states and events, and the rules for a reviewer's word.

Pure: no clock, no store; ``now`` is brought by the caller. A request never goes back to an earlier state, so it is
consumed once at most (INV-5). An event that the table does not have is an error that names both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from hoopd.approvals.people import eligible_groups, name_of, same_person
from hoopd.approvals.quorum import approvers, is_met
from hoopd.domain.errors import HoopError, InvalidInput
from hoopd.domain.ids import RequestId
from hoopd.domain.request import Request, RequestState, Reviewer, Snapshot, Verdict, Word


class RequestEvent(StrEnum):
    """What can happen to a request."""

    approval = "approval"
    """An approval that leaves a seat empty."""
    quorum = "quorum"
    """The approval that fills the last seat."""
    rejection = "rejection"
    expiry = "expiry"
    cancellation = "cancellation"
    """The requester, their client, or the end of their session withdrew it."""
    voiding = "voiding"
    """What was approved is no longer what would run."""
    consumption = "consumption"
    """Its statement is about to run: the approval is spent."""
    completion = "completion"
    """Its statement ended, or will not be heard of again; the record has the outcome."""


_State, _Event = RequestState, RequestEvent

TABLE: Mapping[tuple[RequestState, RequestEvent], RequestState] = {
    (_State.pending, _Event.approval): _State.pending,
    (_State.pending, _Event.quorum): _State.approved,
    (_State.pending, _Event.rejection): _State.rejected,
    (_State.pending, _Event.expiry): _State.expired,
    (_State.pending, _Event.cancellation): _State.cancelled,
    (_State.pending, _Event.voiding): _State.void,
    (_State.approved, _Event.rejection): _State.rejected,
    (_State.approved, _Event.expiry): _State.expired,
    (_State.approved, _Event.cancellation): _State.cancelled,
    (_State.approved, _Event.voiding): _State.void,
    (_State.approved, _Event.consumption): _State.running,
    (_State.running, _Event.completion): _State.done,
}

OPEN_STATES = frozenset({RequestState.pending, RequestState.approved, RequestState.running})


class IllegalTransition(HoopError):
    """An event that the state does not know: a defect of the caller, or a race that it lost."""

    sqlstate = "55000"
    grpc_status = "FAILED_PRECONDITION"

    def __init__(self, request: Request, event: RequestEvent) -> None:
        super().__init__(f"request {request.id} is {request.state}: {event} is not possible")
        self.state = request.state
        self.event = event


@dataclass(frozen=True, slots=True)
class Refusal:
    """A word that does not count, and why, for the one who said it."""

    message: str


def raised(request_id: RequestId, snapshot: Snapshot, now: datetime) -> Request:
    """A new request.

    Raises:
        InvalidInput: nobody could ever release it (no seats, or a seat for no one), or it would have no time.
    """
    terms = snapshot.terms
    if not terms.seats or any(seats.needed < 1 or not seats.groups for seats in terms.seats):
        raise InvalidInput("a review without reviewers cannot be met", hint="Name groups in the rule's `from`.")
    if min(terms.hold, terms.expires).total_seconds() <= 0:
        raise InvalidInput("a review that holds for no time cannot be met", hint="Give the rule a longer `hold`.")
    return Request(
        id=request_id,
        state=RequestState.pending,
        snapshot=snapshot,
        created=now,
        hold_until=now + terms.hold,
        expires=now + terms.expires,
    )


def apply(request: Request, event: RequestEvent, message: str = "") -> Request:
    """The request after ``event``; ``message`` says why it ended, for people.

    Raises:
        IllegalTransition: the table has no such move.
    """
    after = TABLE.get((request.state, event))
    if after is None:
        raise IllegalTransition(request, event)
    return replace(request, state=after, message=message or request.message)


def deadline(request: Request) -> datetime:
    """When the request expires unless something happens: held ones with their hold, approved ones with ``expires``."""
    if request.state is RequestState.pending:
        return min(request.hold_until, request.expires)
    return request.expires


def is_due(request: Request, now: datetime) -> bool:
    """Whether the request must expire now."""
    return (request.state, RequestEvent.expiry) in TABLE and now >= deadline(request)


def expire(request: Request) -> Request:
    """The request after its deadline."""
    if request.state is RequestState.pending:
        return apply(request, RequestEvent.expiry, "nobody decided in time")
    return apply(request, RequestEvent.expiry, "it was approved, and did not run in time")


def objection(request: Request, reviewer: Reviewer, verdict: Verdict, now: datetime) -> str | None:
    """Why ``reviewer`` may not say ``verdict`` on this request now; None when they may (INV-6)."""
    event = RequestEvent.approval if verdict is Verdict.approve else RequestEvent.rejection
    if (request.state, event) not in TABLE:
        return f"request {request.id} is already {request.state}"
    if is_due(request, now):
        return f"request {request.id} has expired"
    if same_person(request.snapshot, reviewer):
        return "nobody decides on their own request; the requester can cancel it"
    asked = eligible_groups(request.snapshot)
    if not asked & reviewer.groups:
        return f"{name_of(reviewer)} is in none of the groups that are asked: {', '.join(sorted(asked))}"
    if verdict is Verdict.approve and any(same_person(reviewer, known) for known in approvers(request.words)):
        return f"{name_of(reviewer)} has approved this request already; another person must"
    return None


def decide(request: Request, word: Word, now: datetime) -> Request | Refusal:
    """The request with one more word on it, or why the word does not count."""
    why_not = objection(request, word.by, word.verdict, now)
    if why_not is not None:
        return Refusal(why_not)
    spoken = replace(request, words=(*request.words, word))
    if word.verdict is Verdict.reject:
        said = f"rejected by {name_of(word.by)}" + (f": {word.comment}" if word.comment else "")
        return apply(spoken, RequestEvent.rejection, said)
    met = is_met(spoken.snapshot.terms, spoken.words)
    return apply(spoken, RequestEvent.quorum if met else RequestEvent.approval)
