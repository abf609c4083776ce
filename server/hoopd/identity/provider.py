"""What the provider publishes, kept for a bounded time: its addresses and its keys.

Keys are asked for again when they have aged, and once when a token names one that is not known. An outage is borne as
long as the keys at hand are not too old; after that nothing verifies (INV-2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from hoopd.domain.errors import NotSignedIn, Unavailable
from hoopd.identity.fetching import HttpFactory, fetch_json
from hoopd.identity.keys import KeySet
from hoopd.identity.settings import check_endpoint

FRESH_FOR = timedelta(minutes=15)
"""After this the keys are asked for again; when that fails the old ones still serve."""

VALID_FOR = timedelta(hours=1)
"""After this keys that could not be renewed verify nothing."""

ASK_FOR_UNKNOWN_KEY_EVERY = timedelta(seconds=10)
"""How often unknown ``kid`` values, which anybody can send, may make the gateway ask the provider."""

RETRY_AFTER = timedelta(seconds=2)
"""How long a failed attempt answers for those that come after it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """The provider's discovery document and keys, as far as they are used, and when they were read."""

    keys: KeySet
    userinfo_endpoint: str | None
    at: datetime


class Provider:
    """The provider of ``issuer``. One task asks it at a time; the others wait for the answer or use what there is."""

    def __init__(self, issuer: str, http: HttpFactory, clock: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._published: Published | None = None
        self._failure: tuple[datetime, Unavailable] | None = None
        self._asked_for_unknown: datetime | None = None
        self._asking = asyncio.Lock()

    async def published(self) -> Published:
        """What the provider publishes. Raises Unavailable when it does not answer and nothing valid is at hand."""
        known = self._published
        if known is not None and self._younger(known.at, FRESH_FOR):
            return known
        if known is None or not self._younger(known.at, VALID_FOR):
            return await self._ask(known)
        if self._asking.locked():
            return known
        try:
            return await self._ask(known)
        except Unavailable as error:
            _log.warning("the keys at hand serve on: %s", error.message)
            return known

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key for a token's ``kid`` and ``alg``.

        Raises NotSignedIn when the provider publishes no such key, Unavailable when it cannot be asked.
        """
        known = await self.published()
        key = known.keys.find(kid, algorithm)
        if key is None and self._may_ask_for_unknown():
            self._asked_for_unknown = self._clock()
            key = (await self._ask(known)).keys.find(kid, algorithm)
        if key is None:
            raise NotSignedIn("the token is signed with a key that the identity provider does not publish")
        return key

    async def userinfo(self, token: str) -> Mapping[str, Any]:
        """What userinfo says of the bearer of ``token`` (OpenID Connect Core 1.0, section 5.3).

        Raises NotSignedIn when the provider refuses the token, Unavailable when it cannot be asked.
        """
        endpoint = (await self.published()).userinfo_endpoint
        if endpoint is None:
            raise Unavailable("the identity provider has no userinfo endpoint, which the groups are to come from")
        async with self._http() as client:
            return await fetch_json(client, endpoint, token=token)

    async def _ask(self, known: Published | None) -> Published:
        async with self._asking:
            if self._published is not None and self._published is not known:
                return self._published  # another task asked while this one waited
            if self._failure is not None and self._younger(self._failure[0], RETRY_AFTER):
                raise Unavailable(self._failure[1].message, hint=self._failure[1].hint)
            try:
                self._published = await self._read()
            except Unavailable as error:
                self._failure = (self._clock(), error)
                raise
            self._failure = None
            return self._published

    async def _read(self) -> Published:
        at = self._clock()
        async with self._http() as client:
            address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            document = await fetch_json(client, address)
            if document.get("issuer") != self._issuer:
                raise Unavailable(
                    f"the identity provider at {self._issuer} calls itself {document.get('issuer')!r}",
                    hint="oidc.issuer must be what the provider's discovery document says, to the letter",
                )
            keys = await fetch_json(client, self._endpoint(document, "jwks_uri"))
        named = "userinfo_endpoint" in document
        userinfo = self._endpoint(document, "userinfo_endpoint") if named else None
        return Published(KeySet.parse(keys), userinfo, at)

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        url = document.get(name)
        if not isinstance(url, str) or not check_endpoint(url, self._issuer):
            raise Unavailable(f"the identity provider names no {name} that may be called (https, same kind of host)")
        return url

    def _may_ask_for_unknown(self) -> bool:
        asked = self._asked_for_unknown
        return asked is None or not self._younger(asked, ASK_FOR_UNKNOWN_KEY_EVERY)

    def _younger(self, moment: datetime, than: timedelta) -> bool:
        # A clock that was set back makes everything old, so that nothing is kept for longer than it should be.
        return timedelta(0) <= self._clock() - moment < than
