"""The command behind scripts/transparency: compares every suite on both sides and prints what it found."""

from __future__ import annotations

import sys

from tests.transparency.clients import jdbc, node_clients
from tests.transparency.comparison import Outcome, compare
from tests.transparency.differences import KNOWN
from tests.transparency.sides import DIRECT, TUNNEL, both_sides
from tests.transparency.suites import every

WIDTH = 18
HEAD = (
    f"{'':{WIDTH}}{'direct':>30}{'tunnel':>33}\n{'suite':{WIDTH}}"
    + f"{'collected':>12}{'run':>6}{'deselected':>12}   " * 2
)


def main() -> int:
    outcomes = []
    with both_sides() as sides, node_clients.modules() as (packages, why):
        for suite in (*every(), *node_clients.suites(packages, why), jdbc.suite()):
            print(f"{suite.name} …", file=sys.stderr, flush=True)
            sides.empty()
            outcomes.append(compare(suite, sides, KNOWN))
    print(HEAD)
    for outcome in outcomes:
        print(_row(outcome))
    for outcome in outcomes:
        for entry in dict.fromkeys(outcome.listed.values()):
            cases = ", ".join(name for name, why in outcome.listed.items() if why is entry)
            print(f"deselected  {cases}: {entry.why}; docs/transparency.md: {entry.page}")
    for outcome in outcomes:
        for name, shown in outcome.failures.items():
            print(f"\nDIFFERS  {name}\n{shown}")
    failed = sum(len(outcome.failures) for outcome in outcomes)
    lacking = [outcome.suite.name for outcome in outcomes if outcome.suite.lacking]
    print(f"\n{sum(outcome.lines for outcome in outcomes)} lines; outside the list: {failed}")
    print(f"not run here: {', '.join(lacking) or 'none'}")
    return 1 if failed else 0


def _row(outcome: Outcome) -> str:
    if outcome.suite.lacking is not None:
        return f"{outcome.suite.name:{WIDTH}}   not run: {outcome.suite.lacking}"
    columns = "".join(
        f"{outcome.collected[side]:>12}{outcome.collected[side] - len(outcome.listed):>6}{len(outcome.listed):>12}   "
        for side in (DIRECT, TUNNEL)
    )
    return f"{outcome.suite.name:{WIDTH}}{columns}"


if __name__ == "__main__":
    sys.exit(main())
