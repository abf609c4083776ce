"""What the development provider signs: ID tokens, access tokens for userinfo, refresh tokens.

The three differ by the ``typ`` of their header and by audience, so that none passes for another (RFC 8725
section 3.11).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hoopd.dev.oidc.accounts import APPROVAL_CLIENT, Account, Client
from hoopd.dev.oidc.grants import OAuthError
from hoopd.dev.oidc.keys import SigningKey

_ACCESS = "at+jwt"
_REFRESH = "refresh+jwt"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is signed lives. An approval's sign-in is meant for one sitting."""

    login: timedelta = timedelta(hours=1)
    approval: timedelta = timedelta(minutes=15)
    refresh: timedelta = timedelta(days=30)

    def of(self, client: Client) -> timedelta:
        return self.approval if client.id == APPROVAL_CLIENT else self.login


@dataclass(frozen=True, slots=True)
class SignIn:
    """What tokens are made from: who, for which client, how much of it, and when the person was really there."""

    account: Account
    client: Client
    scopes: frozenset[str]
    auth_time: int
    nonce: str | None
    family: str
    generation: int


class TokenSigner:
    """Signs with the newest key; what older keys have signed still verifies."""

    def __init__(self, issuer: str, key: SigningKey, lifetimes: Lifetimes, clock: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._keys = [key]
        self._lifetimes = lifetimes
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def key(self) -> SigningKey:
        return self._keys[-1]

    def rotate(self, key: SigningKey, *, keep_old: bool) -> None:
        """Sign with ``key`` from now on; without ``keep_old`` the others are withdrawn."""
        with self._lock:
            self._keys = [*(self._keys if keep_old else []), key]

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517 section 5)."""
        return {"keys": [key.public_jwk for key in self._keys]}

    def answer(self, sign_in: SignIn) -> dict[str, Any]:
        """A successful answer of the token endpoint (OpenID Connect Core 1.0, section 3.1.3.3)."""
        lifetime = self._lifetimes.of(sign_in.client)
        body: dict[str, Any] = {
            "access_token": self._sign(_ACCESS, self._access_claims(sign_in), lifetime),
            "token_type": "Bearer",
            "expires_in": int(lifetime.total_seconds()),
            "id_token": self._sign("JWT", self._id_claims(sign_in), lifetime),
            "scope": " ".join(sorted(sign_in.scopes)),
        }
        if sign_in.client.refreshes and "offline_access" in sign_in.scopes:
            body["refresh_token"] = self._sign(_REFRESH, self._refresh_claims(sign_in), self._lifetimes.refresh)
        return body

    def refresh_claims(self, token: str) -> Mapping[str, Any]:
        """What a refresh token of ours says. Raises OAuthError ``invalid_grant``."""
        claims = self._ours(token, _REFRESH)
        if claims is None:
            raise OAuthError("invalid_grant", "this refresh token is not of this provider, or has expired")
        return claims

    def access_claims(self, token: str) -> Mapping[str, Any]:
        """What an access token of ours says. Raises OAuthError ``invalid_token`` (RFC 6750 section 3.1)."""
        claims = self._ours(token, _ACCESS)
        if claims is None:
            raise OAuthError("invalid_token", "this access token is not of this provider, or has expired", 401)
        return claims

    def _ours(self, token: str, kind: str) -> Mapping[str, Any] | None:
        for key in self._keys:
            claims = key.verified(token)
            if claims is not None:
                lives = claims["exp"] > self._clock().timestamp()
                return claims if lives and claims["typ"] == kind and claims["iss"] == self._issuer else None
        return None

    def _sign(self, kind: str, claims: Mapping[str, Any], lifetime: timedelta) -> str:
        now = int(self._clock().timestamp())
        times = {"iat": now, "exp": now + int(lifetime.total_seconds())}
        return self.key.sign({"iss": self._issuer, **claims, **times}, {"typ": kind})

    def _id_claims(self, sign_in: SignIn) -> dict[str, Any]:
        nonce = {} if sign_in.nonce is None else {"nonce": sign_in.nonce}
        return {
            "aud": sign_in.client.id,
            "auth_time": sign_in.auth_time,
            **person_claims(sign_in.account, sign_in.scopes),
            **nonce,
        }

    def _access_claims(self, sign_in: SignIn) -> dict[str, Any]:
        return {
            "aud": [sign_in.client.id, f"{self._issuer}/userinfo"],
            "azp": sign_in.client.id,
            "client_id": sign_in.client.id,
            "sub": sign_in.account.subject,
            "scope": " ".join(sorted(sign_in.scopes)),
            "auth_time": sign_in.auth_time,
            "jti": secrets.token_hex(16),
        }

    def _refresh_claims(self, sign_in: SignIn) -> dict[str, Any]:
        return {
            "aud": f"{self._issuer}/token",
            "client_id": sign_in.client.id,
            "sub": sign_in.account.subject,
            "scope": " ".join(sorted(sign_in.scopes)),
            "auth_time": sign_in.auth_time,
            "nonce": sign_in.nonce,
            "family": sign_in.family,
            "generation": sign_in.generation,
        }


def person_claims(account: Account, scopes: frozenset[str]) -> dict[str, Any]:
    """What ``scopes`` tell of a person (OpenID Connect Core 1.0, section 5.4); ``groups`` as Okta has it."""
    claims: dict[str, Any] = {"sub": account.subject}
    if "profile" in scopes:
        claims["name"] = account.name.capitalize()
        claims["preferred_username"] = account.name
    if "email" in scopes:
        claims["email"] = account.email
        claims["email_verified"] = True
    if "groups" in scopes:
        claims["groups"] = list(account.groups)
    return claims
