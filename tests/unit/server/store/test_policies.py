"""Versions of the policy: a text is a version once, whoever brings it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from hoopd.domain.errors import InvalidInput
from hoopd.domain.ids import PolicyVersion
from hoopd.store.migrate import migrate
from hoopd.store.policies import CHANNEL, CONFIG, PolicyRepository
from hoopd.store.pool import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def policies(database: str) -> AsyncIterator[PolicyRepository]:
    await migrate(database)
    store = Store(database)
    await store.open()
    yield PolicyRepository(store, lambda: NOON)
    await store.close()


async def test_a_text_that_differs_is_the_next_version(policies: PolicyRepository) -> None:
    assert await policies.current() is None
    first = await policies.put_from_file("version: 1\n", source="policy.yaml")
    again = await policies.put("version: 1\n", by="erin", source="else.yaml")
    second = await policies.put("version: 1\ndefault: deny\n", by="erin", source="stdin")
    assert (first.version, first.by, again, second.version) == (1, CONFIG, first, 2)
    assert await policies.current() == second
    assert (second.by, second.at, second.source) == ("erin", NOON, "stdin")
    back = await policies.put("version: 1\n", by="erin", source="stdin")
    assert back.version == 3


async def test_a_file_that_has_not_changed_does_not_take_back_what_was_applied(policies: PolicyRepository) -> None:
    await policies.put_from_file("a", source="policy.yaml")
    applied = await policies.put("b", by="erin", source="mine.yaml")
    assert await policies.put_from_file("a", source="policy.yaml") == applied
    changed = await policies.put_from_file("c", source="policy.yaml")
    assert (changed.version, changed.text, changed.by) == (3, "c", CONFIG)
    assert await policies.put_from_file("c", source="policy.yaml") == changed


async def test_who_was_late_is_told_who_was_first(policies: PolicyRepository) -> None:
    first = await policies.put_from_file("a", source="policy.yaml")
    await policies.put("b", by="erin", source="x", expected=first.version)
    with pytest.raises(InvalidInput, match="no longer version 1: it is version 2 by erin"):
        await policies.put("c", by="bob", source="x", expected=first.version)
    assert [each.version for each in await policies.history(10)] == [2, 1]
    assert [each.version for each in await policies.history(1)] == [2]
    assert await policies.get(first.version) == first
    assert await policies.get(PolicyVersion(9)) is None


async def test_gateways_that_start_together_make_one_version(policies: PolicyRepository) -> None:
    made = await asyncio.gather(*(policies.put_from_file("version: 1\n", source="policy.yaml") for _ in range(8)))
    assert {each.version for each in made} == {1}


async def test_a_new_version_is_notified_and_an_old_one_is_not(policies: PolicyRepository, database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        for text in ("a", "a", "b"):
            await policies.put(text, by="erin", source="policy.yaml")
        heard = [notification.payload async for notification in connection.notifies(stop_after=2)]
    assert heard == ["1", "2"]
