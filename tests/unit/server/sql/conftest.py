"""A database with the shapes that names, columns and code can hide in, and its catalog, made once for each worker."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg
import pytest

from hoopd.dev.postgres import PostgresServer
from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import CATALOG_QUERIES, FINGERPRINT_QUERY, Catalog
from hoopd.sql.facts import Facts
from tests.fixtures.postgres import fresh_database

SCHEMA = """
create table customers (id int primary key, name text, email text, card text, info jsonb, tags text[]);
create table orders (id int primary key, customer_id int, total numeric, note text);
create table events (id int, secret text, day date) partition by range (day);
create table events_2020 partition of events for values from ('2020-01-01') to ('2021-01-01');
create table parent (id int, hidden text);
create table child (extra text) inherits (parent);
create view customer_cards as select id, card from customers;
create view nested_view as select card from customer_cards;
create materialized view cards as select id, card from customers;
create schema billing;
create table billing.customers (id int, iban text);
create schema app;
create type mood as enum ('sad', 'fine');
create function checks(int) returns bool language plpgsql immutable as 'begin return $1 > 0; end';
create domain positive as int check (checks(value));
create domain tx as text check (length(value) < 100);
create type tp as (a text, b int);
create type trange as range (subtype = text);
create domain small as int check (value < 100);
create type pair as (a positive, b text);
create table typed (id int, m mood, p positive, c pair);
create function app.charge(int) returns int language plpgsql as $$ begin return 1; end $$;
create function of_pair(pair) returns int language plpgsql as $$ begin return 1; end $$;
create function id_of(customers) returns int language plpgsql as $$ begin return 1; end $$;
create function twice(int) returns int language plpgsql immutable as $$ begin return $1 * 2; end $$;
create function lower(mood) returns text language plpgsql as $$ begin return 'mine'; end $$;
create function upper(text, int default 1) returns text language plpgsql as $$ begin return 'mine'; end $$;
create function eq_mood(mood, int) returns bool language plpgsql as $$ begin return true; end $$;
create operator = (leftarg = mood, rightarg = int, function = eq_mood);
create operator ### (leftarg = int, rightarg = int, function = int4pl);
create view with_function as select app.charge(1) as charged;
create view that_sleeps as select pg_sleep(0)::text as slept;
create function on_write() returns trigger language plpgsql as 'begin return new; end';
create table watched (id int);
create trigger watch before insert on watched execute function on_write();
create table ruled (id int);
create rule other as on insert to ruled do also delete from orders;
create table checked (id int default twice(2) check (twice(id) > 0));
create sequence numbers;
create table "Quoted Table" ("Card No" text, plain text);
insert into customers select n, 'name-' || n, 'email-' || n, 'card-' || n, jsonb_build_object('k', 'info-' || n),
       array['tag-' || n] from generate_series(1, 3) n;
insert into orders select n, n, 7, 'note-' || n from generate_series(1, 3) n;
insert into events values (1, 'secret-1', '2020-05-05');
insert into parent values (1, 'hidden-1');
insert into child values (2, 'hidden-2', 'extra-2');
insert into billing.customers values (1, 'iban-1');
insert into "Quoted Table" values ('quoted-1', 'plain-1');
refresh materialized view cards;
"""
PATH = '"$user", public'


def read_catalog(dsn: str) -> Catalog:
    with psycopg.connect(dsn) as connection:
        rows: dict[str, Any] = {n: connection.execute(q.encode()).fetchall() for n, q in CATALOG_QUERIES.items()}
        row = connection.execute(FINGERPRINT_QUERY.encode()).fetchone()
    assert row is not None
    return Catalog.build(rows, str(row[0]))


class Sample(NamedTuple):
    """The sample database: its DSN, catalog, and the state of a fresh session."""

    dsn: str
    catalog: Catalog
    state: SessionState

    def facts(self, text: str, **changes: Any) -> Facts:
        """The facts of a text that is one statement; ``changes`` are to the session's state."""
        (one,) = analyse(text, replace(self.state, **changes), self.catalog)
        return one


@pytest.fixture(scope="session")
def sample(postgres_server: PostgresServer, worker_name: str) -> Iterator[Sample]:
    with fresh_database(postgres_server, f"sql_sample_{worker_name}") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
            version = connection.info.server_version
        yield Sample(dsn, read_catalog(dsn), SessionState(PATH, "app", "app", "I", version))


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def alone() -> Callable[..., tuple[Facts, ...]]:
    """Analysis with PostgreSQL's own names only, on the newest server."""
    catalog = Catalog.builtin()
    state = SessionState(PATH, "app", "app", "I", 180000)

    def facts(text: str, **changes: Any) -> tuple[Facts, ...]:
        return analyse(text, replace(state, **changes), catalog)

    return facts
