"""``hoopctl policy``: look at the policy, try another, and put one in force."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from hoopctl import narration, output
from hoopctl.client.gateway import with_session
from hoopctl.client.policy import (
    Change,
    Draft,
    PolicyClient,
    Problem,
    Totals,
    Version,
)
from hoopctl.clock import rfc3339
from hoopctl.commands.approving import sign_in_to_approve
from hoopctl.commands.policy_lines import (
    case_line,
    change_line,
    explanation_line,
    problem_as_line,
    totals_as_line,
    version_line,
)
from hoopctl.commands.policy_text import LEGEND, change_words, changes, difference, explained, problem_line, totals_line
from hoopctl.commands.times import moment
from hoopctl.errors import HoopctlError, UsageProblem
from hoopctl.identity.device_flow import Verification
from hoopctl.invocation import Invocation, invocation, run
from hoopctl.verification import show as show_code

MOST_BYTES = 1024 * 1024

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_FILE = typer.Argument(metavar="FILE", help="A policy file; - reads standard input.", show_default=False)
_NEW_FILE = typer.Argument(metavar="FILE", help="Where to write it; - writes to standard output.")
_FORCE = typer.Option("--force", help="Write over a file that is there.")
_CASES = typer.Argument(metavar="FILE", help="A file of test cases; - reads standard input.", show_default=False)
_SQL = typer.Argument(metavar="SQL", help="One statement or several; - reads standard input.", show_default=False)
_ON = typer.Option("--on", metavar="CONNECTION", help="The connection it would be asked on.", show_default=False)
_USER = typer.Option("--user", metavar="WHO", help="Ask for somebody else: an e-mail or subject.", show_default=False)
_GROUP = typer.Option("--group", metavar="GROUP", help="A group of theirs; may be given again.", show_default=False)
_APPLICATION = typer.Option("--application", metavar="NAME", help="The application's name.", show_default=False)
_PATH = typer.Option("--search-path", metavar="PATH", help='As SET takes it; else "$user", public.', show_default=False)
_POLICY = typer.Option(
    "--policy", metavar="FILE", help="Under this policy in place of the one in force.", show_default=False
)
_VERSION = typer.Argument(metavar="VERSION", min=1, help="A version; else the one in force.", show_default=False)
_HISTORY = typer.Option("--history", help="Who put which version in force, and when.")
_LIMIT = typer.Option("--limit", metavar="N", min=1, max=100_000, help="At most so many, the newest.")
_SINCE = typer.Option("--since", metavar="TIME", help="From then on: 2h, 30d, or 2026-03-01[T12:00[Z]] (UTC).")
_UNTIL = typer.Option("--until", metavar="TIME", help="Before then; as --since.", show_default=False)
_CONNECTION = typer.Option("--connection", metavar="NAME", help="Only on this connection.", show_default=False)
_YES = typer.Option("--yes", "-y", help="Do not ask.")
_EXPECTED = typer.Option(
    "--expected", metavar="N", min=1, help="Only if the version in force is this one.", show_default=False
)


@app.callback()
def policy() -> None:
    """Check, explain, test, simulate, show and apply policies."""


@app.command()
def init(
    ctx: typer.Context, file: Annotated[str, _NEW_FILE] = "policy.yaml", force: Annotated[bool, _FORCE] = False
) -> None:
    """Write a policy for production to start from, with comments."""
    asked, text = invocation(ctx), _packaged("sample.yaml")
    if file == "-":
        output.write(text.rstrip("\n"))
        return
    try:
        with open(file, "w" if force else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise UsageProblem(f"{file} is there already.", hint="Give another name, or --force.") from None
    except OSError as problem:
        raise HoopctlError(f"{file} cannot be written: {problem.strerror}.") from None
    if asked.json:
        output.emit({"event": "written", "file": file})
    else:
        narration.say(f"{file} is written. Adapt its groups and objects, then: hoopctl policy check {file}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    output.write(_packaged("schema.json").rstrip("\n"))


@app.command()
def check(ctx: typer.Context, file: Annotated[str, _FILE]) -> None:
    """See whether a policy file loads.

    Says line and column of each error, and warns of rules that never have a say. Nothing changes.
    """
    run(_check(invocation(ctx), _read(file)))


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int | None, _VERSION] = None,
    history: Annotated[bool, _HISTORY] = False,
    limit: Annotated[int, _LIMIT] = 50,
) -> None:
    """Show the policy in force, or another version of it."""
    asked = invocation(ctx)
    if history and number is not None:
        raise UsageProblem("Either a version or --history.")
    run(_history(asked, limit) if history else _show(asked, number))


@app.command()
def explain(
    ctx: typer.Context,
    sql: Annotated[str, _SQL],
    on: Annotated[str, _ON],
    user: Annotated[str, _USER] = "",
    group: Annotated[list[str] | None, _GROUP] = None,
    application: Annotated[str, _APPLICATION] = "",
    search_path: Annotated[str | None, _PATH] = None,
    policy_file: Annotated[str | None, _POLICY] = None,
) -> None:
    """Say why a statement would be allowed, held or denied.

    Every rule, whether it fits and why not; nothing of the statement is run. For yourself, or for others if you are an
    auditor or an admin.
    """
    if sql == "-" and policy_file == "-":
        raise UsageProblem("Only one of SQL and --policy can come from standard input.")
    if user and not group:
        raise UsageProblem(f"The gateway does not know which groups {user} is in.", hint="Say them: --group NAME.")
    text = _stdin() if sql == "-" else sql
    draft = _read(policy_file) if policy_file is not None else None
    run(_explain(invocation(ctx), text, on, user, group or [], application, search_path, draft))


@app.command("test")
def run_cases(
    ctx: typer.Context, file: Annotated[str, _CASES], policy_file: Annotated[str | None, _POLICY] = None
) -> None:
    """Try a policy's own test cases.

    Exits with 1 when one does not hold. docs/policy.md has the form of the file.
    """
    if file == "-" and policy_file == "-":
        raise UsageProblem("Only one of FILE and --policy can come from standard input.")
    draft = _read(policy_file) if policy_file is not None else None
    run(_test(invocation(ctx), _read(file), draft))


@app.command()
def simulate(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    since: Annotated[str, _SINCE] = "30d",
    until: Annotated[str, _UNTIL] = "",
    connection: Annotated[str, _CONNECTION] = "",
    limit: Annotated[int, _LIMIT] = 100_000,
) -> None:
    """Say which recorded statements another policy would decide on otherwise.

    Each by itself, with the groups that its person had, under the catalog as it is now.
    """
    asked = invocation(ctx)
    now = asked.clock()
    start, end = moment("--since", since, now), moment("--until", until, now) if until else None
    run(_simulate(asked, _read(file), start, end, connection, limit))


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[str, _FILE],
    yes: Annotated[bool, _YES] = False,
    expected: Annotated[int | None, _EXPECTED] = None,
) -> None:
    """Put a policy in force, on every gateway of the store and for every live session.

    Shows what would change and asks first, and takes a sign-in made for it. A file with an error changes nothing.
    """
    asked = invocation(ctx)
    if file == "-" and not yes:
        raise UsageProblem("A policy from standard input leaves nobody to be asked.", hint="Give --yes.")
    if not yes and not asked.may_ask:
        raise UsageProblem("There is nobody to be asked.", hint="Give --yes.")
    run(_apply(asked, _read(file), expected, yes=yes))


async def _check(asked: Invocation, draft: Draft) -> None:
    async with with_session(asked) as gateway:
        problems = await PolicyClient(gateway).check(draft)
    errors = _tell_problems(asked, problems)
    if asked.json:
        output.emit({"event": "checked", "source": draft.source, "ok": not errors, "errors": errors})
    elif not errors:
        narration.say(f"{draft.source} is a policy.")
    _fail_for(errors, draft.source)


async def _show(asked: Invocation, number: int | None) -> None:
    async with with_session(asked) as gateway:
        version = await PolicyClient(gateway).show(number)
    if asked.json:
        output.emit(version_line(version))
        return
    narration.aside(f"version {version.version}, by {version.by} at {rfc3339(version.at)}, from {version.source}")
    output.write(version.text.rstrip("\n"))


async def _history(asked: Invocation, limit: int) -> None:
    found: list[Version] = []
    async with with_session(asked) as gateway:
        async for version in PolicyClient(gateway).history(limit):
            if asked.json:
                output.emit(version_line(version))
            found.append(version)
    if not asked.json:
        rows = [(each.version, rfc3339(each.at), each.by, each.source) for each in found]
        output.table(["version", "since", "by", "from"], rows)


async def _explain(
    asked: Invocation,
    sql: str,
    on: str,
    user: str,
    groups: list[str],
    application: str,
    search_path: str | None,
    draft: Draft | None,
) -> None:
    async with with_session(asked) as gateway:
        client = PolicyClient(gateway)
        if draft is not None:
            _fail_for(_tell_problems(asked, await client.check(draft)), draft.source)
        told = await client.explain(
            sql, on, user=user, groups=groups, application=application, search_path=search_path, policy=draft
        )
    if asked.json:
        output.emit(explanation_line(told, on))
        return
    output.draw(explained(told, on))
    narration.aside(LEGEND)


async def _test(asked: Invocation, cases: Draft, draft: Draft | None) -> None:
    async with with_session(asked) as gateway:
        problems, results = await PolicyClient(gateway).test(cases, draft)
    _fail_for(_tell_problems(asked, problems), problems[0].source if problems else cases.source)
    for result in results:
        if asked.json:
            output.emit(case_line(result))
        else:
            output.write(f"{'ok    ' if result.ok else 'FAILED'} {result.name}")
            for failure in result.failures:
                output.write(f"         {failure}")
    failed = sum(not result.ok for result in results)
    if asked.json:
        output.emit({"event": "tested", "ok": not failed, "cases": len(results), "failed": failed})
    else:
        output.write(f"{len(results)} cases, {failed} failed.")
    if failed:
        raise HoopctlError(f"{failed} of {len(results)} cases do not hold.")


async def _simulate(
    asked: Invocation, draft: Draft, since: datetime, until: datetime | None, connection: str, limit: int
) -> None:
    found: list[Change] = []
    totals: Totals | None = None
    async with with_session(asked) as gateway:
        client = PolicyClient(gateway)
        _fail_for(_tell_problems(asked, await client.check(draft)), draft.source)
        async for result in client.simulate(draft, since, until, connection, limit):
            if isinstance(result, Totals):
                totals = result
                if not result.done:
                    narration.aside(f"{result.statements} statements looked at, {result.changed} changes")
            elif asked.json:
                output.emit(change_line(result))
            else:
                found.append(result)
    if totals is None or not totals.done:
        raise HoopctlError("The gateway stopped before it had simulated all statements.", hint="Try again.")
    if asked.json:
        output.emit(totals_as_line(totals))
        return
    rows = [
        (times, each.principal, each.connection, change_words(each), ", ".join(each.becomes_by), each.sql)
        for times, each in changes(found)
    ]
    if rows:
        output.table(["times", "who", "where", "change", "by", "statement"], rows)
    output.write(totals_line(totals))
    if totals.more:
        narration.aside(f"These are the newest {totals.statements}; --limit takes more.")


async def _apply(asked: Invocation, draft: Draft, expected: int | None, *, yes: bool) -> None:
    async with with_session(asked) as gateway:
        client = PolicyClient(gateway)
        errors = _tell_problems(asked, await client.check(draft))
        _fail_for(errors, draft.source)
        before = await client.show(None)
        lines = difference(before.text, draft.text, (f"version {before.version}", draft.source))
        if not asked.json:
            for line in lines:
                output.write(line)
        if not lines:
            if asked.json:
                output.emit({"event": "unchanged", "version": before.version})
            else:
                narration.say(f"{draft.source} is the policy in force, version {before.version}.")
            return
        if not yes and not typer.confirm("Put this in force?", err=True):
            raise HoopctlError("Nothing was changed.")
        token = await sign_in_to_approve(asked, gateway, partial(_show_code, asked, draft.source))
        version = await client.apply(draft, expected or before.version, token.reveal())
    if asked.json:
        output.emit({"event": "applied", "version": version.version, "before": before.version, "by": version.by})
    else:
        narration.say(f"Version {version.version} is in force, put there by {version.by}.")


def _show_code(asked: Invocation, source: str, verification: Verification) -> None:
    purpose = f"Sign in to put {source} in force"
    show_code(verification, output.printable(purpose, one_line=True), as_json=asked.json)


def _tell_problems(asked: Invocation, problems: list[Problem]) -> int:
    """Tell all of them; gives how many are errors."""
    for problem in problems:
        if asked.json:
            output.emit(problem_as_line(problem))
        elif problem.warning:
            narration.warn(problem_line(problem).replace("warning: ", "", 1))
        else:
            output.write(problem_line(problem))
    return sum(not problem.warning for problem in problems)


def _fail_for(errors: int, source: str) -> None:
    if errors:
        raise HoopctlError(f"{source} has {errors} error{'s' if errors > 1 else ''}: nothing of it counts.")


def _packaged(name: str) -> str:
    return files("hoop").joinpath("policy", name).read_text(encoding="utf-8")


def _read(file: str) -> Draft:
    if file == "-":
        return Draft(_stdin(), "standard input")
    try:
        data = Path(file).read_bytes()
    except OSError as problem:
        raise UsageProblem(f"{file} cannot be read: {problem.strerror}.") from None
    return Draft(_text(data, file), file)


def _stdin() -> str:
    return _text(sys.stdin.buffer.read(MOST_BYTES + 1), "standard input")


def _text(data: bytes, source: str) -> str:
    if len(data) > MOST_BYTES:
        raise UsageProblem(f"{source} is larger than {MOST_BYTES // 1024} KiB.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageProblem(f"{source} is not UTF-8 text.") from None
