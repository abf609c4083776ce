"""A record that was edited in the store is found by the real command, which names the first bad event and exits with 7.

As the store's owner, who may change any row; what was changed is put back, since the stack is shared.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures._processes import eventually
from tests.fixtures.stack import Line, Person, RunningStack, Tunnel

pytestmark = pytest.mark.xdist_group("stack")
Store = psycopg.Connection[tuple[int]]


@pytest.fixture
def session(tunnel: Tunnel, dave: Person, stack: RunningStack) -> str:
    """A session of its own with a few statements, ended and sealed."""
    mark = f"tampering {secrets.token_hex(8)}"
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        for number in range(3):
            connection.execute(f"select status from orders where id = {number + 1} /* {mark} */")
    with psycopg.connect(stack.ready["store"], autocommit=True) as store:
        sealed = "select id from hoop.sessions s where seal is not null and exists (select from hoop.statements t"
        query = f"{sealed} where t.session = s.id and sql like '%%' || %s || '%%')"
        assert eventually(lambda: store.execute(query, (mark,)).fetchone() is not None, 30)
    name = str(dave.json("audit", "search", mark)[0]["session"])
    (line, _) = dave.json("audit", "verify", name)
    assert line["ok"], line
    assert line["message"].endswith("sealed"), line
    return name


@pytest.fixture
def store(stack: RunningStack, session: str) -> Iterator[Store]:
    """A connection of the store's owner; the session's rows are put back at the end."""
    with psycopg.connect(stack.ready["store"], autocommit=True) as connection:
        for table, key in (("events", "session"), ("sessions", "id")):
            connection.execute(
                f"create temp table kept_{table} as select * from hoop.{table} where {key} = '{session}'"
            )
        yield connection
        connection.execute("delete from hoop.events where session = %s", (session,))
        connection.execute(
            "update hoop.sessions s set events = k.events, head = k.head, ended = k.ended, seal = k.seal,"
            " ended_because = k.ended_because from kept_sessions k where s.id = k.id"
        )
        connection.execute("insert into hoop.events select * from kept_events")


def bad(dave: Person, session: str) -> Line:
    """What `audit verify` says of a session that is not what was recorded; and it exits with 7."""
    done = dave.run("--json", "audit", "verify", session)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for_people = dave.run("audit", "verify", session)
    assert for_people.returncode == 7
    lines = [line for line in done.stdout.splitlines() if '"bad_event"' in line]
    assert len(lines) == 1, done.stdout
    line: Line = json.loads(lines[0])
    assert not line["ok"]
    assert f"event {line['bad_event']} " in for_people.stderr, for_people.stderr
    return line


def test_an_edited_event_is_found(session: str, store: Store, dave: Person) -> None:
    """One letter of what was typed, in the bytes that were hashed."""
    changed = store.execute(
        "update hoop.events set body = overlay(body placing 'x'::bytea from position('orders'::bytea in body))"
        " where session = %s and seq = (select min(seq) from hoop.events"
        " where session = %s and position('orders'::bytea in body) > 0) returning seq",
        (session, session),
    ).fetchall()
    assert len(changed) == 1
    assert bad(dave, session)["bad_event"] == changed[0][0]


def test_an_edited_event_with_a_hash_made_to_fit_is_found(session: str, store: Store, dave: Person) -> None:
    """Its own hash is made anew, and the chain after it is not."""
    store.execute(
        "update hoop.events e set body = overlay(body placing 'x'::bytea from position('orders'::bytea in body)),"
        " hash = sha256('hoop-record-1\n'::bytea || (select hash from hoop.events where session = e.session and seq ="
        " e.seq - 1) || int8send(length(body)) || overlay(body placing 'x'::bytea from position('orders'::bytea in"
        " body))) where session = %s and seq = (select min(seq) from hoop.events where session = e.session and"
        " position('orders'::bytea in body) > 0)",
        (session,),
    )
    row = store.execute(
        "select min(e.seq) from hoop.events e join kept_events k using (session, seq) where e.body <> k.body"
    ).fetchone()
    assert row is not None
    assert bad(dave, session)["bad_event"] == row[0] + 1


@pytest.mark.parametrize("renumbered", [False, True])
def test_an_event_taken_out_of_the_middle_is_found(session: str, store: Store, dave: Person, renumbered: bool) -> None:
    store.execute("delete from hoop.events where session = %s and seq = 4", (session,))
    if renumbered:
        store.execute("update hoop.events set seq = -seq where session = %s and seq > 4", (session,))
        store.execute("update hoop.events set seq = -seq - 1 where session = %s and seq < 0", (session,))
    assert bad(dave, session)["bad_event"] == 4


def test_a_cut_tail_is_found(session: str, store: Store, dave: Person) -> None:
    row = store.execute("select max(seq) from hoop.events where session = %s", (session,)).fetchone()
    assert row is not None
    store.execute("delete from hoop.events where session = %s and seq > %s", (session, row[0] - 2))
    assert bad(dave, session)["bad_event"] == row[0] - 1


@pytest.mark.parametrize("made_open", [False, True])
def test_a_cut_tail_with_the_sessions_count_made_to_fit_is_found(
    session: str, store: Store, dave: Person, made_open: bool
) -> None:
    """The count and the head are those of the event that is left; or the session is made one that is still open."""
    row = store.execute("select max(seq) - 2 from hoop.events where session = %s", (session,)).fetchone()
    assert row is not None
    store.execute("delete from hoop.events where session = %s and seq > %s", (session, row[0]))
    store.execute(
        "update hoop.sessions s set events = e.seq, head = e.hash from hoop.events e"
        " where s.id = %s and e.session = s.id and e.seq = %s",
        (session, row[0]),
    )
    if made_open:
        store.execute(
            "update hoop.sessions set ended = null, ended_because = null, seal = null where id = %s", (session,)
        )
    assert bad(dave, session)["bad_event"] in (row[0], row[0] + 1)
