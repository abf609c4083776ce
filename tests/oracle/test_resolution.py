"""PostgreSQL is the judge of names: what it takes a statement's relations, columns and code for, the facts have too.

What it holds on to for a view (``resolution``) must be in the facts. What that cannot tell of, such as ``count(*)``,
whole rows and statements that change data, is counted, and tried by changing one column at a time (``changing``).
``HOOP_STATEMENTS`` and ``HOOP_SEED`` as in ``test_plain_reads``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from hoopd.dev.binaries import Binaries
from hoopd.dev.postgres import PostgresServer
from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.facts import Facts
from tests.fixtures.postgres import INSTALLATIONS, fresh_database, name_of
from tests.oracle.changes_of_data import ChangesOfData
from tests.oracle.changing import Changes
from tests.oracle.generator import CODE_TABLES, CODE_VALUES, Generator
from tests.oracle.queries import PATHS, Queries, Statement
from tests.oracle.resolution import Judge, Seen, missing
from tests.oracle.trial import read_catalog

STATEMENTS = int(os.environ.get("HOOP_STATEMENTS", "2400"))
SEED = int(os.environ.get("HOOP_SEED", "0"))
UNFOLLOWED_GOAL = 0.03
Record = Callable[[str, object], None]
Connection = psycopg.Connection[tuple[object, ...]]
_QUERIES = ("select", "with", "values", "(")


class Bench:
    """A database, one session in it and what the analysis knows of both."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.session: Connection = psycopg.connect(
            dsn, autocommit=True, prepare_threshold=None, options="-c client_min_messages=error"
        )
        self.session.execute(Path(__file__).with_name(schema).read_bytes())
        self.session.execute("set statement_timeout = '1s'")
        self.session.execute("set jit = off")  # where it can be had, it costs more than all the rest
        self.catalog = read_catalog(self.session)
        self.judge = Judge(self.session)
        self.version = self.session.info.server_version
        self.counted: Counter[str] = Counter()
        self.found: list[str] = []
        self._state = SessionState("", "", "", "I", self.version)

    def search(self, path: str) -> None:
        self.session.execute("select set_config('search_path', %s, false)", (path,))
        user = self.session.info.user
        self._state = replace(self._state, search_path=path, role=user, user=user)

    def facts(self, text: str) -> Facts:
        (facts,) = analyse(text, self._state, self.catalog)
        return facts

    def compare(self, statement: Statement, ask: Callable[[str], Seen]) -> Facts | None:
        """With what PostgreSQL sees, None where it takes the statement for none."""
        try:
            seen = ask(statement.with_nulls())
        except psycopg.Error:
            self.counted["that the server does not take"] += 1
            return None
        facts = self.facts(statement.text)
        self.counted["statements compared"] += 1
        self.counted["that the analysis refuses"] += facts.error is not None or facts.forbidden is not None
        self.counted["not followed"] += facts.unfollowed is not None
        self.counted["columns seen"] += len(seen.columns)
        self.counted["relations seen"] += len(seen.relations)
        self.counted["code seen"] += len(seen.functions) + len(seen.operators) + len(seen.types)
        self.counted += seen.counted
        if facts.error is None:
            self.found += [f"{one} ({facts.unfollowed}): {statement.text}" for one in missing(seen, facts, self)]
        return facts

    def told(self, record_property: Record, counted: Counter[str] | None = None) -> None:
        every = self.counted + (counted or Counter())
        figures = ", ".join(f"{number} {what}" for what, number in sorted(every.items()))
        record_property("counted", figures)
        print(figures)
        assert not self.found, "\n".join(dict.fromkeys(self.found[:20]))


@pytest.fixture(params=INSTALLATIONS, ids=name_of)
def server(request: pytest.FixtureRequest, postgres_of: Callable[[Binaries], PostgresServer]) -> PostgresServer:
    return postgres_of(request.param)


@pytest.fixture
def bench(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Over ``resolution.sql``, or what the test names."""
    with fresh_database(server, "resolution") as dsn:
        made = Bench(dsn, getattr(request, "param", "resolution.sql"))
        yield made
        made.session.close()


@pytest.mark.timeout(max(400, STATEMENTS // 20))
def test_no_name_in_a_query_is_taken_for_less(bench: Bench, record_property: Record) -> None:
    """INV-2, INV-4, THREATS 12: relations, columns, functions, operators, casts and types."""
    for path in PATHS:
        bench.search(path)
        for code in (0.0, 0.3):
            queries = Queries(SEED, path, code)
            for _ in range(STATEMENTS // 4 // len(PATHS) // 2):
                bench.compare(queries.statement(), bench.judge.view)
    assert bench.counted["statements compared"] > STATEMENTS // 8
    assert bench.counted["that the analysis refuses"] == 0
    bench.told(record_property)


@pytest.mark.timeout(max(400, STATEMENTS // 20))
@pytest.mark.parametrize("bench", ["schema.sql"], indirect=True)
def test_no_code_in_a_query_is_taken_for_less(bench: Bench, record_property: Record) -> None:
    """The statements of ``test_plain_reads``, none of which is run here."""
    alone = [f"select {value}" for value in CODE_VALUES] + [f"select * from {table}" for table in CODE_TABLES]
    for path in ("public", "app, public"):
        bench.search(path)
        made = Generator(SEED, 0, 0)
        drawn = [made.doubtful() if n % 2 else made.ordinary() for n in range(STATEMENTS // 8)]
        for text in [*map(made.filled, alone), *drawn]:
            if text.startswith(_QUERIES):
                bench.compare(Statement(text, ()), bench.judge.view)
    assert bench.counted["statements compared"] > STATEMENTS // 16
    bench.told(record_property)


@pytest.mark.timeout(max(400, STATEMENTS // 20))
def test_no_other_column_matters_to_an_answer(bench: Bench, record_property: Record) -> None:
    """INV-4: one that is put out matters to its own place alone, one that is not told of to nothing."""
    changes = Changes(bench.session, bench.catalog)
    for path in PATHS:
        bench.search(path)
        queries = Queries(SEED + 1, path)
        for turn in range(STATEMENTS // 25 // len(PATHS)):
            statement = queries.statement()
            facts = bench.compare(statement, bench.judge.view)
            if facts is not None:
                changes.tried(statement.with_values(), facts, turn)
    bench.found += changes.found
    bench.told(record_property, changes.counted)
    _can_tell(bench, changes)


@pytest.mark.timeout(max(400, STATEMENTS // 20))
def test_no_other_column_matters_to_a_change(bench: Bench, record_property: Record) -> None:
    """INV-4: neither to what RETURNING gives, nor to what the tables hold afterwards."""
    changes = Changes(bench.session, bench.catalog)
    for path in PATHS:
        bench.search(path)
        made = ChangesOfData(SEED, path, bench.version)
        for turn in range(STATEMENTS // 50 // len(PATHS)):
            statement = made.statement()
            facts = bench.compare(statement, bench.judge.body)
            if facts is not None:
                changes.tried(statement.with_values(), facts, turn, writes=True)
    bench.found += changes.found
    bench.told(record_property, changes.counted)
    _can_tell(bench, changes)


def _can_tell(bench: Bench, changes: Changes) -> None:
    """Changes are seen where they may be, and what is not followed is the exception."""
    tried = changes.counted["changes of columns that decide"]
    assert changes.counted["of which the answer was another"] > 0.1 * tried > 0
    assert changes.counted["changes of columns that do not matter"] > tried
    assert bench.counted["not followed"] <= max(2, UNFOLLOWED_GOAL * bench.counted["statements compared"])


BREAKS: dict[str, Callable[[Facts], Facts]] = {
    "no column that decides": lambda facts: replace(facts, inferable=()),
    "no column that is made into something": lambda facts: replace(facts, derived=()),
    "sources one place further": lambda facts: replace(
        facts,
        output=tuple(
            replace(one, sources=other.sources)
            for one, other in zip(
                facts.output or (), [*(facts.output or ())[1:], *(facts.output or ())[:1]], strict=True
            )
        ),
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_changing_columns_shows_what_the_facts_leave_out(bench: Bench, broken: str) -> None:
    changes = Changes(bench.session, bench.catalog)
    bench.search(PATHS[0])
    made, of_data = Queries(7, PATHS[0]), ChangesOfData(7, PATHS[0], bench.version)
    for turn in range(40):
        statement, writes = (of_data if turn % 2 else made).statement(), turn % 2 > 0
        facts = bench.compare(statement, bench.judge.body if writes else bench.judge.view)
        if facts is not None:
            changes.tried(statement.with_values(), BREAKS[broken](facts), turn, writes=writes)
    assert changes.found


def test_comparing_shows_what_the_facts_leave_out(bench: Bench) -> None:
    bench.search(PATHS[0])
    text = "select id, app.shout(name) from people where mail like 'x%' and 1 operator(app.###) 1 > 0"
    seen, facts = bench.judge.view(text), bench.facts(text)
    assert not list(missing(seen, facts, bench))
    assert {*missing(seen, replace(facts, accesses=()), bench)} == {"relation ('public', 'people')"}
    assert len([*missing(seen, replace(facts, derived=(), unfollowed=None), bench)]) == 0  # the columns are not known
    assert {*missing(seen, replace(facts, functions=()), bench)} == {
        "function ('app', 'shout')", "operator ('app', '###')",
    }  # fmt: skip
    plain = "select id, name from people where mail like 'x%'"
    seen, facts = bench.judge.view(plain), bench.facts(plain)
    bare = replace(facts, inferable=(), accesses=tuple(replace(one, columns=()) for one in facts.accesses))
    assert {*missing(seen, bare, bench)} == {"column public.people.mail"}
