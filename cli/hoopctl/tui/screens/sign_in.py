"""Where and with which code to sign in for a decision. Shows; somebody else waits for the person."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from hoopctl.identity.device_flow import Verification
from hoopctl.tui.drawing import safe, styled


class SignInScreen(ModalScreen[bool]):
    """Dismissed with False when the reviewer gives up, with True when the sign-in has been made."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "Give up")]

    def __init__(self, code: Verification) -> None:
        super().__init__()
        self._code = code

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._text(), id="verification", markup=False)
        yield Footer()

    def action_give_up(self) -> None:
        self.dismiss(False)

    def _text(self) -> Group:
        return Group(
            styled("A decision needs a sign-in made for it. Open", "bold"),
            Text(),
            safe(self._code.verification_uri_complete or self._code.verification_uri, "bold cyan"),
            Text(),
            Text("and check that it shows the code"),
            Text(),
            safe(f"  {self._code.user_code}  ", "bold reverse"),
            Text(),
            styled("It is kept in this window's memory only, until it expires or you quit.", "dim"),
        )
