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
    notes: tuple[str, ...] = ()
    """What people must know beside that, in sentences: such as that data will come which nobody has seen."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Literals and parameters that are compared with, written to or computed with the same columns.

    ``spans`` are half-open ranges of characters in the snapshot's ``sql``, ``params`` numbers from 1, ``columns`` the
    schema, table and column of each. ``anything``: they may meet others too, since what runs could not be followed.
    """

    spans: tuple[tuple[int, int], ...]
    params: tuple[int, ...]
    columns: tuple[tuple[str, str, str], ...]
    anything: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that an approval is for (INV-5).

    ``sql`` is the text of the whole batch, as typed but for credentials: ``redacted`` says that it had some (INV-7).
    ``meets`` tells what must be hidden from whom masks hold for (INV-4); what is in none of them meets no column.
    """

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
    meets: tuple[Meeting, ...]
    redacted: bool = False
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
