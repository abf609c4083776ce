"""Journals that a killed gateway left: read, mended, and closed, so that they ship like any other.

An unfinished last event was never acknowledged and is cut off. What does not fit the chain is kept in a file beside,
and the record says so. The closing events go to the journal itself, so that recovery can be killed as well.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hoopd.domain.events import SessionEnded, StatementFinished, StatementOutcome
from hoopd.domain.ids import SessionId
from hoopd.recording.codec import NotAnEvent, decode, message_of
from hoopd.recording.journal import Damage, JournalFailed, JournalReader, JournalWriter
from hoopd.recording.unfinished import Unfinished


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found in one journal. ``events`` is 0 for one in which nothing had happened: it was removed."""

    session: SessionId
    events: int
    size: int
    unknown: int
    """Statements whose end was not seen."""
    cut: int
    """Bytes that were cut off its end."""
    kept: Path | None
    """Where those went if they were more than an unfinished event."""


def recover(path: Path, session: SessionId, clock: Callable[[], datetime], cause: str) -> Recovered:
    """Make the journal whole and closed: ``SessionEnded(cause)``, ``unknown`` for what has no end.

    Must not run on a journal that something still writes to. Raises ``JournalFailed`` when the disk refuses.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise JournalFailed(f"The journal {path} cannot be read: {error.strerror}.") from error
    reader, unfinished = JournalReader(path, session), Unfinished()
    while events := reader.read(until=size):
        for event in events:
            try:
                unfinished.see(decode(event.body))
            except NotAnEvent as error:
                raise JournalFailed(
                    f"The journal {path} has an event that this hoopd cannot read.", hint="A newer hoopd wrote it."
                ) from error
    damage = reader.damage
    kept = _keep(path, damage) if damage is not None and not damage.torn else None
    if reader.seq == 0:
        if kept is None:
            path.unlink(missing_ok=True)
        else:
            path.rename(kept)
        return Recovered(session, 0, 0, 0, size - reader.offset if damage else 0, kept)
    message = "" if kept is None else f"the journal was damaged at byte {reader.offset}; it is kept as {kept.name}"
    closing = unfinished.closing(SessionEnded(cause, message), lost=True)
    writer = JournalWriter.reopen(path, size=reader.offset, seq=reader.seq, head=reader.head)
    try:
        last = unfinished.last
        for end in closing:
            at = clock() if last is None else max(clock(), last)
            writer.append(message_of(session, writer.seq + 1, at, end).SerializeToString(deterministic=True))
    finally:
        writer.close()
    unknown = sum(isinstance(end, StatementFinished) and end.outcome is StatementOutcome.unknown for end in closing)
    return Recovered(session, writer.seq, writer.size, unknown, size - reader.offset if damage else 0, kept)


def _keep(path: Path, damage: Damage) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{damage.offset}")
    try:
        shutil.copyfile(path, kept)
        kept.chmod(0o600)
    except OSError as error:
        raise JournalFailed(f"The damaged journal {path} cannot be kept aside: {error.strerror}.") from error
    return kept
