"""The record as lines for people. Pure; every text of the record is escaped here.

What the gateway says stands at the start of a line or of a cell; what a client typed or a database answered comes after
it and is indented, so that it cannot pass for the gateway's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hoopctl.client.audit import Session, Statement, Step, Verified
from hoopctl.clock import rfc3339
from hoopctl.output import printable

LISTED_CHARACTERS = 2_000
"""Of one statement in a table for people; ``audit show`` and ``--json`` have all of it."""


def listed(statement: Statement) -> tuple[str, str]:
    """The two cells of a statement in the table of ``search``."""
    who = "\n".join(
        (_second(statement), _one_line(statement.principal), _one_line(statement.connection), _one_line(statement.kind))
    )
    return who + "\n", "\n".join(_what(statement, LISTED_CHARACTERS)) + "\n"


def told(session: Session, *, whole: bool) -> Iterator[str]:
    """A session, or with ``whole`` its one statement, as lines."""
    if not whole:
        yield f"session      {session.id}"
        yield f"who          {_one_line(session.principal)}"
        yield f"connection   {_one_line(session.connection)}"
        yield f"client       {_one_line(session.application)}  {_one_line(session.host)}"
        yield f"started      {rfc3339(session.started)}"
        ended = "still open" if session.ended is None else rfc3339(session.ended)
        yield f"ended        {ended}  {_one_line(session.ended_because or '')}".rstrip()
        yield f"record       {session.events} events, head {session.head}"
    for statement in session.statements:
        yield ""
        yield f"{rfc3339(statement.time)}  {_one_line(statement.kind)}"
        yield from _what(statement, None)
    if whole:
        yield f"  by {_one_line(session.principal)} on {_one_line(session.connection)}"


def step_lines(step: Step) -> Iterator[str]:
    """One event of a replay."""
    first, *rest = step.text.split("\n")
    number = f"#{step.statement.rpartition('/')[2]} " if step.statement else ""
    start = f"{rfc3339(step.time)[11:23]}  {number}"
    if step.kind == "RowsReturned":
        yield from (f"    {line}" for line in _grid(step.columns, step.rows))
        if first:
            yield f"{start}{_one_line(first)}"
        return
    yield f"{start}{_one_line(first)}"
    yield from (f"    {_one_line(line, keep_tabs=True)}" for line in rest)


def verdict_line(result: Verified) -> str:
    """One session's verification."""
    word = "open" if result.ok and result.open else "ok" if result.ok else "BAD"
    return f"{word:<5} {_one_line(result.session)}  {finding(result)}"


def finding(result: Verified) -> str:
    """What was found, with the first bad event in it."""
    named = not result.bad_event or f"event {result.bad_event}" in result.message
    return _one_line(result.message if named else f"event {result.bad_event}: {result.message}")


def _what(statement: Statement, most: int | None) -> Iterator[str]:
    held = statement.decision == "review" and not statement.approvals
    outcome = statement.outcome or ("held" if held else "running")
    said = statement.decision if statement.decision == outcome else f"{statement.decision}, {outcome}"
    if statement.rows is not None:
        said += f", {statement.rows} row" + ("" if statement.rows == 1 else "s")
    if statement.duration_ms:
        said += f", {statement.duration_ms:.1f} ms"
    yield f"{_one_line(statement.id)}  {_one_line(said)}"
    if statement.rules:
        yield f"rule: {_one_line(', '.join(statement.rules))}"
    if statement.request:
        yield f"request: {_one_line(statement.request)}"
    for word in statement.approvals:
        verb = "approved" if word.verdict == "approve" else "rejected"
        yield f"{verb} by {_one_line(word.by)}" + (f": {_one_line(word.comment)}" if word.comment else "")
    if statement.error:
        yield f"error: {_one_line(statement.error)}"
    if statement.masked:
        yield f"masked: {_one_line(', '.join(statement.masked))}"
    yield from _sql(statement.sql, most)
    for number, param in enumerate(statement.params, start=1):
        value = "NULL" if param.value is None else _one_line(_cut(repr(param.value), most))
        yield f"  ${number} {_one_line(param.type)} = {value}" + (" (masked)" if param.masked else "")


def _sql(sql: str, most: int | None) -> Iterable[str]:
    shown = sql if most is None else sql[:most]
    yield from ("  " + _one_line(line, keep_tabs=True) for line in shown.split("\n"))
    if len(shown) < len(sql):
        yield f"… {len(sql)} characters in all: see hoopctl audit show"


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    shown = [[_one_line(cell) if cell is not None else "NULL" for cell in row] for row in rows]
    heads = [_one_line(column) for column in columns]
    widths = [max(map(len, column), default=0) for column in zip(*([heads] if heads else []), *shown, strict=False)]
    if heads:
        yield _line(heads, widths)
        yield "-+-".join("-" * width for width in widths)
    yield from (_line(row, widths) for row in shown)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip()


def _second(statement: Statement) -> str:
    return rfc3339(statement.time)[:19].replace("T", " ")


def _one_line(text: str, *, keep_tabs: bool = False) -> str:
    return printable(text).replace("\n", "\\n") if keep_tabs else printable(text, one_line=True)
