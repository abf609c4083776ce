"""The application: one screen, two layouts, and no grpc in it."""

import subprocess
import sys

import pytest

from hoopctl.tui.app import ReviewApp
from hoopctl.tui.screens.inbox import InboxScreen
from hoopctl.tui.widgets.request_detail import RequestDetail
from hoopctl.tui.widgets.request_list import RequestList
from tests.fixtures.inbox import ScriptedPort, request


@pytest.mark.parametrize(("size", "beside"), [((80, 24), False), ((200, 60), True)])
async def test_the_list_is_above_or_beside_the_request(size, beside):
    app = ReviewApp(ScriptedPort(request()))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.pause()
        listed, detail = app.screen.query_one(RequestList).region, app.screen.query_one(RequestDetail).region
        assert (detail.x >= listed.right) is beside
        assert (detail.y >= listed.bottom) is not beside
        assert detail.height >= 12


async def test_q_quits():
    app = ReviewApp(ScriptedPort())
    async with app.run_test() as pilot:
        assert isinstance(app.screen, InboxScreen)
        await pilot.press("q")
    assert app.return_code == 0


def test_the_inbox_brings_no_grpc_with_it():
    check = "import sys, hoopctl.tui.app; assert not {'grpc', 'hoop', 'keyring'} & set(sys.modules), sys.modules.keys()"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
