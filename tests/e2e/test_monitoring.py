"""A gateway that is watched from outside: what it counts, and what it says when its store goes away."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures._processes import eventually
from tests.fixtures.parts import Parts, running_parts

pytestmark = [pytest.mark.xdist_group("monitoring"), pytest.mark.timeout(180)]
ALLOWED = 'hoopd_statements_decided_total{decision="allow"}'


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with running_parts(metrics={"listen": "127.0.0.1:0"}) as running:
        yield running


def get(parts: Parts, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(str(parts.stack.ready["metrics"]), timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def count(parts: Parts, series: str) -> float:
    status, text = get(parts, "/metrics")
    assert status == 200
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def test_statements_move_the_counters_and_are_not_in_them(parts: Parts) -> None:
    before = count(parts, ALLOWED)
    with parts.person("alice").tunnel() as tunnel, psycopg.connect(tunnel.dsn, autocommit=True) as session:
        session.execute("select status from orders where id = 3 and status <> 'their-secret'")
        assert count(parts, ALLOWED) == before + 1
        assert count(parts, "hoopd_sessions") == 1
    _, text = get(parts, "/metrics")
    assert not re.search("their-secret|orders|alice", text)
    assert eventually(lambda: count(parts, "hoopd_journal_lag_bytes") == 0, 20)


def test_without_its_store_it_lives_and_is_not_ready(parts: Parts) -> None:
    assert eventually(lambda: get(parts, "/readyz") == (200, "ready\n"), 20)
    parts.store.stop(immediate=True)
    try:
        assert eventually(lambda: get(parts, "/readyz")[0] == 503, 20)
        _, said = get(parts, "/readyz")
        assert [line.split(":")[0] for line in said.splitlines()] == ["store"]
        assert get(parts, "/healthz") == (200, "ok\n")
        assert count(parts, "hoopd_journal_lag_seconds") > 0
    finally:
        parts.store.start()
    assert eventually(lambda: get(parts, "/readyz") == (200, "ready\n"), 30)


def test_a_database_that_is_away_is_named_and_can_be_left_out(parts: Parts) -> None:
    """One database of many is no reason to take the gateway out of service."""
    parts.target.stop(immediate=True)
    try:
        assert eventually(lambda: get(parts, "/readyz")[0] == 503, 20)
        _, said = get(parts, "/readyz")
        assert [line.split(":")[0] for line in said.splitlines()] == ["catalog prod-db"]
        assert get(parts, "/readyz?exclude=catalog") == (200, "ready\n")
    finally:
        parts.target.start()
    assert eventually(lambda: get(parts, "/readyz") == (200, "ready\n"), 30)
