"""The help names every key that the inbox listens to."""

import pytest
from textual.app import App
from textual.binding import Binding

from hoopctl.tui.screens.help import KEYS, HelpScreen
from hoopctl.tui.screens.inbox import InboxScreen


def test_every_key_in_the_footer_is_explained():
    told = " ".join(key for key, _ in KEYS)
    for binding in InboxScreen.BINDINGS:
        assert isinstance(binding, Binding)
        if binding.show:
            assert (binding.key_display or binding.key) in told


@pytest.mark.parametrize("key", ["escape", "question_mark", "q"])
async def test_it_closes(key):
    class Showing(App):
        def on_mount(self):
            self.push_screen(HelpScreen())

    app = Showing()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press(key)
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)
        assert app.is_running
