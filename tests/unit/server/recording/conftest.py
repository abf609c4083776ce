"""A recorder in a directory of its own, a clock that the test turns, and a session's events in short."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopd.domain.decision import Outcome
from hoopd.domain.errors import Unavailable
from hoopd.domain.events import (
    Event,
    RequestRaised,
    RequestSettled,
    RowsReturned,
    SessionEnded,
    SessionStarted,
    StatementDecided,
    StatementFinished,
    StatementOutcome,
    StatementStarted,
)
from hoopd.domain.ids import PolicyVersion, RequestId, SessionId, StatementNo
from hoopd.domain.request import RequestState, Reviewer, Verdict, Word
from hoopd.domain.statement import Param
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import Batch
from hoopd.recording.recorder import Recorder
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = SessionId("s-4kq7aaaabbbb")


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class MemoryStore:
    """A store that can be away; keeps the batches that it was given."""

    away: bool = False
    batches: list[Batch] = field(default_factory=list)
    answer_lost: bool = False

    async def check(self) -> None:
        if self.away:
            raise Unavailable("The store is away.")

    async def write(self, batch: Batch) -> None:
        await self.check()
        self.batches.append(batch)
        if self.answer_lost:
            self.answer_lost = False
            raise Unavailable("The answer was lost.")


@dataclass(frozen=True)
class Story:
    """The events of a session, with what a test wants to vary."""

    session: SessionId = SESSION
    email: str | None = "alice@example.com"

    def start(self) -> SessionStarted:
        return SessionStarted(
            session=self.session,
            at=NOON,
            issuer="https://idp.example.com",
            subject="alice",
            email=self.email,
            groups=frozenset({"engineering", "all"}),
            connection="prod-db",
            database="shop",
            role="hoop_service",
            application="psql",
            host="10.0.0.7",
            client_version="hoopctl 0.1.0",
            server_version="18.6",
            reason="ticket 7",
            tunnel="t-1",
        )

    def decided(self, number: int, sql: str, decision: Outcome = Outcome.allow, message: str = "") -> StatementDecided:
        return StatementDecided(
            statement=StatementNo(number),
            sql=sql,
            params=(Param("integer", "7"), Param("text", None, masked=True)),
            kind="select",
            effects=("read",),
            accesses=("read public.customers",),
            decision=decision,
            rules=("read freely",),
            message=message,
            policy_version=PolicyVersion(1),
        )

    def started(self, number: int) -> StatementStarted:
        return StatementStarted(StatementNo(number))

    def rows(self, number: int) -> RowsReturned:
        return RowsReturned(StatementNo(number), ("id", "card"), (("1", "****1234"), ("2", None)))

    def finished(self, number: int, outcome: StatementOutcome = StatementOutcome.done) -> StatementFinished:
        masked = ("public.customers.card_number",)
        return StatementFinished(StatementNo(number), outcome, "SELECT 2", 2, 1.25, "", "", masked)

    def held(self, number: int, sql: str) -> list[Event]:
        bob = Reviewer("https://idp.example.com", "bob", "bob@example.com", frozenset({"dba"}))
        word = Word(Verdict.approve, bob, "fine", NOON)
        statement, request = StatementNo(number), RequestId("r-7f3kaaaa")
        return [
            self.decided(number, sql, Outcome.review),
            RequestRaised(statement, request, ("dba",), NOON + timedelta(minutes=30)),
            RequestSettled(statement, request, RequestState.approved, (word,), ""),
            self.started(number),
            self.finished(number),
        ]

    def whole(self) -> list[Event]:
        """A read, a held write, a denied drop: twelve events, and one that the recorder adds for the drop's end."""
        return [
            self.start(),
            self.decided(1, "SELECT * FROM customers"),
            self.started(1),
            self.rows(1),
            self.finished(1),
            *self.held(2, "DELETE FROM orders WHERE id = 7"),
            self.decided(3, "DROP TABLE orders", Outcome.deny, "use a migration"),
            SessionEnded("client closed", ""),
        ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys() -> RecordKeys:
    return RecordKeys(Ed25519PrivateKey.generate())


@pytest.fixture
def memory_store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
async def recorder(
    tmp_path: Path, memory_store: MemoryStore, keys: RecordKeys, clock: Callable[[], datetime]
) -> AsyncIterator[Recorder]:
    recorder = Recorder(tmp_path, memory_store, keys, clock)
    recorder.start()
    await recorder.shipper.ship()
    yield recorder
    recorder.close()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    await migrate(database)
    store = Store(database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def records(store: Store) -> Records:
    return Records(store)
