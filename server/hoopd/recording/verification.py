"""Verification of one session's record: is it what was written, all of it, in order?

Pure. It trusts nothing that the store says: the chain is computed again from the bytes, the end of the session is
believed only under a gateway's seal, and the rows that search works on are derived again and compared. It names the
first bad event. A session that is open is verified as far as it goes; where it goes to cannot be sealed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace

from hoop.v1 import record_pb2 as pb
from hoopd.domain.ids import SessionId, StatementNo, statement_id
from hoopd.recording import chain
from hoopd.recording.codec import NotAnEvent, decode, micros
from hoopd.recording.index import Derived, StatementIndex
from hoopd.recording.keys import RecordKeys
from hoopd.recording.ports import EventRow, RecordReader, SessionReader, SessionRow, StatementRow

_NOT_TOLD_BY_EVENTS = {"gateway", "events", "head", "seal"}


@dataclass(frozen=True, slots=True)
class VerifyOutcome:
    """``bad_event`` counts from 1; 0 when there is none, or when what is wrong is no event's. ``open``: not ended."""

    session: SessionId
    ok: bool
    events: int
    bad_event: int
    message: str
    open: bool


class _Bad(Exception):
    def __init__(self, event: int, message: str) -> None:
        super().__init__(message)
        self.event = event
        self.message = message


class Verifier:
    """Feed it the events in the order of the store, and after each portion the rows that ``derived`` names.

    ``held`` says that a gateway still has the session or its journal, so that it may be open.
    """

    def __init__(self, session: SessionRow, keys: RecordKeys, *, held: bool) -> None:
        self._session = session
        self._keys = keys
        self._held = held
        self._head = chain.origin(session.id)
        self._seen = 0
        self._time_us = -(2**63)
        self._ended = False
        self._index = StatementIndex()
        self._unfinished: dict[int, Derived] = {}
        self._bad: _Bad | None = None

    @property
    def failed(self) -> bool:
        """Nothing that comes after can change the outcome."""
        return self._bad is not None

    def feed(self, events: Iterable[EventRow]) -> None:
        """The next events of the store. Ignored once it has failed."""
        try:
            for event in events:
                if self._bad is not None:
                    return
                self._event(event)
        except _Bad as bad:
            self._bad = bad

    def derived(self, *, rest: bool = False) -> list[Derived]:
        """Rows that follow from the events fed since the last call: give what the store has of them to ``compare``.

        Those that later events may change come only with ``rest``, when all events were fed.
        """
        for each in self._index.take():
            self._unfinished[each.row.statement] = each
        ready = [each for each in self._unfinished.values() if rest or each.finished]
        for each in ready:
            del self._unfinished[each.row.statement]
        return ready

    def compare(self, derived: Iterable[Derived], stored: Mapping[int, StatementRow]) -> None:
        """Compare rows with those of the store, by the number of the statement."""
        for each in derived:
            if self._bad is not None:
                return
            self._bad = self._difference(each, stored.get(each.row.statement))

    def end(self) -> None:
        """All events were fed: is this where the record ends?"""
        if self._bad is None:
            try:
                self._end()
            except _Bad as bad:
                self._bad = bad

    def finish(self, statements: int) -> VerifyOutcome:
        """The outcome, at last. ``statements``: how many rows the search has of the session."""
        if self._bad is None and statements != self._index.statements:
            recorded = self._index.statements
            self._bad = _Bad(0, f"the search has {statements} statements of a session that recorded {recorded}")
        session = self._session
        if self._bad is not None:
            return VerifyOutcome(
                session.id, False, self._seen, self._bad.event, self._bad.message, session.ended is None
            )
        if self._ended:
            return VerifyOutcome(session.id, True, self._seen, 0, f"{self._seen} events, sealed", False)
        where = "" if session.gateway == self._keys.id else f" at gateway {session.gateway}"
        return VerifyOutcome(session.id, True, self._seen, 0, f"{self._seen} events so far, still open{where}", True)

    def _event(self, event: EventRow) -> None:
        number = self._seen + 1
        if event.seq != number:
            raise _Bad(
                number, f"event {number} is missing" if event.seq > number else f"an event {event.seq} cannot be"
            )
        if number > self._session.events:
            raise _Bad(number, f"event {number} is more than the {self._session.events} that the session has")
        if chain.link(self._head, event.body) != event.hash:
            raise _Bad(
                number, f"event {number} is not what was recorded: it does not match its hash and the one before"
            )
        if self._ended:
            raise _Bad(number, f"event {number} comes after the end of the session")
        try:
            message = decode(event.body)
            self._content(number, message)
            self._index.see(message)
        except NotAnEvent as error:
            raise _Bad(number, f"event {number} cannot be read: {error}") from error
        self._seen, self._head, self._time_us = number, event.hash, message.time_us
        self._ended = message.WhichOneof("body") == "session_ended"

    def _content(self, number: int, message: pb.RecordEvent) -> None:
        if message.session != self._session.id or message.seq != number:
            raise _Bad(number, f"event {number} was recorded as event {message.seq} of session {message.session!r}")
        if message.time_us < self._time_us:
            raise _Bad(number, f"event {number} is older than the one before it")
        if (message.WhichOneof("body") == "session_started") != (number == 1):
            raise _Bad(number, f"event {number} is no {'start' if number == 1 else 'event'} of a session")

    def _difference(self, derived: Derived, stored: StatementRow | None) -> _Bad | None:
        row = derived.row
        name = statement_id(row.session, StatementNo(row.statement))
        if stored is None:
            return _Bad(
                derived.made_by, f"statement {name}, recorded by event {derived.made_by}, is missing in the search"
            )
        wrong = [field.name for field in fields(row) if getattr(row, field.name) != getattr(stored, field.name)]
        if not wrong:
            return None
        return _Bad(
            derived.row.changed_by if "outcome" in wrong else derived.made_by,
            f"the search shows another {' and '.join(wrong)} of statement {name} than event {derived.made_by} recorded",
        )

    def _end(self) -> None:
        session, seen = self._session, self._seen
        if seen < session.events or seen == 0:
            raise _Bad(seen + 1, f"event {seen + 1} is missing: the session has {max(session.events, 1)}")
        if session.head != self._head:
            raise _Bad(
                seen, f"event {seen} is not the one that the session ended with, or the session's head was changed"
            )
        self._told_by_events()
        if self._ended:
            self._sealed()
        elif session.seal is not None:
            raise _Bad(seen + 1, f"event {seen + 1} is missing: the session was sealed, and its end is not there")
        elif session.gateway == self._keys.id and not self._held:
            raise _Bad(
                seen + 1,
                f"event {seen + 1} is missing: the record has no end, and this gateway neither runs the session nor"
                " has a journal of it",
            )

    def _told_by_events(self) -> None:
        told = self._index.session
        assert told is not None
        told = replace(told, **{name: getattr(self._session, name) for name in _NOT_TOLD_BY_EVENTS})
        wrong = [
            field.name for field in fields(told) if getattr(told, field.name) != getattr(self._session, field.name)
        ]
        if wrong:
            event = self._seen + (not self._ended) if wrong[0].startswith("ended") else 1
            raise _Bad(event, f"the session's {' and '.join(wrong)} in the store is not what event {event} recorded")

    def _sealed(self) -> None:
        session, seen = self._session, self._seen
        assert session.ended is not None
        if session.seal is None:
            raise _Bad(seen, f"the session has ended with event {seen} and is not sealed")
        if not self._keys.knows(session.gateway):
            raise _Bad(
                seen, f"the seal after event {seen} is by a key that this gateway does not know ({session.gateway})"
            )
        ended = micros(session.ended)
        if not self._keys.sealed_by(session.gateway, session.seal, session.id, seen, session.head, ended):
            raise _Bad(
                seen, f"the seal does not fit a record that ends with event {seen}: its end was changed or cut off"
            )


def verify(
    events: Iterable[EventRow],
    session: SessionRow,
    statements: Mapping[int, StatementRow],
    keys: RecordKeys,
    *,
    held: bool = False,
) -> VerifyOutcome:
    """Verify a record that is in memory as a whole; see ``Verifier`` for one that is not."""
    verifier = Verifier(session, keys, held=held)
    verifier.feed(events)
    verifier.end()
    verifier.compare(verifier.derived(rest=True), statements)
    return verifier.finish(len(statements))


async def verify_stored(
    reader: RecordReader, session: SessionId, keys: RecordKeys, holds: Callable[[SessionId], bool]
) -> VerifyOutcome | None:
    """Verify what the store has of a session, in bounded memory; None when it has none of it.

    ``holds`` is ``Recorder.holds``. Raises ``Unavailable``.
    """
    outcome = await _verify_once(reader, session, keys, holds)
    if outcome is not None and outcome.open and not outcome.ok:
        # It may have begun or ended between the question to the recorder and the look into the store.
        outcome = await _verify_once(reader, session, keys, holds)
    return outcome


async def _verify_once(
    reader: RecordReader, session: SessionId, keys: RecordKeys, holds: Callable[[SessionId], bool]
) -> VerifyOutcome | None:
    held = holds(session)
    async with reader.snapshot(session) as stored:
        if stored is None:
            return None
        verifier = Verifier(stored.session, keys, held=held)
        async for portion in stored.portions():
            verifier.feed(portion)
            await _compare(verifier, stored, rest=False)
            if verifier.failed:
                break
        verifier.end()
        await _compare(verifier, stored, rest=True)
        return verifier.finish(await stored.count())


async def _compare(verifier: Verifier, stored: SessionReader, *, rest: bool) -> None:
    derived = verifier.derived(rest=rest)
    if derived and not verifier.failed:
        verifier.compare(derived, await stored.statements([each.row.statement for each in derived]))
