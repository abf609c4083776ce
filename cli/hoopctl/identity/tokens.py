"""What a sign-in gives, and what it is bound to.

``Tokens`` may be kept; an ``ApprovalToken`` cannot be: it has no form but itself (INV-6), so an agent on the same
machine finds none. Neither shows its secret when it is printed (INV-7).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from hoopctl.errors import HoopctlError


@dataclass(frozen=True, slots=True)
class Binding:
    """What tokens were got for, and go to: a gateway, the CA it showed (its fingerprint), a provider and a client."""

    server: str
    ca_fingerprint: str
    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A sign-in that may be kept. ``expires_at`` is when ``id_token`` ends (UTC)."""

    id_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    issuer: str
    client_id: str


class ApprovalToken:
    """A sign-in made to approve. It cannot be copied, pickled or written out; ``reveal`` is for the one call."""

    __slots__ = ("_id_token", "expires_at")

    def __init__(self, id_token: str, expires_at: datetime) -> None:
        self._id_token = id_token
        self.expires_at = expires_at

    def reveal(self) -> str:
        """The ID token, to be sent with a decision and nowhere else."""
        return self._id_token

    def __repr__(self) -> str:
        return f"<ApprovalToken until {self.expires_at:%H:%M:%S}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a sign-in for approvals is kept in memory only")

    def __copy__(self) -> NoReturn:
        raise TypeError("a sign-in for approvals is kept in memory only")

    def __deepcopy__(self, _memo: object) -> NoReturn:
        raise TypeError("a sign-in for approvals is kept in memory only")


def expiry(id_token: str) -> datetime:
    """When an ID token says that it ends (RFC 7519 section 4.1.4). It is not verified: that is the gateway's part.

    Raises HoopctlError when it is no such token.
    """
    try:
        payload = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError, binascii.Error):
        raise HoopctlError("The identity provider gave an ID token that cannot be read.") from None


def name_of(profile: str, binding: Binding) -> str:
    """The name under which tokens are kept: another one for any other server, CA, issuer or client."""
    parts = [profile, binding.server, binding.ca_fingerprint, binding.issuer, binding.client_id]
    return "tokens-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def written(tokens: Tokens, binding: Binding) -> str:
    """``tokens`` as text. Raises TypeError for anything that is not Tokens, ValueError for tokens of another client."""
    if type(tokens) is not Tokens:
        raise TypeError("only the tokens of a sign-in for sessions are kept")
    if (tokens.issuer, tokens.client_id) != (binding.issuer, binding.client_id):
        raise ValueError("tokens are kept under the issuer and client that they came from")
    return json.dumps(
        {
            "bound_to": _bound_to(binding),
            "id_token": tokens.id_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": tokens.expires_at.astimezone(UTC).isoformat(),
        }
    )


def read(text: str, binding: Binding) -> Tokens | None:
    """The tokens in ``text``; None when it is not text of ours, or is bound to anything but ``binding``."""
    try:
        kept: Any = json.loads(text)
        if kept["bound_to"] != _bound_to(binding):
            return None
        id_token, refresh_token = kept["id_token"], kept["refresh_token"]
        expires_at = datetime.fromisoformat(kept["expires_at"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(id_token, str) or not isinstance(refresh_token, str | None):
        return None
    return Tokens(id_token, refresh_token, expires_at, binding.issuer, binding.client_id)


def _bound_to(binding: Binding) -> list[str]:
    return [binding.server, binding.ca_fingerprint, binding.issuer, binding.client_id]
