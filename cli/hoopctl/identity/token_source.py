"""A token that lives, without asking anybody: the kept one, or one renewed with the refresh token.

Providers rotate refresh tokens and take the second use of one for theft, so only one process renews at a time and the
others use what it got.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from hoopctl import clock as system_clock
from hoopctl.errors import HoopctlError, NotSignedIn, Unreachable
from hoopctl.identity.device_flow import tokens_of
from hoopctl.identity.provider import HttpFactory, discover, http_factory, request
from hoopctl.identity.token_cache import TokenCache
from hoopctl.identity.tokens import Binding, Tokens

MARGIN = timedelta(minutes=2)
"""How long a token must still live to be handed out without renewing it."""

_SIGN_IN = "Run: hoopctl login"


class TokenSource:
    """Hands out the tokens that ``cache`` keeps for ``binding``, and renews them. Blocking; safe among processes."""

    def __init__(
        self,
        cache: TokenCache,
        binding: Binding,
        *,
        ca: Path | None = None,
        http: HttpFactory | None = None,
        clock: Callable[[], datetime] = system_clock.now,
    ) -> None:
        self._cache = cache
        self._binding = binding
        self._ca = ca
        self._http = http
        self._clock = clock

    def current(self, margin: timedelta = MARGIN) -> Tokens:
        """Tokens that live for ``margin`` at least; for less only when they cannot be renewed now.

        Raises NotSignedIn when there are none or the provider ends the sign-in, Unreachable when it does not answer and
        the kept token has ended.
        """
        tokens = self._kept()
        if self._lives(tokens, margin):
            return tokens
        with self._cache.renewing(self._binding):
            tokens = self._kept()  # another process may have renewed them meanwhile
            if self._lives(tokens, margin):
                return tokens
            return self._renewed(tokens)

    def _kept(self) -> Tokens:
        tokens = self._cache.load(self._binding)
        if tokens is None:
            raise NotSignedIn(f"Nobody is signed in at {self._binding.server}.", hint=_SIGN_IN)
        return tokens

    def _lives(self, tokens: Tokens, margin: timedelta) -> bool:
        return tokens.expires_at - self._clock() > margin

    def _renewed(self, tokens: Tokens) -> Tokens:
        alive = self._lives(tokens, timedelta(0))
        if tokens.refresh_token is None:
            if alive:
                return tokens
            raise NotSignedIn(f"The sign-in at {self._binding.server} has expired.", hint=_SIGN_IN)
        try:
            renewed = self._renew(tokens.refresh_token)
        except Unreachable:
            if alive:
                return tokens
            raise
        self._cache.save(self._binding, renewed)
        return renewed

    def _renew(self, refresh_token: str) -> Tokens:
        """RFC 6749 section 6, OpenID Connect Core 1.0 section 12."""
        issuer, client_id = self._binding.issuer, self._binding.client_id
        http = self._http if self._http is not None else http_factory(issuer, self._ca)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
        answer = request(http, "POST", discover(http, issuer).token, form)
        if answer.status >= 500 or answer.status == 429:
            raise Unreachable(f"The identity provider answers {answer.status}: {answer.said()}.")
        if answer.error == "invalid_grant":
            self._cache.forget(self._binding)
            raise NotSignedIn("The identity provider has ended the sign-in.", hint=_SIGN_IN)
        id_token = answer.body.get("id_token")
        if answer.status != 200 or not isinstance(id_token, str):
            raise HoopctlError(f"The identity provider does not renew the sign-in: {answer.said()}.", hint=_SIGN_IN)
        return tokens_of(answer, id_token, issuer, client_id, refresh_token)
