"""Scripts for psql: each is a case, run by a psql of its own, and what it writes to stdout and to stderr is compared.

The scripts are the files of `psql/`, split at lines `-- case: NAME`. A case leaves the database as it found it.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.sides import Side

SCRIPTS = Path(__file__).with_name("psql")
SECONDS = 60
HEAD = re.compile(r"^-- case: (\S+)$", re.M)


def scripts() -> Iterator[tuple[str, str]]:
    """Name and text of each case."""
    for path in sorted(SCRIPTS.glob("*.sql")):
        _, *parts = HEAD.split(path.read_text(encoding="utf-8"))
        yield from ((f"{path.stem}/{name}", text) for name, text in zip(parts[::2], parts[1::2], strict=True))


def run(side: Side, text: str, *options: str) -> Transcript:
    """What psql shows of a script: exit code, then each stream by itself, since their order is no promise."""
    with tempfile.TemporaryDirectory(prefix="hoop-psql-") as directory:
        script = Path(directory, "script.sql")
        script.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [side.programs / "psql", "--no-psqlrc", "--echo-all", "--pset=pager=off", *options, "--file=script.sql"],
            cwd=directory,
            env=side.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    return [f"exit {done.returncode}", *done.stdout.splitlines(), "-- stderr", *done.stderr.splitlines()]


def _case(text: str) -> Case:
    return lambda side: run(side, text)


def suite() -> Suite:
    return Suite.of("psql", {name: _case(text) for name, text in scripts()})
