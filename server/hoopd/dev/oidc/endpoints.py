"""What the development provider answers: requests in, responses out, no sockets.

Sources: OpenID Connect Discovery 1.0 section 4, RFC 8414, RFC 8628 (device authorization), RFC 6749 sections 5 and 6,
OpenID Connect Core 1.0 sections 5.3 and 12.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from hoopd.dev.oidc import pages
from hoopd.dev.oidc.accounts import CLIENTS, Account, Client
from hoopd.dev.oidc.grants import DeviceGrants, DeviceRequest, OAuthError, RefreshFamilies, UnknownUserCode
from hoopd.dev.oidc.tokens import SignIn, TokenSigner, person_claims

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

SCOPES = frozenset({"openid", "profile", "email", "groups", "offline_access"})

_VERIFICATION_PATH = "/device"

_MAX_NONCE = 256

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``params`` are the query of a GET and the form of a POST."""

    method: str
    path: str
    params: Mapping[str, str]
    address: str
    agent: str = ""
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoints:
    """The provider's routes."""

    def __init__(
        self,
        issuer: str,
        signer: TokenSigner,
        devices: DeviceGrants,
        families: RefreshFamilies,
        accounts: MutableMapping[str, Account],
    ) -> None:
        self._issuer = issuer
        self._signer = signer
        self._devices = devices
        self._families = families
        self._accounts = accounts
        self._routes: Mapping[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/.well-known/openid-configuration"): self._discovery,
            ("GET", "/jwks"): self._jwks,
            ("POST", "/device/authorize"): self._device_authorization,
            ("GET", _VERIFICATION_PATH): self._show_verification,
            ("POST", _VERIFICATION_PATH): self._verify,
            ("POST", "/token"): self._token,
            ("GET", "/userinfo"): self._userinfo,
            ("POST", "/userinfo"): self._userinfo,
        }

    @property
    def verification_uri(self) -> str:
        return f"{self._issuer}{_VERIFICATION_PATH}"

    def handle(self, request: Request) -> Response:
        """Answer one request; nothing that a client sends makes this raise."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            known = any(path == request.path for _, path in self._routes)
            title, status = ("Not this way", 405) if known else ("Nothing here", 404)
            return _html(status, pages.refused(title, f"{request.method} {request.path} is not served."))
        try:
            return route(request)
        except OAuthError as error:
            return _oauth_error(error)
        except UnknownUserCode:
            problem = "This code is not known, has been used, or has expired. Look at your terminal and try again."
            return _html(404, pages.ask_code(_VERIFICATION_PATH, problem))

    def _discovery(self, _request: Request) -> Response:
        return _json(
            200,
            {
                "issuer": self._issuer,
                "jwks_uri": f"{self._issuer}/jwks",
                "token_endpoint": f"{self._issuer}/token",
                "userinfo_endpoint": f"{self._issuer}/userinfo",
                "device_authorization_endpoint": f"{self._issuer}/device/authorize",
                "grant_types_supported": [DEVICE_CODE_GRANT, "refresh_token"],
                "response_types_supported": [],
                "scopes_supported": sorted(SCOPES),
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self._signer.key.algorithm],
                "token_endpoint_auth_methods_supported": ["none"],
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "email", "groups"],
            },
        )

    def _jwks(self, _request: Request) -> Response:
        return _json(200, self._signer.jwks())

    def _device_authorization(self, request: Request) -> Response:
        client = _client(request)
        scopes = frozenset(request.params.get("scope", "openid").split())
        if not scopes <= SCOPES or "openid" not in scopes:
            raise OAuthError("invalid_scope", f"scopes are openid and any of {', '.join(sorted(SCOPES))}")
        nonce = request.params.get("nonce")
        if nonce is not None and len(nonce) > _MAX_NONCE:
            raise OAuthError("invalid_request", f"a nonce has at most {_MAX_NONCE} characters")
        grant = self._devices.begin(DeviceRequest(client, scopes, nonce, request.address, request.agent))
        shown = pages.shown(grant.user_code)
        return _json(
            200,
            {
                "device_code": grant.device_code,
                "user_code": shown,
                "verification_uri": self.verification_uri,
                "verification_uri_complete": f"{self.verification_uri}?user_code={shown}",
                "expires_in": int((grant.expires - grant.asked).total_seconds()),
                "interval": int(grant.interval.total_seconds()),
            },
        )

    def _show_verification(self, request: Request) -> Response:
        user_code = request.params.get("user_code")
        if user_code is None:
            return _html(200, pages.ask_code(_VERIFICATION_PATH))
        return _html(200, pages.confirm(_VERIFICATION_PATH, self._devices.find(user_code), self._accounts.values()))

    def _verify(self, request: Request) -> Response:
        user_code = request.params.get("user_code", "")
        action = request.params.get("action", "approve")
        if action == "deny":
            return _html(200, pages.finished(self._devices.deny(user_code)))
        grant = self._devices.find(user_code)
        account = self._accounts.get(request.params.get("user", ""))
        if action != "approve" or account is None:
            problem = f"Choose one of the accounts ({', '.join(self._accounts)}), or deny."
            return _html(400, pages.confirm(_VERIFICATION_PATH, grant, self._accounts.values(), problem))
        return _html(200, pages.finished(self._devices.approve(user_code, account)))

    def _token(self, request: Request) -> Response:
        client = _client(request)
        kind = request.params.get("grant_type")
        if kind == DEVICE_CODE_GRANT:
            sign_in = self._redeem(request, client)
        elif kind == "refresh_token":
            sign_in = self._refresh(request, client)
        else:
            raise OAuthError("unsupported_grant_type", f"grant types are {DEVICE_CODE_GRANT} and refresh_token")
        return _json(200, self._signer.answer(sign_in))

    def _redeem(self, request: Request, client: Client) -> SignIn:
        grant, account, auth_time = self._devices.redeem(request.params.get("device_code", ""), client)
        return SignIn(
            account=account,
            client=client,
            scopes=grant.request.scopes if client.refreshes else grant.request.scopes - {"offline_access"},
            auth_time=int(auth_time.timestamp()),
            nonce=grant.request.nonce,
            family=secrets.token_hex(16),
            generation=0,
        )

    def _refresh(self, request: Request, client: Client) -> SignIn:
        claims = self._signer.refresh_claims(request.params.get("refresh_token", ""))
        if claims["client_id"] != client.id:
            raise OAuthError("invalid_grant", "this refresh token was given to another client")
        account = next((one for one in self._accounts.values() if one.subject == claims["sub"]), None)
        if account is None:
            raise OAuthError("invalid_grant", "there is no such account any more")
        return SignIn(
            account=account,
            client=client,
            scopes=frozenset(claims["scope"].split()),
            auth_time=claims["auth_time"],
            nonce=claims["nonce"],
            family=claims["family"],
            generation=self._families.rotate(claims["family"], claims["generation"]),
        )

    def _userinfo(self, request: Request) -> Response:
        scheme, _, token = request.authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise OAuthError("invalid_token", "send the access token as a bearer", 401)
        claims = self._signer.access_claims(token.strip())
        account = next((one for one in self._accounts.values() if one.subject == claims["sub"]), None)
        if account is None:
            raise OAuthError("invalid_token", "there is no such account any more", 401)
        return _json(200, person_claims(account, frozenset(claims["scope"].split())))


def _client(request: Request) -> Client:
    client = CLIENTS.get(request.params.get("client_id", ""))
    if client is None:
        raise OAuthError("invalid_client", f"clients are {' and '.join(CLIENTS)}", 401)
    return client


def _oauth_error(error: OAuthError) -> Response:
    body = {"error": error.error, "error_description": error.description}
    headers = {"WWW-Authenticate": f'Bearer error="{error.error}"'} if error.error == "invalid_token" else {}
    return _json(error.status, body, headers)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, "application/json", json.dumps(body).encode(), headers or {})


def _html(status: int, body: str) -> Response:
    return Response(status, _HTML, body.encode())
