"""``hoopd check --flow``: a real process, approved with the real ``hoopctl`` by a real sign-in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hoopd.commands.flow import reviewing_groups
from hoopd.domain.errors import InvalidInput
from hoopd.policy.loading import load
from tests.fixtures.stack import Person, Process, RunningStack
from tests.unit.server.commands.conftest import Operated


@pytest.fixture
def flow(operated: Operated) -> Process:
    argv = [sys.executable, "-m", "hoopd", "check", "-c", str(operated.path), "--flow", "prod-db", "--json"]
    return Process(argv, dict(os.environ), operated.directory / "check.log")


def _address(flow: Process) -> str:
    while (line := flow.line()).get("step") != "serving":
        assert line["ok"], line
    return str(line["message"].partition(";")[0])


def _steps(lines: list[dict[str, Any]]) -> dict[str, str]:
    return {line["step"]: line["message"] for line in lines if line["event"] == "flow"}


def _bob(flow: Process, tmp_path: Path) -> Person:
    stack = cast("RunningStack", SimpleNamespace(gateway=_address(flow)))
    home = tmp_path / "bob"
    home.mkdir(mode=0o700)
    bob = Person("bob", home, stack)
    bob.sign_in()
    return bob


def test_a_harmless_statement_goes_all_the_way(flow: Process, tmp_path: Path) -> None:
    """Held, approved by a person with a sign-in of their own, run, recorded, and the record verified."""
    try:
        bob = _bob(flow, tmp_path)
        held = flow.line()
        assert (held["step"], "waiting for" in held["message"]) == ("held", True)
        (request,) = bob.requests()
        assert request["sql"] == "select 1 as hoopd_check"
        assert bob.decide(request["id"], comment="a trial")[-1]["event"] == "approved"
        steps = _steps(flow.rest())
        assert steps["ran"] == "select 1 as hoopd_check"
        assert steps["record"] == "select 1 as hoopd_check: review, approved by bob@example.com, done"
        assert "chained and sealed" in steps["verified"]
    finally:
        assert flow.stop() == 0


def test_a_rejection_is_a_failure_with_the_reviewers_words(flow: Process, tmp_path: Path) -> None:
    try:
        bob = _bob(flow, tmp_path)
        (request,) = bob.requests()
        bob.decide(request["id"], "reject", "not now")
        last = flow.rest()[-1]
        assert last["event"] == "error"
        assert "rejected by bob@example.com: not now" in last["message"]
    finally:
        assert flow.stop() == 1


def test_who_reviews_is_read_from_the_policy() -> None:
    policy = load(
        "version: 1\nrules:\n"
        "  - {name: a, match: {effects: [write]}, then: {review: {from: [dba], approvals: 1, hold: 1m, expires: 2m}}}\n"
        "  - {name: b, match: {effects: [ddl]}, then: {review: {all: [{from: [security], approvals: 1}],"
        " hold: 1m, expires: 2m}}}\n",
        "test",
    )
    assert reviewing_groups(policy) == ["dba", "security"]
    with pytest.raises(InvalidInput, match="sends nothing to review"):
        reviewing_groups(load("version: 1\nrules: []\n", "test"))
