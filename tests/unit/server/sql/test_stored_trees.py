"""What runs when a table is only read: held against trees that real servers wrote. See also ``tests/oracle``."""

import psycopg
import pytest

from hoopd.sql.stored_trees import StoredFunction, evaluated, types_made
from tests.unit.server.sql.conftest import read_catalog

FUNCTIONS = """
create function code(int) returns int language plpgsql immutable as 'begin return $1; end';
create function strings(int) returns text language sql immutable as 'select lower($1::text)';
create function hides(int) returns int language sql immutable as 'select public.code(1) + $1';
create function fresh(int) returns int language sql immutable begin atomic select $1; end;
create function sometimes(int) returns int language plpgsql stable as 'begin return $1; end';
create table t (id int, n int);
"""
RUNS_AT_PLANNING = {
    "create index on t ((code(1) + n))": "code",
    "create index on t (n) where code(1) > n": "code",
    "create index on t ((code(case when true then 1 else n end)))": "code",
    "create index on t ((coalesce(n, code(1))))": "code",
    "create index on t ((hides(n)))": "hides",
    "create index on t ((fresh(n)))": "fresh",
    "create index on t ((code(code(1) + n)))": "code",
    "create index on t ((code(1 + length('x'))))": "code",
    "create statistics s on (code(1) + n), id from t": "code",
    "alter table t add check (code(1) > n)": "code",
    "alter table t add check (n in (1, code(2)))": "code",
}
RUNS_NOTHING = [
    "create index on t ((code(n)))",
    "create index on t ((code(n + 1) * 2))",
    "create index on t ((strings(n)))",
    "create index on t ((lower(n::text)))",
    "create index on t (n) where n > 1",
    "alter table t add check (sometimes(1) > n)",
    "alter table t add check (code(n) > 0)",
    "create statistics s on (code(n)), id from t",
]


@pytest.fixture
def made(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FUNCTIONS.encode())
    return database


@pytest.mark.parametrize(("ddl", "name"), RUNS_AT_PLANNING.items(), ids=RUNS_AT_PLANNING.keys())
def test_constant_calls_run_when_a_table_is_read_INV_1(made: str, ddl: str, name: str) -> None:
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(ddl.encode())
    calls = read_catalog(made).relations["public", "t"].planned_calls
    assert name in [call[1] for call in calls]


@pytest.mark.parametrize("ddl", RUNS_NOTHING)
def test_calls_that_hang_on_a_row_do_not(made: str, ddl: str) -> None:
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(ddl.encode())
    assert read_catalog(made).relations["public", "t"].planned_calls == ()


def test_a_function_that_is_not_known_counts_INV_2() -> None:
    tree = "{FUNCEXPR :funcid 20000 :args ({VAR :varno 1}) :location 5}"
    assert list(evaluated(tree, {}.get)) == [("", "function 20000", "i")]
    known = StoredFunction("public", "f", "i", "plpgsql", "")
    assert list(evaluated(tree, {20000: known}.get)) == []
    assert list(evaluated(tree.replace("VAR :varno 1", "CONST :consttype 23"), {20000: known}.get)) == [known.use]


def test_types_that_a_tree_makes() -> None:
    assert types_made("{COERCETODOMAIN :arg {VAR} :resulttype 16400 :resulttypmod -1}") == {16400}
    assert types_made("{RANGETBLFUNCTION :funccoltypes (o 23 16401)}{TABLEFUNC :coltypes (o 16402 25)}") == {
        16401,
        16402,
    }
    assert types_made("{RELABELTYPE :resulttype 25} {FUNCEXPR :funcresulttype 16400}") == frozenset()


def test_what_a_view_locks_or_makes_counts_for_its_readers(made: str) -> None:
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(
            b"create function ok(int) returns bool language plpgsql as 'begin return true; end';"
            b"create domain checked as int check (ok(value)); create domain plain as int check (value > 0);"
            b"create view locking as select id from t for update; create view above as select * from locking;"
            b"create view making as select n::checked from t; create view harmless as select n::plain from t;"
            b"create materialized view kept as select n::checked from t; create view of_kept as select * from kept;"
        )
    relations = read_catalog(made).relations
    assert relations["public", "locking"].locks
    assert relations["public", "above"].locks
    assert not relations["public", "making"].locks
    catalog = read_catalog(made)
    makes = {name: relations["public", name].makes for name in ("making", "harmless", "of_kept")}
    assert [catalog.types_by_oid[oid].name for oid in makes["making"]] == ["checked"]
    assert [catalog.reads_harmlessly(oid) for oid in makes["harmless"]] == [True]
    assert not catalog.reads_harmlessly(makes["making"][0])
    assert makes["of_kept"] == ()
