"""The policy in force."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.policy.loading import load
from hoopd.runtime import clock
from hoopd.runtime.policies import Policies, PolicyFollower
from hoopd.session.judgement import PolicyInForce
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate
from hoopd.store.policies import CHANNEL, PolicyRepository
from hoopd.store.pool import Store
from tests.unit.server.runtime.bench import POLICY, now


def test_without_one_nothing_is_judged() -> None:
    """INV-2"""
    with pytest.raises(Unavailable, match="no policy is loaded"):
        Policies().current  # noqa: B018 - the reading is what is tried


def test_the_newest_counts() -> None:
    policies = Policies()
    for number in (1, 2):
        policies.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(number)))
        assert policies.current.version == number


def test_the_minute_is_told_where_the_policy_hangs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-1: what was bound in an earlier one is judged again when it is executed."""
    monkeypatch.setattr(clock, "now", lambda: datetime(1970, 1, 1, 1, 2, 59, tzinfo=UTC))
    night = "{name: night, match: {if: now.hours < 7}, then: deny}"
    timed = f"version: 1\ntimezone: UTC\nrules: [{night}]"
    policies = Policies()
    policies.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(1)))
    assert policies.now() == (1, 0)
    policies.put(PolicyInForce(load(timed, "test"), PolicyVersion(2)))
    assert policies.now() == (2, 62)


async def test_a_version_that_another_gateway_puts_is_followed_and_a_broken_one_is_not(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(database)
    store = Store(database)
    await store.open()
    repository, policies = PolicyRepository(store, now), Policies()
    first = await repository.put_from_file(POLICY, source="one")
    policies.put(PolicyInForce(load(POLICY, "one"), first.version))
    listener = Listener(database, [CHANNEL])
    follower = PolicyFollower(policies, repository, listener, load)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part()) for part in (listener.run, follower.run)]
        await listener.connected.wait()
        await repository.put("version: 1\nrulez: []\n", by="another", source="two")
        await _until(lambda: "is not put in force" in caplog.text)
        assert policies.current.version == first.version
        third = await repository.put(POLICY + "\n# more\n", by="another", source="three")
        await _until(lambda: policies.current.version == third.version)
        for task in running:
            task.cancel()
    await store.close()


async def _until(holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(30):
        while not holds():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.02)
