"""The Textual application: screens, styles, and nothing that knows a request."""

from __future__ import annotations

from textual.app import App

from hoopctl.tui.port import RequestsPort
from hoopctl.tui.screens.inbox import InboxScreen


class ReviewApp(App[None]):
    """The inbox on ``port``. Ctrl-C or q ends it; the approval sign-in goes with it."""

    TITLE = "hoopctl review"
    CSS_PATH = "hoopctl.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]

    def __init__(self, port: RequestsPort) -> None:
        super().__init__()
        self._port = port

    def on_mount(self) -> None:
        self.push_screen(InboxScreen(self._port))
