"""What auditors ask of the record, and who may ask what.

Admins and auditors see every session, everyone else their own. What one may not see does not exist for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from hoopd.domain.errors import InvalidInput, LimitExceeded, NotFound
from hoopd.domain.ids import SessionId
from hoopd.domain.principal import Principal
from hoopd.recording.codec import NotAnEvent
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import SessionRow, StatementRow
from hoopd.recording.replay import ReplayLine, tell
from hoopd.recording.verification import VerifyOutcome, verify_stored
from hoopd.store.events import EventRepository
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.store.sessions import Owner, SessionRepository
from hoopd.store.statements import StatementQuery, StatementRepository

VERIFICATIONS = 2
"""How many may run at once: each holds a connection of the store."""

SHOWN_STATEMENTS = 5_000
SHOWN_CHARACTERS = 16 * 1024 * 1024
"""Of one session in one answer (INV-9); search has no such bound."""


def owner_of(principal: Principal) -> Owner:
    """Whose sessions ``principal`` may see: None for everyone's."""
    return None if principal.roles else principal.key


@dataclass(frozen=True, slots=True)
class SessionDetail:
    session: SessionRow
    statements: tuple[StatementRow, ...]


class Audit:
    """``holds`` is ``Recorder.holds``: which sessions may rightly be open. Every method raises ``Unavailable``."""

    def __init__(self, store: Store, keys: RecordKeys, holds: Callable[[SessionId], bool]) -> None:
        self._sessions = SessionRepository(store)
        self._events = EventRepository(store)
        self._statements = StatementRepository(store)
        self._records = Records(store)
        self._keys = keys
        self._holds = holds
        self._verifying = asyncio.Semaphore(VERIFICATIONS)

    def search(self, query: StatementQuery, principal: Principal) -> AsyncIterator[StatementRow]:
        """The statements that fit ``query`` and that ``principal`` may see, newest first."""
        return self._statements.search(replace(query, owner=owner_of(principal)))

    async def show(self, name: str, principal: Principal) -> SessionDetail:
        """A session and its statements, or the one statement when ``name`` is a statement's id, ``s-…/12``.

        Raises ``NotFound``, ``InvalidInput``, and ``LimitExceeded`` for a session too long for one answer.
        """
        session_id, _, number = name.partition("/")
        if number and not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise InvalidInput(f"{name!r} is neither a session nor a statement.", hint="A statement is like s-4kq…/12.")
        session = await self._session(session_id, principal)
        statements: list[StatementRow] = []
        characters = 0
        async for row in self._statements.of_session(session.id, only=int(number) if number else None):
            statements.append(row)
            characters += len(row.sql) + sum(len(param.value or "") for param in row.params)
            if len(statements) > SHOWN_STATEMENTS or (characters > SHOWN_CHARACTERS and not number):
                raise LimitExceeded(
                    f"Session {session.id} is too long to be shown at once.",
                    hint=f"Use: hoopctl audit search --session {session.id}",
                )
        if number and not statements:
            raise NotFound(f"Session {session.id} has no statement {number}.")
        return SessionDetail(session, tuple(statements))

    async def replay(self, session_id: str, principal: Principal) -> AsyncIterator[ReplayLine]:
        """The events of a session in order. Raises ``NotFound``."""
        session = await self._session(session_id, principal)
        async for event in self._events.of_session(session.id):
            try:
                yield tell(event)
            except NotAnEvent as error:
                raise InvalidInput(
                    f"Event {event.seq} of session {session.id} cannot be read: {error}.",
                    hint=f"Use: hoopctl audit verify {session.id}",
                ) from error

    async def verify(self, session_id: str, principal: Principal) -> AsyncIterator[VerifyOutcome]:
        """Verify one session, or with an empty id all that ``principal`` may see. Raises ``NotFound``."""
        if session_id:
            session = await self._session(session_id, principal)
            outcome = await self._verify(session.id)
            if outcome is not None:
                yield outcome
            return
        async for each in self._sessions.ids(owner_of(principal)):
            outcome = await self._verify(each)
            if outcome is not None:
                yield outcome

    async def _verify(self, session: SessionId) -> VerifyOutcome | None:
        async with self._verifying:
            return await verify_stored(self._records, session, self._keys, self._holds)

    async def _session(self, name: str, principal: Principal) -> SessionRow:
        session = await self._sessions.get(SessionId(name.replace("\x00", "")), owner_of(principal))
        if session is None:
            raise NotFound(f"There is no session {name!r} that you may see.")
        return session
