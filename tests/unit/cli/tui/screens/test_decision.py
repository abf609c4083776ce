"""The last question: what it repeats, and what it is answered with."""

import pytest
from textual.app import App
from textual.widgets import Input, Static

from hoopctl.requests import Verdict
from hoopctl.tui.screens.decision import COMMENT_LIMIT, DecisionScreen
from tests.fixtures.inbox import request

UNASKED = object()


class Asking(App):
    def __init__(self, screen):
        super().__init__()
        self.asked, self.answer = screen, UNASKED

    def on_mount(self):
        def answered(comment):
            self.answer = comment

        self.push_screen(self.asked, answered)


def drawn(screen):
    widget = screen.query_one("#question", Static)
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_it_repeats_the_word_the_kind_and_the_connection(verdict):
    app = Asking(DecisionScreen(request(), verdict, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        question = drawn(app.asked)
        for told in (verdict.capitalize(), "delete", "PRODUCTION", "prod-db", "alice@example.com"):
            assert told in question
        assert "not been on your screen" not in question


@pytest.mark.parametrize(("unseen", "told"), [(1, "1 line has"), (7, "7 lines have")])
async def test_lines_that_were_never_shown_are_told_before_an_approval(unseen, told):
    app = Asking(DecisionScreen(request(), Verdict.approve, unseen))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert told in drawn(app.asked)


async def test_enter_answers_with_the_comment_as_typed():
    app = Asking(DecisionScreen(request(), Verdict.approve, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"q?a", "enter")
        await pilot.pause()
        assert app.answer == "q?a"


async def test_escape_answers_with_nothing():
    app = Asking(DecisionScreen(request(), Verdict.approve, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x", "escape")
        await pilot.pause()
        assert app.answer is None


async def test_a_comment_has_a_limit_INV_9():
    app = Asking(DecisionScreen(request(), Verdict.reject, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        comment = app.asked.query_one("#comment", Input)
        comment.insert_text_at_cursor("x" * (COMMENT_LIMIT + 5))
        assert len(comment.value) <= COMMENT_LIMIT


async def test_news_of_another_request_or_an_open_one_changes_nothing():
    app = Asking(DecisionScreen(request(1), Verdict.approve, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        app.asked.request_changed(request(2, state="expired"))
        app.asked.request_changed(request(1, state="approved"))
        await pilot.press("enter")
        await pilot.pause()
        assert app.answer == ""


async def test_a_request_that_has_ended_cannot_be_answered():
    app = Asking(DecisionScreen(request(1), Verdict.approve, 0))
    async with app.run_test(size=(80, 24)) as pilot:
        app.asked.request_changed(request(1, state="expired", message="nobody decided in time"))
        await pilot.pause()
        assert "nobody decided in time" in drawn(app.asked)
        await pilot.press("enter")
        await pilot.pause()
        assert app.answer is None
