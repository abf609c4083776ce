"""``hoopctl requests``: held statements, for scripts and for those who do not want the inbox.

``approve`` and ``reject`` sign in on the spot, each time: the kept token of ``login`` cannot decide (INV-6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from hoopctl import narration, output
from hoopctl.client.gateway import with_session
from hoopctl.client.requests import Link, RequestsClient
from hoopctl.clock import rfc3339
from hoopctl.commands.approving import Show, sign_in_to_approve
from hoopctl.errors import Denied, UsageProblem
from hoopctl.identity.device_flow import Verification
from hoopctl.invocation import Invocation, invocation, run
from hoopctl.requests import STATES, Decided, Request, Verdict, as_line
from hoopctl.verification import show as show_code

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_ID = typer.Argument(metavar="ID", help="The request, or the beginning of its id.", show_default=False)
_COMMENT = typer.Option("--comment", metavar="TEXT", help="What the requester reads with the decision.")
_STATE = typer.Option("--state", metavar="STATE", help=f"Only these: {', '.join(STATES)}.", show_default=False)
_ALL = typer.Option("--all", help="Those that have ended, too.")
_LIMIT = typer.Option("--limit", metavar="N", min=1, max=1000, help="At most so many, the newest.")


@app.callback()
def requests() -> None:
    """List, show, approve and reject held statements."""


@app.command("list")
def list_requests(
    ctx: typer.Context,
    state: Annotated[list[str] | None, _STATE] = None,
    all_states: Annotated[bool, _ALL] = False,
    limit: Annotated[int, _LIMIT] = 100,
) -> None:
    """List the requests that you may see: open ones, newest first."""
    asked = invocation(ctx)
    for word in state or []:
        if word not in STATES:
            raise UsageProblem(f"{word!r} is no state of a request.", hint=f"One of: {', '.join(STATES)}.")
    found = run(_list(asked, state or [], all_states, limit))
    if asked.json:
        for each in found:
            output.emit(as_line(each))
    elif found:
        columns = ["id", "state", "connection", "who", "kind", "until", "statement"]
        output.table(columns, [_row(each) for each in found])
    else:
        narration.say("No requests." if state or all_states else "No open requests.")


@app.command()
def show(ctx: typer.Context, request_id: Annotated[str, _ID]) -> None:
    """Show a request whole."""
    asked = invocation(ctx)
    found = run(_show(asked, request_id))
    if asked.json:
        output.emit(as_line(found))
    else:
        for line in described(found):
            output.write(line)


@app.command()
def watch(ctx: typer.Context) -> None:
    """Print open requests and then every change, until Ctrl-C."""
    run(_watch(invocation(ctx)))


@app.command()
def cancel(ctx: typer.Context, request_id: Annotated[str, _ID]) -> None:
    """Take back a request of your own."""
    asked = invocation(ctx)
    ended = run(_cancel(asked, request_id))
    if asked.json:
        output.emit({"event": "cancelled", "request": ended.id, "state": ended.state, "message": ended.message})
    else:
        output.write(f"{ended.id} is {ended.state}.")


@app.command()
def approve(ctx: typer.Context, request_id: Annotated[str, _ID], comment: Annotated[str, _COMMENT] = "") -> None:
    """Sign in as a reviewer and approve a request."""
    run(_decide(invocation(ctx), request_id, Verdict.approve, comment))


@app.command()
def reject(ctx: typer.Context, request_id: Annotated[str, _ID], comment: Annotated[str, _COMMENT] = "") -> None:
    """Sign in as a reviewer and reject a request."""
    run(_decide(invocation(ctx), request_id, Verdict.reject, comment))


async def _list(asked: Invocation, states: Iterable[str], all_states: bool, limit: int) -> list[Request]:
    async with with_session(asked) as gateway:
        return await RequestsClient(gateway).listed(states, all_states=all_states, limit=limit)


async def _show(asked: Invocation, request_id: str) -> Request:
    async with with_session(asked) as gateway:
        return await RequestsClient(gateway).show(request_id)


async def _cancel(asked: Invocation, request_id: str) -> Request:
    async with with_session(asked) as gateway:
        client = RequestsClient(gateway)
        return await client.cancel((await client.show(request_id)).id)


async def _watch(asked: Invocation) -> None:
    async with with_session(asked) as gateway:
        async for news in RequestsClient(gateway).follow():
            if isinstance(news, Link):
                narration.aside("Watching." if news.up else f"{news.problem} Trying again.")
            elif asked.json:
                output.emit(as_line(news))
            else:
                output.write("  ".join(str(cell) for cell in _row(news)))


async def _decide(asked: Invocation, request_id: str, verdict: Verdict, comment: str) -> None:
    async with with_session(asked) as gateway:
        client = RequestsClient(gateway)
        request = await client.show(request_id)
        if not asked.json:
            for line in described(request):
                narration.say(line)
        if request.state not in {"pending", "approved"}:
            said = Decided("refused", f"request {request.id} is already {request.state}", request)
        else:
            token = await sign_in_to_approve(asked, gateway, _show_verification(asked, request, verdict))
            said = await client.decide(request, verdict, comment, token.reveal())
    _tell(asked, request, said)


def _tell(asked: Invocation, request: Request, said: Decided) -> None:
    after = said.request or request
    if asked.json:
        message = said.message or after.message or None
        output.emit({"event": said.result, "request": request.id, "state": after.state, "message": message})
    if said.result == "refused":
        raise Denied(f"Your word on {request.id} does not count: {said.message}.", request=request.id)
    if not asked.json:
        waiting = f"; it still waits for {', '.join(after.waiting_for)}" if after.state == "pending" else ""
        output.write(f"{request.id} is {after.state}{waiting}.")


def _show_verification(asked: Invocation, request: Request, verdict: Verdict) -> Show:
    purpose = f"Sign in to {verdict} {request.id}: {request.kind} on {request.connection}"

    def show_it(code: Verification) -> None:
        show_code(code, output.printable(purpose, one_line=True), as_json=asked.json)

    return show_it


def _row(request: Request) -> tuple[object, ...]:
    until = rfc3339(request.deadline)[:19] + "Z" if request.is_open else ""
    return (
        request.id,
        request.state,
        request.connection,
        request.requester.name,
        request.kind,
        until,
        beginning(request.sql),
    )


def beginning(sql: str, limit: int = 60) -> str:
    """The first characters on one line; what is left out is counted, so that nobody takes it for the whole."""
    line = output.printable(" ".join(sql[: limit * 4].split()), one_line=True)
    return sql if sql == line and len(sql) <= limit else f"{line[:limit]} … ({len(sql)} characters)"


def described(request: Request) -> list[str]:
    """All of a request as escaped lines for people.

    Each field is one line and the statement is indented, so that no text of the requester's can pass for a field.
    """
    return [output.printable(line, one_line=True) for line in _fields(request)] + [
        "",
        *("    " + output.printable(line) for line in request.sql.split("\n")),
    ]


def _fields(request: Request) -> Iterable[str]:
    labels = " ".join(f"{key}={value}" for key, value in sorted(request.labels.items()))
    yield f"request      {request.id}  {request.state}" + (f": {request.message}" if request.message else "")
    yield f"connection   {request.connection}  {labels}"
    yield f"who          {request.requester.name}  ({', '.join(request.requester.groups)})  {request.application}"
    yield f"why          {request.reason or 'no reason was given'}"
    yield f"kind         {request.kind}  ({', '.join(request.effects)})"
    yield f"runs as      {request.role} in {request.database}, search path {request.search_path}"
    yield f"held until   {rfc3339(request.hold_until)}"
    yield f"expires      {rfc3339(request.expires)}"
    yield from (f"rule         {rule}" for rule in request.rules)
    for facts in request.batch:
        yield from (f"access       {access}" for access in facts.accesses)
        yield from (f"calls        {name}" for name in facts.functions)
        if facts.predicate:
            yield f"predicate    {facts.predicate}"
        yield from (f"attention    {note}" for note in facts.notes)
    for seat in request.seats:
        who = ", ".join(seat.approved_by) or "nobody has"
        yield f"must approve {seat.needed} of {' or '.join(seat.groups)} ({seat.rule}): {who}"
    for word in request.words:
        yield f"said         {word.by.name}: {word.verdict} {rfc3339(word.at)}  {word.comment}".rstrip()
    for number, param in enumerate(request.params, 1):
        value = repr(param.value) if param.value is not None else "hidden" if param.masked else "NULL"
        yield f"${number:<11} {param.type} = {value}" + (" (masked)" if param.masked else "")
    yield from (f"attention    {why}" for why in request.withheld)
