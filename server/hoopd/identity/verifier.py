"""From a bearer token to a Principal, or to one sentence that says why not. The token itself is in no message (INV-7).

PyJWT checks the signature and nothing else; all other checks are in ``claims``, against the injected clock.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from hoopd.domain.errors import NotSignedIn
from hoopd.domain.principal import Principal
from hoopd.identity import claims as rules
from hoopd.identity.fetching import HttpFactory
from hoopd.identity.keys import ALGORITHMS
from hoopd.identity.provider import Provider
from hoopd.identity.settings import Bearer, GroupsFrom, OidcSettings, Purpose

MAX_TOKEN = 16 * 1024
"""Characters of the longest token that is looked at (INV-9)."""

_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

_TYPES: Mapping[Bearer, frozenset[str]] = {
    Bearer.id_token: frozenset({"jwt"}),
    Bearer.access_token: frozenset({"jwt", "at+jwt"}),
}
"""What ``typ`` may say, so that one kind of token does not pass for another (RFC 8725 section 3.11)."""

_USERINFO_FOR = timedelta(seconds=60)
_MAX_USERINFO = 1000


class TokenVerifier:
    """Verifies the tokens of one provider. Use from one event loop."""

    def __init__(self, settings: OidcSettings, http: HttpFactory, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._provider = Provider(settings.issuer, http, clock)
        self._signatures = jwt.PyJWS(algorithms=sorted(ALGORITHMS))
        self._told: OrderedDict[bytes, tuple[datetime, Mapping[str, Any]]] = OrderedDict()

    async def check_provider(self) -> None:
        """Ask the provider for what verification needs. Raises Unavailable with what is wrong."""
        await self._provider.published()

    async def verify(self, token: str, purpose: Purpose) -> Principal:
        """Who bears ``token``, when it is good for ``purpose`` now.

        Raises NotSignedIn when it is not, and Unavailable when that cannot be found out.
        """
        header = self._header(token)
        key = await self._provider.key(header.get("kid"), header["alg"])
        claims = self._signed_claims(token, key)
        rules.check(claims, purpose, self._settings, self._clock())
        person = claims
        if self._settings.groups_from is GroupsFrom.userinfo:
            person = await self._userinfo(token, claims)
        return rules.principal(claims, person, self._settings)

    def _header(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_TOKEN:
            raise NotSignedIn(f"the token is longer than {MAX_TOKEN} characters")
        if not _COMPACT_JWS.fullmatch(token):
            raise NotSignedIn("the bearer is not a signed token", hint="sign in: hoopctl login")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise NotSignedIn("the token cannot be read") from error
        if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
            raise NotSignedIn("the token is not signed in a way that is accepted")
        if "crit" in header or "b64" in header:
            raise NotSignedIn("the token asks for an extension that is not known")
        kind = header.get("typ", "JWT")
        accepted = _TYPES[self._settings.bearer]
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in accepted:
            raise NotSignedIn("this is another kind of token than the gateway takes")
        return header

    def _signed_claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        try:
            signed = self._signatures.decode_complete(token, key, algorithms=[key.algorithm_name])
            claims = json.loads(signed["payload"], object_pairs_hook=_no_duplicates)
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise NotSignedIn("the token's signature or content does not verify") from error
        if not isinstance(claims, dict):
            raise NotSignedIn("the token holds no claims")
        return claims

    async def _userinfo(self, token: str, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock()
        known = self._told.get(digest)
        if known is not None and timedelta(0) <= now - known[0] < _USERINFO_FOR:
            return known[1]
        told = await self._provider.userinfo(token)
        if told.get("sub") != claims["sub"]:
            # OpenID Connect Core 1.0 section 5.3.2: then the answer must not be used.
            raise NotSignedIn("the identity provider's userinfo speaks of somebody else")
        self._told[digest] = (now, told)
        self._told.move_to_end(digest)
        if len(self._told) > _MAX_USERINFO:
            self._told.popitem(last=False)
        return told


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim is there twice")
    return found
