"""The gateway put together from settings, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from hoopd.dev.certificates import LOOPBACK, Authority
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.domain.principal import Principal, Role
from hoopd.policy.problems import PolicyError
from hoopd.settings import Settings
from hoopd.store.statements import StatementQuery
from hoopd.wiring import SEARCHING, Serving, serving

POLICY = "version: 1\nrules: [{name: reads, match: {effects: [read]}, then: allow}]\n"
AUDITOR = Principal("iss", "dave", None, frozenset(), frozenset({Role.auditor}), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    now = datetime.now(UTC)
    issued = Authority.in_directory(tmp_path, lambda: now).issue(tmp_path, "gateway", LOOPBACK, lambda: now)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    return Settings.model_validate(
        {
            "listen": "127.0.0.1:0",
            "tls": {"cert": issued.certificate, "key": issued.key},
            "data_dir": tmp_path / "data",
            "oidc": {"issuer": "http://127.0.0.1:9", "client_id": "a", "approval_client_id": "b"},
            "connections": [{"name": "prod-db", "host": "127.0.0.1", "database": "shop", "user": "svc"}],
            "policy": policy,
        }
    )


@pytest.fixture
async def served(settings: Settings, database: str) -> AsyncIterator[Serving]:
    async with serving(settings, database, migrating=True) as started:
        yield started


async def _search(served: Serving) -> None:
    async for _ in served.audit.search(StatementQuery(), AUDITOR):
        pass


async def _waiting(watching: psycopg.AsyncConnection) -> int:
    query = "select count(*) from pg_locks where not granted and relation = 'hoop.statements'::regclass"
    row = await (await watching.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def test_searches_do_not_make_the_store_seem_away(served: Serving, database: str) -> None:
    """INV-9: whoever searches takes no connection that recording needs."""
    connect = psycopg.AsyncConnection.connect
    async with await connect(database) as blocking, await connect(database, autocommit=True) as watching:
        await blocking.execute("LOCK TABLE hoop.statements")
        async with asyncio.TaskGroup() as tasks:
            searches = [tasks.create_task(_search(served)) for _ in range(20)]
            while await _waiting(watching) < SEARCHING:
                await asyncio.sleep(0)
            await served.services.recorder.shipper.ship()
            served.services.recorder.check_ready()
            for each in searches:
                each.cancel()


async def test_the_data_directory_and_its_keys_are_the_gateways_alone(served: Serving, settings: Settings) -> None:
    """INV-7."""
    assert settings.data_dir.stat().st_mode & 0o077 == 0
    kept = list(settings.data_dir.glob("*.key"))
    assert {path.name for path in kept} == {"record.key", "secret.key"}
    assert not [path for path in kept if path.stat().st_mode & 0o077]


async def test_a_port_that_is_taken_is_one_sentence(served: Serving, settings: Settings, database: str) -> None:
    taken = settings.model_copy(
        update={"listen": f"127.0.0.1:{served.port}", "data_dir": settings.data_dir.with_name("other")}
    )
    with pytest.raises(ExceptionGroup) as caught:
        async with serving(taken, database, migrating=True):
            pass
    (problem,) = caught.value.exceptions
    assert isinstance(problem, Unavailable)
    assert str(served.port) in problem.message


async def test_a_policy_that_does_not_load_stops_the_start(settings: Settings, database: str) -> None:
    """INV-2."""
    settings.policy.write_text("version: 1\nrules: [{name: x, then: alow}]\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="did you mean `allow`"):
        async with serving(settings, database, migrating=True):
            pass
    settings.policy.unlink()
    with pytest.raises(InvalidInput, match="cannot be read"):
        async with serving(settings, database, migrating=True):
            pass


async def test_a_schema_that_is_behind_is_refused(settings: Settings, database: str) -> None:
    with pytest.raises(Unavailable) as caught:
        async with serving(settings, database, migrating=False):
            pass
    assert caught.value.hint is not None
    assert "hoopd migrate" in caught.value.hint
