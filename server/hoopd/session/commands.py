"""What the machine wants done, in order: its output. The interpreter carries them out one after the other.

When a :class:`Record` cannot be carried out, nothing after it may be (INV-3).
"""

from __future__ import annotations

from dataclasses import dataclass

from hoopd.domain.events import Event
from hoopd.domain.ids import RequestId, StatementNo
from hoopd.domain.statement import Param, SessionState
from hoopd.session.judgement import Verdict
from hoopd.sql.named import NOTHING_NAMED, Named


@dataclass(slots=True)
class ToClient:
    data: bytes


@dataclass(slots=True)
class ToServer:
    data: bytes


@dataclass(slots=True)
class Judge:
    """Ask for a verdict on ``text``; the answer is ``Judged`` or ``JudgingFailed``. ``named``: what it may name;
    ``types``: oids of users' types that the client gave its parameters."""

    ticket: int
    text: str
    state: SessionState
    named: Named = NOTHING_NAMED
    types: tuple[int, ...] = ()


@dataclass(slots=True)
class Raise:
    """Store a request for people; the answers are ``Raised``, then ``Reminded`` …, then ``Settled``."""

    ticket: int
    statement: StatementNo
    verdict: Verdict
    params: tuple[Param, ...]
    param_digest: str
    state: SessionState


@dataclass(slots=True)
class Withdraw:
    """Nobody waits for the request any more; late answers carry an old ticket."""

    why: str


@dataclass(slots=True)
class Consume:
    """Use the approval up, once, for what ``verdict`` now says would run; the answer is ``Consumed``."""

    ticket: int
    verdict: Verdict
    state: SessionState


@dataclass(slots=True)
class Finish:
    """The statement that used the approval has ended."""

    request: RequestId


@dataclass(slots=True)
class Record:
    event: Event


@dataclass(slots=True)
class CancelServer:
    """Send a CancelRequest to the database for this session's backend."""


@dataclass(slots=True)
class Time:
    """Say ``TimeUp`` when ``seconds`` have passed, unless the statement has ended by then."""

    statement: StatementNo
    seconds: float


@dataclass(slots=True)
class CatalogChanged:
    """DDL has completed: what was read of the catalog is old."""


@dataclass(slots=True)
class Tell:
    """For the side band: "held", "approved", "rejected", "expired", "cancelled" or "void"."""

    event: str
    request: RequestId
    message: str
    sql: str
    waiting_for: tuple[str, ...] = ()


@dataclass(slots=True)
class End:
    """Close both sides. ``cause`` and ``message`` go into the record and the side band."""

    cause: str
    message: str


Command = (
    ToClient
    | ToServer
    | Judge
    | Raise
    | Withdraw
    | Consume
    | Finish
    | Record
    | CancelServer
    | Time
    | CatalogChanged
    | Tell
    | End
)
