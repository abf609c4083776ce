"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import analysis, bulk, memory, pgbench, pgbouncer
from tests.bench.figures import DIRECT, MASKED, PGBOUNCER, RELAY, TUNNEL
from tests.bench.machine import Others, disturbed
from tests.bench.report import Report, environment
from tests.bench.stack import Stack, choose_binaries, running_stack

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"


Workload = Callable[[Stack, argparse.Namespace, Report], None]


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="What the gateway costs; docs/performance.md.")
    parser.add_argument("what", nargs="*", choices=[[], *WORKLOADS], metavar="WHAT", help=", ".join(WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="all of it in about two minutes, with wide spreads")
    parser.add_argument("--rounds", type=int, help="interleaved pairs of each workload: 9, and 2 when quick")
    parser.add_argument("--seconds", type=int, help="of each run of pgbench: 3, and 1 when quick")
    parser.add_argument("--sessions", type=int, help="that are idle: 1000, and 100 when quick")
    parser.add_argument("--no-database-tls", action="store_true", help="no TLS to the database, for every variant")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, with every round")
    parser.add_argument("--store", action="store_true", help="keep the tables in docs/performance.md")
    given = parser.parse_args()
    given.what = given.what or list(WORKLOADS)
    given.rounds = given.rounds or (2 if given.quick else 9)
    given.sessions = given.sessions or (100 if given.quick else 1000)
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


def run_rows(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    count = 100_000 if given.quick else 1_000_000
    report.notes.append(f"rows: {count:,} of about 100 bytes")
    report.measures += bulk.measure_rows(stack, variants_of(stack, given), count, given.rounds, say)


def run_values(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    report.measures += bulk.measure_values(stack, variants_of(stack, given), given.rounds, say)


def run_connect(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    report.measures += bulk.measure_connect(stack, variants_of(stack, given), given.rounds, say)


def run_idle(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    report.measures += memory.measure_idle(stack, given.sessions, say)


def run_slow(stack: Stack, given: argparse.Namespace, report: Report) -> None:
    report.measures += memory.measure_slow_reader(stack, 64 if given.quick else 1024, say)


IN_STACK: dict[str, Workload] = {
    # Memory first, while the gateways are as they started.
    "idle": run_idle,
    "slow": run_slow,
    "pgbench": run_pgbench,
    "rows": run_rows,
    "values": run_values,
    "connect": run_connect,
}
MEMORY = ("idle", "slow")
ANALYSIS = "analysis"
WORKLOADS = (*IN_STACK, ANALYSIS)


def main() -> int:
    given = arguments()
    report, others = Report(environment("quick" if given.quick else "full", str(choose_binaries().version))), Others()
    wanted = [name for name in IN_STACK if name in given.what]
    if not memory.can_be_measured() and any(name in MEMORY for name in wanted):
        report.notes.append("memory is read from /proc, which is not here: not measured")
        wanted = [name for name in wanted if name not in MEMORY]
    if wanted:
        run_in_stack(wanted, given, report)
    if ANALYSIS in given.what:
        say("analysis")
        report.analysis = analysis.measure(given.rounds)
    report.environment["others"] = others.cores()
    return finish(report, given)


def run_in_stack(wanted: list[str], given: argparse.Namespace, report: Report) -> None:
    sessions = max(given.sessions if "idle" in wanted else 0, 40)
    say("starting the database, two gateways and their tunnels")
    with running_stack(sessions=sessions, scale=5, database_tls=not given.no_database_tls) as stack:
        report.notes.append(f"to the database: {'TLS' if stack.database_tls else 'no TLS'}, for every variant")
        program = pgbouncer.installed()
        if program is None:
            report.notes.append("pgbouncer is not installed: not measured")
        else:
            stack.endpoints[PGBOUNCER] = stack.running.enter_context(pgbouncer.running(stack, program))
        for name in wanted:
            IN_STACK[name](stack, given, report)


def finish(report: Report, given: argparse.Namespace) -> int:
    """Say what was found. 1 where the relay got slower, which makes every ratio to it look better than it is."""
    slower, why_not = report.slower_relays(DOCUMENT)
    print(json.dumps(report.as_json()) if given.json else report.text())
    if why_not is not None:
        say(why_not)
    for line in slower:
        say(f"the relay is clearly slower than in docs/performance.md: {line}")
    if slower and disturbed(report.environment["others"]):
        say("other work took much of this machine, which alone can do that: this run does not fail for it")
        slower = []
    if given.store and not slower:
        report.store(DOCUMENT)
    return 1 if slower else 0


if __name__ == "__main__":
    # An end that is asked for unwinds like any other, so that nothing is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
