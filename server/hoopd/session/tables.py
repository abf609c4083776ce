"""Prepared statements and portals of a session, and what is still expected from the server.

One table each, whichever way the entry was made: Parse or PREPARE, Bind or DECLARE. What SQL made counts once its
CommandComplete has been seen. What the protocol made counts for what follows in its own pipeline, where the server
passes over all of it if the Parse or Bind fails; the entry is gone then. What the table does not have cannot be bound
or executed (INV-1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from hoopd.domain.ids import RequestId, StatementNo
from hoopd.domain.limits import NO_LIMITS
from hoopd.pgwire.backend import Field
from hoopd.pgwire.errors import ErrorFields
from hoopd.session import limits
from hoopd.session.copy_data import Copied
from hoopd.session.judgement import JudgedStatement, Verdict
from hoopd.session.results import ResultRelay
from hoopd.sql.facts import PreparedText

OWN_PREFIX = "hoopd_"
"""Names that begin with this are the gateway's own statements; a client's may not."""

MAX_NAME_BYTES = 63
"""NAMEDATALEN - 1: the server tells longer names apart by this much of them only."""

MAX_STATEMENTS = 5_000
MAX_PORTALS = 1_000
MAX_KEPT_TEXT = 8 * 1024 * 1024
"""Characters of SQL that a session's prepared statements may have together, and those of its portals as well."""
MAX_PARAMETER_BYTES = 16 * 1024 * 1024
"""The values of one Bind: all of them are recorded, and a record that the store cannot take stops every session."""


@dataclass(slots=True)
class Description:
    """What the server said of the Parse that had ``verdict``."""

    verdict: Verdict
    param_oids: tuple[int, ...]
    fields: tuple[Field, ...] | None


@dataclass(slots=True)
class Prepared:
    """A statement that a Parse or PREPARE made. ``fields`` is None until the gateway's own Describe was answered.

    ``doubtful``: code has run since that could have put another statement in its place, so it is parsed anew from
    ``parse``, the client's own message, before it is bound (INV-1); one of PREPARE (``made_by``) is not bound any more.
    """

    name: str
    sql: str
    parse: bytes
    kinds: tuple[str, ...]
    param_oids: tuple[int, ...] = ()
    fields: tuple[Field, ...] | None = None
    described: bool = False
    doubtful: bool = False
    made_by: PreparedText | None = None
    types: tuple[int, ...] = ()
    """Oids of users' types that its Parse gave the parameters."""
    meant: tuple[tuple[object, ...], ...] = ()
    """What its names stood for when the server read it (``sql.named.meaning``)."""
    altered: bool = False
    """Parsed anew, it answers with other columns than its client was told of."""
    judged: Verdict | None = None
    """The last verdict that found them to mean the same."""

    @property
    def changeable(self) -> bool:
        """What it answers with hangs on what a name means by then, so that it is described before each Bind."""
        return self.kinds[:1] in (("execute",), ("fetch",))


@dataclass(slots=True)
class Running:
    """A statement that was let through and whose end is not yet recorded."""

    number: StatementNo
    judged: JudgedStatement
    relay: ResultRelay
    request: RequestId | None = None
    notices: int = 0
    ended: bool = False
    copied: Copied | None = None
    over: ErrorFields | None = None
    """Past a limit: what the client is told in place of how it ends."""
    late: ErrorFields | None = None
    """Cancelled, since it ran too long: what the client is told when that is how it ends."""
    given_rows: int = 0
    given_bytes: int = 0
    limited: bool = False
    """Whether the policy bounds anything of it, and ``row_limited``: whether the rows of its answer are counted."""
    row_limited: bool = False

    def __post_init__(self) -> None:
        self.judge(self.judged)

    def judge(self, judged: JudgedStatement) -> None:
        """What was decided on it, from now on."""
        self.judged = judged
        self.limited = judged.decision.limits is not NO_LIMITS
        self.row_limited = self.limited and limits.answers(judged.facts, judged.decision)


@dataclass(slots=True)
class Portal:
    """What a decided Bind or DECLARE made. ``running`` is None for an empty query, and for a cursor that was declared.

    ``doubtful``: code has run since that could have put another portal in its place. ``serial``: the order in which
    they were made. ``looked_up``: the entries that its statement named when it was judged. ``holds``: it outlives its
    transaction, and ``outlived``: has done so.
    """

    name: str
    prepared: Prepared | None
    running: Running | None
    doubtful: bool = False
    created: bool = False
    closing: bool = False
    """A Close of it was sent, so that its name is free for what is sent after it."""
    serial: int = 0
    formats: tuple[int, ...] = ()
    """Of its columns, as the Bind gave them."""
    judged: JudgedStatement | None = None
    looked_up: tuple[Prepared | Portal | None, ...] = ()
    declared: bool = False
    holds: bool = False
    outlived: bool = False
    minute: int = 0
    """When it was judged last, as ``Core.minute``."""

    @property
    def text_size(self) -> int:
        """Characters of SQL that are kept with it."""
        declared = len(self.judged.sql) if self.judged is not None else 0
        return len(self.prepared.sql) if self.prepared is not None else declared


# What is expected from the server, in the order in which it was asked for.


@dataclass(slots=True)
class ExpectQuery:
    """Results of a Query up to ReadyForQuery. ``refusal`` replaces the error of a failing message of our own.

    ``own``: it runs in a transaction of the gateway's own, and ``withheld`` is the last tag until that has committed.
    ``over``: a statement of it went past a limit, and the client is told this and nothing else.
    """

    running: list[Running] = field(default_factory=list)
    refusal: ErrorFields | None = None
    own: bool = False
    withheld: bytes = b""
    over: ErrorFields | None = None
    unseen: list[Running] = field(default_factory=list)
    """After that: its statements that are still to end in the server."""


class OwnStep(Enum):
    begin = auto()
    commit = auto()
    rollback = auto()


@dataclass(slots=True)
class ExpectOwn:
    """The gateway's own transaction control around a Query: the client sees nothing of it but an error."""

    step: OwnStep
    running: list[Running] = field(default_factory=list)
    withheld: bytes = b""
    failed: str = ""
    """The SQLSTATE of the error that came in its place."""


@dataclass(slots=True)
class ExpectParse:
    prepared: Prepared


@dataclass(slots=True)
class ExpectParsedAnew:
    """The gateway's own Close and Parse of a doubtful statement: the client sees nothing of it but an error."""

    prepared: Prepared


@dataclass(slots=True)
class ExpectDescription:
    """The gateway's own Describe of a statement: the client sees none of it.

    ``learn``: what it says holds as well for the same Parse later, as long as that has the very same verdict.
    ``assumed``: the statement has the description that was learned, and this says whether it still does.
    """

    prepared: Prepared
    learn: tuple[bytes, Verdict] | None = None
    assumed: bool = False


@dataclass(slots=True)
class ExpectBind:
    """``replaced``: the unnamed portal that there was, which is over once this one is there."""

    portal: Portal
    replaced: Portal | None = None


@dataclass(slots=True)
class ExpectOrigins:
    """The gateway's own Describe of a portal whose rows are masked: whose columns they are, as it will run."""

    portal: Portal


@dataclass(slots=True)
class ExpectDescribe:
    """The client's Describe."""


@dataclass(slots=True)
class ExpectExecute:
    portal: Portal


@dataclass(slots=True)
class ExpectClose:
    """``entry``: what had the name when the Close was sent; by its answer the name may be another's."""

    entry: Prepared | Portal | None


@dataclass(slots=True)
class ExpectSync:
    """ReadyForQuery; ``own``: the gateway's own Sync, which the client does not see."""

    own: bool = False


@dataclass(slots=True)
class ExpectRefusal:
    """The error of a failing message of our own, replaced by ``error``. ``unnamed``: it is in the place of a Parse of
    the unnamed statement, and drops the one before."""

    error: ErrorFields
    unnamed: bool = False


@dataclass(slots=True)
class ExpectSetting:
    """The gateway's own SHOW of ``setting``."""

    setting: str
    value: str | None = None
    portal_closed: bool = False


Expected = (
    ExpectQuery
    | ExpectOwn
    | ExpectParse
    | ExpectParsedAnew
    | ExpectDescription
    | ExpectBind
    | ExpectOrigins
    | ExpectDescribe
    | ExpectExecute
    | ExpectClose
    | ExpectSync
    | ExpectRefusal
    | ExpectSetting
)
