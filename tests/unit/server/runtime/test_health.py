"""Readiness: which part fails, looked at once however many ask, and never for longer than it may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.runtime import health
from hoopd.runtime.health import Readiness


@dataclass
class Part:
    """Something that can be broken, or stall until ``go`` is set."""

    problem: Exception | None = None
    looks: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def check(self) -> None:
        self.looks += 1
        self.begun.set()
        await self.go.wait()
        if self.problem is not None:
            raise self.problem


def well(problem: Exception | None = None) -> Part:
    part = Part(problem)
    part.go.set()
    return part


async def test_each_part_that_fails_is_named_in_a_line() -> None:
    store, catalog, journal = well(Unavailable("it is\naway")), well(Unavailable("gone")), well()
    readiness = Readiness({"store": store.check, "journal": journal.check, "catalog prod-db": catalog.check})
    assert await readiness.faults() == ["store: it is away", "catalog prod-db: gone"]
    assert await readiness.faults(["catalog"]) == ["store: it is away"]


async def test_a_part_that_is_excluded_is_not_looked_at() -> None:
    store, catalog = well(), well(Unavailable("gone"))
    readiness = Readiness({"store": store.check, "catalog prod-db": catalog.check})
    assert await readiness.faults(["catalog"]) == []
    assert (store.looks, catalog.looks) == (1, 0)


async def test_many_who_ask_at_once_make_one_look() -> None:
    store = Part()
    readiness = Readiness({"store": store.check})
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(readiness.faults()) for _ in range(50)]
        await store.begun.wait()
        store.go.set()
    assert [task.result() for task in asking] == [[]] * 50
    assert store.looks == 1


async def test_an_answer_counts_for_a_while_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(health.clock, "monotonic", lambda: now[0])
    store = well(Unavailable("away"))
    readiness = Readiness({"store": store.check})
    assert await readiness.faults() == ["store: away"]
    store.problem = None
    now[0] += health.FRESH_SECONDS / 2
    assert await readiness.faults() == ["store: away"]
    now[0] += health.FRESH_SECONDS
    assert await readiness.faults() == []


async def test_a_part_that_stalls_fails_and_is_not_looked_at_twice() -> None:
    disk = Part()
    readiness = Readiness({"journal": disk.check}, wait=0)
    assert await readiness.faults() == ["journal: it did not answer in 0 s"]
    assert await readiness.faults() == ["journal: it did not answer in 0 s"]
    await disk.begun.wait()
    assert disk.looks == 1
    await readiness.close()


async def test_who_asked_may_go_away_and_the_look_goes_on() -> None:
    store = Part()
    readiness = Readiness({"store": store.check})
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(readiness.faults())
        await store.begun.wait()
        gone.cancel()
    store.go.set()
    assert await readiness.faults() == []
    assert store.looks == 1


async def test_closing_ends_what_is_looked_at() -> None:
    disk = Part()
    readiness = Readiness({"journal": disk.check}, wait=0)
    await readiness.faults()
    before = asyncio.all_tasks()
    await readiness.close()
    assert len(asyncio.all_tasks()) == len(before) - 1
