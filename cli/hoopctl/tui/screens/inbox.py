"""The main screen: the list, the request, and the way to a decision. What comes from the network comes as a message."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker

from hoopctl.errors import HoopctlError
from hoopctl.identity.device_flow import Verification
from hoopctl.output import printable
from hoopctl.requests import Decided, Request, Verdict
from hoopctl.tui.approver import Approver
from hoopctl.tui.drawing import safe, styled
from hoopctl.tui.model import ENDED_KEPT, Change, Inbox
from hoopctl.tui.port import LinkState, RequestsPort
from hoopctl.tui.screens.decision import DecisionScreen
from hoopctl.tui.screens.help import HelpScreen
from hoopctl.tui.screens.sign_in import SignInScreen
from hoopctl.tui.widgets.request_detail import RequestDetail
from hoopctl.tui.widgets.request_list import RequestList

TICK_SECONDS = 1.0
FRESH = timedelta(seconds=30)
"""Older requests were there before the inbox was opened, and ring no bell."""


class InboxScreen(Screen[None]):
    """Owns the model; widgets draw it, workers talk to the port and post what they hear."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "decide('approve')", "Approve"),
        Binding("r", "decide('reject')", "Reject"),
        Binding("pagedown,space", "page(1)", "Scroll", key_display="PgDn"),
        Binding("pageup", "page(-1)", show=False),
        Binding("x", "sweep", "Sweep ended"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]

    class Came(Message):
        """News from the gateway."""

        def __init__(self, news: Request | LinkState) -> None:
            super().__init__()
            self.news = news

    class CodeShown(Message):
        """A sign-in waits for the reviewer; None: no longer."""

        def __init__(self, code: Verification | None) -> None:
            super().__init__()
            self.code = code

    class Settled(Message):
        """A word was said, or could not be: ``problem`` says why."""

        def __init__(self, request: Request, said: Decided | None, problem: str = "") -> None:
            super().__init__()
            self.request = request
            self.said = said
            self.problem = problem

    def __init__(self, port: RequestsPort) -> None:
        super().__init__()
        self._port = port
        self._approver = Approver(port)
        self._inbox = Inbox()
        self._link = LinkState(up=False)
        self._saying: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="bar"):
            yield Static("", id="title", markup=False)
            yield Static("", id="link", markup=False)
        with Container(id="panes"):
            yield RequestList()
            yield RequestDetail()
        yield Footer()

    def on_mount(self) -> None:
        self._list.focus()
        self._draw_bar()
        self.set_interval(TICK_SECONDS, self._tick)
        self.run_worker(self._follow(), group="follow")

    @property
    def _list(self) -> RequestList:
        return self.query_one(RequestList)

    @property
    def _detail(self) -> RequestDetail:
        return self.query_one(RequestDetail)

    async def _follow(self) -> None:
        try:
            async for news in self._port.follow():
                self.post_message(self.Came(news))
        except HoopctlError as error:
            self.post_message(self.Came(LinkState(up=False, problem=error.message)))

    async def _say(self, request: Request, verdict: Verdict, comment: str) -> None:
        def show(code: Verification | None) -> None:
            self.post_message(self.CodeShown(code))

        try:
            said = await self._approver.decide(request, verdict, comment, show)
        except HoopctlError as error:
            self.post_message(self.Settled(request, None, error.message))
        else:
            self.post_message(self.Settled(request, said))

    def on_inbox_screen_came(self, message: Came) -> None:
        if isinstance(message.news, LinkState):
            self._link = message.news
        else:
            self._take_in(message.news)
        self._draw_bar()

    def _take_in(self, request: Request) -> None:
        news = self._inbox.put(request)
        now = self._port.now()
        match news.change:
            case Change.unchanged:
                return
            case Change.added:
                self._list.add(request, now)
                if request.can_decide and now - request.created < FRESH:
                    self.app.bell()
            case Change.changed | Change.ended:
                self._list.redraw(request, now)
        if self._list.selected == request.id:
            self._detail.show(request, now)
        for screen in self.app.screen_stack:
            if isinstance(screen, DecisionScreen):
                screen.request_changed(request)
        for forgotten in self._inbox.sweep(self._list.selected, ENDED_KEPT):
            self._list.drop(forgotten)

    def on_request_list_selected(self, message: RequestList.Selected) -> None:
        self._detail.show(self._inbox.get(message.request_id), self._port.now())

    def on_inbox_screen_code_shown(self, message: CodeShown) -> None:
        if message.code is None:
            self._close_sign_in()
        else:
            self.app.push_screen(SignInScreen(message.code), self._sign_in_ended)

    def _close_sign_in(self) -> None:
        for screen in list(self.app.screen_stack):
            if isinstance(screen, SignInScreen):
                screen.dismiss(True)

    def _sign_in_ended(self, made: bool | None) -> None:
        if not made and self._saying is not None:
            self._saying.cancel()
            self._saying = None
            self.notify("You gave up signing in: your word was not said.", severity="warning")

    def on_inbox_screen_settled(self, message: Settled) -> None:
        self._saying = None
        self._close_sign_in()
        said, request = message.said, message.request
        if said is not None and said.request is not None:
            self._take_in(said.request)
            self._draw_bar()
        if said is None or said.result == "refused":
            problem = message.problem if said is None else said.message
            self._tell(f"Your word on {request.id} does not count: {problem}", "error")
        else:
            waiting = said.request.waiting_for if said.request and said.request.state == "pending" else ()
            more = f"; it still waits for {', '.join(waiting)}" if waiting else ""
            self._tell(f"{request.kind} on {request.connection} {said.result}{more}", "information")

    def action_decide(self, word: str) -> None:
        request, verdict = self._detail.shown, Verdict(word)
        if request is None or self.app.screen is not self:
            return
        if self._saying is not None:
            self._tell("Your last word is still on its way.", "warning")
        elif request.state not in {"pending", "approved"}:
            self._tell(f"Request {request.id} is already {request.state}.", "warning")
        elif verdict is Verdict.approve and not request.can_decide:
            self._tell(f"You cannot approve: {request.cannot_decide_because}", "warning")
        else:
            self._ask(request, verdict)

    def _ask(self, request: Request, verdict: Verdict) -> None:
        def answered(comment: str | None) -> None:
            if comment is not None:
                self._saying = self.run_worker(self._say(request, verdict, comment), group="say")

        self.app.push_screen(DecisionScreen(request, verdict, self._detail.unseen_lines), answered)

    def action_page(self, direction: int) -> None:
        if direction > 0:
            self._detail.scroll_page_down(animate=False)
        else:
            self._detail.scroll_page_up(animate=False)

    def action_sweep(self) -> None:
        for forgotten in self._inbox.sweep():
            self._list.drop(forgotten)
        if self._list.selected is None:
            self._detail.show(None, self._port.now())

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen())

    def _tick(self) -> None:
        now = self._port.now()
        for request in self._inbox.requests:
            if request.is_open:
                self._list.redraw(request, now)
        self._detail.tick(now)

    def _draw_bar(self) -> None:
        count = self._inbox.to_decide
        title = styled(f"{count} to review", "bold") if count else Text("nothing to review")
        title.append("  ").append_text(safe(f"{self._port.reviewer} at {self._port.server}", "dim"))
        self.query_one("#title", Static).update(title)
        self.query_one("#link", Static).update(_drawn_link(self._link))

    def _tell(self, text: str, severity: str) -> None:
        self.notify(printable(text, one_line=True), severity=severity, markup=False)  # type: ignore[arg-type]


def _drawn_link(link: LinkState) -> Text:
    if link.up:
        return styled("● live", "green")
    if not link.problem:
        return styled("○ connecting …", "bold yellow")
    return styled(" ○ NOT LIVE ", "bold reverse red").append(" ").append_text(safe(link.problem))
