"""``hoopd analyze``: what the gateway makes of SQL, for people who write policies and for tests.

SQL on stdin, one JSON line for each statement on stdout (DESIGN.md, section 9). Nothing of the SQL is run.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from hoopd.commands import output
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import CATALOG_QUERIES, FINGERPRINT_QUERY, Catalog
from hoopd.sql.facts import ColumnName, Facts

_ALONE = SessionState('"$user", public', role="", user="", transaction="I", server_version=180000)


def analyze(
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn", help="A database to read the catalog of, or @FILE with its DSN; else built-in names only."
        ),
    ] = None,
    search_path: Annotated[
        str | None,
        typer.Option("--search-path", metavar="PATH", help="As SET takes it; else that of the database's role."),
    ] = None,
) -> None:
    """Say what SQL would do, without running it.

    Reads it from standard input, and writes one JSON line for each statement."""
    state, catalog = (_ALONE, Catalog.builtin()) if dsn is None else read_database(dsn)
    if search_path is not None:
        state = replace(state, search_path=search_path)
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    for facts in analyse(text, state, catalog):
        output.emit(as_json(facts))


def read_database(dsn: str) -> tuple[SessionState, Catalog]:
    """The catalog and state of a session of that DSN. Raises Unavailable, or InvalidInput for a file that is none."""
    try:
        with psycopg.connect(_in_file(dsn[1:]) if dsn.startswith("@") else dsn) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            rows = {name: connection.execute(query.encode()).fetchall() for name, query in CATALOG_QUERIES.items()}
            fingerprint = connection.execute(FINGERPRINT_QUERY.encode()).fetchone()
            found = connection.execute(
                "select pg_catalog.current_setting('search_path'), current_user::text, session_user::text"
            ).fetchone()
            version = connection.info.server_version
    except psycopg.Error as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unavailable(f"the database of --dsn cannot be read: {first}", hint="Check the DSN.") from None
    assert found is not None
    path, role, user = found
    state = SessionState(path, role=role, user=user, transaction="I", server_version=version)
    return state, Catalog.build(rows, str(fingerprint[0]) if fingerprint else "")


def _in_file(name: str) -> str:
    """A DSN that holds a password: every user of the machine can read the words of a command line (INV-7)."""
    try:
        return Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"the file {name} of --dsn cannot be read: {reason}") from None


def as_json(facts: Facts) -> dict[str, Any]:
    """The line of one statement, as DESIGN.md section 9 has it."""
    return {
        "sql": facts.sql.encode("utf-8", "backslashreplace").decode("utf-8"),
        "kind": facts.kind,
        "effects": sorted(facts.effects),
        "objects": [{"schema": a.schema, "name": a.name, "kind": a.kind, "access": a.effect} for a in facts.accesses],
        "functions": [
            {"schema": f.schema, "name": f.name, "volatility": f.volatility, "trusted": f.trusted}
            for f in facts.functions
        ],
        "predicate": facts.predicate,
        "output": None
        if facts.output is None
        else [
            {"name": c.name, "sources": [_column(s) for s in c.sources], "derivation": c.derivation}
            for c in facts.output
        ],
        "inferable": [_column(c) for c in facts.inferable],
        "locks": [
            {"schema": lock.schema, "table": lock.name, "mode": lock.mode, "rewrites": lock.rewrites}
            for lock in facts.locks
        ],
        "final": facts.final,
        "error": None if facts.error is None else {"message": facts.error.message, "position": facts.error.position},
    }


def _column(name: ColumnName) -> dict[str, str]:
    return {"schema": name.schema, "table": name.table, "column": name.column}
