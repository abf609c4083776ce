"""node-postgres and postgres.js, in one process of Node.js each, which tells all of its cases.

The packages are those of the directory that HOOP_NODE_MODULES names; where that is not set, `scripts/transparency` has
npm put them into a directory that goes with the run. Without Node.js, npm or a registry the suites say so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.transparency.comparison import Suite, Transcript
from tests.transparency.corpus import CONVERSATIONS
from tests.transparency.sides import DIRECT, Side

PROGRAMS = Path(__file__).with_name("node")
PACKAGES = ("pg@8.23.1", "pg-cursor@2.22.1", "pg-copy-streams@7.0.0", "postgres@3.4.9")
SECONDS = 240
WAYS = {"pg": ("simple", "extended", "named", "binary"), "postgres": ("prepared", "unprepared", "simple")}


@contextlib.contextmanager
def modules() -> Iterator[tuple[Path | None, str]]:
    """The directory of packages, or None and why there is none."""
    named = os.environ.get("HOOP_NODE_MODULES")
    if shutil.which("node") is None:
        yield None, "there is no node"
    elif named:
        yield Path(named), ""
    elif shutil.which("npm") is None:
        yield None, "there is no npm"
    else:
        with tempfile.TemporaryDirectory(prefix="hoop-npm-") as directory:
            done = subprocess.run(
                ["npm", "install", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            if done.returncode:
                yield None, f"npm could not install them: {done.stderr.strip().splitlines()[-1:]}"
            else:
                yield Path(directory, "node_modules"), ""


def suites(packages: Path | None, why: str) -> tuple[Suite, ...]:
    def lacking(name: str) -> str | None:
        if packages is None:
            return why
        return None if (packages / name).is_dir() else f"HOOP_NODE_MODULES has no {name}"

    return tuple(
        Suite(
            f"node-{name}",
            lambda side, name=name: _run(side, name, packages),  # type: ignore[misc]
            lacking(name),
            tuple(f"{way}/{conversation}" for way in ways for conversation in CONVERSATIONS),
        )
        for name, ways in WAYS.items()
    )


def _run(side: Side, name: str, packages: Path | None) -> Mapping[str, Transcript]:
    assert packages is not None
    given = {"conversations": CONVERSATIONS, "ways": WAYS[name]}
    done = subprocess.run(
        ["node", "--no-deprecation", PROGRAMS / f"{name}.js"],
        env={**side.env, "NODE_PATH": str(packages), "PGSSLMODE": "disable"},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if side.name == DIRECT and done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    found["the process itself"] = [f"exit {done.returncode}", *done.stderr.splitlines()]
    return found
