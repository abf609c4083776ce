"""Statement rates and latencies: the program pgbench, `-S`, in its three protocols (PostgreSQL documentation, pgbench).

With one client it logs each transaction, for the median; that costs every variant the same.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.figures import Measure
from tests.bench.stack import Endpoint, Stack

PROTOCOLS = ("simple", "extended", "prepared")
CLIENTS = (1, 8, 32)
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def run_once(stack: Stack, endpoint: Endpoint, protocol: str, clients: int, seconds: int) -> tuple[float, float | None]:
    """Transactions a second, and with one client the median latency in milliseconds."""
    threads = min(clients, os.cpu_count() or 1)
    argv = [stack.program("pgbench"), "-n", "-S", "-M", protocol, "-c", str(clients), "-j", str(threads)]
    with tempfile.TemporaryDirectory(dir=stack.home) as directory:
        argv += ["-T", str(seconds), *(["-l", f"--log-prefix={directory}/log"] if clients == 1 else [])]
        done = subprocess.run(argv, env=endpoint.env, capture_output=True, text=True, timeout=seconds + 60, check=False)
        found = _TPS.search(done.stdout)
        if done.returncode != 0 or found is None:
            raise RuntimeError(f"pgbench failed with {endpoint.variant}: {done.stderr[-2000:]}")
        return float(found[1]), _median_of_log(Path(directory)) if clients == 1 else None


def _median_of_log(directory: Path) -> float:
    """The third field of each line is a transaction's time in microseconds."""
    times = [int(line.split()[2]) for path in directory.iterdir() for line in path.read_text().splitlines()]
    return statistics.median(times) / 1000


def measure(
    stack: Stack,
    variants: Sequence[str],
    protocols: Sequence[str],
    clients: Sequence[int],
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> list[Measure]:
    """``rounds`` rounds of each; within a round the variants take turns, each round beginning with another."""
    found: list[Measure] = []
    for protocol in protocols:
        for count in clients:
            rate = Measure(f"pgbench {protocol} {count}", "1/s")
            times = Measure(f"p50 {protocol} {count}", "ms", rate=False)
            say(rate.workload)
            for number in range(rounds):
                rate.rounds.append({})
                times.rounds.append({})
                for variant in rotated(variants, number):
                    tps, median = run_once(stack, stack.endpoints[variant], protocol, count, seconds)
                    rate.rounds[-1][variant] = tps
                    if median is not None:
                        times.rounds[-1][variant] = median
            found += [rate, times] if count == 1 else [rate]
    return found


def rotated(variants: Sequence[str], number: int) -> list[str]:
    """The variants in the order of round ``number``: none of them always goes first."""
    at = number % len(variants)
    return [*variants[at:], *variants[:at]]
