"""Who is the same person, who may decide on a request, and who may see it (INV-6).

Pure. When in doubt two principals are the same person: that can only stop an approval, never make one.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

from hoopd.domain.principal import Principal, Role
from hoopd.domain.request import Request, Reviewer, Snapshot


class Person(Protocol):
    """What a ``Principal``, a ``Reviewer`` and a ``Snapshot`` have in common."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def groups(self) -> frozenset[str]: ...


def reviewer_of(principal: Principal) -> Reviewer:
    """The part of a principal that is kept with their word."""
    return Reviewer(principal.issuer, principal.subject, principal.email, principal.groups)


def name_of(person: Person) -> str:
    """For people: the e-mail where there is one, else the subject."""
    return person.email or person.subject


def same_person(one: Person, other: Person) -> bool:
    """Whether two identities must be taken for one person.

    The same issuer and subject, or the same e-mail in whatever case and Unicode form: a provider may give one person
    another subject for each OAuth client (OpenID Connect Core 8.1, pairwise identifiers).
    """
    if (one.issuer, one.subject) == (other.issuer, other.subject):
        return True
    return one.email is not None and other.email is not None and _folded(one.email) == _folded(other.email)


def eligible_groups(snapshot: Snapshot) -> frozenset[str]:
    """The groups whose people may sit on some seat."""
    return frozenset(group for seats in snapshot.terms.seats for group in seats.groups)


def sees_all(principal: Principal) -> bool:
    """Auditors and admins see every request; that gives them no vote."""
    return bool(principal.roles & {Role.auditor, Role.admin})


def may_see(request: Request, principal: Principal) -> bool:
    """The requester, those who are asked, auditors and admins. ``store.requests`` says the same in SQL."""
    snapshot = request.snapshot
    return (
        sees_all(principal)
        or principal.key == (snapshot.issuer, snapshot.subject)
        or bool(eligible_groups(snapshot) & principal.groups)
    )


def _folded(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().casefold()
