"""One request, whole, in a pane that scrolls. It knows how much of it has been on the screen."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from hoopctl.requests import Request
from hoopctl.tui.drawing import body, head

NOTHING = Text("No requests. They appear here as they are raised.", "dim")


class RequestDetail(VerticalScroll):
    """The head is drawn again as time passes; the body only when the request is another one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="detail")
        self._shown: Request | None = None
        self._reached = 0.0

    def compose(self) -> ComposeResult:
        yield Static(NOTHING, id="head", markup=False)
        yield Static("", id="body", markup=False)

    @property
    def shown(self) -> Request | None:
        """The request that is on the screen, exactly as it is shown."""
        return self._shown

    @property
    def unseen_lines(self) -> int:
        """How many lines at the end have never been on the screen."""
        return max(0, round(self.max_scroll_y - max(self._reached, self.scroll_y)))

    def show(self, request: Request | None, now: datetime) -> None:
        """Show ``request`` from its top, or where it was scrolled to if it is the same one, changed."""
        before, self._shown = self._shown, request
        if request is None:
            self.query_one("#head", Static).update(NOTHING)
            self.query_one("#body", Static).update("")
            return
        self.query_one("#head", Static).update(head(request, now))
        if request != before:
            self.query_one("#body", Static).update(body(request))
        if before is None or before.id != request.id:
            self._reached = 0.0
            self.scroll_home(animate=False, immediate=True)

    def tick(self, now: datetime) -> None:
        """Draw the time left again."""
        if self._shown is not None and self._shown.is_open:
            self.query_one("#head", Static).update(head(self._shown, now))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._reached = max(self._reached, new_value)
