"""The phases of a session and the moves between them: one table, in this file only.

A move that the table does not have is a defect of ours and raises :class:`IllegalMove`, which ends the session.
"""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    """What the machine waits for before it takes the client's next message."""

    opening = auto()
    """The first read-back of the session's settings."""
    ready = auto()
    """Nothing: the next message is taken."""
    judging = auto()
    """The decision on ``work``."""
    raising = auto()
    """The request for ``work`` to be stored."""
    holding = auto()
    """People."""
    releasing = auto()
    """The decision again, under the policy now in force, on an approved ``work``."""
    consuming = auto()
    """The store's word that the approval is used up by this statement and no other."""
    running = auto()
    """ReadyForQuery after a Query or Sync."""
    copying = auto()
    """The client's data for a COPY FROM STDIN, up to its CopyDone or CopyFail."""
    describing = auto()
    """The answer to a Parse, and to the gateway's own Describe behind it."""
    draining = auto()
    """Every answer to what was sent, before the next message is judged (a barrier)."""
    reading_back = auto()
    """The session's settings, after something that could have changed them."""
    ended = auto()


class Move(Enum):
    opened = auto()
    judge = auto()
    send_query = auto()
    send_parse = auto()
    pass_on = auto()
    copy_in = auto()
    copied_in_query = auto()
    copied_in_portal = auto()
    hold = auto()
    stored = auto()
    approve = auto()
    confirmed = auto()
    drop = auto()
    drain = auto()
    drained = auto()
    synced = auto()
    described = auto()
    failed = auto()
    read_back = auto()
    was_read = auto()
    end = auto()


class IllegalMove(Exception):
    """A move that the table does not have."""

    def __init__(self, phase: Phase, move: Move) -> None:
        super().__init__(f"the session cannot {move.name} while {phase.name}")
        self.phase, self.move = phase, move


_WAITS = (Phase.judging, Phase.raising, Phase.holding, Phase.releasing, Phase.consuming)

MOVES: dict[tuple[Phase, Move], Phase] = {
    (Phase.opening, Move.opened): Phase.ready,
    (Phase.ready, Move.judge): Phase.judging,
    (Phase.ready, Move.send_query): Phase.running,
    (Phase.ready, Move.send_parse): Phase.describing,
    (Phase.ready, Move.drain): Phase.draining,
    (Phase.ready, Move.read_back): Phase.reading_back,
    (Phase.judging, Move.send_query): Phase.running,
    (Phase.judging, Move.send_parse): Phase.describing,
    (Phase.judging, Move.pass_on): Phase.ready,
    (Phase.judging, Move.hold): Phase.raising,
    (Phase.raising, Move.stored): Phase.holding,
    (Phase.holding, Move.approve): Phase.releasing,
    (Phase.releasing, Move.confirmed): Phase.consuming,
    (Phase.consuming, Move.send_query): Phase.running,
    (Phase.consuming, Move.pass_on): Phase.ready,
    (Phase.running, Move.synced): Phase.ready,
    (Phase.running, Move.failed): Phase.running,
    (Phase.running, Move.copy_in): Phase.copying,
    (Phase.draining, Move.copy_in): Phase.copying,
    (Phase.copying, Move.copied_in_query): Phase.running,
    (Phase.copying, Move.copied_in_portal): Phase.draining,
    (Phase.copying, Move.failed): Phase.ready,
    (Phase.describing, Move.described): Phase.ready,
    (Phase.describing, Move.failed): Phase.ready,
    (Phase.draining, Move.drained): Phase.ready,
    (Phase.draining, Move.failed): Phase.ready,
    (Phase.draining, Move.read_back): Phase.reading_back,
    (Phase.reading_back, Move.was_read): Phase.ready,
    # Work that is not to run: refused, rejected, withdrawn, or skipped after an error earlier in its pipeline.
    **{(wait, Move.drop): Phase.ready for wait in _WAITS},
    **{(wait, Move.failed): Phase.ready for wait in _WAITS},
    **{(phase, Move.end): Phase.ended for phase in Phase},
}


def move(phase: Phase, by: Move) -> Phase:
    """The phase after ``by``.

    Raises:
        IllegalMove: the table does not have it.
    """
    try:
        return MOVES[phase, by]
    except KeyError:
        raise IllegalMove(phase, by) from None
