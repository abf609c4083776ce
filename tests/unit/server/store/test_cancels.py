"""Cancels are told to every gateway that listens."""

from __future__ import annotations

import asyncio

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.store.cancels import CHANNEL, CancelBoard
from hoopd.store.listener import Listener
from hoopd.store.pool import Store


async def test_what_is_told_is_heard(database: str) -> None:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    listener, store = Listener(database, (CHANNEL,)), Store(database, max_size=1)
    listener.subscribe(CHANNEL, heard.put_nowait)
    await store.open()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(listener.run())
        assert await heard.get() is None
        await CancelBoard(store).tell("7:proof")
        assert await heard.get() == "7:proof"
        task.cancel()
    await store.close()
    with pytest.raises(Unavailable):
        await CancelBoard(store).tell("7:proof")
