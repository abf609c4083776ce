"""``hoopd policy``: check a policy file and try its test cases without a gateway, for continuous integration.

The same as ``hoopctl policy check`` and ``test``, but for what only a gateway knows: its connections and their
databases.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hoopd.commands import output
from hoopd.commands.analyze import read_database
from hoopd.domain.connection import Connection
from hoopd.domain.errors import InvalidInput
from hoopd.domain.ids import SessionId
from hoopd.policy.cases import load_cases
from hoopd.policy.loading import load
from hoopd.policy.problems import PolicyError, Problem
from hoopd.runtime.policies import Policies
from hoopd.runtime.policy_desk import Asked, CaseResult, Place, PolicyDesk, advised
from hoopd.sql.catalog import Catalog

FAILED = 1

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_FILE = typer.Argument(metavar="FILE", help="A policy file; - reads standard input.", show_default=False)
_CASES = typer.Argument(metavar="FILE", help="A file of test cases; - reads standard input.", show_default=False)
_POLICY = typer.Option("--policy", metavar="FILE", help="The policy that they are about.", show_default=False)
_DSN = typer.Option("--dsn", help="A database to read the catalog of, or @FILE with its DSN; else built-in names only.")
_LABELS = typer.Option("--label", metavar="NAME=VALUE", help="A label that the connections have; may be given again.")
_JSON = typer.Option("--json", help="JSON lines on standard output.")


@dataclass(frozen=True, slots=True)
class _Read:
    """A catalog that was read before."""

    catalog: Catalog
    server_version: int

    async def current(self) -> Catalog:
        return self.catalog


@app.callback()
def policy() -> None:
    """Check a policy and try its test cases, without a gateway."""


@app.command()
def check(file: Annotated[str, _FILE], json: Annotated[bool, _JSON] = False) -> None:
    """See whether a policy file loads, and which of its rules never have a say."""
    text, source = _text(file)
    try:
        made = load(text, source)
    except PolicyError as problem:
        _tell(problem.problems, as_json=json)
        raise _failed(source, len(problem.problems)) from None
    _tell(advised(made, text, source), as_json=json, warning=True)
    if json:
        output.emit({"event": "checked", "source": source, "ok": True, "errors": 0})
    else:
        output.say(f"{source} is a policy.")


@app.command("test")
def run_cases(
    file: Annotated[str, _CASES],
    policy_file: Annotated[str, _POLICY],
    dsn: Annotated[str, _DSN],
    label: Annotated[list[str] | None, _LABELS] = None,
    json: Annotated[bool, _JSON] = False,
) -> None:
    """Try a policy's own test cases on the catalog of a database, which may be empty of rows.

    Every connection that the cases name is that database. Nothing is run in it.
    """
    cases, policy_text = _text(file), _text(policy_file)
    labels = dict(_label(each) for each in label or ())
    try:
        made = load_cases(*cases)
        names = {each.connection or made.connection or "" for each in made.cases}
        desk = _desk(names, labels, dsn)
        results = asyncio.run(desk.test(*cases, desk.draft(*policy_text)))
    except PolicyError as problem:
        _tell(problem.problems, as_json=json)
        raise _failed(problem.problems[0].source, len(problem.problems)) from None
    _tell_results(results, as_json=json)
    if not all(result.ok for result in results):
        raise typer.Exit(FAILED)


def _desk(names: set[str], labels: dict[str, str], dsn: str) -> PolicyDesk:
    state, catalog = read_database(dsn)
    read = _Read(catalog, state.server_version)

    async def nobody(session: SessionId) -> Asked | None:
        return None

    places = {name: Place(Connection(name, "", 0, "", labels), state.user, read) for name in names}
    return PolicyDesk(Policies(), places, nobody)


def _tell_results(results: list[CaseResult], *, as_json: bool) -> None:
    failed = sum(not result.ok for result in results)
    for result in results:
        if as_json:
            output.emit(
                {
                    "event": "case",
                    "name": result.name,
                    "ok": result.ok,
                    "outcome": result.outcome,
                    "rules": list(result.rules),
                    "failures": list(result.failures),
                }
            )
        else:
            output.write(f"{'ok    ' if result.ok else 'FAILED'} {result.name}")
            for failure in result.failures:
                output.write(f"         {failure}")
    if as_json:
        output.emit({"event": "tested", "ok": not failed, "cases": len(results), "failed": failed})
    else:
        output.write(f"{len(results)} cases, {failed} failed.")


def _tell(problems: tuple[Problem, ...], *, as_json: bool, warning: bool = False) -> None:
    for each in problems:
        if as_json:
            place = {"source": each.source, "line": each.place.line, "column": each.place.column}
            output.emit({"event": "warning" if warning else "problem", **place, "message": each.message})
        elif warning:
            output.say(f"warning: {each}")
        else:
            output.write(str(each))


def _failed(source: str, errors: int) -> InvalidInput:
    return InvalidInput(f"{source} has {errors} error{'s' if errors > 1 else ''}: nothing of it counts")


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InvalidInput(f"{text!r} is no label", hint="write --label env=production")
    return name, value


def _text(file: str) -> tuple[str, str]:
    """The text of a file, and what messages call it."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8"), "standard input" if file == "-" else Path(file).name
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidInput(f"the file {file} cannot be read: {reason}") from None
