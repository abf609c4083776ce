"""The machine: one event in, the commands that follow from it out. Nothing here waits, and nothing happens elsewhere.

Invariants: an answer whose ticket is not the open one changes nothing; after the end nothing is sent any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hoopd.domain.errors import HoopError
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.statement import SessionState
from hoopd.masking.values import MaskContext
from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import Frame
from hoopd.session import bounding, client, holding, readback, server
from hoopd.session.commands import CancelServer, Command
from hoopd.session.core import Core
from hoopd.session.events import (
    CancelAsked,
    ClientClosed,
    ClientGone,
    ClientSent,
    Consumed,
    EndAsked,
    Event,
    Judged,
    JudgingFailed,
    Raised,
    Reminded,
    ServerGone,
    ServerSent,
    Settled,
    TimeUp,
)
from hoopd.session.names import SessionNames
from hoopd.session.state import IllegalMove, Phase
from hoopd.session.tables import ExpectExecute

_TICKETED = (Judged, JudgingFailed, Raised, Reminded, Settled, Consumed)


class SessionMachine:
    """One session. ``receive`` gives the commands to carry out, in order."""

    def __init__(self, state: SessionState, context: MaskContext) -> None:
        """``state``: as start-up left it; ``context``: the key of hashing masks."""
        self._core = Core(state=state, context=context)
        self._core.named = SessionNames(self._core)

    @property
    def phase(self) -> Phase:
        return self._core.phase

    @property
    def state(self) -> SessionState:
        return self._core.state

    @property
    def inbox_bytes(self) -> int:
        """How much the client has sent ahead of what is being done."""
        return self._core.inbox_bytes

    @property
    def idle(self) -> bool:
        """Whether it is the client's turn. An Execute may run without a Sync behind it."""
        core = self._core
        if core.phase is Phase.copying:
            return True
        return core.phase is Phase.ready and not any(isinstance(one, ExpectExecute) for one in core.expected)

    def note_policy(self, version: PolicyVersion, minute: int = 0) -> None:
        """The policy that is in force from the next event on; ``minute``: of the time, where it hangs on that."""
        self._core.policy_version, self._core.minute = version, minute

    def open(self) -> list[Command]:
        """The commands that read the session's settings before its client is told that it is ready."""
        readback.open_session(self._core)
        return self._take()

    def receive(self, event: Event) -> list[Command]:
        """Take one event. A defect of ours or the peer's ends the session with a clear error, never silently."""
        if self._core.phase is Phase.ended or self._is_late(event):
            return []
        return self._take_in(_HANDLERS[type(event)], event)

    def client_sent(self, frames: Sequence[Frame]) -> list[Command]:
        """As ``receive`` of each frame that the client sent, one behind the other."""
        return self._take_in(_client_frames, frames)

    def server_sent(self, frames: Sequence[Frame]) -> list[Command]:
        """As ``receive`` of each frame that the database sent, one behind the other."""
        return self._take_in(_server_frames, frames)

    def _take_in(self, handler: Callable[[Core, Any], None], what: Any) -> list[Command]:
        core = self._core
        try:
            handler(core, what)
            client.advance(core)
        except IllegalMove as problem:
            core.end("gateway", f"internal error: {problem}", sqlstate="XX000")
        except WireError as problem:
            core.end("gateway", problem.message, sqlstate=problem.sqlstate)
        except HoopError as problem:
            core.end("gateway", problem.message, sqlstate=problem.sqlstate)
        return self._take()

    def _is_late(self, event: Event) -> bool:
        """An answer to a question that is no longer open is a no-op."""
        if not isinstance(event, _TICKETED):
            return False
        work = self._core.work
        return work is None or work.ticket != event.ticket

    def _take(self) -> list[Command]:
        out, self._core.out = self._core.out, []
        return out


def _client_sent(core: Core, event: ClientSent) -> None:
    _client_frames(core, (event.frame,))


def _client_frames(core: Core, frames: Sequence[Frame]) -> None:
    for frame in frames:
        if core.phase is Phase.ended:
            return
        if frame.kind == "X" and core.phase in holding.HELD:
            holding.withdraw(core, "the client ended the session")
            core.end("client", "the client ended the session")
        else:
            core.put(frame)


def _client_closed(core: Core, event: ClientClosed) -> None:
    """As PostgreSQL takes the end of its input: a Terminate, in its turn."""
    _client_sent(core, ClientSent(Frame("X", b"")))


def _client_gone(core: Core, event: ClientGone) -> None:
    holding.withdraw(core, "the client went away")
    core.end("client", "the client went away")


def _server_sent(core: Core, event: ServerSent) -> None:
    server.receive(core, event.frame)


def _server_frames(core: Core, frames: Sequence[Frame]) -> None:
    for frame in frames:
        if core.phase is Phase.ended:
            return
        server.receive(core, frame)


def _server_gone(core: Core, event: ServerGone) -> None:
    holding.withdraw(core, "the database closed the connection")
    core.end("database", event.message, sqlstate="08006")


def _judged(core: Core, event: Judged) -> None:
    if core.phase is Phase.releasing:
        holding.confirmed(core, event)
    else:
        client.judged(core, event)


def _judging_failed(core: Core, event: JudgingFailed) -> None:
    if core.phase is Phase.releasing:
        holding.void(core, event.message)
    else:
        client.judging_failed(core, event)


def _raised(core: Core, event: Raised) -> None:
    holding.raised(core, event)


def _reminded(core: Core, event: Reminded) -> None:
    if core.phase is Phase.holding:
        holding.reminded(core, event)


def _settled(core: Core, event: Settled) -> None:
    holding.settled(core, event)


def _consumed(core: Core, event: Consumed) -> None:
    work = core.work
    assert work is not None
    if holding.consumed(core, event):
        client.run(core, work)


def _cancel_asked(core: Core, event: CancelAsked) -> None:
    """A cancel of a held statement withdraws it; of a running one, it is passed on to the database."""
    if core.phase is Phase.holding or core.phase is Phase.releasing:
        holding.cancel(core)
    elif core.work is not None:
        core.work.cancelled = True
    elif core.phase not in (Phase.opening, Phase.reading_back) and core.expected:  # else nothing of the client's runs
        core.emit(CancelServer())


def _time_up(core: Core, event: TimeUp) -> None:
    bounding.timed_out(core, event.statement)


def _end_asked(core: Core, event: EndAsked) -> None:
    holding.withdraw(core, event.message)
    core.end(event.cause, event.message, sqlstate=event.sqlstate)


_HANDLERS: dict[type[Event], Callable[[Core, Any], None]] = {
    ClientSent: _client_sent,
    ClientClosed: _client_closed,
    ClientGone: _client_gone,
    ServerSent: _server_sent,
    ServerGone: _server_gone,
    Judged: _judged,
    JudgingFailed: _judging_failed,
    Raised: _raised,
    Reminded: _reminded,
    Settled: _settled,
    Consumed: _consumed,
    CancelAsked: _cancel_asked,
    TimeUp: _time_up,
    EndAsked: _end_asked,
}
