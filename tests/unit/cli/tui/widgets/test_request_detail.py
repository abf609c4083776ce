"""The request's pane: where it scrolls to, and what it knows to have been on the screen."""

from datetime import timedelta

from textual.app import App
from textual.widgets import Static

from hoopctl.tui.widgets.request_detail import RequestDetail
from tests.fixtures.inbox import START, request

LONG = "\n".join(f"-- line {number}" for number in range(200))


class Showing(App):
    CSS = "RequestDetail { height: 1fr; }"

    def compose(self):
        yield RequestDetail()

    @property
    def detail(self):
        return self.query_one(RequestDetail)

    def drawn(self, part):
        widget = self.query_one(part, Static)
        return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


async def settled(pilot):
    for _ in range(3):
        await pilot.pause()


async def test_a_change_of_the_same_request_keeps_the_place_and_another_begins_at_its_top():
    app = Showing()
    async with app.run_test(size=(80, 24)) as pilot:
        app.detail.show(request(1, sql=LONG), START)
        await settled(pilot)
        app.detail.scroll_to(y=50, animate=False, immediate=True)
        await settled(pilot)
        app.detail.show(request(1, sql=LONG, state="expired"), START)
        await settled(pilot)
        assert app.detail.scroll_y == 50
        assert "EXPIRED" in app.drawn("#head")
        app.detail.show(request(2, sql=LONG), START)
        await settled(pilot)
        assert app.detail.scroll_y == 0


async def test_what_has_been_on_the_screen_is_remembered_for_this_request_alone():
    app = Showing()
    async with app.run_test(size=(80, 24)) as pilot:
        app.detail.show(request(1, sql=LONG), START)
        await settled(pilot)
        assert app.detail.unseen_lines > 150
        app.detail.scroll_end(animate=False, immediate=True)
        await settled(pilot)
        app.detail.scroll_home(animate=False, immediate=True)
        await settled(pilot)
        assert app.detail.unseen_lines == 0
        app.detail.show(request(2, sql=LONG), START)
        await settled(pilot)
        assert app.detail.unseen_lines > 150


async def test_time_is_drawn_again_and_stops_with_the_request():
    app = Showing()
    async with app.run_test(size=(80, 24)) as pilot:
        app.detail.tick(START)
        app.detail.show(request(1), START)
        app.detail.tick(START + timedelta(minutes=3))
        await settled(pilot)
        assert "60s left" in app.drawn("#head")
        app.detail.show(None, START)
        await settled(pilot)
        assert "No requests" in app.drawn("#head")
        assert app.detail.shown is None
