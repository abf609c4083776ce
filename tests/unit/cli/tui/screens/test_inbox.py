"""The inbox under its keys: what the port is told, and what the reviewer sees. At both sizes that it is made for."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from hoopctl.errors import Denied, Unreachable
from hoopctl.requests import Decided, Verdict
from hoopctl.tui.app import ReviewApp
from hoopctl.tui.port import LinkState
from hoopctl.tui.screens.decision import DecisionScreen
from hoopctl.tui.screens.help import HelpScreen
from hoopctl.tui.screens.inbox import InboxScreen
from hoopctl.tui.screens.sign_in import SignInScreen
from hoopctl.tui.widgets.request_detail import RequestDetail
from hoopctl.tui.widgets.request_list import RequestList
from tests.fixtures.inbox import START, ScriptedPort, request

SIZES = [(80, 24), (200, 60)]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request):
    return request.param


class Driven:
    """The running inbox and its keyboard."""

    def __init__(self, app, pilot, port):
        self.app, self.pilot, self.port = app, pilot, port

    async def press(self, *keys):
        await self.pilot.press(*keys)
        await self.settled()

    async def news(self, *news):
        for each in news:
            self.port.news.put_nowait(each)
        await self.settled()

    async def settled(self):
        """Until everything that was posted has been dealt with."""
        for _ in range(4):
            await self.pilot.pause()

    @property
    def screen(self):
        return self.app.screen

    @property
    def inbox(self):
        return next(screen for screen in self.app.screen_stack if isinstance(screen, InboxScreen))

    @property
    def list(self):
        return self.inbox.query_one(RequestList)

    @property
    def detail(self):
        return self.inbox.query_one(RequestDetail)

    def text(self, selector, screen=None):
        drawn = (screen or self.inbox).query_one(selector).render()
        return "\n".join(strip.text for strip in self._strips(selector, screen)) if drawn is not None else ""

    def _strips(self, selector, screen):
        widget = (screen or self.inbox).query_one(selector)
        return [widget.render_line(y) for y in range(widget.size.height)]

    @property
    def notices(self):
        return [notice.message for notice in self.app._notifications]


@asynccontextmanager
async def driven(size, *news, port=None):
    port = port or ScriptedPort(*news)
    app = ReviewApp(port)
    async with app.run_test(size=size) as pilot:
        made = Driven(app, pilot, port)
        await made.settled()
        yield made


async def test_requests_arrive_and_the_first_is_shown(size):
    async with driven(size) as inbox:
        assert "No requests" in inbox.text("#head")
        await inbox.news(LinkState(up=True), request(1), request(2))
        assert inbox.list.selected == request(1).id
        assert inbox.detail.shown == request(1)
        assert "PRODUCTION" in inbox.text("#head")
        assert "DELETE FROM orders" in inbox.text("#body")
        assert "2 to review" in inbox.text("#title")


async def test_a_and_enter_approve_what_is_shown_with_the_comment(size):
    async with driven(size, request(1), request(2)) as inbox:
        await inbox.press("down", "a")
        assert isinstance(inbox.screen, DecisionScreen)
        question = inbox.text("#question", inbox.screen)
        assert "Approve delete on" in question
        assert "prod-db" in question
        await inbox.press(*"ok!", "enter")
        assert inbox.port.decided == [(request(2).id, Verdict.approve, "ok!", "token-1")]
        assert isinstance(inbox.screen, InboxScreen)
        assert inbox.notices == ["delete on prod-db approved"]


async def test_r_rejects(size):
    async with driven(size, request(1)) as inbox:
        await inbox.press("r", *"no", "enter")
        assert inbox.port.decided == [(request(1).id, Verdict.reject, "no", "token-1")]


async def test_escape_says_nothing(size):
    async with driven(size, request(1)) as inbox:
        await inbox.press("a", "x", "escape")
        assert inbox.port.decided == []
        assert inbox.port.sign_ins == 0
        assert isinstance(inbox.screen, InboxScreen)


async def test_the_sign_in_is_shown_and_goes_when_it_is_made(size):
    async with driven(size, request(1), request(2)) as inbox:
        inbox.port.signed_in.clear()
        await inbox.press("a", "enter")
        assert isinstance(inbox.screen, SignInScreen)
        shown = inbox.text("#verification", inbox.screen)
        assert "https://id.example/device" in shown
        assert "WDJB-MJHT" in shown
        assert inbox.port.decided == []
        inbox.port.signed_in.set()
        await inbox.settled()
        assert isinstance(inbox.screen, InboxScreen)
        await inbox.press("down", "a", "enter")
        assert [token for *_, token in inbox.port.decided] == ["token-1", "token-1"]


async def test_giving_the_sign_in_up_says_nothing_and_leaves_the_inbox_usable(size):
    async with driven(size, request(1)) as inbox:
        inbox.port.signed_in.clear()
        await inbox.press("a", "enter")
        await inbox.press("escape")
        inbox.port.signed_in.set()
        await inbox.settled()
        assert inbox.port.decided == []
        assert any("was not said" in notice for notice in inbox.notices)
        await inbox.press("a", "enter")
        assert len(inbox.port.decided) == 1


async def test_nothing_blocks_while_the_network_does(size):
    async with driven(size, request(1), request(2)) as inbox:
        inbox.port.let_decide.clear()
        await inbox.press("a", "enter")
        await inbox.press("down")
        assert inbox.detail.shown == request(2)
        await inbox.news(request(3))
        assert inbox.list.option_count == 3
        await inbox.press("a")
        assert isinstance(inbox.screen, InboxScreen)
        assert any("still on its way" in notice for notice in inbox.notices)
        inbox.port.let_decide.set()
        await inbox.settled()
        assert len(inbox.port.decided) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Decided("refused", "nobody decides on their own request", None), "own request"),
        (Unreachable("The gateway is out of reach."), "out of reach"),
        (Denied("You may not."), "You may not"),
    ],
)
async def test_a_word_that_does_not_count_is_told(answer, told):
    async with driven((80, 24), request(1)) as inbox:
        inbox.port.answers = [answer]
        await inbox.press("a", "enter")
        assert any("does not count" in notice and told in notice for notice in inbox.notices)
        assert inbox.detail.shown.state == "pending"


async def test_an_approval_that_is_not_the_last_says_who_is_missing():
    async with driven((80, 24), request(1)) as inbox:
        inbox.port.answers = [Decided("approved", "", request(1, can_decide=False))]
        await inbox.press("a", "enter")
        assert inbox.notices == ["delete on prod-db approved; it still waits for dba"]


async def test_a_request_that_ends_elsewhere_says_so_under_the_eyes(size):
    async with driven(size, request(1), request(2)) as inbox:
        await inbox.news(request(1, state="expired", message="nobody decided in time"))
        assert "EXPIRED" in inbox.text("#head").splitlines()[0]
        assert "nobody decided in time" in inbox.text("#head")
        assert inbox.list.selected == request(1).id
        await inbox.press("a")
        assert isinstance(inbox.screen, InboxScreen)
        assert any("already expired" in notice for notice in inbox.notices)


async def test_a_request_that_ends_while_it_is_asked_about_cannot_be_decided(size):
    async with driven(size, request(1)) as inbox:
        await inbox.press("a")
        await inbox.news(request(1, state="cancelled", message="the client is gone"))
        question = inbox.text("#question", inbox.screen)
        assert "ended meanwhile" in question
        assert "the client is gone" in question
        await inbox.press("enter")
        assert inbox.port.decided == []


async def test_what_arrives_does_not_move_what_is_selected(size):
    async with driven(size, request(1), request(2)) as inbox:
        await inbox.press("down")
        await inbox.news(request(3), request(1, state="rejected"))
        await inbox.press("x")
        assert inbox.list.selected == request(2).id
        assert inbox.detail.shown == request(2)
        assert inbox.list.option_count == 2


async def test_sweeping_the_last_one_empties_the_detail():
    async with driven((80, 24), request(1), request(1, state="done")) as inbox:
        await inbox.press("x")
        assert inbox.detail.shown is None
        assert "No requests" in inbox.text("#head")
        await inbox.press("a")
        assert isinstance(inbox.screen, InboxScreen)


async def test_who_cannot_approve_is_told_why_and_not_asked():
    reason = "nobody decides on their own request"
    async with driven((80, 24), request(1, can_decide=False, cannot_decide_because=reason)) as inbox:
        await inbox.press("a")
        assert isinstance(inbox.screen, InboxScreen)
        assert any(reason in notice for notice in inbox.notices)


async def test_the_link_is_always_in_sight(size):
    async with driven(size) as inbox:
        assert "connecting" in inbox.text("#link")
        await inbox.news(LinkState(up=True))
        assert "live" in inbox.text("#link")
        await inbox.news(LinkState(up=False, problem="The gateway is gone."))
        assert "NOT LIVE" in inbox.text("#link")
        await inbox.news(LinkState(up=True), request(1))
        assert "NOT LIVE" not in inbox.text("#link")
        assert inbox.detail.shown == request(1)


async def test_the_end_of_the_sign_in_is_told_and_the_inbox_lives():
    async with driven((200, 60), request(1)) as inbox:
        await inbox.news(Denied("You are signed out."))
        assert "You are signed out." in inbox.text("#link")
        assert inbox.detail.shown == request(1)


async def test_time_runs_under_the_eyes():
    async with driven((80, 24), request(1)) as inbox:
        inbox.port.time = START + timedelta(minutes=3, seconds=30)
        inbox.inbox._tick()
        await inbox.settled()
        assert "30s left" in inbox.text("#head")
        assert inbox.list.get_option(request(1).id).prompt.plain.startswith("  30s")


async def test_a_long_request_scrolls_to_its_end_and_what_was_not_seen_is_told(size):
    sql = "\n".join(f"-- line {number}" for number in range(300)) + "\nDROP TABLE customers"
    async with driven(size, request(1, sql=sql)) as inbox:
        await inbox.press("a")
        assert "lines have not been on your screen" in inbox.text("#question", inbox.screen)
        await inbox.press("escape")
        for _ in range(40):
            await inbox.press("pagedown")
        await inbox.press("a")
        assert "not been on your screen" not in inbox.text("#question", inbox.screen)


async def test_question_mark_helps():
    async with driven((80, 24)) as inbox:
        await inbox.press("question_mark")
        assert isinstance(inbox.screen, HelpScreen)
        await inbox.press("escape")
        assert isinstance(inbox.screen, InboxScreen)


async def test_a_hundred_requests_at_once():
    news = [replace(request(1), id=f"r-{number:08}") for number in range(100)]
    async with driven((80, 24), *news) as inbox:
        assert inbox.list.option_count == 100
        await inbox.press("end")
        assert inbox.detail.shown.id == "r-00000099"


async def test_a_bell_rings_for_what_is_new_and_not_for_what_was_there(monkeypatch):
    rung = []
    monkeypatch.setattr(ReviewApp, "bell", lambda app: rung.append(True))
    async with driven((80, 24), request(1, created=START - timedelta(minutes=2))) as inbox:
        assert rung == []
        await inbox.news(request(2, can_decide=False))
        assert rung == []
        await inbox.news(request(3))
        assert rung == [True]
