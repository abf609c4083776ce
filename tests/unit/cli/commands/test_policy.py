"""``hoopctl policy`` without a gateway: files, and the JSON lines. With one: tests/e2e/test_policy.py."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoopctl.__main__ import main
from hoopctl.commands import policy as command
from hoopd.policy.loading import load, schema

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_init_writes_a_policy_that_loads_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "init"]) == 0
    text = (tmp_path / "policy.yaml").read_text()
    load(text, "policy.yaml")
    (tmp_path / "policy.yaml").write_text("mine")
    assert main(["policy", "init"]) == 2
    assert "policy.yaml is there already" in capsys.readouterr().err
    assert (tmp_path / "policy.yaml").read_text() == "mine"
    assert main(["policy", "init", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "written", "file": "policy.yaml"}
    assert main(["policy", "init", "-"]) == 0
    assert capsys.readouterr().out == text
    assert main(["policy", "init", "no/such/directory"]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_the_schema_is_that_of_the_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["check", "no-such.yaml"], "no-such.yaml cannot be read: No such file or directory."),
        (["check", "latin.yaml"], "latin.yaml is not UTF-8 text."),
        (["check", "large.yaml"], "large.yaml is larger than 1024 KiB."),
        (["apply", "good.yaml"], "There is nobody to be asked."),
        (["explain", "select 1", "--on", "x", "--user", "bob"], "The gateway does not know which groups bob is in."),
        (["show", "3", "--history"], "Either a version or --history."),
        (["apply", "-"], "A policy from standard input leaves nobody to be asked."),
        (["test", "-", "--policy", "-"], "Only one of FILE and --policy can come from standard input."),
        (["explain", "-", "--on", "x", "--policy", "-"], "Only one of SQL and --policy can come from standard input."),
        (["simulate", "good.yaml", "--since", "soon"], "'soon' is no time for --since."),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"\xe9")
    (tmp_path / "large.yaml").write_text("#" * (command.MOST_BYTES + 1))
    (tmp_path / "good.yaml").write_text("version: 1\n")
    assert main(["policy", *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}\n")
