"""``hoopctl policy`` without a gateway: files, and the JSON lines. With one: tests/e2e/test_policy.py."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hoopctl.__main__ import main
from hoopctl.client.policy import CaseResult, Change, Decision, Explanation, Problem, Totals, Version
from hoopctl.commands import policy as command
from hoopd.policy.loading import load, schema
from tests.fixtures.json_docs import PAGE, documented

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


def test_the_lines_are_those_of_the_page() -> None:
    decision = Decision("allow", (), None, None, (), False, 0, 0)
    problem = {each["event"]: set(each) for each in map(command.problem_as_line, _problems())}
    assert problem == {name: documented("hoopctl policy check")[name] for name in ("problem", "warning")}
    version = command.version_line(Version(1, "", "erin", NOW, "p.yaml"))
    assert set(version) == documented("hoopctl policy show")["one object"]
    assert version["text"] is None
    explanation = command.explanation_line(Explanation(decision, decision, (), None, "a", ()), "prod-db")
    assert set(explanation) == documented("hoopctl policy explain")["one object"]
    section = PAGE.read_text(encoding="utf-8").split("\n## hoopctl policy explain\n", 1)[1].split("\n## ", 1)[0]
    assert not [word for word in command.decision_line(decision) if f"`{word}`" not in section]
    case = command.case_line(CaseResult("a", True, "allow", (), ()))
    assert set(case) == documented("hoopctl policy test")["case"]
    change = command.change_line(Change("s/1", NOW, "a", "c", "q", "allow", (), "deny", (), None, ("outcome",)))
    assert set(change) == documented("hoopctl policy simulate")["change"]
    totals = command.totals_as_line(Totals(1, 0, 0, (), more=False, done=True))
    assert set(totals) == documented("hoopctl policy simulate")["simulated"]


def _problems() -> list[Problem]:
    return [Problem("p", 1, 1, "m", warning) for warning in (False, True)]
