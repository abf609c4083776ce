"""What the inbox asks for is what the command offers, and what its tests stand in with."""

import inspect

import pytest

from hoopctl.commands.review import GatewayPort
from hoopctl.tui.port import RequestsPort
from tests.fixtures.inbox import ScriptedPort


@pytest.mark.parametrize("offer", [GatewayPort, ScriptedPort])
@pytest.mark.parametrize("name", ["now", "follow", "sign_in", "decide"])
def test_every_call_is_offered_with_the_same_arguments(offer, name):
    asked, offered = (list(inspect.signature(getattr(each, name)).parameters) for each in (RequestsPort, offer))
    assert asked == offered
