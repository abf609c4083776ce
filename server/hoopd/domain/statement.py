"""What a statement meets: its bound parameters as people see them, and the state of its session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Param:
    """One bound parameter.

    ``type`` is PostgreSQL's name of the type; ``value`` its text form, None for NULL; ``masked`` says that the value
    was replaced before it came here.
    """

    type: str
    value: str | None
    masked: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """What names, role and transaction are at the moment a statement would reach the server.

    ``transaction`` is the status byte of ReadyForQuery: ``I``, ``T`` or ``E``. ``search_path`` is the setting's text.
    ``catalog_changed`` says that this transaction (or, for temporary objects, this session) has made objects that
    only its own backend sees. ``settings_local`` says that the end of this transaction may change settings back.
    """

    search_path: str
    role: str
    user: str
    transaction: str
    server_version: int
    catalog_changed: bool = False
    temporary_objects: bool = False
    settings_local: bool = False

    @property
    def current_role(self) -> str:
        """Whose rights count: ``role`` is ``none`` for as long as there was no SET ROLE."""
        return self.user if self.role in ("", "none") else self.role
