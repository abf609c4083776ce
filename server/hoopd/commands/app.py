"""The command line of ``hoopd``, and its boundary: every error becomes one sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from hoopd.commands import output
from hoopd.commands.analyze import analyze
from hoopd.commands.check import check
from hoopd.commands.dev import dev
from hoopd.commands.migrate import migrate
from hoopd.commands.policy import app as policy
from hoopd.commands.serve import serve
from hoopd.domain.errors import HoopError, InvalidInput

app = typer.Typer(
    name="hoopd",
    help="The gateway in front of PostgreSQL: it decides, holds, masks and records.",
    # Without a command the callback runs and shows the help itself.
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(dev)
app.command()(migrate)
app.command()(check)
app.command()(analyze)
app.add_typer(policy, name="policy")

FAILED, USAGE, INTERRUPTED = 1, 2, 130
CODES = {FAILED: "failed", USAGE: "usage", INTERRUPTED: "interrupted"}
"""The ``code`` of the JSON error line, for each exit code (docs/json.md)."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@app.callback()
def root(
    ctx: typer.Context,
    _: Annotated[bool, typer.Option("--version", help="Print the version and leave; after any command, too.")] = False,
) -> None:
    """The gateway in front of PostgreSQL."""
    if ctx.invoked_subcommand is None:
        output.write(ctx.get_help())
        raise InvalidInput("a command is missing", hint="see: hoopd --help")
    level = os.environ.get("HOOPD_LOG", "WARNING").upper()
    if level not in logging.getLevelNamesMapping():
        raise InvalidInput(f"HOOPD_LOG is {level.lower()}; give debug, info, warning, error or critical")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; gives the exit code. The one broad except of the commands."""
    given = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in given
    try:
        if "--version" in given:
            return _show_version(as_json)
        code = app(args=given, prog_name="hoopd", standalone_mode=False)
        return _interrupted(as_json) if code == INTERRUPTED else code if isinstance(code, int) else 0
    except typer.TyperException as problem:
        return _failed(problem.format_message(), f"see: {_path(problem)} --help", as_json, USAGE)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(as_json)
    except InvalidInput as problem:
        return _failed(problem.message, problem.hint, as_json, USAGE)
    except HoopError as problem:
        return _failed(problem.message, problem.hint, as_json, FAILED)
    except BaseExceptionGroup as group:
        known = group.subgroup(HoopError)
        if known is None:
            return _unexpected(group, as_json)
        first = _first(known)
        return _failed(first.message, first.hint, as_json, FAILED)
    except BrokenPipeError:
        return FAILED
    except Exception as problem:  # noqa: BLE001 - the boundary
        return _unexpected(problem, as_json)


def _show_version(as_json: bool) -> int:
    number = version("hoopctl")
    if as_json:
        output.emit({"event": "version", "name": "hoopd", "version": number})
    else:
        output.write(f"hoopd {number}")
    return 0


def _path(problem: typer.TyperException) -> str:
    return str(getattr(getattr(problem, "ctx", None), "command_path", "hoopd"))


def _interrupted(as_json: bool) -> int:
    return _failed("interrupted", None, as_json, INTERRUPTED)


def _first(group: BaseExceptionGroup[HoopError]) -> HoopError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _unexpected(problem: BaseException, as_json: bool) -> int:
    if os.environ.get("HOOPD_DEBUG"):
        logging.getLogger("hoopd").critical("unexpected", exc_info=problem)
    text = f"hoopd failed inside ({type(problem).__name__}): that is a defect"
    return _failed(text, "run it again with HOOPD_DEBUG=1 and report what it prints", as_json, FAILED)


def _failed(message: str, hint: str | None, as_json: bool, code: int) -> int:
    if as_json:
        output.emit({"event": "error", "code": CODES[code], "message": message, "hint": hint, "request": None})
    output.say(f"hoopd: {message}" + (f"\n  {hint}" if hint else ""))
    return code
