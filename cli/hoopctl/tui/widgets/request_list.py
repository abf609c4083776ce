"""The list of requests: one line each, in the model's order. What is selected stays selected whatever arrives."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from hoopctl.requests import Request
from hoopctl.tui.drawing import row


class RequestList(OptionList, inherit_bindings=False):
    """Posts ``Selected`` when the reviewer moves to another request."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_down", "Next", show=False),
        Binding("up,k", "cursor_up", "Previous", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
    ]

    class Selected(Message):
        def __init__(self, request_id: str) -> None:
            super().__init__()
            self.request_id = request_id

    def __init__(self) -> None:
        super().__init__(id="requests", markup=False)
        self._drawn: dict[str, Text] = {}

    @property
    def selected(self) -> str | None:
        """The id of the request under the cursor."""
        return None if self.highlighted is None else self.get_option_at_index(self.highlighted).id

    def add(self, request: Request, now: datetime) -> None:
        """A new request, at the end; the first one is selected at once."""
        self._drawn[request.id] = row(request, now)
        self.add_option(Option(self._drawn[request.id], id=request.id))
        if self.highlighted is None:
            self.highlighted = 0

    def redraw(self, request: Request, now: datetime) -> None:
        """Draw a request again, if it looks otherwise than before."""
        drawn = row(request, now)
        if request.id in self._drawn and drawn != self._drawn[request.id]:
            self._drawn[request.id] = drawn
            self.replace_option_prompt(request.id, drawn)

    def drop(self, request_id: str) -> None:
        """Take a request out, keeping the cursor on what it is on."""
        if request_id not in self._drawn:
            return
        selected = self.selected
        del self._drawn[request_id]
        self.remove_option(request_id)
        if selected in self._drawn:
            self.highlighted = self.get_option_index(selected)
        elif self.option_count:
            self.highlighted = min(self.highlighted or 0, self.option_count - 1)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Selected(event.option_id))
