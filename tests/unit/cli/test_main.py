"""The boundary: every error is one sentence and an exit code, on the right stream, and never a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from hoopctl import app
from hoopctl.__main__ import main
from hoopctl.errors import Denied, TimedOut

Raise = Callable[[BaseException], None]


@pytest.fixture
def fails_with(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """Registers a command `fail` that raises what it is given."""

    def register(error: BaseException) -> None:
        failing = typer.Typer(add_completion=False)

        @failing.command()
        def fail() -> None:
            raise error

        monkeypatch.setattr(sys.modules[__name__], "failing", failing, raising=False)
        monkeypatch.setitem(app.COMMANDS, "fail", app.Registered(f"{__name__}:failing", "Access", "x"))

    return register


def test_an_error_is_a_sentence_on_stderr(fails_with: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(Denied("You may not open 'prod-db'.", hint="Ask an admin."))
    assert main(["fail"]) == 4
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: You may not open 'prod-db'.\nhint: Ask an admin.\n")


def test_with_json_it_is_a_line_on_stdout(fails_with: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(TimedOut("Nobody answered.", request="r-7f3k"))
    assert main(["fail", "--json"]) == 5
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {
        "event": "error",
        "code": "timed_out",
        "message": "Nobody answered.",
        "hint": None,
        "request": "r-7f3k",
    }


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["--nonsense"], ["connect"], ["connect", "x", "--port", "70000"], ["connect", "x", "--port"]],
)
def test_usage_errors_exit_2_in_both_forms(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert main(["--json", *arguments]) == 2
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["code"]) == ("error", "usage")
    assert line["hint"].startswith("See: hoopctl")


def test_json_after_a_double_dash_is_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_what_nobody_foresaw_shows_its_type_and_not_its_text_inv_7(
    fails_with: Raise, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_with(RuntimeError("the token is eyJhbGciOi"))
    assert main(["fail"]) == 1
    captured = capsys.readouterr()
    assert "RuntimeError" in captured.err
    assert "eyJ" not in captured.err
    assert "Traceback" not in captured.err
    monkeypatch.setenv("HOOPCTL_DEBUG", "1")
    assert main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_our_error_is_found_inside_a_task_groups_errors(fails_with: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("more", [Denied("No.")])]))
    assert main(["fail"]) == 4
    assert capsys.readouterr().err == "error: No.\n"


def test_a_file_problem_names_the_file(fails_with: Raise, capsys: pytest.CaptureFixture[str]) -> None:
    fails_with(PermissionError(13, "Permission denied", "/etc/secret"))
    assert main(["fail"]) == 1
    assert capsys.readouterr().err == "error: Permission denied: /etc/secret.\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interruption_is_130(fails_with: Raise, capsys: pytest.CaptureFixture[str], error: BaseException) -> None:
    fails_with(error)
    assert main(["fail"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"
    assert main(["fail", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["code"] == "interrupted"


def test_no_core_of_it_could_hold_a_token_inv_7() -> None:
    script = (
        "import resource, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (min(hard, 4096) if hard != -1 else 4096, hard))\n"
        "from hoopctl.__main__ import main\n"
        "main(['--version'])\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"


def test_a_command_may_pass_on_an_exit_code(fails_with: Raise) -> None:
    fails_with(typer.Exit(42))
    assert main(["fail"]) == 42


@pytest.mark.parametrize("arguments", [["--help"], ["--json", "nonsense"], ["--json", "--version"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "hoopctl", *arguments], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_version_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hoopctl ")
    assert main(["--json", "--version"]) == 0
    assert json.loads(capsys.readouterr().out)["event"] == "version"
    assert main(["whoami", "--version"]) == 0
