"""The command line of ``hoopd`` and its boundary: what ends a command is one sentence, a code word and an exit code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from hoopd.commands import app
from hoopd.domain.errors import InvalidInput, Unavailable

COMMANDS = [command.callback.__name__ for command in app.app.registered_commands]
DOCUMENTED = Path(__file__).parents[4] / "docs" / "json.md"


def fail_with(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every command end with ``problem``."""

    def ends(**_: object) -> None:
        raise problem

    monkeypatch.setattr(app, "app", ends)


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)], ids=lambda words: "-".join(words) or "alone")
def test_the_version_is_told_everywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run([*words, "--version"]) == 0
    assert re.fullmatch(r"hoopd \d+\.\d+\.\d+\n", capsys.readouterr().out)
    assert app.run([*words, "--version", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["name"]) == ("version", "hoopd")


@pytest.mark.parametrize(
    ("problem", "exit_code", "code"),
    [
        (InvalidInput("wrong", hint="mend it"), 2, "usage"),
        (Unavailable("away"), 1, "failed"),
        (ExceptionGroup("", [ExceptionGroup("", [Unavailable("away")])]), 1, "failed"),
        (ExceptionGroup("", [KeyError("x")]), 1, "failed"),
        (KeyError("x"), 1, "failed"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
    ],
)
def test_an_error_is_a_line_with_the_code_of_its_exit(
    problem: BaseException,
    exit_code: int,
    code: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(problem, monkeypatch)
    assert app.run(["serve", "--json"]) == exit_code
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert line.keys() == {"event", "code", "message", "hint", "request"}
    assert (line["event"], line["code"]) == ("error", code)
    assert f"| `{code}` | {exit_code} |" in DOCUMENTED.read_text(encoding="utf-8")
    assert "Traceback" not in said.err


def test_a_command_line_that_cannot_be_meant_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["serve", "--nope"]) == 2
    assert "see: hoopd serve --help" in capsys.readouterr().err
    assert app.run([]) == 2
    said = capsys.readouterr()
    assert "analyze" in said.out
    assert said.err.startswith("hoopd: a command is missing\n")


def test_a_log_level_that_there_is_not(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOPD_LOG", "loud")
    assert app.run(["migrate", "-c", "/nowhere/hoopd.yaml"]) == 2
    assert "HOOPD_LOG" in capsys.readouterr().err
