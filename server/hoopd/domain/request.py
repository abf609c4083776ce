"""A held statement waiting for people: the snapshot, its states, and the words said on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hoopd.domain.decision import ReviewTerms
from hoopd.domain.ids import PolicyVersion, RequestId, SessionId, StatementNo
from hoopd.domain.statement import Param


class RequestState(StrEnum):
    pending = "pending"
    approved = "approved"
    running = "running"
    done = "done"
    rejected = "rejected"
    expired = "expired"
    cancelled = "cancelled"
    void = "void"


class Verdict(StrEnum):
    approve = "approve"
    reject = "reject"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who said a word on a request; ``(issuer, subject)`` is the person."""

    issuer: str
    subject: str
    email: str | None
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Word:
    """One reviewer's approval or rejection."""

    verdict: Verdict
    by: Reviewer
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """What a reviewer is told of one statement: the part of the analysis that is kept with the request."""

    kind: str
    effects: tuple[str, ...]
    accesses: tuple[str, ...]
    functions: tuple[str, ...] = ()
    predicate: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that an approval is for (INV-5). ``sql`` is the exact text of the whole batch."""

    session: SessionId
    statement: StatementNo
    connection: str
    issuer: str
    subject: str
    email: str | None
    groups: frozenset[str]
    database: str
    role: str
    search_path: str
    sql: str
    params: tuple[Param, ...]
    param_digest: str
    """Hex SHA-256 over the exact wire form of the parameters (formats, types, bytes)."""
    facts: tuple[StatementFacts, ...]
    rules: tuple[str, ...]
    terms: ReviewTerms
    policy_version: PolicyVersion
    reason: str
    application: str
    transaction: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A snapshot and what has become of it. Immutable: a change is a new value (see ``approvals.lifecycle``)."""

    id: RequestId
    state: RequestState
    snapshot: Snapshot
    created: datetime
    hold_until: datetime
    expires: datetime
    words: tuple[Word, ...] = ()
    message: str = ""
