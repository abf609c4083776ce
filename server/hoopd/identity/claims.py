"""What a verified token must say, and who it makes of its bearer. Pure: no I/O, no clock of its own.

Sources: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519 section 4.1, RFC 9068 section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hoopd.domain.errors import NotSignedIn
from hoopd.domain.principal import Principal
from hoopd.identity.settings import OidcSettings, Purpose

LEEWAY_SECONDS = 60
"""How far ahead of ours the provider's clock may be. Never added to an expiry (INV-10)."""

_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_MAX_SUBJECT = 255
_MAX_EMAIL = 320
_MAX_GROUPS = 1000
_MAX_GROUP = 256

Claims = Mapping[str, Any]

_ABSENT = object()


def check(claims: Claims, purpose: Purpose, settings: OidcSettings, now: datetime) -> None:
    """Raise NotSignedIn unless ``claims`` are for this gateway, this purpose and this moment."""
    if claims.get("iss") != settings.issuer:
        raise NotSignedIn("the token is from another identity provider", hint="sign in again: hoopctl login")
    _check_audience(claims, purpose, settings.audience(purpose))
    _check_times(claims, now.timestamp())
    subject = claims.get(settings.subject_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise NotSignedIn(f"the token does not say whose it is ({settings.subject_claim})")
    if purpose is Purpose.approval:
        _check_fresh(claims, settings, now.timestamp())


def principal(claims: Claims, person: Claims, settings: OidcSettings) -> Principal:
    """The bearer of checked ``claims``; e-mail and groups are read from ``person`` (the same claims, or userinfo).

    Raises NotSignedIn when groups are there but cannot be read: fewer groups are not always less right.
    """
    groups = _groups(person, settings.groups_claim)
    return Principal(
        issuer=settings.issuer,
        subject=claims[settings.subject_claim],
        email=_email(person, settings.email_claim),
        groups=groups,
        roles=frozenset(role for role, members in settings.roles.items() if members & groups),
        expires=datetime.fromtimestamp(_time(claims, "exp"), UTC),
    )


def _check_audience(claims: Claims, purpose: Purpose, expected: str) -> None:
    named = claims.get("aud")
    audiences = [named] if isinstance(named, str) else named
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        raise NotSignedIn("the token does not say whom it is for (aud)")
    if expected not in audiences:
        if purpose is Purpose.approval:
            raise NotSignedIn("this sign-in is not one for approvals", hint="approve with hoopctl: it signs in anew")
        raise NotSignedIn("the token was issued to another client", hint="sign in again: hoopctl login")
    party = claims.get("azp")
    if party != expected and (party is not None or len(audiences) > 1):
        raise NotSignedIn("the token was issued for several clients, and not by request of this one (azp)")


def _check_times(claims: Claims, now: float) -> None:
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if now >= expires:
        raise NotSignedIn("the sign-in has expired", hint="sign in again: hoopctl login")
    if issued > now + LEEWAY_SECONDS or ("nbf" in claims and _time(claims, "nbf") > now + LEEWAY_SECONDS):
        raise NotSignedIn("the token is from the future", hint="compare the clocks of gateway and identity provider")
    if expires <= issued:
        raise NotSignedIn("the token ends before it begins")


def _check_fresh(claims: Claims, settings: OidcSettings, now: float) -> None:
    # Some providers give no auth_time in the device flow; then the token's own age is what can be known.
    signed_in = _time(claims, "auth_time" if "auth_time" in claims else "iat")
    if signed_in > now + LEEWAY_SECONDS:
        raise NotSignedIn("the sign-in is from the future", hint="compare the clocks of gateway and identity provider")
    if now - signed_in > settings.approval_max_age.total_seconds():
        minutes = settings.approval_max_age.total_seconds() / 60
        raise NotSignedIn(
            f"this sign-in for approvals is older than {minutes:g} minutes", hint="approve again: it signs in anew"
        )


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotSignedIn(f"the token does not give {name} as a time")
    if not 0 <= value <= _LATEST:  # false for NaN, too
        raise NotSignedIn(f"the token's {name} is no time that can be meant")
    return float(value)


def _email(person: Claims, path: str) -> str | None:
    if path == "email" and person.get("email_verified", True) not in (True, "true"):
        # Anybody could have claimed it; without it the person is known by their subject.
        return None
    value = _at(person, path)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_EMAIL:
        return None
    return value if value.isprintable() and " " not in value else None


def _groups(person: Claims, path: str) -> frozenset[str]:
    value = _at(person, path)
    if value is _ABSENT or value is None:
        if _left_out(person, path):
            raise NotSignedIn(
                "the identity provider left the groups out of the token because they are too many",
                hint="have it send only groups that are assigned to this application",
            )
        return frozenset()
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or len(groups) > _MAX_GROUPS or not all(_is_group(one) for one in groups):
        raise NotSignedIn(f"the groups in the token ({path}) are not a list of at most {_MAX_GROUPS} names")
    return frozenset(groups)


def _is_group(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_GROUP and value.isprintable()


def _left_out(person: Claims, path: str) -> bool:
    # OpenID Connect Core 1.0 section 5.6.2; Entra does it above 200 groups ("groups overage").
    elsewhere = person.get("_claim_names")
    return (isinstance(elsewhere, dict) and path in elsewhere) or person.get("hasgroups") in (True, "true")


def _at(claims: Claims, path: str) -> object:
    # A claim's name may itself hold dots (https://example.com/groups), so the longest name is tried first.
    if path in claims:
        return claims[path]
    cut = path.rfind(".")
    while cut > 0:
        inner = claims.get(path[:cut])
        if isinstance(inner, dict):
            return _at(inner, path[cut + 1 :])
        cut = path.rfind(".", 0, cut)
    return _ABSENT
