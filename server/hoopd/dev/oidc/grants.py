"""What has been asked for and given: device codes (RFC 8628) and families of refresh tokens.

Everything is bounded, everything expires, and a code is good for one token. Safe to call from many threads. No HTTP.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hoopd.dev.oidc.accounts import Account, Client

_USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no code is a word (RFC 8628 section 6.1)."""

_SLOW_DOWN = timedelta(seconds=5)
"""By how much a client that polls too fast is slowed (RFC 8628 section 3.5)."""

_MAX_FAMILIES = 10_000


class OAuthError(Exception):
    """An error answer of an OAuth endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


class UnknownUserCode(Exception):
    """No such user code, or one that was used or has expired."""


class _State(Enum):
    pending = "pending"
    approved = "approved"
    denied = "denied"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """What a device asks for; the verification page shows ``client``, ``address`` and ``agent`` (THREATS 20)."""

    client: Client
    scopes: frozenset[str]
    nonce: str | None
    address: str
    agent: str


@dataclass(slots=True)
class DeviceGrant:
    """One device code on its way from asked to redeemed. ``auth_time`` is when the person said yes."""

    request: DeviceRequest
    device_code: str
    user_code: str
    asked: datetime
    expires: datetime
    interval: timedelta
    polled: datetime | None = None
    state: _State = _State.pending
    account: Account | None = None
    auth_time: datetime | None = None


class DeviceGrants:
    """The outstanding device codes, at most ``limit``."""

    def __init__(self, clock: Callable[[], datetime], lifetime: timedelta, interval: timedelta, limit: int) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._interval = interval
        self._limit = limit
        self._by_device: dict[str, DeviceGrant] = {}
        self._by_user: dict[str, DeviceGrant] = {}
        self._lock = threading.Lock()

    def begin(self, request: DeviceRequest) -> DeviceGrant:
        """Hand out a pair of codes. Raises OAuthError (429) when too many are outstanding."""
        with self._lock:
            self._purge()
            if len(self._by_device) >= self._limit:
                raise OAuthError("temporarily_unavailable", "too many sign-ins are under way; try again later", 429)
            now = self._clock()
            grant = DeviceGrant(
                request, secrets.token_urlsafe(32), self._new_user_code(), now, now + self._lifetime, self._interval
            )
            self._by_device[grant.device_code] = grant
            self._by_user[grant.user_code] = grant
            return grant

    def find(self, user_code: str) -> DeviceGrant:
        """The request that ``user_code``, as a person types it, is for. Raises UnknownUserCode."""
        with self._lock:
            return self._waiting(user_code)

    def approve(self, user_code: str, account: Account) -> DeviceGrant:
        """``account`` says yes: a sign-in of this very moment. Raises UnknownUserCode."""
        with self._lock:
            grant = self._waiting(user_code)
            grant.state, grant.account, grant.auth_time = _State.approved, account, self._clock()
            return grant

    def deny(self, user_code: str) -> DeviceGrant:
        """The person says no. Raises UnknownUserCode."""
        with self._lock:
            grant = self._waiting(user_code)
            grant.state = _State.denied
            return grant

    def redeem(self, device_code: str, client: Client) -> tuple[DeviceGrant, Account, datetime]:
        """One poll of the device (RFC 8628 sections 3.4 and 3.5): the grant, who signed in and when.

        Raises OAuthError until the person has answered, and ever after the code was redeemed.
        """
        with self._lock:
            grant = self._by_device.get(device_code)
            if grant is None or grant.request.client is not client:
                raise OAuthError("invalid_grant", "this device code is not known here, or has been used")
            now = self._clock()
            if now >= grant.expires:
                raise OAuthError("expired_token", "the code has expired; start again")
            if grant.state is _State.denied:
                self._forget(grant)
                raise OAuthError("access_denied", "the sign-in was refused")
            if grant.account is None or grant.auth_time is None:
                self._refuse_poll(grant, now)
            else:
                self._forget(grant)
                return grant, grant.account, grant.auth_time
        raise OAuthError("authorization_pending", "nobody has entered the code yet")

    @staticmethod
    def _refuse_poll(grant: DeviceGrant, now: datetime) -> None:
        too_soon = grant.polled is not None and now - grant.polled < grant.interval
        grant.polled = now
        if too_soon:
            grant.interval += _SLOW_DOWN
            raise OAuthError("slow_down", f"poll every {grant.interval.total_seconds():.0f} s at most")

    def _waiting(self, user_code: str) -> DeviceGrant:
        grant = self._by_user.get(re.sub(r"[\s-]", "", user_code).upper())
        if grant is None or grant.state is not _State.pending or self._clock() >= grant.expires:
            raise UnknownUserCode
        return grant

    def _new_user_code(self) -> str:
        while True:
            code = "".join(secrets.choice(_USER_CODE_ALPHABET) for _ in range(8))
            if code not in self._by_user:
                return code

    def _purge(self) -> None:
        # An expired code is kept as long again, so that its device is told `expired_token` and not `invalid_grant`.
        now = self._clock()
        for grant in [grant for grant in self._by_device.values() if now >= grant.expires + self._lifetime]:
            self._forget(grant)
        if len(self._by_device) >= self._limit:
            for grant in [grant for grant in self._by_device.values() if now >= grant.expires]:
                self._forget(grant)

    def _forget(self, grant: DeviceGrant) -> None:
        self._by_device.pop(grant.device_code, None)
        self._by_user.pop(grant.user_code, None)


class RefreshFamilies:
    """Rotation of refresh tokens with detection of reuse (RFC 9700 section 4.14.2).

    Tokens of one sign-in are a family, numbered by generation; only the newest works, and the use of an older one ends
    the whole family. A family that is not known (the provider was restarted) is taken at its word.
    """

    def __init__(self) -> None:
        self._newest: OrderedDict[str, int | None] = OrderedDict()
        self._lock = threading.Lock()

    def rotate(self, family: str, generation: int) -> int:
        """Spend ``generation`` and give the next. Raises OAuthError ``invalid_grant``."""
        with self._lock:
            newest = self._newest.get(family, generation)
            spent = newest is None or newest != generation
            self._newest[family] = None if spent else generation + 1
            self._newest.move_to_end(family)
            if len(self._newest) > _MAX_FAMILIES:
                self._newest.popitem(last=False)
        if spent:
            raise OAuthError("invalid_grant", "this refresh token has been used already; sign in again")
        return generation + 1
