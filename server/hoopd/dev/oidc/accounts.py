"""Who can sign in at the development provider, and for which clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Account:
    """A person. ``subject`` never changes; e-mail and groups may."""

    name: str
    groups: tuple[str, ...]

    @property
    def subject(self) -> str:
        return f"dev|{self.name}"

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"


@dataclass(frozen=True, slots=True)
class Client:
    """A public OAuth client: what the verification page says of it, and whether it may refresh."""

    id: str
    asks: str
    refreshes: bool


LOGIN_CLIENT = "hoopctl"
APPROVAL_CLIENT = "hoopctl-approve"

ACCOUNTS: Mapping[str, Account] = MappingProxyType(
    {
        account.name: account
        for account in (
            Account("alice", ("engineering",)),
            Account("bob", ("dba",)),
            Account("carol", ("dba", "security")),
            Account("dave", ("auditor",)),
            Account("erin", ("admin",)),
        )
    }
)

CLIENTS: Mapping[str, Client] = MappingProxyType(
    {
        LOGIN_CLIENT: Client(LOGIN_CLIENT, "sign in", refreshes=True),
        # An approval is a fresh act of a person (INV-6), so this client gets nothing that could renew itself.
        APPROVAL_CLIENT: Client(APPROVAL_CLIENT, "approve statements", refreshes=False),
    }
)
