"""``hoopctl audit``: find what was asked of databases, see it again, and prove that the record was not changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from hoopctl import narration, output
from hoopctl.client.audit import AuditClient, Session, Statement, Step, Verified, Wanted
from hoopctl.client.gateway import with_session
from hoopctl.clock import rfc3339
from hoopctl.commands.audit_text import finding, listed, step_lines, told, verdict_line
from hoopctl.commands.times import moment, seconds
from hoopctl.errors import UsageProblem, VerificationFailed
from hoopctl.invocation import Invocation, invocation, run

DECISIONS = ("allow", "review", "deny")
OUTCOMES = ("done", "error", "denied", "rejected", "expired", "cancelled", "unknown")

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_TEXT = typer.Argument(metavar="TEXT", help="Words or any part of the SQL, or a request's id.", show_default=False)
_USER = typer.Option("--user", metavar="WHO", help="E-mail, its part before the @, or subject.", show_default=False)
_CONNECTION = typer.Option("--connection", metavar="NAME", help="Only on this connection.", show_default=False)
_DECISION = typer.Option("--decision", metavar="WORD", help=f"One of {', '.join(DECISIONS)}.", show_default=False)
_OUTCOME = typer.Option("--outcome", metavar="WORD", help=f"One of {', '.join(OUTCOMES)}.", show_default=False)
_IN_SESSION = typer.Option("--session", metavar="ID", help="Only of this session.", show_default=False)
_SINCE = typer.Option(
    "--since", metavar="TIME", help="From then on: 2h, 3d, or 2026-03-01[T12:00[Z]] (UTC).", show_default=False
)
_UNTIL = typer.Option("--until", metavar="TIME", help="Before then; as --since.", show_default=False)
_LIMIT = typer.Option("--limit", metavar="N", min=1, max=100_000, help="At most so many, the newest.")
_SPEED = typer.Option("--speed", min=0.01, metavar="N", help="So many times as fast as it was.")
_MAX_PAUSE = typer.Option("--max-pause", metavar="TIME", help="Wait no longer than this between two events.")
_NO_WAIT = typer.Option("--no-wait", help="Do not wait at all.")
_SESSION = typer.Argument(metavar="SESSION", help="Its id, as `hoopctl audit search` shows it.", show_default=False)
_EITHER = typer.Argument(
    metavar="ID", help="A session's id, or a statement's: s-4cl6k37s5tsh or s-4cl6k37s5tsh/1.", show_default=False
)
_ONE_OR_ALL = typer.Argument(
    metavar="SESSION", help="Its id; without it, every session that you may see.", show_default=False
)


@app.callback()
def audit() -> None:
    """Search, show, replay and verify the record."""


@app.command()
def search(
    ctx: typer.Context,
    text: Annotated[str, _TEXT] = "",
    user: Annotated[str, _USER] = "",
    connection: Annotated[str, _CONNECTION] = "",
    decision: Annotated[str, _DECISION] = "",
    outcome: Annotated[str, _OUTCOME] = "",
    session: Annotated[str, _IN_SESSION] = "",
    since: Annotated[str, _SINCE] = "",
    until: Annotated[str, _UNTIL] = "",
    limit: Annotated[int, _LIMIT] = 50,
) -> None:
    """Find statements, newest first.

    Your own, or everyone's if you are an auditor or an admin.
    """
    asked = invocation(ctx)
    _one_of("--decision", decision, DECISIONS)
    _one_of("--outcome", outcome, OUTCOMES)
    now = asked.clock()
    wanted = Wanted(
        text=text,
        user=user,
        connection=connection,
        decision=decision,
        outcome=outcome,
        session=session,
        since=moment("--since", since, now) if since else None,
        until=moment("--until", until, now) if until else None,
        limit=limit,
    )
    run(_search(asked, wanted))


@app.command()
def show(ctx: typer.Context, name: Annotated[str, _EITHER]) -> None:
    """Show a session with its statements, or one statement whole."""
    run(_show(invocation(ctx), name))


@app.command()
def replay(
    ctx: typer.Context,
    session: Annotated[str, _SESSION],
    speed: Annotated[float, _SPEED] = 1.0,
    max_pause: Annotated[str, _MAX_PAUSE] = "2s",
    no_wait: Annotated[bool, _NO_WAIT] = False,
) -> None:
    """Tell a session again, in its own time.

    Its statements, decisions, approvals and masked results. With --json there is no waiting.
    """
    asked = invocation(ctx)
    longest = 0.0 if no_wait or asked.json else seconds("--max-pause", max_pause)
    run(_replay(asked, session, speed, longest, asyncio.sleep))


@app.command()
def verify(ctx: typer.Context, session: Annotated[str, _ONE_OR_ALL] = "") -> None:
    """Prove that the record is what was recorded.

    Computes the chain and the seal of each session again, and compares what search shows of it. Exits with 7 when one
    is not what was recorded, and names its first bad event.
    """
    run(_verify(invocation(ctx), session))


async def _search(asked: Invocation, wanted: Wanted) -> None:
    found: list[Statement] = []
    async with with_session(asked) as gateway:
        async for statement in AuditClient(gateway).search(wanted):
            if asked.json:
                output.emit(statement_line(statement))
            else:
                found.append(statement)
    if asked.json:
        return
    if not found:
        narration.say("No statement fits.")
        return
    output.table(["when, who, where", "what"], [listed(each) for each in found])
    if len(found) == wanted.limit:
        narration.aside(f"These are the newest {wanted.limit}; --limit shows more.")


async def _show(asked: Invocation, name: str) -> None:
    async with with_session(asked) as gateway:
        session = await AuditClient(gateway).show(name)
    if asked.json:
        output.emit(statement_line(session.statements[0]) if "/" in name else session_line(session))
        return
    for line in told(session, whole="/" in name):
        output.write(line)


async def _replay(
    asked: Invocation, session: str, speed: float, longest: float, pause: Callable[[float], Awaitable[None]]
) -> None:
    async with with_session(asked) as gateway:
        before = None
        async for step in AuditClient(gateway).replay(session):
            if before is not None and longest:
                between = (step.time - before.time).total_seconds() / speed
                await pause(min(max(between, 0.0), longest))
            before = step
            if asked.json:
                output.emit(step_line(step))
            else:
                for line in step_lines(step):
                    output.write(line)


async def _verify(asked: Invocation, session: str) -> None:
    results: list[Verified] = []
    async with with_session(asked) as gateway:
        async for result in AuditClient(gateway).verify(session):
            results.append(result)
            if asked.json:
                output.emit(verified_line(result))
            else:
                output.write(verdict_line(result))
    bad = [result for result in results if not result.ok]
    still_open = sum(result.open for result in results)
    if asked.json:
        output.emit({"event": "done", "ok": not bad, "sessions": len(results), "failed": len(bad), "open": still_open})
    else:
        output.write(
            f"{len(results)} sessions: {len(results) - len(bad)} as recorded ({still_open} open), {len(bad)} not"
        )
    if bad:
        first = bad[0]
        raise VerificationFailed(
            f"The record of session {first.session} is not what was written: {finding(first)}.",
            hint="Keep the store as it is; its backups and the gateway's log say what it was.",
        )


def _one_of(option: str, word: str, words: tuple[str, ...]) -> None:
    if word and word not in words:
        raise UsageProblem(f"{word!r} is nothing that {option} knows.", hint=f"One of: {', '.join(words)}.")


def statement_line(statement: Statement) -> dict[str, object]:
    """The JSON line of a statement (DESIGN.md section 9): nothing cut, unknown is null."""
    return {
        "time": rfc3339(statement.time),
        "session": statement.session,
        "statement": statement.id,
        "principal": statement.principal,
        "connection": statement.connection,
        "sql": statement.sql,
        "params": [{"type": p.type, "value": p.value, "masked": p.masked} for p in statement.params],
        "kind": statement.kind,
        "effects": list(statement.effects),
        "decision": statement.decision,
        "rule": statement.rules[0] if statement.rules else None,
        "rules": list(statement.rules),
        "request": statement.request,
        "approvals": [
            {"verdict": a.verdict, "by": a.by, "comment": a.comment, "at": rfc3339(a.at)} for a in statement.approvals
        ],
        "outcome": statement.outcome,
        "rows": statement.rows,
        "duration_ms": statement.duration_ms,
        "masked": list(statement.masked),
        "error": statement.error,
    }


def session_line(session: Session) -> dict[str, object]:
    """The JSON object of a session with its statements."""
    return {
        "session": session.id,
        "principal": session.principal,
        "connection": session.connection,
        "application": session.application or None,
        "host": session.host or None,
        "started": rfc3339(session.started),
        "ended": None if session.ended is None else rfc3339(session.ended),
        "ended_because": session.ended_because,
        "events": session.events,
        "head": session.head,
        "statements": [statement_line(statement) for statement in session.statements],
    }


def step_line(step: Step) -> dict[str, object]:
    """The JSON line of one event."""
    return {
        "time": rfc3339(step.time),
        "seq": step.seq,
        "kind": step.kind,
        "statement": step.statement,
        "text": step.text,
        "columns": list(step.columns),
        "rows": [list(row) for row in step.rows],
    }


def verified_line(result: Verified) -> dict[str, object]:
    """The JSON line of one session's verification."""
    return {
        "session": result.session,
        "ok": result.ok,
        "events": result.events,
        "bad_event": result.bad_event,
        "message": result.message,
        "open": result.open,
    }
