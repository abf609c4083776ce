"""Pages of events: in order, and bounded in number and bytes (INV-9)."""

from hoopd.recording.verification import verify_stored
from hoopd.store import events
from hoopd.store.events import EventRepository
from hoopd.store.pool import Store
from hoopd.store.records import Records

SESSION = "s-4kq7aaaabbbb"


async def test_pages_of_events_are_bounded_in_bytes(store: Store, keys, recorder, recorded, monkeypatch) -> None:
    """INV-9."""
    monkeypatch.setattr(events, "PAGE", 7)
    monkeypatch.setattr(events, "PAGE_BYTES", 150)
    assert (await verify_stored(Records(store), SESSION, keys, recorder.holds)).events == 62
    assert [event.seq async for event in EventRepository(store).of_session(SESSION)] == list(range(1, 63))
    async with store.connection() as connection:
        assert 1 <= len(await events.page(connection, SESSION, None)) < 7
        monkeypatch.setattr(events, "PAGE_BYTES", 1)
        assert len(await events.page(connection, SESSION, None)) == 1


async def test_an_event_is_written_once(store: Store, recorded, database: str) -> None:
    async with store.connection() as connection:
        first = await events.page(connection, SESSION, None)
        await events.put(connection, SESSION, [events.EventRow(1, b"forged", b"h" * 32)])
        assert await events.page(connection, SESSION, None) == first


async def test_a_page_begins_behind_the_one_before(store: Store, recorded) -> None:
    async with store.connection() as connection:
        assert [event.seq for event in await events.page(connection, SESSION, 60)] == [61, 62]
        assert await events.page(connection, SESSION, 62) == ()
        assert await events.page(connection, "s-none", None) == ()
