"""The record's events as past facts. ``recording`` turns them into the bytes that are hashed and stored.

``at`` is UTC. Text that came from rows is masked before it gets into any of these (INV-4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hoopd.domain.decision import Outcome
from hoopd.domain.ids import PolicyVersion, RequestId, SessionId, StatementNo
from hoopd.domain.request import RequestState, Word
from hoopd.domain.statement import Param


class StatementOutcome(StrEnum):
    """How a statement ended; ``unknown``: its end was not seen."""

    done = "done"
    error = "error"
    denied = "denied"
    rejected = "rejected"
    expired = "expired"
    cancelled = "cancelled"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class SessionStarted:
    session: SessionId
    at: datetime
    issuer: str
    subject: str
    email: str | None
    groups: frozenset[str]
    connection: str
    database: str
    role: str
    application: str
    host: str
    client_version: str
    server_version: str
    reason: str
    tunnel: str
    search_path: str = ""


@dataclass(frozen=True, slots=True)
class StatementPrepared:
    """A Parse went to the server; nothing ran."""

    name: str
    sql: str
    kind: str
    effects: tuple[str, ...]
    decision: Outcome


@dataclass(frozen=True, slots=True)
class StatementDecided:
    """A decision at Query or Bind (or a deny at Parse)."""

    statement: StatementNo
    sql: str
    params: tuple[Param, ...]
    kind: str
    effects: tuple[str, ...]
    accesses: tuple[str, ...]
    decision: Outcome
    rules: tuple[str, ...]
    message: str
    policy_version: PolicyVersion


@dataclass(frozen=True, slots=True)
class RequestRaised:
    statement: StatementNo
    request: RequestId
    waiting_for: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class RequestSettled:
    statement: StatementNo
    request: RequestId
    outcome: RequestState
    words: tuple[Word, ...]
    message: str


@dataclass(frozen=True, slots=True)
class StatementStarted:
    """Is about to run. Durable before the message that can run it goes out (INV-3)."""

    statement: StatementNo


@dataclass(frozen=True, slots=True)
class RowsReturned:
    """Masked rows in text form. ``columns`` only with the first rows of a result; ``not_kept`` were over the limit."""

    statement: StatementNo
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    not_kept: int = 0


@dataclass(frozen=True, slots=True)
class DataCopied:
    """The data of a COPY, of which the record keeps the size and the hash. ``digest``: hex SHA-256 of all its bytes.

    ``incoming``: from the client. ``binary``: in PostgreSQL's binary format, else as text or CSV.
    """

    statement: StatementNo
    incoming: bool
    binary: bool
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class StatementFinished:
    statement: StatementNo
    outcome: StatementOutcome
    tag: str
    rows: int | None
    duration_ms: float
    sqlstate: str
    message: str
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticeSeen:
    statement: StatementNo
    severity: str
    sqlstate: str
    message: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    cause: str
    message: str


Event = (
    SessionStarted
    | StatementPrepared
    | StatementDecided
    | RequestRaised
    | RequestSettled
    | StatementStarted
    | RowsReturned
    | DataCopied
    | StatementFinished
    | NoticeSeen
    | SessionEnded
)
