"""PREPARE, EXECUTE, DECLARE and FETCH through a real tunnel: what stands behind a name is what is judged and masked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.fixtures.parts import Parts, running_parts
from tests.fixtures.stack import Person, Tunnel

pytestmark = pytest.mark.xdist_group("named")

POLICY = """
version: 1
default: deny
reviewers: {from: [dba], approvals: 1, hold: 4m, expires: 30m}
rules:
  - name: everybody may connect
    match: {}
    then: {connect: allow}
  - name: reads and drafts
    match: {effects: [read, session, write], objects: [public.draft, public.people, public.secret_draft]}
    then: allow
  - name: code
    match: {effects: [opaque]}
    then: allow
  - name: the archive is changed under four eyes
    match: {effects: [write], objects: [public.archive]}
    then: review
  - name: the archive is read under four eyes
    match: {effects: [read], objects: [public.archive]}
    then: review
"""
MASKED = """
  - name: everybody reads people
    match: {effects: [read], objects: [public.people]}
    then: allow
  - name: paths and drafts
    match: {effects: [session, read], objects: [search_path, "scratch.*"]}
    then: allow
masks:
  - columns: [public.people.card]
    with: {last: 4}
"""


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with running_parts(POLICY) as running:
        with psycopg.connect(running.owner_dsn) as owner:
            for table in ("draft", "archive", "people"):
                owner.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, card text NOT NULL)")
                owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO hoop_service")
            owner.execute("INSERT INTO people SELECT n, '4000-0000-0000-' || (1000 + n) FROM generate_series(1, 9) n")
            owner.execute("INSERT INTO archive SELECT * FROM people")
        yield running


@pytest.fixture(scope="module")
def tunnel(parts: Parts) -> Iterator[Tunnel]:
    with parts.person("alice").tunnel() as opened:
        yield opened


@pytest.fixture
def session(tunnel: Tunnel) -> Iterator[psycopg.Connection]:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def bob(parts: Parts) -> Person:
    return parts.person("bob")


def _sqlstate(session: psycopg.Connection, sql: str) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql.encode())
    return caught.value.sqlstate


def test_prepare_and_execute(session: psycopg.Connection) -> None:
    session.execute("PREPARE one (int) AS SELECT $1 + 1")
    assert session.execute("EXECUTE one(41)").fetchall() == [(42,)]
    assert session.execute("EXPLAIN EXECUTE one(41)").fetchone()
    assert _sqlstate(session, "PREPARE one AS SELECT 1") == "42P05"
    session.execute("DEALLOCATE one")
    assert _sqlstate(session, "EXECUTE one(1)") == "26000"


def test_what_a_name_stands_for_is_what_is_decided_on(session: psycopg.Connection) -> None:
    """INV-1: a read under a name is a read, and what no rule allows stays so."""
    assert _sqlstate(session, "PREPARE gone AS DELETE FROM orders") == "42501"
    session.execute("PREPARE mine AS INSERT INTO draft VALUES ($1, 'x')")
    session.execute("EXECUTE mine(1)")
    assert session.execute("SELECT count(*) FROM draft").fetchone() == (1,)
    session.execute("EXECUTE mine(2); DELETE FROM draft")


def test_an_execute_is_held_and_shows_what_it_runs(tunnel: Tunnel, session: psycopg.Connection, bob: Person) -> None:
    """INV-5: PREPARE runs nothing and is not held; EXECUTE is, and a reviewer sees the statement behind the name."""
    session.execute("PREPARE purge (int) AS DELETE FROM archive WHERE id = $1")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(session.execute, b"EXECUTE purge(1)")
        request = tunnel.held()
        (shown,) = [one for one in bob.requests() if one["id"] == request]
        assert "DELETE FROM archive WHERE id = $1" in shown["sql"]
        assert shown["sql"].endswith("EXECUTE purge(1)")
        assert "write public.archive" in shown["facts"]["accesses"]
        assert bob.decide(request)[0]["event"] == "approved"
        assert running.result(60).rowcount == 1


def test_a_cursor_goes_on_with_what_was_approved(tunnel: Tunnel, session: psycopg.Connection, bob: Person) -> None:
    session.execute("BEGIN")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(session.execute, b"DECLARE c CURSOR FOR SELECT id FROM archive ORDER BY id")
        assert bob.decide(tunnel.held())[0]["event"] == "approved"
        running.result(60)
    assert len(session.execute("FETCH 2 FROM c").fetchall()) == 2
    session.execute("MOVE c")
    assert session.execute("FETCH c").rowcount == 1
    session.execute("CLOSE c")
    assert _sqlstate(session, "FETCH c") == "34000"
    session.execute("ROLLBACK")


def test_psycopgs_server_side_cursors(session: psycopg.Connection) -> None:
    with session.transaction(), session.cursor("portion") as cursor:
        cursor.itersize = 4
        cursor.execute("SELECT id FROM people WHERE id > %s ORDER BY id", (1,))
        assert [row[0] for row in cursor] == list(range(2, 10))
        cursor.scroll(0, mode="absolute")
        assert cursor.fetchmany(2) == [(2,), (3,)]
    with session.cursor("kept", withhold=True) as kept:
        kept.execute("SELECT id FROM people ORDER BY id")
        session.execute("SELECT 1")
        assert len(kept.fetchall()) == 9


def test_names_that_code_may_have_changed_are_opaque(session: psycopg.Connection) -> None:
    """INV-1, THREATS 9: code put another statement behind the name; it is judged as code, not as what was prepared."""
    session.execute("PREPARE p AS SELECT 1")
    session.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE p'; EXECUTE 'PREPARE p AS SELECT 2'; END $$")
    facts = session.execute("EXECUTE p").fetchall()
    assert facts == [(2,)]
    session.execute("DEALLOCATE p")


def test_cursors_follow_savepoints_and_commits(session: psycopg.Connection) -> None:
    session.execute("BEGIN")
    session.execute("DECLARE before CURSOR FOR SELECT id FROM people ORDER BY id")
    session.execute("SAVEPOINT s")
    session.execute("DECLARE after CURSOR FOR SELECT id FROM people")
    session.execute("ROLLBACK TO s")
    assert session.execute("FETCH before").fetchall() == [(1,)]
    session.execute("DECLARE after CURSOR FOR SELECT card FROM people ORDER BY id")
    assert session.execute("FETCH after").fetchall() == [("4000-0000-0000-1001",)]
    session.execute("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM people ORDER BY id")
    session.execute("COMMIT")
    assert session.execute("FETCH 2 FROM held").fetchall() == [(1,), (2,)]
    assert _sqlstate(session, "FETCH before") == "34000"
    session.execute("CLOSE held")


def test_rows_of_a_cursor_and_of_a_prepared_statement_are_masked(parts: Parts) -> None:
    """INV-4: by the columns that the statement behind the name reads."""
    with running_parts(POLICY + MASKED) as masked:
        with psycopg.connect(masked.owner_dsn) as owner:
            owner.execute("CREATE TABLE people (id integer, card text)")
            owner.execute("GRANT SELECT ON people TO hoop_service")
            owner.execute("INSERT INTO people VALUES (1, '4000123412341234')")
        with (
            masked.person("alice").tunnel() as opened,
            psycopg.connect(opened.dsn, autocommit=True) as session,
        ):
            session.execute("PREPARE cards AS SELECT id, card FROM people")
            assert session.execute("EXECUTE cards").fetchall() == [(1, "****1234")]
            session.execute("BEGIN")
            session.execute("DECLARE c CURSOR FOR SELECT card, id FROM people")
            assert session.execute("FETCH c").fetchall() == [("****1234", 1)]
            session.execute("MOVE BACKWARD ALL IN c")
            assert session.execute("FETCH ALL FROM c", binary=True).fetchall() == [("****1234", 1)]
            session.execute("ROLLBACK")
            assert _sqlstate(session, "PREPARE upper AS SELECT upper(card) FROM people") == "42501"
            assert _sqlstate(session, "DECLARE u CURSOR WITH HOLD FOR SELECT upper(card) FROM people") == "42501"


def test_an_object_that_comes_before_another_in_the_path_does_not_lift_its_mask() -> None:
    """INV-1, INV-4, THREATS 5: PostgreSQL goes on with the table that it prepared for, whose masks hold."""
    with running_parts(POLICY + MASKED) as parts, psycopg.connect(parts.owner_dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE people (id integer, card text)")
        owner.execute("CREATE SCHEMA scratch")
        owner.execute("GRANT SELECT ON people TO hoop_service")
        owner.execute("GRANT USAGE ON SCHEMA scratch TO hoop_service")
        owner.execute("INSERT INTO people VALUES (1, '4000123412341234')")
        with (
            parts.person("alice").tunnel() as opened,
            psycopg.connect(opened.dsn, autocommit=True) as session,
        ):
            session.execute("SET search_path = scratch, public")
            session.execute("PREPARE cards AS SELECT card FROM people")
            read = "SELECT card FROM people WHERE id > %s"
            assert session.execute(read, (0,), prepare=True).fetchall() == [("****1234",)]
            owner.execute("CREATE TABLE scratch.people (id integer, card text)")
            owner.execute("INSERT INTO scratch.people VALUES (2, 'a draft')")
            owner.execute("GRANT SELECT ON scratch.people TO hoop_service")
            assert session.execute(read, (0,), prepare=True).fetchall() == [("a draft",)]
            assert _sqlstate(session, "EXECUTE cards") == "42501"
