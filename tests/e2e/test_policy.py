"""Policies in real processes: what is explained is what happens, and what is applied is in force at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.json_docs import documented
from tests.fixtures.stack import Person, RunningStack, running_stack

pytestmark = pytest.mark.xdist_group("stack of the policy")

STATEMENTS = [
    "select id, total from orders limit 1",
    "select card_number from customers limit 1",
    "select upper(email) from customers limit 1",
    "select 1",
    "select * from pg_class limit 1",
    "select * from pg_stat_activity",
    "set search_path to support, public",
    "set work_mem to '5MB'",
    "set role hoop_service",
    "show work_mem",
    "drop table orders",
    "truncate orders",
    "create table x (id int)",
    "begin; commit",
    "select pg_sleep(0)",
    "select nextval('orders_id_seq')",
    "copy orders to '/tmp/x'",
    "copy (select id from orders limit 1) to stdout",
    "explain select id from orders",
    "values (1)",
    "selec 1",
    "select * from no_such_table",
    "listen news",
    "vacuum orders",
    "do $$ begin end $$",
    "update orders set total = total where id = -1",
    "delete from orders",
    "with d as (delete from orders returning id) select * from d",
    "select id from orders for update",
    "grant select on orders to public",
]


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """Of its own, since the policy is changed."""
    with running_stack() as running:
        yield running


@pytest.fixture
def alice(stack: RunningStack) -> Person:
    return stack.person("alice")


@pytest.fixture
def erin(stack: RunningStack) -> Person:
    return stack.person("erin")


def apply(person: Person, *words: str) -> dict[str, Any]:
    """`hoopctl policy apply WORDS --yes`, with the sign-in that it asks for; gives its last line."""
    process = person.start("policy", "apply", *words, "--yes")
    while (line := process.line())["event"] == "warning":
        pass
    if line["event"] == "verify":
        person.confirm(line)
        (line,) = process.rest()
    process.stop()
    return line


def happens(dsn: str, sql: str, denial: str | None) -> str:
    """allow, review or deny, by what the client gets: a held statement is given up at once. ``denial``: its words."""
    with psycopg.connect(dsn, autocommit=True, options="-c client_min_messages=notice") as connection:
        held: list[str] = []

        def told(notice: psycopg.errors.Diagnostic) -> None:
            if "waiting for" in str(notice.message_primary):
                held.append(str(notice.message_primary))
                connection.cancel_safe()

        connection.add_notice_handler(told)
        try:
            if sql.startswith("copy (") or sql.endswith("stdout"):
                with connection.cursor().copy(sql.encode()) as copy:
                    list(copy)
            else:
                connection.execute(sql.encode())
        except psycopg.Error as problem:
            if held:
                return "review"
            if denial is not None and denial in str(problem):
                return "deny"
            return f"allow ({problem.sqlstate})"
        return "review" if held else "allow"


def test_what_is_explained_is_what_happens(alice: Person) -> None:
    """Issue: "what `explain` says is what the gateway does"."""
    with alice.tunnel() as tunnel:
        for sql in STATEMENTS:
            (told,) = alice.json("policy", "explain", sql, "--on", "prod-db")
            assert set(told) == documented("hoopctl policy explain")["one object"]
            assert happens(tunnel.dsn, sql, told["decision"]["message"]).split(" ")[0] == told["decision"]["outcome"], (
                sql
            )


def test_a_policy_that_is_applied_is_in_force_for_a_live_session(
    stack: RunningStack, alice: Person, erin: Person
) -> None:
    policy = stack.directory / "policy.yaml"
    before = policy.read_text()
    changed = stack.home / "changed.yaml"
    changed.write_text(before.replace("effects: [read]\n      objects:", "effects: [lock]\n      objects:"))
    assert changed.read_text() != before
    with alice.tunnel() as tunnel, psycopg.connect(tunnel.dsn, autocommit=True) as connection:
        connection.execute("select id from orders limit 1")
        (simulated, *_, totals) = _until_recorded(erin, changed)
        assert simulated["was"] == "allow"
        assert simulated["becomes"] == "deny"
        assert sum(move["statements"] for move in totals["moves"]) == totals["changed"] > 0
        applied = apply(erin, str(changed))
        assert set(applied) == documented("hoopctl policy apply")["applied"]
        deadline, denial = time.monotonic() + 2, ""
        while time.monotonic() < deadline:
            try:
                connection.execute("select id from orders limit 1")
            except psycopg.errors.InsufficientPrivilege as problem:
                denial = str(problem)
                break
            time.sleep(0.02)
        else:
            pytest.fail("after two seconds the old policy is still in force")
        assert "no rule allows read public.orders" in denial
        back = apply(erin, str(policy), "--expected", str(applied["version"]))
        assert back["version"] == applied["version"] + 1
    same = apply(erin, str(policy))
    assert set(same) == documented("hoopctl policy apply")["unchanged"]
    assert [line["by"] for line in erin.json("policy", "show", "--history")][-2:] == ["erin@example.com", "config"]


def _until_recorded(erin: Person, changed: Path) -> list[dict]:
    """The record reaches the store half a second behind."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = erin.json("policy", "simulate", str(changed), "--since", "1h")
        if len(lines) > 1:
            assert set(lines[0]) == documented("hoopctl policy simulate")["change"]
            assert set(lines[-1]) == documented("hoopctl policy simulate")["simulated"]
            return lines
        time.sleep(0.2)
    raise AssertionError("nothing was recorded")


def test_a_broken_file_changes_nothing(stack: RunningStack, erin: Person) -> None:
    broken = stack.home / "broken.yaml"
    broken.write_text("version: 1\nrules:\n  - {name: r, then: alow}\n")
    (before,) = erin.json("policy", "show")
    done = erin.run("policy", "apply", str(broken), "--yes")
    assert done.returncode == 1
    assert f"{broken}:3:21: `alow` is not known here; did you mean `allow`?" in done.stdout
    assert erin.json("policy", "show") == [before]


def test_who_is_no_admin_changes_nothing(stack: RunningStack, alice: Person, erin: Person) -> None:
    mine = stack.home / "mine.yaml"
    mine.write_text("version: 1\ndefault: allow\n")
    assert alice.run("policy", "apply", str(mine), "--yes").returncode == 4
    assert (
        alice.run("policy", "explain", "select 1", "--on", "prod-db", "--user", "bob", "--group", "dba").returncode == 4
    )
    assert alice.run("policy", "show").returncode == 4
    dave = stack.person("dave")
    refused = apply(dave, str(mine))
    assert (refused["event"], refused["code"]) == ("error", "denied")
    assert "put in force by admins" in refused["message"]
    assert erin.json("policy", "show")[0]["text"] != mine.read_text()


def test_cases_from_a_file_and_from_standard_input(stack: RunningStack, erin: Person) -> None:
    cases = stack.home / "cases.yaml"
    cases.write_text(
        "connection: prod-db\ncases:\n"
        "  - {name: cards, as: {groups: [engineering]}, sql: select card_number from customers, expect: allow,"
        " masked: [public.customers.card_number]}\n"
        "  - {name: drops, as: {groups: [dba]}, sql: drop table orders, expect: deny, rules: [nobody drops]}\n"
    )
    case, _, tested = erin.json("policy", "test", str(cases))
    assert (case["ok"], tested) == (True, {"event": "tested", "ok": True, "cases": 2, "failed": 0})
    failing = cases.read_text().replace("expect: deny", "expect: allow")
    done = erin.run("policy", "test", "-", given=failing)
    assert done.returncode == 1
    assert "FAILED drops\n         expected allow, and it is deny by nobody drops" in done.stdout
    done = erin.run("--json", "policy", "test", "-", given=failing)
    assert [json.loads(line).get("event") for line in done.stdout.splitlines()] == ["case", "case", "tested", "error"]


def test_a_file_is_checked_by_anybody_signed_in(alice: Person, stack: RunningStack) -> None:
    (checked,) = alice.json("policy", "check", str(stack.directory / "policy.yaml"))
    assert checked == {"event": "checked", "source": str(stack.directory / "policy.yaml"), "ok": True, "errors": 0}
