"""Requests as rich text. No widget; nothing from elsewhere is drawn before ``printable`` has made it harmless.

A statement is drawn whole: hidden characters as marked escapes, long runs of blanks and empty lines as a marked count
in their place, so that nothing can be pushed out of sight.
"""

from __future__ import annotations

import re
from datetime import datetime

from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from hoopctl.output import printable
from hoopctl.requests import Facts, Param, Request
from hoopctl.tui.model import Environment, environment, time_left

COLOUR_LIMIT = 20_000
"""Statements of more characters are drawn without colours: the lexer is not for them."""

HIDDEN = Style(color="black", bgcolor="yellow", bold=True)
MARK = Style(color="yellow", reverse=True)
HEADING = Style(bold=True, underline=True)
DIM = Style(dim=True)
WITHHELD = Style(color="yellow", bold=True)
ENDED = Style(color="white", bgcolor="grey37", bold=True)

ENVIRONMENT_STYLE = {
    Environment.production: Style(color="white", bgcolor="red3", bold=True),
    Environment.staging: Style(color="black", bgcolor="gold3", bold=True),
    Environment.development: Style(color="black", bgcolor="sea_green3", bold=True),
    Environment.unknown: Style(color="white", bgcolor="dark_magenta", bold=True),
}

_TOKEN_STYLES = (
    ("Token.Keyword", Style(color="bright_blue", bold=True)),
    ("Token.Literal.String", Style(color="green")),
    ("Token.Literal.Number", Style(color="cyan")),
    ("Token.Comment", Style(color="magenta", italic=True)),
    ("Token.Name.Builtin", Style(color="bright_blue")),
)
# More blanks than any indentation needs, blanks at the end of a line, more empty lines than a paragraph needs.
_PADDING = re.compile(r"(?:[ \t]*\n){4,}|(?<=\S)[ \t]{12,}|[ \t]{40,}|[ \t]{3,}(?=\n|\Z)")


def safe(text: str, style: Style | str = "") -> Text:
    """``text`` on one line, hidden characters marked."""
    drawn = _marked(text, one_line=True)
    drawn.stylize_before(style)
    return drawn


def styled(text: str, style: Style | str) -> Text:
    """Fixed words in a style that ends with them, whatever is appended."""
    return Text().append(text, style)


def hidden_count(text: str) -> int:
    """How many characters of ``text`` a terminal would obey or not show."""
    return sum(printable(character) != character for character in text)


def statement(sql: str) -> Text:
    """The whole statement."""
    drawn = Text()
    position = 0
    coloured = len(sql) <= COLOUR_LIMIT
    for run in _PADDING.finditer(sql):
        drawn.append_text(_coloured(sql[position : run.start()], coloured))
        drawn.append(_padding_mark(run.group()), MARK)
        drawn.append("\n" if "\n" in run.group() else " ")
        position = run.end()
    drawn.append_text(_coloured(sql[position:], coloured))
    return drawn


def _padding_mark(run: str) -> str:
    return f"⟨{run.count(chr(10)) - 1} empty lines⟩" if "\n" in run else f"⟨{len(run)} blanks⟩"


def _marked(text: str, *, one_line: bool = False) -> Text:
    drawn = Text()
    for character in text:
        shown = printable(character, one_line=one_line)
        drawn.append(shown, HIDDEN if shown != character else None)
    return drawn


def _coloured(sql: str, coloured: bool) -> Text:
    drawn = _marked(sql) if hidden_count(sql) else Text(sql)
    if coloured and sql.strip():
        _colour(drawn)
    return drawn


def _colour(drawn: Text) -> None:
    """Colours under the marks that are there. What the lexer makes of it never changes a character."""
    from pygments.lexers import PostgresLexer  # type: ignore[import-untyped]

    position, spans = 0, []
    for kind, value in PostgresLexer(stripnl=False, ensurenl=False).get_tokens(drawn.plain):
        style = next((style for name, style in _TOKEN_STYLES if str(kind).startswith(name)), None)
        if style is not None:
            spans.append((style, position, position + len(value)))
        position += len(value)
    if position == len(drawn.plain):
        for style, start, end in reversed(spans):
            drawn.stylize_before(style, start, end)


def environment_mark(request: Request) -> Text:
    """`` PRODUCTION `` in a colour that cannot be mistaken, and as a word for those who do not see it."""
    where = environment(request)
    word = "NO ENV LABEL" if where is Environment.unknown else where.upper()
    return styled(f" {word} ", ENVIRONMENT_STYLE[where])


def row(request: Request, now: datetime) -> Text:
    """One line of the list; cut at the edge, since the detail has it whole."""
    drawn = Text(no_wrap=True, overflow="ellipsis")
    if request.state == "pending":
        drawn.append(f"{time_left(request, now):>5} ", "bold" if request.can_decide else "dim")
    else:
        drawn.append(f"{request.state[:9]:<9} ", "reverse" if request.is_open else "dim")
    where = environment(request)
    drawn.append("● " if request.can_decide and request.state == "pending" else "  ")
    drawn.append_text(
        safe(request.connection, Style(bold=True, color="red3" if where is Environment.production else None))
    )
    drawn.append(" ")
    drawn.append_text(safe(request.kind))
    drawn.append(" ")
    drawn.append_text(safe(request.requester.name, DIM))
    if not request.is_open:
        drawn.stylize(DIM)
    return drawn


def head(request: Request, now: datetime) -> RenderableType:
    """What a reviewer must know in five seconds: where, what, who, why, how long, who else."""
    lines = [*_ending(request), _where(request), _what(request), _who(request), _waits(request, now)]
    return Group(*lines, *_cannot(request))


def body(request: Request) -> RenderableType:
    """The statement and everything else; the same as long as the request is."""
    return Group(*_statement(request), *_parameters(request), *_particulars(request))


def _ending(request: Request) -> list[Text]:
    if request.is_open:
        return []
    line = styled(f" {request.state.upper()} ", ENDED)
    if request.message:
        line.append(" ").append_text(safe(request.message, "bold"))
    return [line]


def _where(request: Request) -> Text:
    line = environment_mark(request)
    line.append(" ").append_text(safe(request.connection, ENVIRONMENT_STYLE[environment(request)]))
    for key, value in sorted(request.labels.items()):
        line.append(" ").append_text(safe(f"{key}={value}", DIM))
    return line


def _what(request: Request) -> Text:
    line = safe(request.kind.upper(), "bold")
    line.append(" · ").append_text(safe(", ".join(request.effects) or "no effects are known"))
    if any(facts.predicate in {"missing", "constant"} for facts in request.batch):
        line.append(" · ").append(" NO WHERE: EVERY ROW ", ENVIRONMENT_STYLE[Environment.staging])
    return line


def _who(request: Request) -> Text:
    line = safe(request.requester.name, "bold")
    line.append_text(safe(f" ({', '.join(request.requester.groups)})", DIM))
    if request.application:
        line.append(" through ").append_text(safe(request.application))
    line.append(": ").append_text(
        safe(request.reason, "italic") if request.reason else styled("no reason was given", DIM)
    )
    return line


def _waits(request: Request, now: datetime) -> Text:
    line = Text()
    if left := time_left(request, now):
        line.append(f"{left} left", "bold").append(" · ")
    for number, seat in enumerate(request.seats):
        line.append("; " if number else "").append_text(safe(f"{seat.needed} of {' or '.join(seat.groups)}: "))
        line.append_text(safe(", ".join(seat.approved_by), "bold") if seat.approved_by else styled("nobody yet", DIM))
    return line


def _cannot(request: Request) -> list[Text]:
    if request.state != "pending" or request.cannot_decide_because is None:
        return []
    return [styled("You cannot approve: ", "bold").append_text(safe(request.cannot_decide_because))]


def _statement(request: Request) -> list[Text]:
    sql, hidden = request.sql, hidden_count(request.sql)
    lines = sql.count("\n") + 1
    title = styled("Statement", HEADING)
    title.append(f"  {len(sql):,} characters, {lines:,} line{'s' if lines > 1 else ''}", DIM)
    if len(request.batch) > 1:
        title.append(f", {len(request.batch)} statements", "bold")
    if hidden:
        title.append(" ").append(f" {hidden} HIDDEN CHARACTER{'S' if hidden > 1 else ''} ", HIDDEN)
    return [title, *(safe(f"{why[0].upper()}{why[1:]}.", WITHHELD) for why in request.withheld), statement(sql)]


def _parameters(request: Request) -> list[Text]:
    if not request.params:
        return []
    return [Text(), styled("Parameters", HEADING), *(_parameter(n, param) for n, param in enumerate(request.params, 1))]


def _parameter(number: int, param: Param) -> Text:
    line = styled(f"${number} ", "bold").append_text(safe(param.type, DIM)).append(" = ")
    if param.value is None:
        return line.append("hidden from you", WITHHELD) if param.masked else line.append("NULL", "bold")
    line.append_text(statement(param.value) if param.value else styled("(empty text)", DIM))
    return line.append(" (masked)", DIM) if param.masked else line


def _particulars(request: Request) -> list[Text]:
    lines = [Text(), styled("Rules", HEADING), *(safe(rule) for rule in request.rules)]
    for number, facts in enumerate(request.batch, 1):
        lines += [Text(), _facts_heading(request, number, facts), *(safe(access) for access in facts.accesses)]
        lines += [safe(f"calls {name}") for name in facts.functions]
        lines += [safe(note, "bold") for note in facts.notes]
    if request.words:
        lines += [Text(), styled("Said", HEADING)]
    for word in request.words:
        lines.append(safe(f"{word.by.name}: {word.verdict}" + (f": {word.comment}" if word.comment else "")))
    transaction = {"I": "no transaction", "T": "inside a transaction", "E": "in a failed transaction"}
    lines += [
        Text(),
        styled("Session", HEADING),
        safe(f"{request.role} in {request.database}, {transaction.get(request.transaction, request.transaction)}"),
        safe(f"search path {request.search_path}"),
        safe(f"request {request.id}, statement {request.statement}, policy version {request.policy_version}", DIM),
        safe(f"asked {request.created:%H:%M:%S}, held until {request.hold_until:%H:%M:%S} UTC", DIM),
    ]
    return lines


def _facts_heading(request: Request, number: int, facts: Facts) -> Text:
    title = styled("Touches" if len(request.batch) == 1 else f"Statement {number} touches", HEADING)
    said = [facts.kind] if len(request.batch) > 1 else []
    said += [f"predicate {facts.predicate}"] if facts.predicate else []
    return title.append("  ").append_text(safe(", ".join(said), DIM)) if said else title
