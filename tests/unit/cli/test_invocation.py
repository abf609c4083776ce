"""What one run was asked for."""

import asyncio
import io
import sys
from pathlib import Path

import pytest
import typer
import typer.main

from hoopctl.errors import UsageProblem
from hoopctl.invocation import Invocation, invocation, run, run_fast
from hoopctl.profiles import parse_server


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("asked", "may"),
    [(Invocation(), True), (Invocation(json=True), False), (Invocation(no_input=True), False)],
)
def test_only_a_person_at_a_terminal_may_be_asked(
    monkeypatch: pytest.MonkeyPatch, asked: Invocation, may: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    assert asked.may_ask is may
    assert not asked.never_asking().may_ask
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert not asked.may_ask


def test_the_option_wins_over_the_environment_and_that_over_what_is_kept(tmp_path: Path) -> None:
    environ = {"HOOPCTL_HOME": str(tmp_path)}
    Invocation(environ=environ).profile.remember_server(parse_server("kept:1"))
    assert Invocation(environ=environ).profile.server == parse_server("kept:1")
    environ["HOOPCTL_SERVER"] = "environment:2"
    assert Invocation(environ=environ).profile.server == parse_server("environment:2")
    assert Invocation(server="option:3", environ=environ).profile.server == parse_server("option:3")


def test_a_profile_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageProblem):
        _ = Invocation(profile_name="../up").profile


def test_a_command_finds_the_invocation_of_its_run() -> None:
    found: list[Invocation] = []
    app = typer.Typer()

    @app.command()
    def command(ctx: typer.Context) -> None:
        found.append(invocation(ctx))

    given = Invocation(json=True)
    typer.main.get_command(app).main([], standalone_mode=False, obj=given)
    assert found == [given]


def test_work_runs_on_a_loop_of_its_own() -> None:
    async def work() -> int:
        return 7

    assert run(work()) == 7


def test_fast_work_runs_on_uvloop_and_without_it_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loop() -> str:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    assert run_fast(loop()) == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_fast(loop()) == "asyncio"
