"""Who asked in a recorded session, as they were then: read out of the record's own first event."""

from __future__ import annotations

from dataclasses import dataclass

from hoopd.domain.ids import SessionId
from hoopd.recording.codec import NotAnEvent, decode
from hoopd.recording.ports import SessionRow
from hoopd.store import sessions
from hoopd.store.pool import Store

_FIRST = "SELECT body FROM hoop.events WHERE session = %s AND seq = 1"


@dataclass(frozen=True, slots=True)
class RecordedAsker:
    """``groups`` and ``search_path`` are those with which the session began."""

    session: SessionRow
    groups: frozenset[str]
    search_path: str


class Askers:
    """``store`` is the one that searches use, so that a long simulation takes nothing from recording."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, session: SessionId) -> RecordedAsker | None:
        """The asker, or None where the record of the session does not tell. Raises ``Unavailable``."""
        async with self._store.connection() as connection:
            row = await sessions.get(connection, session)
            first = await (await connection.execute(_FIRST, (session,))).fetchone()
        if row is None or first is None:
            return None
        try:
            started = decode(bytes(first[0])).session_started
        except NotAnEvent:
            return None
        return RecordedAsker(row, frozenset(started.groups), started.search_path)
