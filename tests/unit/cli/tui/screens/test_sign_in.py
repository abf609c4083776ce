"""Where to sign in: whole, escaped, and with a way out."""

from dataclasses import replace

from textual.app import App
from textual.widgets import Static

from hoopctl.output import printable
from hoopctl.tui.screens.sign_in import SignInScreen
from tests.fixtures.inbox import CODE


class Showing(App):
    def __init__(self, code):
        super().__init__()
        self.shown, self.answers = SignInScreen(code), []

    def on_mount(self):
        self.push_screen(self.shown, self.answers.append)


def drawn(app):
    widget = app.shown.query_one("#verification", Static)
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


async def test_it_shows_the_link_and_the_code():
    app = Showing(replace(CODE, verification_uri_complete="https://id.example/device?user_code=WDJB-MJHT"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "https://id.example/device?user_code=WDJB-MJHT" in drawn(app)
        assert "  WDJB-MJHT  " in drawn(app)


async def test_a_long_link_is_folded_and_not_cut():
    link = "https://id.example/device?user_code=" + "abcdefghij" * 20
    app = Showing(replace(CODE, verification_uri_complete=link))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert link in "".join(drawn(app).split())


async def test_nothing_from_a_provider_reaches_the_terminal_unescaped():
    app = Showing(replace(CODE, user_code="\x1b[2J\u202e"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert printable(drawn(app)) == drawn(app)


async def test_escape_gives_up():
    app = Showing(CODE)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("escape")
        await pilot.pause()
        assert app.answers == [False]
