"""``hoopd policy``: a policy and its cases without a gateway, on the catalog of a real database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoopd.commands.app import run
from hoopd.policy import sample_policy_text
from tests.fixtures.json_docs import documented
from tests.fixtures.shop import Shop

CASES = """
connection: prod-db
cases:
  - {name: reads, as: {groups: [engineering]}, sql: "select id from orders", expect: allow}
  - {name: cards, as: {groups: [engineering]}, sql: "select card_number from customers", expect: allow,
     masked: [public.customers.card_number]}
  - {name: mass, as: {groups: [engineering]}, sql: "delete from orders", expect: review, seats: 3}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(sample_policy_text())
    (tmp_path / "bad.yaml").write_text("version: 1\nrules:\n  - {name: r, then: alow}\n")
    (tmp_path / "cases.yaml").write_text(CASES)
    (tmp_path / "dsn").write_text(shop.service)
    return tmp_path


TEST = ("policy", "test", "cases.yaml", "--policy", "policy.yaml", "--dsn", "@dsn", "--label", "env=production")


def test_cases_are_tried_on_the_catalog_of_a_database(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*TEST]) == 0
    assert capsys.readouterr().out == "ok     reads\nok     cards\nok     mass\n3 cases, 0 failed.\n"
    assert run([*TEST[:-2], "--json"]) == 1  # without the label the changes are nobody's
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"]: set(line) for line in lines} == documented("hoopctl policy test")
    assert [line.get("ok") for line in lines] == [True, True, False, False]


def test_a_policy_is_checked(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "policy.yaml"]) == 0
    assert capsys.readouterr().err == "policy.yaml is a policy.\n"
    assert run(["policy", "check", "bad.yaml", "--json"]) == 2
    problem, error = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(problem) == documented("hoopctl policy check")["problem"]
    assert (problem["line"], error["code"], error["message"]) == (
        3, "usage", "bad.yaml has 1 error: nothing of it counts",
    )  # fmt: skip
    (files / "idle.yaml").write_text("version: 1\nrules: []\n")
    assert run(["policy", "check", "idle.yaml"]) == 0
    assert "warning: idle.yaml:2:1: no rule lets anybody connect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("policy", "check", "none.yaml"), 2, "the file none.yaml cannot be read: No such file or directory"),
        ((*TEST[:-1], "env"), 2, "'env' is no label"),
        (("policy", "test", "policy.yaml", *TEST[3:]), 2, "policy.yaml has"),
        (("policy", "test", "cases.yaml", "--policy", "bad.yaml", "--dsn", "@dsn"), 2, "bad.yaml has 1 error"),
        (("policy", "test", "cases.yaml", "--policy", "policy.yaml", "--dsn", "@none"), 2, "the file none of --dsn"),
        (
            ("policy", "test", "cases.yaml", "--policy", "policy.yaml", "--dsn", "host=127.0.0.1 port=1"),
            1,
            "the database",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    files: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, sentence: str
) -> None:
    assert run([*words]) == code
    assert sentence in capsys.readouterr().err
