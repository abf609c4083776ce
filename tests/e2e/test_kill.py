"""``kill -9`` of the gateway in the middle of statements: nothing ran that the record lacks (INV-3).

PostgreSQL's own log is the witness: with ``log_min_duration_statement=0`` it has every parse, bind, execute and simple
query that it ran. ``HOOP_KILLS`` says how many times; ``scripts/soak`` sets it.
"""

from __future__ import annotations

import os
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from hoopd.recording.codec import decode
from tests.fixtures._processes import eventually
from tests.fixtures.parts import DATABASE, SERVICE, Parts, json_log, running_parts
from tests.fixtures.stack import Tunnel

KILLS = int(os.environ.get("HOOP_KILLS", "30"))
CLIENTS, EACH = 4, 50
UNDER_WAY = 10
"""Of thirty kills, how many must find a statement between journal and answer."""
LOCKED = 500
"""The row that the test locks, so that a statement is surely under way when the gateway is killed."""
LOG = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "log",
    "log_filename": "all.log",
    "log_min_duration_statement": "0",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
}
LOGGED = re.compile(
    r"duration: \S+ ms  (?P<stage>statement|parse|bind|execute)(?: (?P<name>[^:]*))?: (?P<sql>.*)", re.S
)


@dataclass
class Round:
    """One life of the gateway: four clients with fifty statements each, ended at a random moment of it."""

    number: int
    dsn: str
    kill: Callable[[], None]
    locked: bool
    at: int = field(init=False)
    issued: int = 0
    answered: int = 0
    unexpected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = random.randint(1, CLIENTS * EACH)
        self._counting = threading.Lock()
        self._due = threading.Event()

    def run(self) -> None:
        clients = [threading.Thread(target=self._client, args=(client,)) for client in range(CLIENTS)]
        if self.locked:
            clients.append(threading.Thread(target=self._waiting_client))
        for client in clients:
            client.start()
        assert self._due.wait(60), "the statements did not get to the moment of the kill"
        # Not at the moment at which a statement is issued, but somewhere behind it.
        threading.Event().wait(random.uniform(0, 0.02))
        self.kill()
        for client in clients:
            client.join(60)
            assert not client.is_alive(), "a client still waits for a gateway that was killed"

    def _client(self, client: int) -> None:
        with self._session(client) as session:
            for number in range(EACH if session is not None else 0):
                self._count()
                self._statement(session, client, number)
                self.answered += 1

    def _waiting_client(self) -> None:
        """One more statement, which waits for the test's own lock."""
        with self._session(CLIENTS) as session:
            if session is None:
                return
            session.execute(f"update orders set total = 1 where id = {LOCKED} /* {self.number}-locked */")

    @contextmanager
    def _session(self, client: int) -> Iterator[psycopg.Connection[Any] | None]:
        """None where the kill came while it was still connecting."""
        opened = False
        try:
            with psycopg.connect(self.dsn, application_name=f"kill-{self.number}-{client}", autocommit=True) as session:
                opened = True
                yield session
        except psycopg.OperationalError as problem:
            # Its connection was cut, which libpq says where the tunnel cannot: 08006.
            if problem.sqlstate not in (None, "08006"):
                self.unexpected.append(f"{problem.sqlstate} {problem}")
        except psycopg.Error as problem:
            self.unexpected.append(f"{problem.sqlstate} {problem}")
        if not opened:
            yield None

    def _count(self) -> None:
        with self._counting:
            self.issued += 1
            if self.issued >= self.at:
                self._due.set()

    def _statement(self, session: psycopg.Connection[Any], client: int, number: int) -> None:
        mark = f"/* {self.number}-{client}-{number} */"
        row = client * 100 + number + 1
        match number % 10:
            case 0 | 1 | 2:
                session.execute(f"select status, total from orders where id = {row} {mark}")
            case 3 | 4:
                session.execute(f"select total from orders where id = %s {mark}", (row,), prepare=False)
            case 5 | 6:
                session.execute("select total from orders where id = %s /* prepared */", (row,), prepare=True)
            case 7:
                session.execute(f"update orders set total = total + 1 where id = {row} {mark}")
            case 8:
                session.execute(f"update orders set status = %s where id = %s {mark}", ("sent", row), prepare=False)
            case _ if number > EACH // 2:
                session.execute(f"select count(*) from generate_series(1, 200000) {mark}")
            case _:
                with session.transaction():
                    session.execute(f"insert into orders values (%s, 'new', 1) on conflict do nothing {mark}", (row,))


class Statement(NamedTuple):
    """What a session, named by its application, ran."""

    application: str
    sql: str
    params: tuple[str, ...]


@dataclass
class Told:
    """What the record says, as far as the log can be held against it."""

    prepared: Counter[tuple[str, str]] = field(default_factory=Counter)
    started: Counter[Statement] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    unknown: list[Statement] = field(default_factory=list)

    @classmethod
    def read(cls, dsn: str) -> Told:
        told = cls()
        query = (
            "select session, application, body from hoop.events join hoop.sessions s on s.id = session order by 1, seq"
        )
        with psycopg.connect(dsn, row_factory=namedtuple_row) as store:
            decided: dict[tuple[str, int], Statement] = {}
            for row in store.execute(query):
                told._see(row.session, row.application, decode(row.body), decided)
        return told

    def _see(self, session: str, application: str, event: Any, decided: dict[tuple[str, int], Statement]) -> None:
        match event.WhichOneof("body"):
            case "prepared":
                self.prepared[application, event.prepared.sql] += 1
            case "decided":
                params = tuple(param.value for param in event.decided.params)
                decided[session, event.decided.statement] = Statement(application, event.decided.sql, params)
            case "started":
                self.started[decided[session, event.started.statement]] += 1
            case "finished":
                self.outcomes[event.finished.outcome] += 1
                if event.finished.outcome == "unknown":
                    self.unknown.append(decided[session, event.finished.statement])


@dataclass
class Ran:
    """What PostgreSQL's log says that the gateway's service role did, but for what carries the gateway's name."""

    parsed: Counter[tuple[str, str]] = field(default_factory=Counter)
    ran: Counter[Statement] = field(default_factory=Counter)
    other: set[tuple[str, str]] = field(default_factory=set)
    """Executed, or under way when an error or the end of its backend was logged."""
    own: int = 0

    @classmethod
    def read(cls, parts: Parts) -> Ran:
        found = cls()
        for line in json_log(parts.home / "target" / "data" / "log"):
            if line.get("user") == SERVICE and line.get("dbname") == DATABASE:
                found._see(line)
        return found

    def _see(self, line: dict[str, Any]) -> None:
        application = line.get("application_name", "")
        logged = LOGGED.fullmatch(line["message"])
        name = (logged["name"] or "") if logged else ""
        if application.startswith("hoopd ") or name.startswith("hoopd_"):
            self.own += 1
        elif logged is None:
            if "statement" in line:
                self.other.add((application, line["statement"]))
        elif logged["stage"] == "parse":
            self.parsed[application, logged["sql"]] += 1
        elif logged["stage"] == "execute":
            self.other.add((application, logged["sql"]))
        else:
            self.ran[Statement(application, logged["sql"], parameters(line.get("detail", "")))] += 1


def live(parts: Parts, number: int, tunnel: Tunnel) -> Round:
    """One round, with a statement that waits for a lock in each third, and the gateway started again."""
    with psycopg.connect(parts.owner_dsn) as blocker:
        blocker.execute("select from orders where id = %s for update", (LOCKED,))
        life = Round(number, tunnel.dsn, parts.kill, locked=number % 3 == 0)
        life.run()
    parts.start()
    assert eventually(lambda: unsealed(parts) == 0, 10), "a session is not sealed after the restart"
    return life


def unsealed(parts: Parts) -> int:
    with psycopg.connect(parts.store_dsn) as store:
        row = store.execute("select count(*) from hoop.sessions where seal is null or ended is null").fetchone()
    assert row is not None
    return int(row[0])


def idle(parts: Parts) -> bool:
    """Whether the database has ended all that the killed gateways left running."""
    with psycopg.connect(parts.target.dsn()) as connection:
        query = "select count(*) from pg_stat_activity where application_name like 'kill-%'"
        return connection.execute(query).fetchone() == (0,)


@pytest.mark.timeout(max(240, KILLS * 10))
def test_nothing_runs_that_the_record_lacks_INV_3(record_property: Callable[[str, object], None]) -> None:
    with running_parts(log=LOG) as parts:
        dave = parts.person("dave")
        with parts.person("alice").tunnel() as tunnel:
            lives = [live(parts, number, tunnel) for number in range(KILLS)]
        assert eventually(lambda: idle(parts), 30)
        verified = dave.json("audit", "verify")
        searched = dave.json("audit", "search", "--outcome", "unknown", "--limit", "1000")
        told = Told.read(parts.store_dsn)
        assert parts.stop() == 0
        parts.target.stop()
        ran = Ran.read(parts)
        log = parts.log.read_text()

    under_way = {statement.application.split("-")[1] for statement in told.unknown}
    counted = figures(lives, told, ran, len(under_way))
    record_property("counted", counted)
    print(counted)

    assert [problem for life in lives for problem in life.unexpected] == []
    # Nothing is in PostgreSQL's log that the record lacks.
    assert ran.ran - told.started == Counter()
    assert ran.parsed - told.prepared == Counter()
    assert ran.other <= {(statement.application, statement.sql) for statement in told.started}
    # All that was answered is in the log, so the log can be believed.
    assert sum(life.answered for life in lives) <= sum(ran.ran.values())
    assert len(under_way) * 30 >= UNDER_WAY * KILLS
    # What has no end is `unknown`, and a person finds it.
    assert told.outcomes.keys() <= {"done", "unknown", "cancelled"}
    assert sorted(line["sql"] for line in searched) == sorted(statement.sql for statement in told.unknown)
    assert all(line["duration_ms"] is None for line in searched)
    # Each session is sealed and verifies.
    done = verified.pop()
    assert (done["event"], done["ok"], done["open"], done["failed"]) == ("done", True, 0, 0)
    assert all(line["message"].endswith("sealed") for line in verified)
    assert len(verified) <= KILLS * (CLIENTS + 1)
    assert "Traceback" not in log


def figures(lives: list[Round], told: Told, ran: Ran, under_way: int) -> str:
    reached = sum(each in ran.ran or (each.application, each.sql) in ran.other for each in told.unknown)
    return (
        f"{len(lives)} kills, when {sorted(life.issued for life in lives)} of {CLIENTS * EACH} statements were issued; "
        f"{under_way} of them found statements between journal and answer, {len(told.unknown)} in all, of which "
        f"PostgreSQL's log has {reached}; {sum(life.answered for life in lives)} statements were answered; the log has "
        f"{sum(ran.ran.values())} statements, {sum(ran.parsed.values())} parses, and {ran.own} lines of the gateway's "
        f"own; outcomes in the record: {dict(told.outcomes)}"
    )


def parameters(detail: str) -> tuple[str, ...]:
    """The values in a DETAIL such as ``Parameters: $1 = 'sent', $2 = '17'``."""
    return tuple(re.findall(r"\$\d+ = '([^']*)'", detail))
