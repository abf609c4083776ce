"""The main job, end to end, in real processes: the story of the README."""

from __future__ import annotations

import subprocess

import psycopg
import pytest

from tests.fixtures.stack import Person, Tunnel

pytestmark = pytest.mark.xdist_group("stack")


def test_masked_rows(tunnel: Tunnel) -> None:
    """INV-4"""
    with psycopg.connect(tunnel.dsn) as connection:
        row = connection.execute("select full_name, card_number, email from customers order by id limit 1").fetchone()
    assert row is not None
    assert row[1].startswith("****")
    assert len(row[1]) == 8
    assert row[2].endswith("@example.com")
    assert "****" in row[2]


def test_a_delete_is_held_approved_and_run(tunnel: Tunnel, bob: Person, dave: Person) -> None:
    """INV-5, INV-6: nobody but another person releases it, and then it runs once."""
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        before = connection.execute("select count(*) from orders").fetchone()
        found = Held(tunnel, "delete from orders where id = 17")
        lines = bob.decide(found.request, comment="fine")
        assert lines[-1]["event"] == "approved"
        assert found.output() == "DELETE 1\n"
        after = connection.execute("select count(*) from orders").fetchone()
    assert before is not None
    assert after == (before[0] - 1,)
    (row,) = dave.json("audit", "search", "delete from orders where id = 17")
    assert row["outcome"] == "done"
    assert row["request"] == found.request
    assert row["approvals"][0]["by"] == "bob@example.com"
    assert row["rows"] == 1
    assert dave.run("audit", "replay", row["session"], "--no-wait").returncode == 0
    assert dave.run("audit", "verify", row["session"]).returncode == 0


def test_a_rejection_has_the_reviewers_words(tunnel: Tunnel, bob: Person) -> None:
    found = Held(tunnel, "update orders set status = 'refunded' where id = 18")
    assert bob.decide(found.request, "reject", "ask finance")[-1]["event"] == "rejected"
    assert "rejected by bob@example.com: ask finance" in found.errors()


def test_nobody_approves_their_own_request(tunnel: Tunnel, alice: Person, bob: Person) -> None:
    """INV-6"""
    found = Held(tunnel, "update orders set status = 'paid' where id = 19")
    (refused,) = [line for line in alice.decide(found.request) if line["event"] == "refused"]
    assert "own request" in refused["message"]
    bob.decide(found.request, "reject")
    assert "rejected" in found.errors()


def test_a_cancel_withdraws_the_request(tunnel: Tunnel, bob: Person) -> None:
    with psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        import threading

        failed: list[str] = []

        def run() -> None:
            try:
                connection.execute("update orders set status = 'paid' where id = 20")
            except psycopg.Error as error:
                failed.append(error.sqlstate or "")

        thread = threading.Thread(target=run)
        thread.start()
        request = tunnel.held()
        connection.cancel_safe()
        thread.join(30)
        assert failed == ["57014"]
    assert [line["state"] for line in bob.json("requests", "show", request)] == ["cancelled"]


def test_a_rejection_inside_a_transaction_is_aborted_by_postgresql(tunnel: Tunnel, bob: Person) -> None:
    """INV-8"""
    found = Held(tunnel, "begin", "update orders set status = 'paid' where id = 21", "select 1", "rollback", "select 2")
    bob.decide(found.request, "reject", "no")
    output = found.output(), found.errors()
    assert "current transaction is aborted" in output[1]
    assert "ROLLBACK" in output[0]
    assert "2" in output[0]


class Held:
    """psql with statements of which one is held."""

    def __init__(self, tunnel: Tunnel, *statements: str) -> None:
        words = [word for statement in statements for word in ("-c", statement)]
        self.process = subprocess.Popen(
            ["psql", tunnel.dsn, "-X", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.request = tunnel.held()

    def output(self) -> str:
        self._done = self.process.communicate(timeout=60)
        return self._done[0]

    def errors(self) -> str:
        if not hasattr(self, "_done"):
            self.output()
        return self._done[1]
