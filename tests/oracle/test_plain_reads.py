"""PostgreSQL is the judge: nothing that is judged a plain read writes, runs code, or leaves anything behind.

``HOOP_STATEMENTS`` says how many statements are made at random, ``HOOP_SEED`` where to begin; ``scripts/fuzz`` sets
both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from tests.fixtures.postgres import INSTALLATIONS, PASSWORD, fresh_database, name_of, running
from tests.oracle.calls import calls
from tests.oracle.generator import CODE_TABLES, CODE_VALUES, WRITES, Generator
from tests.oracle.probes import lay_canaries
from tests.oracle.trial import Trial

STATEMENTS = int(os.environ.get("HOOP_STATEMENTS", "2400"))
SEED = int(os.environ.get("HOOP_SEED", "0"))
PATHS = ("public", "app, public")
ORDINARY_GOAL = 0.01
Record = Callable[[str, object], None]


class Ground(NamedTuple):
    """A server of its own, since what is tried may harm others. ``lob`` is a large object."""

    owner: str
    service: str
    lob: int


@pytest.fixture(scope="module", params=INSTALLATIONS, ids=name_of)
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    binaries: Binaries = request.param
    directory = tmp_path_factory.mktemp("oracle")
    with running(directory, binaries=binaries, settings={"wal_level": "logical", "autovacuum": "off"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(
                f"create role service login password '{PASSWORD.replace(chr(39), chr(39) * 2)}'".encode()
            )
        with fresh_database(server, "ground") as owner:
            with psycopg.connect(owner, autocommit=True) as connection:
                connection.execute(Path(__file__).with_name("schema.sql").read_bytes())
                connection.execute("truncate app.trace")
                made = connection.execute("select lo_from_bytea(0, 'kept')").fetchone()
                data = connection.execute("show data_directory").fetchone()
                assert made is not None
                assert data is not None
                lay_canaries(connection, Path(data[0]))
            yield Ground(owner, server.dsn("ground", "service", PASSWORD), int(made[0]))


def tried(trial: Trial, record_property: Record) -> None:
    figures = ", ".join(f"{number} {what}" for what, number in trial.counted.items())
    record_property("counted", figures)
    print(figures, dict(trial.refused.most_common(8)))
    assert not trial.found, "\n".join(dict.fromkeys(trial.found))


@pytest.mark.timeout(max(400, STATEMENTS // 20))
def test_no_function_of_the_servers_that_is_judged_a_read_does_more(ground: Ground, record_property: Record) -> None:
    """INV-1, THREATS 6: called as a superuser, who may do all that they can."""
    with Trial(ground.owner, ground.owner, PATHS[0]) as trial, psycopg.connect(ground.owner) as connection:
        trial.run(list(calls(connection, trial.watch.neighbour_pid, ground.lob)))
        assert trial.counted["statements"] > 5000
        assert trial.counted["judged plain reads"] > 0.7 * trial.counted["statements"]
        tried(trial, record_property)


@pytest.mark.timeout(max(400, STATEMENTS // 20))
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", ["owner", "service"])
def test_no_statement_that_is_judged_a_read_does_more(
    ground: Ground, record_property: Record, path: str, role: str
) -> None:
    """INV-1, THREATS 2, 5, 6: code in views, casts, domains, indexes, policies; statements inside statements."""
    alone = [f"select {value}" for value in CODE_VALUES] + [f"select * from {table}" for table in CODE_TABLES]
    with Trial(ground.owner if role == "owner" else ground.service, ground.owner, path) as trial:
        made = Generator(SEED, trial.watch.neighbour_pid, ground.lob)
        trial.run(made.filled(text) for text in [*alone, *WRITES])
        trial.run(made.doubtful() for _ in range(STATEMENTS // len(PATHS) // 2))
        tried(trial, record_property)


@pytest.mark.timeout(max(400, STATEMENTS // 20))
def test_ordinary_reads_are_judged_reads(ground: Ground, record_property: Record) -> None:
    """A gateway that denies too much is switched off. The share of those judged otherwise is printed."""
    otherwise, ran = [], 0
    with Trial(ground.owner, ground.owner, PATHS[0]) as trial:
        made = Generator(SEED, trial.watch.neighbour_pid, ground.lob)
        for _ in range(STATEMENTS // 2):
            text = made.ordinary()
            try:
                trial.session.execute(text.encode())
            except psycopg.Error:
                continue
            ran += 1
            if not trial.is_plain_read(text):
                otherwise.append(f"{trial.why(text)}: {text}")
    share = len(otherwise) / ran
    record_property("counted", f"{ran} ordinary reads, {len(otherwise)} judged otherwise ({share:.2%})")
    assert ran > STATEMENTS // 8
    assert share < ORDINARY_GOAL, "\n".join(otherwise[:20])
