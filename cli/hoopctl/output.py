"""Everything on stdout: data for the next program (JSON lines), or tables for a person.

Only results go here; what a command has to tell besides goes through ``narration``. Nothing that came from a server, a
database or another person reaches a terminal before ``printable`` has made hidden and commanding characters visible.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_WIDEST = 1_000_000
_KEPT = frozenset("\n\t")
# Cc: controls and escapes; Cf: bidi, zero width, tags; Cs, Co, Cn: nothing that a font shows; Zl, Zp: line breaks in
# disguise. The rest are letters and marks that are drawn as nothing, or as a blank that is none.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\u2800")


def _is_hidden(character: str) -> bool:
    if character in _KEPT:
        return False
    if character in _HIDDEN or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return True
    category = unicodedata.category(character)
    return category in _HIDDEN_CATEGORIES or (category == "Zs" and character != " ")


def _escape(character: str) -> str:
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def printable(text: str, *, one_line: bool = False) -> str:
    """``text`` with every character that a terminal would obey, or would not show, written as an escape.

    Escapes are ``\\x1b``, ``\\u202e``, ``\\U000e0041``: controls, terminal escapes, bidi and zero-width characters,
    blanks that are not the space. Line feed and tab stay, unless ``one_line`` is set: then they become ``\\n`` and
    ``\\t``.
    """
    shown = "".join(_escape(c) if _is_hidden(c) else c for c in text)
    return shown.replace("\n", "\\n").replace("\t", "\\t") if one_line else shown


def emit(line: Mapping[str, object]) -> None:
    """Write one JSON object as one line and flush it, so that a reader has it at once."""
    sys.stdout.write(json.dumps(line, ensure_ascii=True, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def write(text: str = "") -> None:
    """Write one line of data for a person. ``text`` is escaped by ``printable``."""
    sys.stdout.write(printable(text) + "\n")
    sys.stdout.flush()


def console() -> Console:
    """A rich console on stdout that interprets neither markup nor emoji, for what ``table`` cannot draw."""
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=not sys.stdout.isatty())


def draw(*parts: RenderableType) -> None:
    """Draw rich renderables on stdout. Text in them must have gone through ``printable``.

    Without a terminal they are as wide as their content, so that nothing is cut.
    """
    target = console()
    if not sys.stdout.isatty():
        target.width = _WIDEST
        target.width = max((target.measure(part).maximum for part in parts), default=80)
    target.print(*parts)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Draw a table for a person; cells are escaped, None is shown as nothing.

    Without a terminal the columns are as wide as their content, so that nothing is cut.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    draw(drawn)
