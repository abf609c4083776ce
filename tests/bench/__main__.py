"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.bench import pgbench
from tests.bench.figures import DIRECT, MASKED, PGBOUNCER, RELAY, TUNNEL
from tests.bench.report import Report, environment
from tests.bench.stack import Stack, running_stack

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="What the gateway costs; docs/performance.md.")
    parser.add_argument("what", nargs="*", choices=[[], *WORKLOADS], metavar="WHAT", help=", ".join(WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="all of it in about two minutes, with wide spreads")
    parser.add_argument("--rounds", type=int, help="interleaved pairs of each workload: 9, and 2 when quick")
    parser.add_argument("--seconds", type=int, help="of each run of pgbench: 3, and 1 when quick")
    parser.add_argument("--no-database-tls", action="store_true", help="no TLS to the database, for every variant")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, with every round")
    parser.add_argument("--store", action="store_true", help="keep the tables in docs/performance.md")
    given = parser.parse_args()
    given.what = given.what or list(WORKLOADS)
    given.rounds = given.rounds or (2 if given.quick else 9)
    given.seconds = given.seconds or (1 if given.quick else 3)
    return given


def variants_of(stack: Stack, given: argparse.Namespace) -> list[str]:
    wanted = (DIRECT, PGBOUNCER, RELAY, TUNNEL) if given.quick else (DIRECT, PGBOUNCER, RELAY, TUNNEL, MASKED)
    return [name for name in wanted if name in stack.endpoints]


def run_pgbench(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    variants = variants_of(stack, given)
    report.measures += pgbench.measure(
        stack, variants, pgbench.PROTOCOLS, pgbench.CLIENTS, given.rounds, given.seconds, say
    )


WORKLOADS: dict[str, Any] = {"pgbench": run_pgbench}


def main() -> int:
    given = arguments()
    load = os.getloadavg()[0]
    say("starting the database, two gateways and their tunnels")
    with running_stack(sessions=100, scale=5, database_tls=not given.no_database_tls) as stack:
        postgres = str(stack.binaries.version)
        report = Report(environment("quick" if given.quick else "full", postgres, load))
        if PGBOUNCER not in stack.endpoints:
            report.notes.append("pgbouncer is not installed: not measured")
        for name in given.what:
            WORKLOADS[name](stack, given, report)
    return finish(report, given)


def finish(report: Report, given: argparse.Namespace) -> int:
    slower, why_not = report.slower_relays(DOCUMENT)
    print(json.dumps(report.as_json()) if given.json else report.text())
    if why_not is not None:
        say(why_not)
    for line in slower:
        say(f"the relay is clearly slower than in docs/performance.md: {line}")
    if given.store and not slower:
        report.store(DOCUMENT)
    return 1 if slower else 0


if __name__ == "__main__":
    # An end that is asked for unwinds like any other, so that nothing is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
