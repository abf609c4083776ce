"""Sessions as their people and auditors see them."""

from dataclasses import replace

import pytest

from hoopd.domain.events import SessionEnded
from hoopd.domain.ids import SessionId
from hoopd.recording.recorder import Recorder
from hoopd.store import sessions
from hoopd.store.pool import Store
from hoopd.store.sessions import SessionRepository


async def test_sessions_are_seen_by_their_people_and_by_auditors(store: Store, recorder: Recorder, happened) -> None:
    for name, subject in (("s-a", "alice"), ("s-b", "bob"), ("s-c", "alice")):
        record = recorder.open(SessionId(name))
        for event in happened(1, SessionId(name), subject):
            record.append(event)
        record.append(SessionEnded("client closed", ""))
    await recorder.shipper.drain(60)
    repository = SessionRepository(store)
    assert [each async for each in repository.ids(None)] == ["s-a", "s-b", "s-c"]
    assert [each async for each in repository.ids(("idp", "alice"))] == ["s-a", "s-c"]
    assert await repository.get(SessionId("s-b"), ("idp", "alice")) is None
    found = await repository.get(SessionId("s-b"), None)
    assert found is not None
    assert (found.subject, found.application) == ("bob", "psql\\x00")


async def test_pages_of_sessions_join(
    store: Store, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, happened
) -> None:
    monkeypatch.setattr("hoopd.store.sessions.PAGE", 2)
    names = [SessionId(f"s-{number}") for number in range(5)]
    for name in names:
        record = recorder.open(name)
        record.append(happened(0, name)[0])
        record.append(SessionEnded("client closed", ""))
    await recorder.shipper.drain(60)
    assert [each async for each in SessionRepository(store).ids(None)] == names


async def test_an_earlier_state_never_overwrites_a_later_one(store: Store, recorded) -> None:
    async with store.connection() as connection:
        row = await sessions.get(connection, SessionId("s-4kq7aaaabbbb"))
        assert row is not None
        await sessions.put(connection, replace(row, events=5, head=b"h" * 32, seal=None, ended=None))
        assert await sessions.get(connection, row.id) == row
        await sessions.put(connection, replace(row, gateway="another", events=99))
        assert await sessions.get(connection, row.id) == row, "a session belongs to the gateway that began it"
