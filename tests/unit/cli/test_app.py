"""The command line: what is imported when, and the options that every command takes."""

import subprocess
import sys

import pytest
import typer
import typer.core

from hoopctl import app

HEAVY = ("grpc", "textual", "keyring", "google.protobuf", "httpx", "rich", "hoop")


@pytest.mark.parametrize("arguments", [["--help"], [], ["--version"], ["nonsense"], ["--nonsense"]])
def test_help_imports_neither_grpc_nor_textual_nor_keyring(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom hoopctl.__main__ import main\n"
        f"main({arguments!r})\n"
        f"found = [m for m in sys.modules if m in {HEAVY!r} or m.startswith('hoopctl.commands')]\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_command_under_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    from hoopctl.__main__ import main

    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, registered in app.COMMANDS.items():
        assert f"{registered.section}:" in shown
        assert f"  {name} " in shown


OWN = ["login", "logout", "whoami", "connections", "connect", "doctor"]


@pytest.mark.parametrize("name", OWN)
def test_each_command_takes_the_options_that_all_take(name: str) -> None:
    command = app.load(name)
    options = {option for param in command.params for option in param.opts}
    assert {"--profile", "--server", "--json", "--no-input", "--version"} <= options
    assert "--install-completion" not in options


@pytest.mark.parametrize("name", OWN)
def test_the_line_in_the_table_is_the_one_of_the_command(name: str) -> None:
    assert (app.load(name).help or "").splitlines()[0] == app.COMMANDS[name].help


def test_options_reach_commands_of_a_group_however_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    from hoopctl.__main__ import main
    from hoopctl.invocation import Invocation, invocation

    seen: list[Invocation] = []
    group = typer.Typer()

    @group.command()
    def leaf(ctx: typer.Context) -> None:
        seen.append(invocation(ctx))

    @group.command()
    def other() -> None:
        """Makes it a group."""

    monkeypatch.setattr(sys.modules[__name__], "group", group, raising=False)
    monkeypatch.setitem(app.COMMANDS, "deep", app.Registered(f"{__name__}:group", "Access", "x"))
    assert main(["--profile", "outer", "--no-input", "deep", "leaf", "--server", "gw:1", "--profile", "inner"]) == 0
    assert [(i.profile_name, i.server, i.no_input, i.json) for i in seen] == [("inner", "gw:1", True, False)]
