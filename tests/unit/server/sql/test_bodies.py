"""Functions in SQL that are no more than expressions. tests/oracle runs them."""

import psycopg
import pytest

from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Effect
from tests.unit.server.sql.conftest import read_catalog

STATE = SessionState("public", "none", "app", "I", 180000)
CODE = "create function code(int) returns int language plpgsql as 'begin return 1; end';"
CALLS_ANOTHER = """
create function g(int) returns int language sql as 'select $1';
create function f(int) returns int language sql as 'select g($1 + 1)';
"""
EXPRESSIONS = [
    "create function f(int) returns int language sql as 'select $1 * 2'",
    "create function f(n int) returns text language sql immutable strict as $$ select lower(n::text) || now() $$",
    CALLS_ANOTHER,
    "create type mood as enum ('a'); create function f(int) returns mood language sql as $$ select 'a'::mood $$",
]
OTHERS = {
    "reads a table": "create table t (id int); create function f(int) returns int language sql as 'select id from t'",
    "calls code": "create function f(int) returns int language sql as 'select code($1)'",
    "two statements": "create function f(int) returns int language sql as 'select 1; select 2'",
    "changes": "create table t (id int); create function f(int) returns int language sql as "
    "'insert into t values ($1) returning id'",
    "with a default": "create function f(int default code(1)) returns int language sql as 'select $1'",
    "of any type": "create function f(anyelement) returns anyelement language sql as 'select $1'",
    "several values": "create function f(int) returns setof int language sql as 'select $1'",
    "as its owner": "create function f(int) returns int language sql security definer as 'select $1'",
    "with a setting": "create function f(int) returns int language sql set search_path = public as 'select $1'",
    "in the new style": "create function f(int) returns int language sql begin atomic select $1; end",
    "sets something": "create function f(int) returns text language sql as $$ select set_config('a.b', 'c', false) $$",
    "counts up": "create sequence s; create function f(int) returns bigint language sql as $$ select nextval('s') $$",
    "a checked type": "create domain d as int check (code(value) > 0); "
    "create function f(int) returns int language sql as 'select $1::d::int'",
    "gives a checked type": "create domain d as int check (code(value) > 0); "
    "create function f(int) returns d language sql as 'select $1'",
    "itself": "create function f(int) returns int language sql as 'select f($1)'",
    "variadic": "create function f(variadic int[]) returns int language sql as 'select $1[1]'",
    "overloaded": "create function f(int) returns int language sql as 'select $1'; "
    "create function f(bigint) returns int language plpgsql as 'begin return 1; end'",
    "an operator": "create operator ### (leftarg = int, rightarg = int, function = int4pl); "
    "create function f(int) returns int language sql as 'select $1 ### 1'",
    "long": "create function f(int) returns int language sql as 'select $1 /* " + "x" * 2_000 + " */'",
}


def catalog_with(database: str, ddl: str) -> Catalog:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set check_function_bodies = off")
        connection.execute((CODE + ddl).encode())
    return read_catalog(database)


@pytest.mark.parametrize("ddl", EXPRESSIONS)
def test_an_expression_is_read_as_if_it_were_written_out(database: str, ddl: str) -> None:
    (facts,) = analyse("select f(1)", STATE, catalog_with(database, ddl))
    assert facts.effects == {Effect.read}
    assert all(use.trusted for use in facts.functions)
    assert ("public", "f") in {(use.schema, use.name) for use in facts.functions}


@pytest.mark.parametrize("ddl", OTHERS.values(), ids=OTHERS.keys())
def test_anything_else_is_opaque_INV_2(database: str, ddl: str) -> None:
    (facts,) = analyse("select f(1)", STATE, catalog_with(database, ddl))
    assert Effect.opaque in facts.effects


def test_the_path_of_the_session_decides_what_a_body_means(database: str) -> None:
    ddl = (
        "create schema a; create schema b; create function a.g(int) returns int language sql as 'select 1';"
        "create function b.g(int) returns int language plpgsql as 'begin return 1; end';"
        "create function f(int) returns int language sql as 'select g($1)'"
    )
    catalog = catalog_with(database, ddl)
    for path, opaque in (("public, a", False), ("public, b", True), ("public", True), ("public, a", False)):
        state = SessionState(path, "none", "app", "I", 180000)
        (facts,) = analyse("select f(1)", state, catalog)
        assert (Effect.opaque in facts.effects) is opaque, path


def test_masked_values_are_followed_through_an_expression(database: str) -> None:
    """INV-4"""
    ddl = "create table t (card text); create function f(text) returns text language sql as 'select lower($1)'"
    (facts,) = analyse("select f(card) from t", STATE, catalog_with(database, ddl))
    assert facts.unfollowed is None
    assert facts.output is not None
    assert [str(source) for source in facts.output[0].sources] == ["public.t.card"]
    assert facts.output[0].derivation == "derived"
