"""What the keys do, and what the marks mean."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from hoopctl.tui.drawing import ENVIRONMENT_STYLE, HIDDEN, MARK, styled
from hoopctl.tui.model import Environment

KEYS = (
    ("↑ ↓  k j", "the previous, the next request"),
    ("PgUp PgDn", "scroll the request (Space: a page down)"),
    ("Tab", "go between list and request"),
    ("a", "approve, with a comment"),
    ("r", "reject, with a comment"),
    ("x", "sweep away those that have ended"),
    ("?", "this page"),
    ("q", "quit; the approval sign-in is forgotten"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Back"),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog"):
            yield Static(_text(), markup=False)
        yield Footer()


def _text() -> Group:
    keys = [styled(f"{key:<12}", "bold").append(what) for key, what in KEYS]
    return Group(
        *keys,
        Text(),
        styled(" PRODUCTION ", ENVIRONMENT_STYLE[Environment.production]).append(" where it would run"),
        Text("● ").append("waits for you"),
        styled("\\u202e", HIDDEN).append(" a character that a terminal would obey or not show"),
        styled("⟨90 blanks⟩", MARK).append(" blanks or empty lines, too many to draw"),
        Text(),
        styled("You decide on exactly what is shown: if it changes, your word is refused.", "dim"),
    )
