"""The kept token as calls get it: handed out while it lives, renewed before it ends, never handed to another."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hoopctl.client.gateway import Gateway, Hello
from hoopctl.client.sign_in import KeptBearer, bearer_for, binding_of, cache_of, sign_out, tunnel_password
from hoopctl.client.trust import Trust
from hoopctl.errors import NotSignedIn, Unreachable
from hoopctl.identity.token_source import TokenSource
from hoopctl.identity.tokens import Binding, Tokens
from hoopctl.invocation import Invocation
from hoopctl.profiles import parse_server

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HELLO = Hello("0.1.0", 1, 1, "https://id.example.com", "hoopctl", "approvals", ("openid",))


def tokens(text: str, minutes: float, refresh: str | None = None) -> Tokens:
    return Tokens(text, refresh, NOW + timedelta(minutes=minutes), HELLO.issuer, HELLO.client_id)


class Source(TokenSource):
    """Gives one kept token after the other, as the real one does when it renews."""

    def __init__(self, *given: Tokens) -> None:
        self.given = list(given)

    def current(self, margin: timedelta = timedelta(0)) -> Tokens:
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


@pytest.fixture
def asked(tmp_path: Path) -> Invocation:
    return Invocation(json=True, server="gw:1", clock=lambda: NOW, environ={"HOOPCTL_HOME": str(tmp_path)})


def gateway_at(server: str, ca: str = "AA:BB") -> Gateway:
    return Gateway(None, parse_server(server), Trust("pem", ca), HELLO)  # type: ignore[arg-type]


def clock() -> datetime:
    return NOW


async def test_a_token_that_lives_is_handed_out_without_asking() -> None:
    bearer = KeptBearer(Source(tokens("other", 60)), tokens("mine", 30), clock)
    assert await bearer.token() == "mine"
    assert bearer.expires == NOW + timedelta(minutes=30)


async def test_a_token_near_its_end_is_renewed_first() -> None:
    bearer = KeptBearer(Source(tokens("next", 60)), tokens("mine", 1), clock)
    assert await bearer.token() == "next"
    assert bearer.expires == NOW + timedelta(minutes=60)


async def test_a_newer_one_is_newer_or_it_is_an_error() -> None:
    mine = tokens("mine", 30)
    assert await KeptBearer(Source(tokens("next", 60)), mine, clock).renewed() == "next"
    with pytest.raises(NotSignedIn, match="cannot be renewed"):
        await KeptBearer(Source(mine), mine, clock).renewed()
    renewable = tokens("mine", 30, "refresh")
    with pytest.raises(Unreachable, match="at the moment"):
        await KeptBearer(Source(renewable), renewable, clock).renewed()


@pytest.mark.parametrize(("server", "ca"), [("other:1", "AA:BB"), ("gw:1", "CC:DD")])
async def test_a_token_is_for_its_gateway_and_ca_alone_inv_7(asked: Invocation, server: str, ca: str) -> None:
    cache_of(asked).save(binding_of(gateway_at("gw:1")), tokens("mine", 30))
    assert await (await bearer_for(asked, gateway_at("gw:1"))).token() == "mine"
    with pytest.raises(NotSignedIn):
        await bearer_for(asked, gateway_at(server, ca))


async def test_signing_out_forgets_what_was_chosen(asked: Invocation, monkeypatch: pytest.MonkeyPatch) -> None:
    for server in ("gw:1", "other:1"):
        cache_of(asked).save(binding_of(gateway_at(server)), tokens("mine", 30))
    assert await sign_out(asked) == 1
    assert [binding.server for binding in cache_of(asked).bindings()] == ["other:1"]
    asked.server = None
    assert await sign_out(asked) == 1


async def test_the_password_of_a_tunnel_stays_through_a_sign_out(asked: Invocation) -> None:
    first = await tunnel_password(asked, "prod-db")
    await sign_out(asked)
    assert await tunnel_password(asked, "prod-db") == first
    assert await tunnel_password(asked, "other") != first


def test_the_binding_names_gateway_ca_issuer_and_client() -> None:
    expected = Binding("gw:1", "AA:BB", "https://id.example.com", "hoopctl")
    assert binding_of(gateway_at("gw:1")) == expected
