"""How much of the gateway sessions and clients may take (INV-9); what an operator sets of it stands in ``settings``."""

from __future__ import annotations

from dataclasses import dataclass

from hoopd.session.client import MAX_INBOX_BYTES
from hoopd.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Bounds:
    """``sessions`` are open or opening, of the whole gateway; ``startup`` and ``idle`` are seconds, None for ever.

    ``held``: bytes that a client may send ahead of what waits, a held statement among it.
    """

    sessions: int = 2_000
    sessions_per_person: int = 200
    entering_per_person: int = 200
    startup: float = 60.0
    idle: float | None = None
    held: int = MAX_INBOX_BYTES


def bounds_of(limits: LimitSettings) -> Bounds:
    """As an operator has set them."""
    return Bounds(
        sessions=limits.sessions,
        sessions_per_person=limits.sessions_per_person,
        startup=limits.startup.total_seconds(),
        idle=limits.idle.total_seconds() or None,
        held=limits.held,
    )
