"""Requests as the command knows them: plain, frozen, free of grpc and of widgets.

Text in them is as the gateway sent it: whoever shows it passes it through ``output.printable`` first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from hoopctl.clock import rfc3339

OPEN_STATES = frozenset({"pending", "approved", "running"})
STATES = ("pending", "approved", "running", "done", "rejected", "expired", "cancelled", "void")


class Verdict(StrEnum):
    approve = "approve"
    reject = "reject"


@dataclass(frozen=True, slots=True)
class Person:
    subject: str
    email: str | None
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        """The e-mail where there is one, else the subject."""
        return self.email or self.subject


@dataclass(frozen=True, slots=True)
class Param:
    """One bound parameter; ``value`` None is NULL, unless ``masked`` says that the value itself is hidden."""

    type: str
    value: str | None
    masked: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What analysis says of one statement; ``accesses`` as rules match them, e.g. ``write public.orders``.

    ``notes`` are sentences on what cannot be seen from the rest.
    """

    kind: str
    effects: tuple[str, ...]
    accesses: tuple[str, ...]
    functions: tuple[str, ...]
    predicate: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seat:
    """``needed`` people of ``groups`` must approve for ``rule``; ``approved_by`` have."""

    rule: str
    groups: tuple[str, ...]
    needed: int
    approved_by: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.needed - len(self.approved_by))


@dataclass(frozen=True, slots=True)
class Word:
    """What one reviewer said: ``verdict`` is ``approve`` or ``reject``."""

    verdict: str
    by: Person
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """A held statement as the gateway shows it to the caller. Times are UTC.

    ``digest`` names exactly what would run; ``can_decide`` whether the caller may approve it now. ``sql_masked``:
    literals of ``sql`` are hidden from the caller, as are parameters that are ``masked``; ``masked_columns`` are what
    they meet. ``redacted``: a credential in ``sql`` is a keyed hash, for everybody.
    """

    id: str
    state: str
    session: str
    statement: str
    connection: str
    labels: Mapping[str, str]
    requester: Person
    database: str
    role: str
    search_path: str
    sql: str
    params: tuple[Param, ...]
    batch: tuple[Facts, ...]
    rules: tuple[str, ...]
    seats: tuple[Seat, ...]
    reason: str
    created: datetime
    hold_until: datetime
    expires: datetime
    words: tuple[Word, ...]
    digest: str
    can_decide: bool
    cannot_decide_because: str | None
    application: str
    transaction: str
    policy_version: int
    message: str
    sql_masked: bool = False
    redacted: bool = False
    masked_columns: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def kind(self) -> str:
        """The kinds of the statements, in order: ``delete``, or ``begin; update`` for a batch."""
        return "; ".join(facts.kind for facts in self.batch) or "statement"

    @property
    def effects(self) -> tuple[str, ...]:
        """What running all of it can do."""
        return tuple(sorted({effect for facts in self.batch for effect in facts.effects}))

    @property
    def withheld(self) -> tuple[str, ...]:
        """What of it is not shown, one sentence for each reason; nothing where it is shown as it was typed."""
        said = []
        hidden = ["literals"] if self.sql_masked else []
        hidden += ["parameters"] if any(param.masked for param in self.params) else []
        if hidden:
            columns = f": {', '.join(self.masked_columns)}" if self.masked_columns else ""
            meet = "meet" if self.masked_columns else "may meet"
            said.append(f"{' and '.join(hidden)} that {meet} masked columns are hidden from you{columns}")
        if self.redacted:
            said.append("a credential in it is recorded as a keyed hash")
        return tuple(said)

    @property
    def deadline(self) -> datetime:
        """When it ends unless somebody acts."""
        return min(self.hold_until, self.expires) if self.state == "pending" else self.expires

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Whom it still waits for: ``dba``, ``2 of dba or security``."""
        said: dict[str, None] = {}
        for seat in self.seats:
            if seat.missing:
                groups = " or ".join(seat.groups)
                said[groups if seat.missing == 1 else f"{seat.missing} of {groups}"] = None
        return tuple(said)


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a word: ``approved`` (it counts), ``rejected`` or ``refused`` (``message`` says why).

    ``sign_in_again``: the approval token was the reason. ``request`` is None where the caller may not see it.
    """

    result: str
    message: str
    request: Request | None
    sign_in_again: bool = False


def as_line(request: Request) -> dict[str, object]:
    """The JSON line of a request (DESIGN.md section 9): nothing cut, unknown is null, times RFC 3339."""
    first = request.batch[0] if request.batch else None
    return {
        "id": request.id,
        "state": request.state,
        "connection": request.connection,
        "labels": dict(request.labels),
        "principal": request.requester.name,
        "requester": _plain(request.requester),
        "database": request.database,
        "role": request.role,
        "search_path": request.search_path,
        "sql": request.sql,
        "sql_masked": request.sql_masked,
        "masked_columns": list(request.masked_columns),
        "redacted": request.redacted,
        "params": [_plain(param) for param in request.params],
        "facts": _plain(first) if first else None,
        "batch": [_plain(facts) for facts in request.batch],
        "rules": list(request.rules),
        "policy_version": request.policy_version,
        "seats": [_plain(seat) for seat in request.seats],
        "waiting_for": list(request.waiting_for) if request.state == "pending" else [],
        "approvals": [
            {"verdict": word.verdict, "by": word.by.name, "comment": word.comment, "at": rfc3339(word.at)}
            for word in request.words
        ],
        "reason": request.reason or None,
        "application": request.application or None,
        "transaction": request.transaction,
        "session": request.session,
        "statement": request.statement,
        "created": rfc3339(request.created),
        "hold_until": rfc3339(request.hold_until),
        "expires": rfc3339(request.expires),
        "digest": request.digest,
        "can_decide": request.can_decide,
        "cannot_decide_because": request.cannot_decide_because,
        "message": request.message or None,
    }


def _plain(value: Person | Param | Facts | Seat) -> dict[str, object]:
    return {name: list(held) if isinstance(held, tuple) else held for name, held in asdict(value).items()}
