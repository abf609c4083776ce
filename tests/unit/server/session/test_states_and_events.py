"""What becomes of every event and every kind of message in every phase: a table without an empty cell.

A cell says ``queued`` (it waits in the inbox), ``nothing`` (it is late, or passed over), the phase that follows, or how
the session ends: ``end`` with the SQLSTATE that the client is told, ``-`` where it is told nothing. An answer has the
open ticket in the phase that waits for it, and an old one everywhere else.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from datetime import timedelta

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.ids import RequestId, StatementNo
from hoopd.domain.limits import Limits
from hoopd.domain.request import RequestState
from hoopd.masking.values import MaskContext
from hoopd.pgwire.framing import Frame
from hoopd.session import client, events
from hoopd.session.machine import SessionMachine
from hoopd.session.state import Phase
from hoopd.sql.facts import Copying
from tests.unit.server.session.play import (
    NOW,
    STATE,
    Play,
    bind,
    columns,
    complete,
    encode,
    execute,
    facts,
    failure,
    parameters,
    parse,
    query,
    ready,
    row,
    verdict,
)  # fmt: skip

READ = verdict(facts("select 1"), limits=Limits(statement_timeout=timedelta(seconds=60)))
COPIES = verdict(facts("copy t from stdin", "copy", copies=Copying.from_client))
HELD = verdict(facts("delete from t", "delete"), outcome=Outcome.review)
SETS = verdict(facts("set search_path = x", "set", barrier=True))


def opening() -> Play:
    play = Play()
    play.machine = SessionMachine(STATE, MaskContext(b"k" * 32))
    play.machine.open()
    return play


def ready_() -> Play:
    return Play().skip()


def judging() -> Play:
    return Play().client(query("delete from t")).skip()


def raising() -> Play:
    return judging().judged(HELD).skip()


def holding() -> Play:
    return raising().raised().skip()


def releasing() -> Play:
    return holding().settled(RequestState.approved).skip()


def consuming() -> Play:
    return releasing().judged(HELD).skip()


def running() -> Play:
    return judging().judged(READ).skip()


def copying() -> Play:
    return judging().judged(COPIES).server(encode("G", b"\0\0\0")).skip()


def describing() -> Play:
    return Play().client(parse("select 1")).judged(READ).skip()


def draining() -> Play:
    play = describing().server(b"1\0\0\0\4", parameters(), columns("x")).skip()
    play.client(bind()).judged(READ).client(execute(""), query("select 1"))
    return play.skip()


def reading_back() -> Play:
    return judging().judged(SETS).server(complete("SET"), ready()).skip()


def ended() -> Play:
    return Play().event(events.ClientGone()).skip()


REACHED: dict[Phase, Callable[[], Play]] = {
    Phase.opening: opening, Phase.ready: ready_, Phase.judging: judging, Phase.raising: raising,
    Phase.holding: holding, Phase.releasing: releasing, Phase.consuming: consuming, Phase.running: running,
    Phase.copying: copying,
    Phase.describing: describing, Phase.draining: draining, Phase.reading_back: reading_back, Phase.ended: ended,
}  # fmt: skip
BODIES = {
    "Q": query("select 1")[5:], "P": parse("select 1")[5:], "B": bind()[5:], "E": execute("")[5:], "D": b"P\0",
    "C": b"P\0", "F": b"\0" * 10,
}  # fmt: skip
ANSWERS = {
    "E": failure("22012", "division by zero")[5:], "N": failure("00000", "a word")[5:], "A": b"\0\0\0\7c\0x\0",
    "S": b"TimeZone\0UTC\0", "D": row("v")[5:], "T": columns("x")[5:], "C": complete("SELECT 1")[5:], "Z": b"I",
    "t": parameters()[5:],
}  # fmt: skip
UNKNOWN = "p!"
BACKEND = "123ACDEGHIKNRSTVWZcdnstv"


def answer(phase: Phase, wanted: tuple[Phase, ...], play: Play) -> int:
    return play.ticket if phase in wanted else 0


def event_of(name: str, phase: Phase, play: Play) -> events.Event:
    ticket = lambda *wanted: answer(phase, wanted, play)  # noqa: E731
    made: dict[str, Callable[[], events.Event]] = {
        "ClientClosed": events.ClientClosed,
        "ClientGone": events.ClientGone,
        "ServerGone": lambda: events.ServerGone("lost"),
        "Judged": lambda: events.Judged(ticket(Phase.judging, Phase.releasing), HELD),
        "JudgingFailed": lambda: events.JudgingFailed(
            ticket(Phase.judging, Phase.raising, Phase.releasing), "58000", "no answer"
        ),
        "Raised": lambda: events.Raised(ticket(Phase.raising), RequestId("r-1"), ("dba",), ("writes",), NOW),
        "Reminded": lambda: events.Reminded(ticket(Phase.holding), ("dba",), 200),
        "Settled": lambda: events.Settled(ticket(Phase.holding), RequestState.approved, (), ""),
        "Consumed": lambda: events.Consumed(ticket(Phase.consuming), True),
        "CancelAsked": events.CancelAsked,
        "TimeUp": lambda: events.TimeUp(StatementNo(1)),
        "EndAsked": lambda: events.EndAsked("gateway", "57P01", "stopping"),
    }
    return made[name]()


def outcome(phase: Phase, what: str) -> str:
    """What happens, in the words of the table. ``what``: ``client Q``, ``server Z`` or the name of an event."""
    play = REACHED[phase]()
    assert play.machine.phase is phase
    side, _, kind = what.partition(" ")
    before = play.machine.inbox_bytes
    match side:
        case "client":
            event: events.Event = events.ClientSent(Frame(kind, BODIES.get(kind, b"")))
        case "server":
            event = events.ServerSent(Frame(kind, ANSWERS.get(kind, b"")))
        case _:
            event = event_of(what, phase, play)
    play.event(event)
    said = play.said()
    if play.machine.phase is Phase.ended and phase is not Phase.ended:
        told = [line.split()[2] for line in said if line.startswith("client E")]
        return f"end {told[-1] if told else '-'}"
    if play.machine.inbox_bytes > before:
        return "queued"
    if play.machine.phase is phase:
        return "stays" if said else "nothing"
    return play.machine.phase.name


ROWS = [
    *(f"client {kind}" for kind in "".join(client._HANDLERS) + UNKNOWN),
    *(f"server {kind}" for kind in BACKEND),
    *(kind.__name__ for kind in typing.get_args(events.Event) if kind not in (events.ClientSent, events.ServerSent)),
]

# The cell of most phases, then the phases that differ. After the end, everything is nothing.
TABLE = {
    "client Q": "queued; ready: judging; copying: running",
    "client P": "queued; ready: judging; copying: running",
    "client B": "queued; ready: stays; copying: running",
    "client D": "queued; ready: stays; copying: running",
    "client E": "queued; ready: stays; copying: running",
    "client C": "queued; ready: stays; copying: running",
    "client H": "queued; ready: stays; copying: nothing",
    "client S": "queued; ready: running; copying: nothing",
    "client X": "queued; ready copying raising holding releasing consuming: end -",
    "client F": "queued; ready: stays; copying: running",
    "client d": "queued; ready: nothing; copying: stays",
    "client c": "queued; ready: nothing; copying: running",
    "client f": "queued; ready: nothing; copying: running",
    "client p": "queued; ready: end 08P01; copying: running",
    "client !": "queued; ready: end 08P01; copying: running",
    "server 1": "end 08P01; opening reading_back: nothing; describing: stays",
    "server 2": "end 08P01; opening reading_back: nothing; draining: stays",
    "server 3": "end 08P01; opening reading_back: nothing",
    "server A": "stays",
    "server C": "end 08P01; opening reading_back: nothing; running: stays",
    "server D": "end 08P01; opening reading_back: nothing; running: end XX000",
    "server E": "end 08P01; opening reading_back: end XX000; running: stays; copying: running; describing draining: "
    "ready",
    "server G": "end 08P01",
    "server H": "end 08P01",
    "server I": "end 08P01; running: stays",
    "server K": "end 08P01",
    "server N": "stays; opening reading_back: nothing",
    "server R": "end 08P01",
    "server S": "stays",
    "server T": "end 08P01; running: stays",
    "server V": "end 08P01",
    "server W": "end 08P01",
    "server Z": "end 08P01; running: ready",
    "server c": "end 08P01",
    "server d": "end 08P01",
    "server n": "end 08P01",
    "server s": "end 08P01",
    "server t": "end 08P01",
    "server v": "end 08P01",
    "ClientClosed": "queued; ready copying raising holding releasing consuming: end -",
    "ClientGone": "end -",
    "ServerGone": "end 08006",
    "Judged": "nothing; judging: raising; releasing: consuming",
    "JudgingFailed": "nothing; judging raising releasing: ready",
    "Raised": "nothing; raising: holding",
    "Reminded": "nothing; holding: stays",
    "Settled": "nothing; holding: releasing",
    "Consumed": "nothing; consuming: running",
    "CancelAsked": "nothing; running copying describing draining: stays; holding releasing: ready",
    "TimeUp": "nothing; running draining: stays",
    "EndAsked": "end 57P01",
}


def cell(phase: Phase, what: str) -> str:
    common, *others = TABLE[what].split("; ")
    differing = {name: made for names, _, made in (one.partition(": ") for one in others) for name in names.split()}
    return "nothing" if phase is Phase.ended else differing.get(phase.name, common)


def test_no_phase_event_or_kind_of_message_is_missing() -> None:
    """The rows are made of the machine's own handlers and of all classes of events."""
    assert set(REACHED) == set(Phase)
    assert list(TABLE) == ROWS


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.name)
@pytest.mark.parametrize("what", ROWS)
def test_what_happens(phase: Phase, what: str) -> None:
    """THREATS 10: also what a peer should not send, when it should not send it."""
    assert outcome(phase, what) == cell(phase, what)
