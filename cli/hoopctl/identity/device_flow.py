"""Signing in with a code on another screen (RFC 8628).

``DeviceFlow`` gives tokens that may be kept, ``ApprovalFlow`` a token that cannot be. Both open nothing and print
nothing: ``start`` says what a person must be shown. ``poll`` waits; where a thread must not, take ``attempt`` and wait
``pause`` seconds in between.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeGuard, TypeVar

from hoopctl import clock as system_clock
from hoopctl.errors import Denied, HoopctlError, TimedOut, Unreachable
from hoopctl.identity.provider import Answer, Endpoints, HttpFactory, discover, http_factory, request
from hoopctl.identity.tokens import ApprovalToken, Tokens, expiry

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"

_DEFAULT_INTERVAL = 5.0
_SLOW_DOWN = 5.0
_MAX_PAUSE = 60.0
_MAX_FAILURES = 5
_MAX_LIFETIME = 3600
_MAX_TEXT = 2048
_LINK = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?]|$)", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verification:
    """What a person must do: open ``verification_uri`` and enter ``user_code`` within ``expires_in`` seconds.

    ``verification_uri_complete`` holds the code already, where the provider gives it.
    """

    verification_uri: str
    verification_uri_complete: str | None
    user_code: str
    expires_in: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Started:
    endpoints: Endpoints
    device_code: str
    expires_at: datetime


class _DeviceGrant(ABC, Generic[T]):
    """One sign-in. ``ca`` takes the place of the usual authorities; ``http`` makes clients in place of our own."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        scopes: Sequence[str],
        *,
        ca: Path | None = None,
        http: HttpFactory | None = None,
        clock: Callable[[], datetime] = system_clock.now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._scopes = tuple(scopes)
        self._http = http if http is not None else http_factory(issuer, ca)
        self._clock = clock
        self._sleep = sleep
        self._started: _Started | None = None
        self._interval = _DEFAULT_INTERVAL
        self._failures = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next ``attempt``: the provider's interval, more after failures."""
        pause: float = min(self._interval * 2.0**self._failures, max(_MAX_PAUSE, self._interval))
        if self._started is None:
            return pause
        left = (self._started.expires_at - self._clock()).total_seconds()
        return max(0.0, min(pause, left))

    def start(self) -> Verification:
        """Ask for a code (RFC 8628 section 3.1).

        Raises Unreachable when the provider does not answer, HoopctlError when it will not have this client.
        """
        endpoints = discover(self._http, self._issuer)
        if endpoints.device_authorization is None:
            raise HoopctlError(
                f"The identity provider {self._issuer} has no device sign-in.",
                hint="Its administrators can allow the device authorization grant for hoopctl's client.",
            )
        form = {"client_id": self._client_id, "scope": " ".join(self._scopes)}
        answer = request(self._http, "POST", endpoints.device_authorization, form)
        if answer.status != 200:
            raise HoopctlError(f"The identity provider does not start a sign-in: {answer.said()}.")
        return self._verification(answer, endpoints)

    def attempt(self) -> T | None:
        """One poll (RFC 8628 section 3.4): what the sign-in gave, or None while nobody has answered.

        Raises Denied, TimedOut when the code has expired, Unreachable after several failures in a row.
        """
        if self._started is None:
            raise HoopctlError("The sign-in has not been started.")
        if self._clock() >= self._started.expires_at:
            raise self._expired()
        form = {"grant_type": GRANT_TYPE, "device_code": self._started.device_code, "client_id": self._client_id}
        try:
            answer = request(self._http, "POST", self._started.endpoints.token, form)
        except Unreachable as error:
            self._failed(error)
            return None
        if answer.status >= 500 or answer.status == 429:
            self._failed(Unreachable(f"The identity provider answers {answer.status}: {answer.said()}."))
            return None
        self._failures = 0
        return self._result(answer)

    def poll(self) -> T:
        """Wait until the person has answered. Raises as ``attempt`` does."""
        while True:
            self._sleep(self.pause)
            made = self.attempt()
            if made is not None:
                return made

    @abstractmethod
    def _made(self, answer: Answer, id_token: str) -> T:
        """What a sign-in gives."""

    def _result(self, answer: Answer) -> T | None:
        if answer.status == 200:
            id_token = answer.body.get("id_token")
            if not isinstance(id_token, str):
                raise HoopctlError("The identity provider gave no ID token.", hint="The scope openid must be allowed.")
            return self._made(answer, id_token)
        match answer.error:
            case "authorization_pending":
                return None
            case "slow_down":
                self._interval += _SLOW_DOWN
                return None
            case "access_denied":
                raise Denied("The sign-in was denied at the identity provider.")
            case "expired_token":
                raise self._expired()
        raise HoopctlError(f"The identity provider ends the sign-in: {answer.said()}.")

    def _failed(self, error: Unreachable) -> None:
        # RFC 8628 section 3.5: exponential back-off, but not for as long as the code lives.
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            raise error

    def _expired(self) -> TimedOut:
        return TimedOut("The code has expired before anybody entered it.", hint="Start again.")

    def _verification(self, answer: Answer, endpoints: Endpoints) -> Verification:
        body = answer.body
        uri = body.get("verification_uri", body.get("verification_url"))  # Google's name for it
        complete = body.get("verification_uri_complete")
        lifetime, interval = body.get("expires_in"), body.get("interval", _DEFAULT_INTERVAL)
        device_code, user_code = body.get("device_code"), body.get("user_code")
        unusable = HoopctlError("The identity provider's answer to a device sign-in cannot be used.")
        if not (_is_link(uri) and (complete is None or _is_link(complete))):
            raise unusable
        if not (_is_text(user_code) and isinstance(device_code, str)):
            raise unusable
        if not (_is_number(lifetime) and lifetime >= 1 and _is_number(interval)):
            raise unusable
        seconds = int(min(lifetime, _MAX_LIFETIME))
        expires_at = self._clock() + timedelta(seconds=seconds)
        self._interval = min(max(1.0, float(interval)), _MAX_PAUSE)
        self._failures = 0
        self._started = _Started(endpoints, device_code, expires_at)
        return Verification(uri, complete, user_code, seconds, expires_at)


class DeviceFlow(_DeviceGrant[Tokens]):
    """A sign-in for sessions; what it gives may be kept and renewed."""

    def _made(self, answer: Answer, id_token: str) -> Tokens:
        return tokens_of(answer, id_token, self._issuer, self._client_id)


class ApprovalFlow(_DeviceGrant[ApprovalToken]):
    """A sign-in for approvals, with the approval client: nothing that it gives can be kept or renewed (INV-6)."""

    def __init__(self, issuer: str, client_id: str, scopes: Sequence[str], **options: Any) -> None:
        super().__init__(issuer, client_id, [scope for scope in scopes if scope != "offline_access"], **options)

    def _made(self, answer: Answer, id_token: str) -> ApprovalToken:
        return ApprovalToken(id_token, expiry(id_token))


def tokens_of(answer: Answer, id_token: str, issuer: str, client_id: str, spent: str | None = None) -> Tokens:
    """The tokens in ``answer``; ``spent`` is the refresh token that goes on serving when there is no new one."""
    renewed = answer.body.get("refresh_token", spent)
    return Tokens(id_token, renewed if isinstance(renewed, str) else None, expiry(id_token), issuer, client_id)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable()


def _is_link(value: object) -> TypeGuard[str]:
    # It is shown and may be opened, so it must be a plain link and nothing that a terminal or desktop would obey.
    return _is_text(value) and _LINK.match(value) is not None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
