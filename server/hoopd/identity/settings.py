"""What the gateway is told of the identity provider, checked as far as it can be without asking it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hoopd.domain.errors import InvalidInput
from hoopd.domain.principal import Role


class Purpose(StrEnum):
    """What a token is presented for. Each has a client, so an audience, of its own (INV-6)."""

    session = "session"
    approval = "approval"


class Bearer(StrEnum):
    """Which of the provider's tokens `hoopctl` presents. Access tokens must be JWTs (RFC 9068)."""

    id_token = "id_token"  # noqa: S105 - the name of a kind of token
    access_token = "access_token"  # noqa: S105 - the name of a kind of token


class GroupsFrom(StrEnum):
    """Where a person's groups are read. Userinfo takes access tokens only (OpenID Connect Core 1.0, section 5.3)."""

    token = "token"  # noqa: S105 - not a credential
    userinfo = "userinfo"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The provider, its two clients, and how its claims are read.

    ``issuer`` is compared exactly. ``groups_claim`` and ``email_claim`` are names of claims, or dotted paths to them.
    ``subject_claim`` identifies the person: ``sub``, or ``oid`` with Entra, whose ``sub`` differs for each client, so
    that four eyes would not know a requester again. ``ca`` is a PEM file that takes the place of the usual authorities.
    ``approval_max_age`` bounds how long ago a person signed in for approvals. ``roles`` says which groups give a role.
    Raises InvalidInput, with the name of the setting, for what cannot be meant.
    """

    issuer: str
    client_id: str
    approval_client_id: str
    scopes: tuple[str, ...] = ("openid", "email", "profile", "groups", "offline_access")
    groups_claim: str = "groups"
    email_claim: str = "email"
    subject_claim: str = "sub"
    ca: Path | None = None
    approval_max_age: timedelta = timedelta(minutes=15)
    roles: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    bearer: Bearer = Bearer.id_token
    groups_from: GroupsFrom = GroupsFrom.token

    def __post_init__(self) -> None:
        check_issuer(self.issuer)
        if not self.client_id or not self.approval_client_id:
            raise InvalidInput("oidc.client_id and oidc.approval_client_id must both be given")
        if self.client_id == self.approval_client_id:
            raise InvalidInput(
                "oidc.client_id and oidc.approval_client_id are the same, so any sign-in could approve",
                hint="register a second public client with the provider for approvals",
            )
        if "openid" not in self.scopes:
            raise InvalidInput("oidc.scopes lacks openid, without which a provider gives no ID token")
        if self.approval_max_age <= timedelta(0):
            raise InvalidInput("approval_max_age must be more than nothing")
        if self.groups_from is GroupsFrom.userinfo and self.bearer is not Bearer.access_token:
            raise InvalidInput("groups from userinfo need access tokens as bearers: userinfo takes no ID tokens")

    def audience(self, purpose: Purpose) -> str:
        """The client that a token for ``purpose`` must have been issued to."""
        return self.client_id if purpose is Purpose.session else self.approval_client_id


def check_issuer(issuer: str) -> None:
    """Raise InvalidInput unless ``issuer`` is an https URL, or http on loopback (OpenID Connect Discovery 1.0, 2)."""
    parts = _split(issuer)
    if parts is None or parts.query or parts.fragment or parts.username is not None:
        raise InvalidInput(f"oidc.issuer is not the URL of an issuer: {issuer}")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(issuer)):
        raise InvalidInput(f"oidc.issuer must be https, but on loopback: {issuer}")


def check_endpoint(url: str, issuer: str) -> bool:
    """Whether an address that the provider names may be called.

    It must be https; only a provider on loopback may name an http address, and that one nothing but loopback.
    """
    parts = _split(url)
    if parts is None:
        return False
    if is_loopback(issuer):
        return is_loopback(url)
    return parts.scheme == "https" and not is_loopback(url)


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this machine: ``localhost`` or a loopback address."""
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname and url.isprintable() else None
