"""The programs of PostgreSQL beside psql: pg_dump, pg_restore and pgbench, as they are called by people and scripts."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.transparency import lines
from tests.transparency.comparison import Case, Suite, Transcript
from tests.transparency.sides import DIRECT, Side

SECONDS = 240
# How far the filling of tables is comes as often as there is time for it.
PROGRESS = re.compile(r"tuples \(\d+%\)|^done in ")
BENCH_TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")
PIPELINE = """
\\set id random(1, 300)
\\startpipeline
begin;
select name from people where id = :id;
update scratch set amount = amount + 1 where id = 1;
select sum(score) from people where id < :id;
end;
\\endpipeline
"""


def run(side: Side, program: str, *arguments: str, directory: str, given: str | None = None) -> Transcript:
    """What a program shows: exit code, then each stream by itself."""
    done = subprocess.run(
        [side.programs / program, *arguments],
        cwd=directory,
        env=side.env,
        input=given,
        stdin=None if given is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if side.name == DIRECT and done.returncode and "--table=nothing" not in arguments:
        raise RuntimeError(done.stderr[-2000:])
    errors = [line for line in re.split(r"[\r\n]+", done.stderr) if not PROGRESS.search(line)]
    return [f"{program} {' '.join(arguments)}", f"exit {done.returncode}", *done.stdout.splitlines(), *errors]


def _dump(*arguments: str) -> Case:
    """A dump as text; of an archive, the text that pg_restore makes of it."""

    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-dump-") as directory:
            told = run(side, "pg_dump", *arguments, directory=directory)
            if any(one.startswith("--file") for one in arguments):
                told += run(side, "pg_restore", "--file=-", "archive", directory=directory)
        return told

    return case


def _restore(*arguments: str) -> Case:
    """The schema `other`, dumped directly, dropped, and made again by pg_restore."""

    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-restore-") as directory:
            archive = str(Path(directory, "archive"))
            subprocess.run(
                [side.programs / "pg_dump", side.owner_dsn, "--schema=other", "-Fc", f"--file={archive}"], check=True
            )
            told = run(side, "pg_restore", "--dbname=shop", "--clean", *arguments, archive, directory=directory)
        told[0] = "pg_restore"
        with psycopg.connect(side.owner_dsn, autocommit=True) as connection:
            told += lines.rows(connection.execute("select * from other.people"))
        return told

    return case


def _pgbench(*arguments: str, script: str | None = None) -> Case:
    """Transactions counted and what they left; random numbers are the same on both sides."""

    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-pgbench-") as directory:
            given = []
            if script is not None:
                Path(directory, "script").write_text(script, encoding="utf-8")
                given = ["--file=script"]
            told = run(side, "pgbench", "--random-seed=7", *arguments, *given, directory=directory)
        with psycopg.connect(side.owner_dsn, autocommit=True) as connection:
            for table in BENCH_TABLES:
                text = f"select count(*), sum(hashtext(t::text)) from {table} t".encode()
                if table == "pgbench_history":  # has the time of each transaction
                    text = b"select count(*), sum(delta), sum(aid) from pgbench_history"
                told += lines.rows(connection.execute(text))
        return told

    return case


def _initial(*arguments: str) -> Case:
    def case(side: Side) -> Transcript:
        with tempfile.TemporaryDirectory(prefix="hoop-pgbench-") as directory:
            told = run(side, "pgbench", "--initialize", *arguments, directory=directory)
        with psycopg.connect(side.owner_dsn, autocommit=True) as connection:
            told += lines.rows(connection.execute("select count(*), sum(aid), sum(abalance) from pgbench_accounts"))
        return told

    return case


def _dropped(side: Side) -> Transcript:
    with tempfile.TemporaryDirectory(prefix="hoop-pgbench-") as directory:
        return run(side, "pgbench", "--initialize", "--init-steps=d", directory=directory)


DUMPS: dict[str, Case] = {
    "plain": _dump(),
    "schema": _dump("--schema-only", "--no-owner"),
    "data": _dump("--data-only", "--disable-triggers"),
    "inserts": _dump("--inserts", "--table=people", "--table=everything"),
    "column-inserts": _dump("--column-inserts", "--rows-per-insert=50", "--table=visits", "--table=measures*"),
    "clean": _dump("--clean", "--if-exists", "--create", "--schema=other"),
    "custom": _dump("--format=custom", "--file=archive"),
    "directory-by-two": _dump("--format=directory", "--jobs=2", "--file=archive"),
    "serializable": _dump("--serializable-deferrable", "--table=scratch"),
    "no-such-table": _dump("--table=nothing"),
    "restore": _restore(),
    "restore-in-one": _restore("--single-transaction"),
    "restore-by-two": _restore("--jobs=2"),
}
PROTOCOLS = ("simple", "extended", "prepared")


def pg_dump() -> Suite:
    return Suite.of("pg_dump", DUMPS)


def pgbench(transactions: int = 50) -> Suite:
    """``transactions`` of each of four clients, in each protocol."""
    clients = ("--client=4", f"--transactions={transactions}")
    cases = {"initial": _initial("--quiet")}
    for protocol in PROTOCOLS:
        how = (*clients, f"--protocol={protocol}")
        cases[f"{protocol}/reads"] = _pgbench("--select-only", *how)
        cases[f"{protocol}/writes"] = _pgbench("--client=1", f"--transactions={transactions}", how[2])
        cases[f"{protocol}/simple-update"] = _pgbench("--builtin=simple-update", "--no-vacuum", *how)
        cases[f"{protocol}/reconnecting"] = _pgbench("--select-only", "--connect", "--transactions=5", *how[2:])
        if protocol != "simple":
            cases[f"{protocol}/pipeline"] = _pgbench("--no-vacuum", *how, script=PIPELINE)
    cases["initial-by-the-server"] = _initial("--init-steps=dtGvpf", "--partitions=3")
    cases["dropped"] = _dropped
    return Suite.of("pgbench", cases)
