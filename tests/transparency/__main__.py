"""The command behind scripts/transparency: compares every suite on both sides and prints what it found."""

from __future__ import annotations

import sys

from tests.transparency import psql
from tests.transparency.comparison import Outcome, compare
from tests.transparency.differences import KNOWN
from tests.transparency.sides import DIRECT, TUNNEL, both_sides

HEAD = f"{'':10}{'direct':>30}{'tunnel':>33}\n{'suite':10}" + f"{'collected':>12}{'run':>6}{'deselected':>12}   " * 2


def main() -> int:
    with both_sides() as sides:
        outcomes = [compare(suite, sides, KNOWN) for suite in (psql.suite(),)]
    print(HEAD)
    for outcome in outcomes:
        print(_row(outcome))
    for outcome in outcomes:
        for name, entry in outcome.listed.items():
            print(f"deselected  {name}: {entry.why}; docs/transparency.md: {entry.page}")
        for name, shown in outcome.failures.items():
            print(f"\nDIFFERS  {name}\n{shown}")
    failed = sum(len(outcome.failures) for outcome in outcomes)
    print(f"\n{sum(outcome.lines for outcome in outcomes)} lines; outside the list: {failed}")
    return 1 if failed else 0


def _row(outcome: Outcome) -> str:
    columns = "".join(
        f"{outcome.collected[side]:>12}{outcome.collected[side] - len(outcome.listed):>6}{len(outcome.listed):>12}   "
        for side in (DIRECT, TUNNEL)
    )
    return f"{outcome.suite.name:10}{columns}"


if __name__ == "__main__":
    sys.exit(main())
