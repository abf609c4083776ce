"""What can happen to a session, as past facts: the machine's input."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hoopd.domain.ids import RequestId, StatementNo
from hoopd.domain.request import RequestState, Word
from hoopd.pgwire.framing import Frame
from hoopd.session.judgement import Verdict


@dataclass(slots=True)
class ClientSent:
    frame: Frame


@dataclass(slots=True)
class ClientClosed:
    """The client has closed its sending side, and may still read: what it sent before is answered first."""


@dataclass(slots=True)
class ClientGone:
    """The client's stream broke: nobody reads any more."""


@dataclass(slots=True)
class ServerSent:
    frame: Frame


@dataclass(slots=True)
class ServerGone:
    message: str


@dataclass(slots=True)
class Judged:
    ticket: int
    verdict: Verdict


@dataclass(slots=True)
class JudgingFailed:
    """The catalog, the policy or the store did not answer: fail closed (INV-2)."""

    ticket: int
    sqlstate: str
    message: str


@dataclass(slots=True)
class Raised:
    """The request is stored and people can see it."""

    ticket: int
    request: RequestId
    waiting_for: tuple[str, ...]
    rules: tuple[str, ...]
    expires: datetime


@dataclass(slots=True)
class Reminded:
    """Fifteen seconds more have passed in the hold."""

    ticket: int
    waiting_for: tuple[str, ...]
    left_seconds: int


@dataclass(slots=True)
class Settled:
    """People have spoken, or the hold is over. Only ``RequestState.approved`` releases."""

    ticket: int
    outcome: RequestState
    words: tuple[Word, ...]
    message: str


@dataclass(slots=True)
class Consumed:
    """Whether the approval was still there to be used."""

    ticket: int
    ok: bool


@dataclass(slots=True)
class CancelAsked:
    """A CancelRequest with this session's key came from the same principal."""


@dataclass(slots=True)
class TimeUp:
    """A statement has run as long as it may."""

    statement: StatementNo


@dataclass(slots=True)
class EndAsked:
    """The session must end: token expired, gateway stopping, a limit."""

    cause: str
    sqlstate: str
    message: str


Event = (
    ClientSent
    | ClientClosed
    | ClientGone
    | ServerSent
    | ServerGone
    | Judged
    | JudgingFailed
    | Raised
    | Reminded
    | Settled
    | Consumed
    | CancelAsked
    | TimeUp
    | EndAsked
)
