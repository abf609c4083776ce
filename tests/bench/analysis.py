"""How long analysis and decision take for a statement that nobody has seen: `hoopd.session.judgement.judge`, on the
catalog of a real database, under the sample policy, over `corpus.sql`.

Each text is made new by a comment, so that no cache of texts answers in the place of the analysis.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hoopd.dev import sample
from hoopd.dev.postgres import PostgresServer
from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.policy import load, sample_policy_text
from hoopd.policy.matching import Circumstances
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.target import Target
from hoopd.session.judgement import PolicyInForce, judge
from hoopd.sql.catalog import Catalog
from hoopd.sql.parser import allow_deep_recursion
from tests.bench.figures import Spread
from tests.bench.stack import PASSWORD, now

CORPUS = Path(__file__).parent / "corpus.sql"
VARIABLE = "HOOP_BENCH_PASSWORD"


@dataclass(frozen=True, slots=True)
class Judged:
    """One statement of the corpus: microseconds of its verdicts, and what it came to."""

    sql: str
    times: Spread
    outcome: str


def corpus() -> list[str]:
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    return [line.rstrip(";") for line in lines if line and not line.startswith("--")]


def measure(rounds: int) -> list[Judged]:
    """Every statement ``rounds`` times, all of them in turn."""
    with tempfile.TemporaryDirectory(prefix="hoop-bench-") as home:
        server = PostgresServer.create(Path(home) / "shop", password=PASSWORD, settings={"fsync": "off"})
        with server:
            sample.create_shop(server, owner_password=PASSWORD, service_password=PASSWORD)
            catalog = asyncio.run(_catalog(server.port))
        return _judged(catalog, server.binaries.version * 10_000, rounds)


async def _catalog(port: int) -> Catalog:
    os.environ[VARIABLE] = PASSWORD
    connection = Connection("prod-db", "127.0.0.1", port, sample.DATABASE, {"env": "production"})
    reader = CatalogReader(Target(connection, sample.SERVICE, password_env=VARIABLE, tls=TlsMode.disable))
    try:
        return await reader.current()
    finally:
        await reader.close()


def _judged(catalog: Catalog, version: int, rounds: int) -> list[Judged]:
    allow_deep_recursion()
    connection = Connection("prod-db", "127.0.0.1", 5432, sample.DATABASE, {"env": "production"})
    alice = Principal("bench", "alice", None, frozenset({"engineering"}), frozenset(), now() + timedelta(days=1))
    circumstances = Circumstances(alice, connection, "psql")
    in_force = PolicyInForce(load(sample_policy_text(), "sample"), PolicyVersion(1))
    state = SessionState('"$user", public', "none", sample.SERVICE, "I", version)
    times: dict[str, list[float]] = {sql: [] for sql in corpus()}
    outcomes: dict[str, str] = {}
    for number in range(rounds + 1):
        for sql, found in times.items():
            text = f"{sql} /* {number} */"
            began = time.perf_counter()
            verdict = judge(text, state, catalog, in_force, circumstances, b"r" * 32)
            took = time.perf_counter() - began
            outcomes[sql] = verdict.decision.outcome.value
            if number:  # the first round fills what is kept for a catalog, not for a text
                found.append(took * 1e6)
    return [Judged(sql, Spread.of(found), outcomes[sql]) for sql, found in times.items()]


def summary(judged: Sequence[Judged]) -> dict[str, float]:
    """Microseconds: over the medians of the statements their median, the 95th of a hundred, and the most."""
    medians = sorted(each.times.median for each in judged)
    return {
        "statements": len(medians),
        "p50_us": round(statistics.median(medians), 1),
        "p95_us": round(statistics.quantiles(medians, n=20)[-1], 1),
        "max_us": round(medians[-1], 1),
    }
