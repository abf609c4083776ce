"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a principal may do beyond their own sessions."""

    admin = "admin"
    auditor = "auditor"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person as the identity provider's token names them.

    ``issuer`` and ``subject`` together identify the person; e-mail and groups may change.
    ``expires`` is when the token's right ends (UTC).
    """

    issuer: str
    subject: str
    email: str | None
    groups: frozenset[str]
    roles: frozenset[Role]
    expires: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What two principals are compared by (four eyes, INV-6)."""
        return (self.issuer, self.subject)

    @property
    def name(self) -> str:
        """For people: the e-mail where there is one, else the subject."""
        return self.email or self.subject
