"""Search over a real PostgreSQL: every filter, who may see what, and text as people type it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param
from hoopd.recording.ports import Approval, Batch, EventRow, SessionRow, StatementRow
from hoopd.store import statements
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.store.statements import StatementQuery, StatementRepository

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = "https://idp.example.com"
ALICE, BOB = SessionId("s-alice"), SessionId("s-bob")


def session(name: SessionId, subject: str, email: str | None, connection: str) -> SessionRow:
    told = (ISSUER, subject, email, connection, "shop", "hoop_service", "psql", "10.0.0.7", "")
    return SessionRow(name, "gateway", *told, NOON, None, None, 1, b"h" * 32, None)


def row(owner: SessionRow, number: int, sql: str, **change: object) -> StatementRow:
    base = StatementRow(
        session=owner.id,
        statement=number,
        at=NOON + timedelta(minutes=number),
        issuer=owner.issuer,
        subject=owner.subject,
        principal=owner.principal,
        connection=owner.connection,
        sql=sql,
        params=(Param("text", "a\"b'c\\ é\u202e"), Param("integer", None, masked=True)),
        kind="select",
        effects=("read",),
        decision="allow",
        rules=("read freely", 'a "rule", quoted'),
        request=None,
        approvals=(),
        outcome="done",
        rows=3,
        duration_ms=1.2345678901,
        masked=("public.customers.card_number",),
        error="",
        changed_by=number,
    )
    return replace(base, **change)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    await migrate(database)
    store = Store(database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def rows(store: Store) -> dict[str, StatementRow]:
    """Alice's statements on prod-db, Bob's on staging; Bob has no e-mail."""
    alice = session(ALICE, "alice", "Alice@example.com", "prod-db")
    bob = session(BOB, "bob", None, "staging")
    word = Approval("approve", "carol@example.com", "fine", NOON)
    found = {
        "read": row(alice, 1, "SELECT * FROM public.Customers WHERE rate = '100%'"),
        "held": row(
            alice,
            2,
            "DELETE FROM orders_archive\nWHERE id = 7",
            decision="review",
            request="r-7f3kaaaa",
            approvals=(word,),
        ),
        "denied": row(alice, 3, "DROP TABLE orders", decision="deny", outcome="denied", rows=None, duration_ms=None),
        "running": row(alice, 4, "SELECT pg_sleep(10)", outcome=None, rows=None, duration_ms=None),
        "bob": row(bob, 5, "SELECT total FROM orders"),
    }
    records = Records(store)
    for owner in (alice, bob):
        mine = tuple(each for each in found.values() if each.session == owner.id)
        await records.write(Batch(owner, (EventRow(1, b"body", b"h" * 32),), mine))
    return found


async def found(store: Store, rows: dict[str, StatementRow], **query: object) -> list[str]:
    names = {(each.session, each.statement): name for name, each in rows.items()}
    hits = [each async for each in StatementRepository(store).search(StatementQuery(**query))]
    assert hits == [rows[names[each.session, each.statement]] for each in hits], "a row comes back as it was written"
    return [names[each.session, each.statement] for each in hits]


async def test_everything_newest_first(store: Store, rows: dict[str, StatementRow]) -> None:
    assert await found(store, rows) == ["bob", "running", "denied", "held", "read"]


FILTERS: list[tuple[dict[str, object], list[str]]] = [
    ({"text": "orders"}, ["bob", "denied", "held"]),
    ({"text": "customers"}, ["read"]),
    ({"text": "CUSTOM"}, ["read"]),
    ({"text": "orders drop"}, ["denied"]),
    ({"text": "100%"}, ["read"]),
    ({"text": "%"}, ["read"]),
    ({"text": "orders_archive"}, ["held"]),
    ({"text": "s_archive"}, ["held"]),
    ({"text": "orders\\"}, ["bob", "denied", "held"]),
    ({"text": "archive\nWHERE"}, ["held"]),
    ({"text": "r-7f3kaaaa"}, ["held"]),
    ({"text": "s-alice/3"}, ["denied"]),
    ({"text": "'; DROP TABLE hoop.statements; --"}, []),
    ({"text": "ord\x00ers"}, ["bob", "denied", "held"]),
    ({"user": "alice@EXAMPLE.com"}, ["running", "denied", "held", "read"]),
    ({"user": "bob"}, ["bob"]),
    ({"user": "ALICE"}, ["running", "denied", "held", "read"]),
    ({"user": "ali"}, []),
    ({"user": "%"}, []),
    ({"user": "nobody"}, []),
    ({"connection": "staging"}, ["bob"]),
    ({"decision": "review"}, ["held"]),
    ({"outcome": "denied"}, ["denied"]),
    ({"session": "s-bob"}, ["bob"]),
    ({"since": NOON + timedelta(minutes=3)}, ["bob", "running", "denied"]),
    ({"until": NOON + timedelta(minutes=3)}, ["held", "read"]),
    ({"since": NOON + timedelta(minutes=2), "until": NOON + timedelta(minutes=4)}, ["denied", "held"]),
    ({"limit": 2}, ["bob", "running"]),
    ({"limit": 0}, []),
    ({"text": "orders", "user": "alice", "decision": "deny"}, ["denied"]),
    ({"owner": (ISSUER, "alice")}, ["running", "denied", "held", "read"]),
    ({"owner": (ISSUER, "alice"), "user": "bob"}, []),
    ({"owner": ("https://other.example.com", "alice")}, []),
]


async def test_every_filter(store: Store, rows: dict[str, StatementRow]) -> None:
    assert [(query, await found(store, rows, **query)) for query, _ in FILTERS] == FILTERS


async def test_pages_join_without_a_gap_even_at_one_moment(
    store: Store, rows: dict[str, StatementRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-9: a page at a time, and no connection is held while the reader is slow."""
    alice = session(ALICE, "alice", "Alice@example.com", "prod-db")
    many = tuple(row(alice, number, "SELECT 1", at=NOON + timedelta(hours=1)) for number in range(10, 30))
    await Records(store).write(Batch(alice, (), many))
    monkeypatch.setattr(statements, "PAGE", 7)
    hits = [each.statement async for each in StatementRepository(store).search(StatementQuery())]
    assert hits == [*range(29, 9, -1), 5, 4, 3, 2, 1]
    assert [each.statement async for each in StatementRepository(store).search(StatementQuery(limit=8))] == [*hits[:8]]
    inside = [each.statement async for each in StatementRepository(store).of_session(ALICE)]
    assert inside == [1, 2, 3, 4, *range(10, 30)]


async def test_one_statement_of_a_session(store: Store, rows: dict[str, StatementRow]) -> None:
    repository = StatementRepository(store)
    assert [each async for each in repository.of_session(ALICE, only=2)] == [rows["held"]]
    assert [each async for each in repository.of_session(ALICE, only=99)] == []


async def test_text_far_too_large_for_an_index_is_written_and_found(store: Store) -> None:
    """INV-2: no statement of a client may make a row that the store refuses, since that would stop its session."""
    alice = session(ALICE, "a" * 5_000, None, "prod-db")
    words = " ".join(f"w{number}x{'y' * (number % 40)}" for number in range(60_000))
    text = f"SELECT '{words} {'z' * 5_000} needle_at_the_end'"
    await Records(store).write(Batch(alice, (), (row(alice, 1, text, kind="k" * 5_000),)))
    (hit,) = [each async for each in StatementRepository(store).search(StatementQuery(text="needle_at_the_end"))]
    assert hit.sql == text


async def test_a_later_state_is_not_overwritten_by_an_earlier_one(store: Store) -> None:
    alice = session(ALICE, "alice", None, "prod-db")
    early, late = row(alice, 1, "SELECT 1", outcome=None, changed_by=2), row(alice, 1, "SELECT 1", changed_by=5)
    for each in (early, late, early):
        await Records(store).write(Batch(alice, (), (each,)))
    assert [each async for each in StatementRepository(store).of_session(ALICE)] == [late]
