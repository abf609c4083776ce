"""What the record needs of a store, and the plain rows that pass between the two.

``store.records.Records`` implements ``RecordStore`` and ``RecordReader``; nothing here knows PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param


class StoreRefused(Unavailable):
    """The store answers, but will not take this one write."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One link of the chain: ``body`` is what was hashed, ``hash`` what came of it."""

    seq: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as the store shows it: its first and last event told again, the chain's length and head, the seal.

    ``seal`` is present with ``ended``, and never without.
    """

    id: SessionId
    gateway: str
    issuer: str
    subject: str
    email: str | None
    connection: str
    database: str
    role: str
    application: str
    host: str
    reason: str
    started: datetime
    ended: datetime | None
    ended_because: str | None
    events: int
    head: bytes
    seal: bytes | None

    @property
    def principal(self) -> str:
        return self.email or self.subject


@dataclass(frozen=True, slots=True)
class Approval:
    """A reviewer's word as the record tells it."""

    verdict: str
    by: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A statement as search finds it. Derived from the events, and so never evidence itself.

    ``outcome``, ``rows`` and ``duration_ms`` are None while it runs or where they are not known.
    """

    session: SessionId
    statement: int
    at: datetime
    issuer: str
    subject: str
    principal: str
    connection: str
    sql: str
    params: tuple[Param, ...]
    kind: str
    effects: tuple[str, ...]
    decision: str
    rules: tuple[str, ...]
    request: str | None
    approvals: tuple[Approval, ...]
    outcome: str | None
    rows: int | None
    duration_ms: float | None
    masked: tuple[str, ...]
    error: str
    changed_by: int
    """The event that the row was last changed by."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive events of one session with all that follows from them; written in one transaction, or not at all."""

    session: SessionRow
    events: tuple[EventRow, ...]
    statements: tuple[StatementRow, ...]


class RecordStore(Protocol):
    """Where the shipper takes the journals."""

    async def write(self, batch: Batch) -> None:
        """Write it all, idempotently. Raises ``StoreRefused`` for this batch alone, ``Unavailable`` for the store."""

    async def check(self) -> None:
        """One round trip. Raises ``Unavailable``."""


class SessionReader(Protocol):
    """One session as the store had it at one moment."""

    session: SessionRow

    def portions(self) -> AsyncIterator[tuple[EventRow, ...]]:
        """Its events in order, a bounded number at a time."""

    async def statements(self, numbers: Collection[int]) -> Mapping[int, StatementRow]:
        """Those of the search's rows that it has."""

    async def count(self) -> int:
        """How many rows the search has of it."""


class RecordReader(Protocol):
    """The store as verification sees it."""

    def snapshot(self, session: SessionId) -> AbstractAsyncContextManager[SessionReader | None]:
        """One moment of the session; None when there is no such session. Raises ``Unavailable``."""
