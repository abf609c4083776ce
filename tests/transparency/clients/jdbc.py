"""pgjdbc, the driver of DBeaver, DataGrip and every other tool on Java: one Java process, which tells all of its cases.

The driver is the file that HOOP_JDBC_JAR names, else one that Maven or the system has. Without Java, or without the
driver, the suite says so.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.transparency.comparison import Suite, Transcript
from tests.transparency.corpus import CONVERSATIONS, Value
from tests.transparency.sides import DIRECT, Side

PROGRAM = Path(__file__).with_name("java") / "Jdbc.java"
PLACES = ("~/.m2/repository/org/postgresql/postgresql/*/postgresql-*.jar", "/usr/share/java/postgresql.jar")
SECONDS = 240
MODES = ("extended", "extended-portions", "simple", "prepared", "forced-binary", "cached")


def driver() -> Path | None:
    """The newest file of the driver that is here."""
    if named := os.environ.get("HOOP_JDBC_JAR"):
        return Path(named)
    for place in PLACES:
        at = Path(place).expanduser()
        if found := sorted(Path(at.anchor).glob(str(at.relative_to(at.anchor)))):
            return found[-1]
    return None


def suite() -> Suite:
    jar = driver()
    lacking = None
    if shutil.which("java") is None:
        lacking = "there is no java"
    elif jar is None:
        lacking = "pgjdbc is not here; HOOP_JDBC_JAR may name its file"
    cases = tuple(f"{mode}/{name}" for mode in MODES for name in CONVERSATIONS)
    return Suite("jdbc", lambda side: _run(side, jar), lacking, cases)


def _word(kind: str, text: str) -> str:
    return kind + base64.b64encode(text.encode()).decode()


def _value(given: Value) -> str:
    match given:
        case None:
            return "n"
        case bool():
            return _word("b", str(given).lower())
        case int():
            return _word("i" if abs(given) < 2**31 else "l", str(given))
        case float():
            return _word("f", repr(given))
        case str():
            return _word("s", given)
        case list():
            return _word("I" if isinstance(given[0], int) else "S", "\n".join(map(str, given)))


def _given() -> Iterator[str]:
    for name, steps in CONVERSATIONS.items():
        yield f"conversation {name}"
        for step in steps:
            yield " ".join([_word("s", step.sql), *map(_value, step.params)])


def _run(side: Side, jar: Path | None) -> Mapping[str, Transcript]:
    done = subprocess.run(
        ["java", "-XX:+UseSerialGC", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8", "-cp", str(jar), str(PROGRAM)],
        env=side.env,
        input="\n".join(_given()) + "\n",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if side.name == DIRECT and done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    return {**found, "the process itself": [f"exit {done.returncode}", *done.stderr.splitlines()]}
