"""A registered target database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TlsMode(StrEnum):
    """As libpq's ``sslmode`` (PostgreSQL documentation, 32.19), without its opportunistic modes."""

    disable = "disable"
    require = "require"
    verify_ca = "verify-ca"
    verify_full = "verify-full"


@dataclass(frozen=True, slots=True)
class Connection:
    """Name, labels and address of a target. The credential is not in it: see ``runtime.target``."""

    name: str
    host: str
    port: int
    database: str
    labels: Mapping[str, str] = field(default_factory=dict)
