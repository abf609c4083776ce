"""Versions, who one is, what one may open; the conversion only."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, cast

import pytest

from hoop.v1 import gateway_pb2 as pb
from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.errors import NotSignedIn
from hoopd.domain.principal import Principal, Role
from hoopd.identity import OidcSettings
from hoopd.rpc import authentication
from hoopd.rpc.gateway import PROTOCOL, GatewayService

EXPIRES = datetime(2026, 1, 1, tzinfo=UTC)
DAVE = Principal("iss", "dave", None, frozenset({"b", "a"}), frozenset({Role.auditor}), EXPIRES)
CONTEXT = cast("authentication.Context", None)


class Shown:
    def connections(self, principal: Principal) -> list[tuple[Connection, Outcome]]:
        assert principal is DAVE
        return [(Connection("prod-db", "db.internal", 5432, "shop", {"env": "x"}), Outcome.review)]


@pytest.fixture
def service() -> GatewayService:
    oidc = OidcSettings("https://id.example", "hoopctl", "hoopctl-approval")
    return GatewayService(cast("Any", Shown()), oidc)


async def test_where_to_sign_in_is_told_to_everybody(service: GatewayService) -> None:
    hello = await service.Hello(pb.HelloRequest(), CONTEXT)
    assert (hello.protocol_min, hello.protocol_max, hello.server_version) == (PROTOCOL, PROTOCOL, version("hoopctl"))
    assert (hello.issuer, hello.client_id) == ("https://id.example", "hoopctl")
    assert hello.approval_client_id == "hoopctl-approval"
    assert "openid" in hello.scopes


async def test_what_a_caller_is_told_of_themselves_and_of_connections(service: GatewayService) -> None:
    """The host of a database is nobody's business but the gateway's."""
    with pytest.raises(NotSignedIn):
        await service.WhoAmI(pb.WhoAmIRequest(), CONTEXT)
    token = authentication._PRINCIPAL.set(DAVE)
    try:
        who = await service.WhoAmI(pb.WhoAmIRequest(), CONTEXT)
        shown = await service.ListConnections(pb.ListConnectionsRequest(), CONTEXT)
    finally:
        authentication._PRINCIPAL.reset(token)
    assert (who.subject, who.email, list(who.groups), list(who.roles)) == ("dave", "", ["a", "b"], ["auditor"])
    assert who.expires_us == int(EXPIRES.timestamp()) * 1_000_000
    (info,) = shown.connections
    assert info == pb.ConnectionInfo(name="prod-db", labels={"env": "x"}, database="shop", access="review")
    assert b"db.internal" not in shown.SerializeToString()
