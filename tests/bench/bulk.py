"""Many rows, large values, and the time until a client has its first row."""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

import asyncpg
import psycopg

from tests.bench.drain import Drain
from tests.bench.figures import Measure
from tests.bench.pgbench import rotated
from tests.bench.stack import DATABASE, OWNER, PASSWORD, Endpoint, Stack

KIB = 1024
SIZES = {"64 KiB": 64 * KIB, "1 MiB": KIB**2, "16 MiB": 16 * KIB**2, "64 MiB": 64 * KIB**2}
CONNECTS = 7
"""Connections whose median is one round's figure."""
ALL_ROWS = "SELECT * FROM bulk_rows"
Say = Callable[[str], None]


def make_rows(stack: Stack, count: int) -> None:
    """The table ``bulk_rows``: rows of about 100 bytes."""
    with psycopg.connect(stack.target.dsn(DATABASE, OWNER, PASSWORD)) as connection:
        connection.execute("CREATE TABLE bulk_rows (id bigint, made timestamptz, name text, note text)")
        connection.execute(
            "INSERT INTO bulk_rows SELECT n, timestamptz '2026-01-01 00:00Z' + n * interval '1 s', 'item ' || n,"
            " md5(n::text) || substr(md5((n + 1)::text), 1, 12) FROM generate_series(1, %s) n",
            (count,),
        )
    with psycopg.connect(stack.target.dsn(DATABASE), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE bulk_rows")


def by_psql(stack: Stack, endpoint: Endpoint) -> None:
    argv = [stack.program("psql"), "-X", "-q", "-A", "-t", "-o", "/dev/null", "-c", ALL_ROWS]
    subprocess.run(argv, env=endpoint.env, check=True, capture_output=True, timeout=600)


def by_asyncpg(_: Stack, endpoint: Endpoint) -> None:
    async def read() -> int:
        connection = await asyncpg.connect(endpoint.dsn, timeout=60)
        try:
            return len(await connection.fetch(ALL_ROWS))
        finally:
            await connection.close()

    asyncio.run(read())
    gc.collect()


def by_draining(_: Stack, endpoint: Endpoint) -> None:
    with Drain(endpoint) as drain:
        drain.query(ALL_ROWS)


READERS: Mapping[str, Callable[[Stack, Endpoint], None]] = {
    "rows psql": by_psql,
    "rows asyncpg": by_asyncpg,
    "rows drained": by_draining,
}


def measure_rows(stack: Stack, variants: Sequence[str], count: int, rounds: int, say: Say) -> list[Measure]:
    """Rows a second, each reader reading all of ``count`` rows."""
    make_rows(stack, count)
    found = []
    for name, read in READERS.items():
        say(name)
        measure = Measure(name, "1/s")
        for number in range(rounds):
            measure.rounds.append(
                {each: count / _seconds(read, stack, stack.endpoints[each]) for each in rotated(variants, number)}
            )
        found.append(measure)
    return found


def _seconds(read: Callable[[Stack, Endpoint], None], stack: Stack, endpoint: Endpoint) -> float:
    began = time.perf_counter()
    read(stack, endpoint)
    return time.perf_counter() - began


def measure_values(stack: Stack, variants: Sequence[str], rounds: int, say: Say) -> list[Measure]:
    """MiB a second of one value read whole, over and over up to 16 MiB, by a client that only drains."""
    found = []
    for name, size in SIZES.items():
        say(f"value {name}")
        measure = Measure(f"value {name}", "MiB/s")
        for number in range(rounds):
            measure.rounds.append(
                {each: _value_rate(stack.endpoints[each], size) for each in rotated(variants, number)}
            )
        found.append(measure)
    return found


def _value_rate(endpoint: Endpoint, size: int) -> float:
    times = max(1, 16 * KIB**2 // size)
    with Drain(endpoint) as drain:
        began = time.perf_counter()
        for _ in range(times):
            drain.query(f"SELECT repeat('x', {size})")
        return times * size / KIB**2 / (time.perf_counter() - began)


def measure_connect(stack: Stack, variants: Sequence[str], rounds: int, say: Say) -> list[Measure]:
    """Milliseconds from connecting to the first row, with libpq; each figure is a median of ``CONNECTS``."""
    say("connect")
    measure = Measure("connect", "ms", rate=False)
    for number in range(rounds):
        order = rotated(variants, number)
        times: dict[str, list[float]] = {each: [] for each in order}
        for _ in range(CONNECTS):
            for each in order:
                times[each].append(_connect_time(stack.endpoints[each]))
        measure.rounds.append({each: statistics.median(values) for each, values in times.items()})
    return [measure]


def _connect_time(endpoint: Endpoint) -> float:
    began = time.perf_counter()
    with psycopg.connect(endpoint.dsn, autocommit=True) as connection:
        connection.execute("SELECT 1").fetchone()
        return (time.perf_counter() - began) * 1000
