"""``hoopctl review`` without a terminal, and the port that it gives to the inbox."""

import pytest

from hoopctl.client.gateway import with_session
from hoopctl.commands.review import GatewayPort
from hoopctl.errors import ExitCode
from hoopctl.invocation import Invocation
from hoopctl.requests import Verdict
from hoopctl.tui.port import LinkState
from tests.fixtures.oidc import confirm


@pytest.mark.parametrize("option", [[], ["--json"]])
async def test_without_a_terminal_it_points_to_requests(hoopctl, option):
    async with hoopctl("review", *option) as running:
        done = await running.done()
    assert done.code == ExitCode.usage
    said = done.out if option else done.err
    assert "The inbox needs a terminal." in said
    assert "hoopctl requests" in said
    assert "Traceback" not in done.out + done.err


async def test_the_port_follows_signs_in_and_decides(review_gateway, hoopctl_home, monkeypatch):
    opened = []
    monkeypatch.setattr("hoopctl.commands.review.open_browser_if_graphical", opened.append)
    await review_gateway.sign_in(hoopctl_home, "bob")
    raised = await review_gateway.raised()
    asked = Invocation(environ={"HOOPCTL_HOME": str(hoopctl_home)})
    async with with_session(asked) as gateway:
        port = GatewayPort(asked, gateway, "bob@example.com")
        following = port.follow()
        assert await anext(following) == LinkState(up=True)
        shown = await anext(following)
        assert shown.id == raised.id
        token = await port.sign_in(lambda code: confirm(review_gateway.provider, code.user_code, "bob"))
        said = await port.decide(shown, Verdict.approve, "go", token)
        assert said.result == "approved"
        assert (await anext(following)).state == "approved"
        await following.aclose()
    assert len(opened) == 1
    assert port.server == review_gateway.address
