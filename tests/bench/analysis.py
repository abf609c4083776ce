"""How long analysis and decision take: `hoopd.session.judgement.judge`, on the catalog of a real database, under the
sample policy, over `corpus.sql`.

Of statements that nobody has seen each text is made new by a comment, so that no cache of texts answers in the place
of the analysis. Apart from them: the same text again, the same SELECT with another number, and texts that are large.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
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
from hoopd.runtime.verdicts import VerdictCache
from hoopd.session.judgement import PolicyInForce, Verdict, judge
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


@dataclass(frozen=True, slots=True)
class Analysed:
    """Microseconds: ``new`` by statement; ``known`` and ``retold`` of all together; ``large`` by what is large."""

    new: list[Judged]
    known: Spread
    retold: Spread
    large: dict[str, tuple[float, str]]

    def summary(self) -> dict[str, float]:
        return {
            **summary(self.new),
            "known_us": round(self.known.median, 1),
            "retold_us": round(self.retold.median, 1),
            **{f"{name}_us": round(took, 1) for name, (took, _) in self.large.items()},
        }


LARGE = {
    "1 MiB of text": "select 'x' as a /* " + "y" * (1024 * 1024 - 100) + " */",
    "10,000 items of IN": f"select id from orders where id in ({', '.join(map(str, range(10_000)))})",
    "400 operators": "select " + " || ".join(["'x'"] * 400),
    "200 UNION arms": " union all ".join(["select id from orders"] * 200),
    "100 joins": "select o0.id from orders o0"
    + "".join(f" join orders o{n} on o{n}.id = o0.id" for n in range(1, 101)),
    "40 subselects": "select id from " + "(select id from " * 40 + "orders" + "".join(f") s{n}" for n in range(40)),
}
"""What has to be judged, in bounded time."""


def corpus() -> list[str]:
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    return [line.rstrip(";") for line in lines if line and not line.startswith("--")]


def measure(rounds: int) -> Analysed:
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


def _judged(catalog: Catalog, version: int, rounds: int) -> Analysed:
    allow_deep_recursion()
    connection = Connection("prod-db", "127.0.0.1", 5432, sample.DATABASE, {"env": "production"})
    alice = Principal("bench", "alice", None, frozenset({"engineering"}), frozenset(), now() + timedelta(days=1))
    circumstances = Circumstances(alice, connection, "psql")
    in_force = PolicyInForce(load(sample_policy_text(), "sample"), PolicyVersion(1))
    state = SessionState('"$user", public', "none", sample.SERVICE, "I", version)
    cache = VerdictCache()

    def new(text: str) -> tuple[float, Verdict]:
        return _timed(lambda: judge(text, state, catalog, in_force, circumstances, b"r" * 32))

    def kept(text: str) -> tuple[float, Verdict]:
        return _timed(lambda: cache.verdict(text, state, catalog, in_force, circumstances, lambda: new(text)[1]))

    times: dict[str, list[float]] = {sql: [] for sql in corpus()}
    outcomes: dict[str, str] = {}
    known, retold = [], []
    for number in range(rounds + 1):
        for sql, found in times.items():
            took, verdict = new(f"{sql} /* {number} */")
            outcomes[sql] = verdict.decision.outcome.value
            if number:  # the first round fills what is kept for a catalog, not for a text
                found.append(took)
                known.append(kept(sql)[0])
            else:
                kept(sql)
        took, _ = kept(f"select total from orders where id = {number + 1000}")
        if number:
            retold.append(took)
    large = {name: (took, verdict.decision.outcome.value) for name, (took, verdict) in map(_large(new), LARGE.items())}
    judged = [Judged(sql, Spread.of(found), outcomes[sql]) for sql, found in times.items()]
    return Analysed(judged, Spread.of(known), Spread.of(retold), large)


def _large(
    new: Callable[[str], tuple[float, Verdict]],
) -> Callable[[tuple[str, str]], tuple[str, tuple[float, Verdict]]]:
    return lambda item: (item[0], new(item[1]))


def _timed(made: Callable[[], Verdict]) -> tuple[float, Verdict]:
    began = time.perf_counter()
    verdict = made()
    return (time.perf_counter() - began) * 1e6, verdict


def summary(judged: Sequence[Judged]) -> dict[str, float]:
    """Microseconds: over the medians of the statements their median, the 95th of a hundred, and the most."""
    medians = sorted(each.times.median for each in judged)
    return {
        "statements": len(medians),
        "p50_us": round(statistics.median(medians), 1),
        "p95_us": round(statistics.quantiles(medians, n=20)[-1], 1),
        "max_us": round(medians[-1], 1),
    }
