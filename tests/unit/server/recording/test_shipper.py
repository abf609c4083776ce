"""The shipper as it runs: the store goes away and comes back, and what is left is drained (INV-2)."""

import asyncio
from datetime import timedelta

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.events import SessionEnded
from hoopd.recording import shipper as module


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def test_it_ships_what_is_appended_and_follows_the_store(recorder, memory_store, story) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.shipper.run())
        await recorder.shipper.reached.wait()
        record = recorder.open(story.session)
        record.append(story.start())
        await until(lambda: memory_store.batches)
        memory_store.away = True
        await until(lambda: recorder.lagging)
        assert not recorder.shipper.reached.is_set()
        record.append(story.decided(1, "SELECT 1"))
        memory_store.away = False
        await until(lambda: not recorder.lagging)
        record.append(story.started(1))
        record.append(SessionEnded("client closed", ""))
        await until(lambda: not recorder.holds(story.session))
        running.cancel()
    assert recorder.lagging, "what does not run ships nothing, so nothing may run"
    with pytest.raises(Unavailable):
        recorder.check_ready()
    seqs = [event.seq for batch in memory_store.batches for event in batch.events]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_draining_gives_up_in_time_and_says_so(recorder, memory_store, story) -> None:
    record = recorder.open(story.session)
    record.append(story.start())
    memory_store.away = True
    assert not await recorder.shipper.drain(10)
    memory_store.away = False
    assert await recorder.shipper.drain(10)
    record.close()


async def test_a_store_that_hangs_is_away(recorder, memory_store, story, monkeypatch) -> None:
    """INV-2: not to answer is as bad as to refuse."""
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.01)
    record = recorder.open(story.session)
    record.append(story.start())
    hanging = asyncio.Event()

    async def hang(_) -> None:
        await hanging.wait()

    monkeypatch.setattr(memory_store, "write", hang)
    with pytest.raises(Unavailable, match="did not answer within"):
        await recorder.shipper.ship()
    with pytest.raises(Unavailable):
        record.append(story.started(1))
    record.close()


async def test_a_store_that_answers_checks_but_takes_nothing_is_away(
    recorder, memory_store, story, monkeypatch
) -> None:
    """INV-2: a full or read-only store answers every ping."""
    record = recorder.open(story.session)
    record.append(story.start())

    async def refuse(_) -> None:
        raise Unavailable("The store is full.")

    monkeypatch.setattr(memory_store, "write", refuse)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await recorder.shipper.ship()
        assert recorder.lagging
    record.close()


async def test_lag_is_measured_from_the_first_failure(tmp_path, memory_store, clock) -> None:
    shipper = module.Shipper(memory_store, clock, timedelta(seconds=10))
    await shipper.ship()
    memory_store.away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await shipper.ship()
        clock.now += timedelta(seconds=6)
    assert shipper.lagging
    memory_store.away = False
    await shipper.ship()
    assert not shipper.lagging


async def test_how_far_behind_it_is(recorder, memory_store, story) -> None:
    shipper = recorder.shipper
    await shipper.ship()
    assert (shipper.away_seconds, shipper.lag) == (0, 0)
    record = recorder.open(story.session)
    record.append(story.start())
    memory_store.away = True
    with pytest.raises(Unavailable):
        await shipper.ship()
    assert shipper.away_seconds > 0
    assert shipper.lag > 0
    memory_store.away = False
    await shipper.ship()
    assert (shipper.away_seconds, shipper.lag) == (0, 0)
    record.close()


async def test_it_rests_between_batches_unless_the_store_is_in_doubt(
    recorder, memory_store, story, monkeypatch
) -> None:
    monkeypatch.setattr(module, "_rest", lambda took: 3600.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.shipper.run())
        await recorder.shipper.reached.wait()
        record = recorder.open(story.session)
        record.append(story.start())
        await until(lambda: memory_store.batches)
        for event in story.whole()[1:5]:
            record.append(event)
            for _ in range(20):
                await asyncio.sleep(0)
        assert len(memory_store.batches) == 1
        recorder.shipper.suspect()
        await until(lambda: len(memory_store.batches) == 2)
        assert len(memory_store.batches[1].events) == 4
        running.cancel()
    record.close()


async def test_it_rests_under_a_steady_load_too(recorder, memory_store, story, monkeypatch) -> None:
    """What is added while a batch is written is left for after the rest: else there would be a batch for each few
    statements, and no rest for as long as there is load."""
    monkeypatch.setattr(module, "_rest", lambda took: 3600.0)
    record = recorder.open(story.session)
    write = memory_store.write

    async def meanwhile(batch) -> None:
        record.append(story.decided(len(memory_store.batches) + 1, "SELECT 1"))
        await write(batch)

    monkeypatch.setattr(memory_store, "write", meanwhile)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.shipper.run())
        record.append(story.start())
        await until(lambda: memory_store.batches)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(memory_store.batches) == 1
        running.cancel()
    record.close()


async def test_it_does_not_rest_while_whole_batches_wait(recorder, memory_store, story, monkeypatch) -> None:
    monkeypatch.setattr(module, "_rest", lambda took: 3600.0)
    record = recorder.open(story.session)
    record.append(story.start())
    for number in range(1, 6):
        record.append(story.decided(number, "SELECT " + "1" * module.BATCH_BYTES))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recorder.shipper.run())
        await until(lambda: sum(len(batch.events) for batch in memory_store.batches) == 6)
        running.cancel()
    record.close()


@pytest.mark.parametrize(("took", "rest"), [(0.0, 0.0), (0.01, 0.01 * module.REST_ROUNDS), (60.0, 0.01)])
def test_a_rest_is_as_long_as_the_rounds_are_and_no_longer_than_a_check_may_wait(took: float, rest: float) -> None:
    """INV-2: while it rests, a store that goes away is noticed no later than when it is idle."""
    assert module._rest(took) == min(rest, module.CHECK_SECONDS)
