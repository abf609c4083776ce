"""A verifier before a running provider, with a link between them that a test can watch and break."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from hoopd.domain.principal import Role
from hoopd.identity import OidcSettings, TokenVerifier
from tests.fixtures.oidc import SteppedClock


@dataclass
class Link:
    """The way to the provider: what was asked over it, whether it is cut, and what is answered in its place."""

    asked: list[str] = field(default_factory=list)
    cut: bool = False
    instead: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=_Watched(self))


class _Watched(httpx.AsyncHTTPTransport):
    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self._link.asked.append(path)
        if self._link.cut:
            raise httpx.ConnectError("the link is cut", request=request)
        if path in self._link.instead:
            answer = self._link.instead[path](request)
            return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)
        return await super().handle_async_request(request)


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def settings(stepped_provider: DevProvider) -> OidcSettings:
    return OidcSettings(
        issuer=stepped_provider.issuer,
        client_id=LOGIN_CLIENT,
        approval_client_id=APPROVAL_CLIENT,
        roles={Role.admin: frozenset({"admin"}), Role.auditor: frozenset({"auditor", "security"})},
    )


@pytest.fixture
def verifier(settings: OidcSettings, link: Link, clock: SteppedClock) -> TokenVerifier:
    return TokenVerifier(settings, link.client, clock)


@pytest.fixture
def good_claims(settings: OidcSettings, clock: SteppedClock) -> dict[str, Any]:
    """Claims that verify for a session; tests spoil one thing in them."""
    now = int(clock().timestamp())
    return {
        "iss": settings.issuer,
        "aud": LOGIN_CLIENT,
        "sub": "dev|alice",
        "email": "alice@example.com",
        "email_verified": True,
        "groups": ["engineering"],
        "iat": now,
        "auth_time": now,
        "exp": now + 3600,
    }


def without(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}
