"""The list keeps the cursor on what it is on."""

from textual.app import App

from hoopctl.tui.widgets.request_list import RequestList
from tests.fixtures.inbox import START, request


class Listing(App):
    def __init__(self):
        super().__init__()
        self.chosen = []

    def compose(self):
        yield RequestList()

    def on_request_list_selected(self, message):
        self.chosen.append(message.request_id)

    @property
    def list(self):
        return self.query_one(RequestList)


def ids(*numbers):
    return [request(number).id for number in numbers]


async def test_moving_tells_which_is_selected():
    app = Listing()
    async with app.run_test() as pilot:
        for number in (1, 2, 3):
            app.list.add(request(number), START)
        app.list.focus()
        await pilot.press("j", "down", "k", "G", "g")
        await pilot.pause()
        assert app.chosen == ids(1, 2, 3, 2, 3, 1)


async def test_dropping_others_leaves_the_cursor_where_it_was():
    app = Listing()
    async with app.run_test() as pilot:
        for number in (1, 2, 3):
            app.list.add(request(number), START)
        app.list.highlighted = 1
        app.list.drop(request(1).id)
        app.list.drop("r-unknown")
        await pilot.pause()
        assert app.list.selected == request(2).id
        app.list.drop(request(2).id)
        assert app.list.selected == request(3).id
        app.list.drop(request(3).id)
        assert app.list.selected is None


async def test_it_is_drawn_again_only_when_it_looks_otherwise():
    app = Listing()
    async with app.run_test() as pilot:
        app.list.add(request(1), START)
        before = app.list.get_option(request(1).id).prompt
        app.list.redraw(request(1), START)
        assert app.list.get_option(request(1).id).prompt is before
        app.list.redraw(request(1, state="expired"), START)
        app.list.redraw(request(2), START)
        await pilot.pause()
        assert app.list.get_option(request(1).id).prompt.plain.startswith("expired")
        assert app.list.option_count == 1
