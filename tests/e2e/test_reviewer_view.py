"""What a reviewer under masks sees of a held statement, in real processes (INV-4, INV-7)."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.stack import Line, Person, Tunnel

pytestmark = pytest.mark.xdist_group("stack")

COLUMN = "public.customers.card_number"


class Held:
    """A statement that waits, in a thread of its own."""

    def __init__(self, tunnel: Tunnel, sql: str, *params: str) -> None:
        self._sql, self._params = sql, params
        self._dsn = tunnel.dsn
        self.rows: list[tuple[object, ...]] = []
        self.problem = ""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.request = tunnel.held()

    def _run(self) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                cursor = connection.execute(self._sql.encode(), self._params or None)
                self.rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as problem:
            self.problem = str(problem)

    def over(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def shown(person: Person, request: str) -> Line:
    (line,) = person.json("requests", "show", request)
    return line


def everything_told(person: Person, request: str) -> str:
    """All that the person's command is given about a request, in each form that it has for it."""
    told = [person.run("requests", "show", request).stdout, person.run("requests", "list", "--all").stdout]
    told += [person.run("--json", *words).stdout for words in (("requests", "list"), ("requests", "show", request))]
    watching = person.start("requests", "watch")
    while (line := watching.line()).get("id") != request:
        told.append(str(line))
    told.append(str(line))
    watching.stop(2)
    return "\n".join(told)


def logs_of(person: Person) -> list[Path]:
    """Every log of the stack and of the commands that people run; there are some."""
    found = [path for path in person.stack.home.rglob("*.log") if path.is_file()]
    assert found
    return found


def test_a_reviewer_under_the_mask_does_not_see_the_literal_that_meets_it(
    tunnel: Tunnel, alice: Person, bob: Person, dave: Person
) -> None:
    """INV-4: the requester sees what they typed, as does the record; what is approved is what was typed (INV-5)."""
    card = "4111111111111234"
    sql = f"select id from customers where card_number = '{card}' and id > 77"
    held = Held(tunnel, sql)
    line = shown(bob, held.request)
    assert line["sql"] == "select id from customers where card_number = '****' and id > 77"
    assert (line["sql_masked"], line["masked_columns"]) == (True, [COLUMN])
    told = everything_told(bob, held.request)
    assert card not in told
    assert f"literals that meet masked columns are hidden from you: {COLUMN}" in told
    assert shown(alice, held.request)["sql"] == sql
    assert shown(alice, held.request)["sql_masked"] is False
    said = bob.decide(held.request)
    assert said[-1]["event"] == "approved"
    assert card not in str(said)
    held.over()
    assert held.problem == ""
    assert card not in str(shown(bob, held.request))
    told_by = [path for path in logs_of(alice) if card in path.read_text(encoding="utf-8", errors="replace")]
    assert told_by == []
    (row,) = dave.json("audit", "search", sql)
    assert (row["sql"], row["outcome"], row["request"]) == (sql, "done", held.request)


def test_a_reviewer_under_the_mask_does_not_see_the_parameter_that_meets_it(
    tunnel: Tunnel, alice: Person, bob: Person
) -> None:
    """INV-4"""
    email = "nobody-with-this-address@example.com"
    held = Held(tunnel, "update customers set email = %s, full_name = %s where id = -1", email, "Nobody At All")
    params = [(param["value"], param["masked"]) for param in shown(bob, held.request)["params"]]
    assert params == [(None, True), ("Nobody At All", False)]
    assert email not in everything_told(bob, held.request)
    assert [param["value"] for param in shown(alice, held.request)["params"]] == [email, "Nobody At All"]
    bob.decide(held.request, "reject")
    held.over()
    assert "rejected" in held.problem


def test_a_request_with_a_credential_says_so_and_shows_it_to_nobody(tunnel: Tunnel, alice: Person, bob: Person) -> None:
    """INV-7"""
    secret = "hunter2-and-more"
    done = subprocess.Popen(
        ["psql", tunnel.dsn, "-X", "-c", f"update orders set status = 'host=h password={secret}' where id = -1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    request = tunnel.held()
    for person in (alice, bob):
        assert shown(person, request)["redacted"] is True
        told = everything_told(person, request)
        assert secret not in told
        assert "a credential in it is recorded as a keyed hash" in told
    bob.decide(request, "reject")
    assert "rejected" in done.communicate(timeout=60)[1]
