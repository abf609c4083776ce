"""Hello, calls with a bearer, and what happens when versions or tokens do not fit."""

from pathlib import Path

import pytest

from hoopctl.client.gateway import ConnectionSummary, meet
from hoopctl.errors import NotSignedIn, Unreachable
from hoopctl.invocation import Invocation
from tests.fixtures.scripted_gateway import TOKEN, ScriptedGateway
from tests.fixtures.tunnels import FixedBearer


@pytest.fixture
def asked(scripted_gateway: ScriptedGateway, hoopctl_home: Path) -> Invocation:
    return Invocation(server=scripted_gateway.address, json=True)


async def test_meeting_needs_no_sign_in_and_tells_where_to(
    asked: Invocation, scripted_gateway: ScriptedGateway
) -> None:
    scripted_gateway.hello = {"issuer": "https://id.example.com", "scopes": ["openid", "email"]}
    async with meet(asked) as gateway:
        assert gateway.hello.issuer == "https://id.example.com"
        assert gateway.hello.scopes == ("openid", "email")
        assert gateway.hello.client_id == "hoopctl"


@pytest.mark.parametrize(("low", "high", "older"), [(3, 5, "hoopctl"), (0, 1, "the gateway")])
async def test_versions_that_do_not_fit_are_one_sentence(
    asked: Invocation, scripted_gateway: ScriptedGateway, low: int, high: int, older: str
) -> None:
    scripted_gateway.hello = {"protocol_min": low, "protocol_max": high, "server_version": "9.9"}
    with pytest.raises(Unreachable) as raised:
        async with meet(asked):
            pytest.fail("met a gateway of another protocol")
    assert f"{low} to {high} there" in raised.value.message
    assert raised.value.hint == f"Update {older}."


async def test_answers_are_plain_and_sorted(asked: Invocation) -> None:
    async with meet(asked) as met:
        gateway = met.signed_in(FixedBearer())
        identity = await gateway.whoami()
        assert (identity.email, identity.groups, identity.roles) == ("alice@example.com", ("engineering",), ())
        assert [each.name for each in await gateway.connections()] == ["audit-db", "prod-db"]
        assert (await gateway.connections())[0] == ConnectionSummary(
            "audit-db", {"env": "production"}, "shop", "review"
        )


async def test_a_token_that_is_no_longer_taken_is_renewed_once(asked: Invocation) -> None:
    async with meet(asked) as met:
        bearer = FixedBearer(["old", TOKEN])
        assert (await met.signed_in(bearer).whoami()).subject == "alice"
        with pytest.raises(NotSignedIn, match="has expired"):
            await met.signed_in(FixedBearer(["old", "older"])).whoami()


async def test_the_bearer_is_sent_by_no_call_before_sign_in(
    asked: Invocation, scripted_gateway: ScriptedGateway
) -> None:
    async with meet(asked) as met:
        with pytest.raises(NotSignedIn):
            await met.whoami()


async def test_no_known_gateway_is_not_signed_in(hoopctl_home: Path) -> None:
    with pytest.raises(NotSignedIn, match="No gateway is known"):
        async with meet(Invocation(json=True)):
            pytest.fail("met no gateway")
