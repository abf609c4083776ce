"""The last question before a word is said: it repeats connection and kind, and takes a comment."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from hoopctl.requests import Request, Verdict
from hoopctl.tui.drawing import HIDDEN, environment_mark, safe, styled

COMMENT_LIMIT = 2000


class DecisionScreen(ModalScreen[str | None]):
    """Dismissed with the comment to say the word, with None to leave it unsaid.

    ``unseen`` lines of the request were never on the reviewer's screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "say", "Confirm"),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self, request: Request, verdict: Verdict, unseen: int) -> None:
        super().__init__()
        self._request = request
        self._verdict = verdict
        self._unseen = unseen
        self._ended = False

    def compose(self) -> ComposeResult:
        with Vertical(classes=f"dialog {self._verdict}"):
            yield Static(self._question(), id="question", markup=False)
            yield Input(
                placeholder="comment for the requester (may be left out)", max_length=COMMENT_LIMIT, id="comment"
            )
            yield Static(styled("Enter confirms, Escape goes back", "dim"), id="hint", markup=False)
        yield Footer()

    def request_changed(self, request: Request) -> None:
        """The request is another one than was asked about: it may have ended under the reviewer's hand."""
        if request.id != self._request.id or request.is_open:
            return
        self._ended = True
        why = safe(f": {request.message}" if request.message else "")
        self.query_one("#question", Static).update(
            styled(f"This request has ended meanwhile: {request.state}", "bold").append_text(why)
        )
        self.query_one("#comment", Input).display = False
        self.query_one("#hint", Static).update(styled("Enter or Escape goes back", "dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        # Enter comes through the field, after every key that was typed before it.
        self.dismiss(None if self._ended else event.value)

    def action_say(self) -> None:
        self.query_one("#comment", Input).focus()
        if self._ended:
            self.dismiss(None)

    def action_leave(self) -> None:
        self.dismiss(None)

    def _question(self) -> Group:
        request = self._request
        line = styled(f"{self._verdict.capitalize()} ", "bold").append_text(safe(request.kind, "bold"))
        line.append(" on ").append_text(environment_mark(request)).append(" ")
        line.append_text(safe(request.connection, "bold")).append(" ?")
        who = Text("asked by ").append_text(safe(request.requester.name, "bold"))
        lines = [line, who]
        if self._unseen and self._verdict is Verdict.approve:
            plural = "line has" if self._unseen == 1 else "lines have"
            lines.append(styled(f" {self._unseen} {plural} not been on your screen ", HIDDEN))
        return Group(*lines)
