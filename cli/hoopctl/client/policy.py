"""The PolicyDesk service as plain types. Text is as the gateway sent it: ``output.printable`` makes it fit to show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hoop.v1 import policy_pb2 as pb
from hoop.v1 import policy_pb2_grpc
from hoopctl.client.gateway import Gateway
from hoopctl.clock import from_micros

SECONDS = 120.0
"""For questions that may judge a thousand cases."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy, or a file of cases, that is not in force; ``source`` is what messages call it."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Problem:
    """``warning``: the file loads all the same. Line and column count from 1."""

    source: str
    line: int
    column: int
    message: str
    warning: bool


@dataclass(frozen=True, slots=True)
class Version:
    """``text`` is empty in a history."""

    version: int
    text: str
    by: str
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Seat:
    rule: str
    groups: tuple[str, ...]
    needed: int


@dataclass(frozen=True, slots=True)
class Decision:
    """``seats`` say who releases a review."""

    outcome: str
    rules: tuple[str, ...]
    message: str | None
    hint: str | None
    seats: tuple[Seat, ...]
    reason_required: bool
    hold_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    says: str
    fits: bool
    decides: bool
    why: str


@dataclass(frozen=True, slots=True)
class Access:
    access: str
    covered_by: tuple[str, ...]
    built_in: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """``masks``: output columns and what masks them."""

    sql: str
    kind: str
    decision: Decision
    rules: tuple[Rule, ...]
    accesses: tuple[Access, ...]
    masks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """``version`` is None for a draft."""

    decision: Decision
    connect: Decision
    statements: tuple[Statement, ...]
    version: int | None
    user: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseResult:
    name: str
    ok: bool
    outcome: str
    rules: tuple[str, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A recorded statement that would be decided on otherwise. ``what`` differs: the outcome, reviewers, masks …"""

    statement: str
    time: datetime
    principal: str
    connection: str
    sql: str
    was: str
    was_by: tuple[str, ...]
    becomes: str
    becomes_by: tuple[str, ...]
    message: str | None
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """``moves``: from, to, and how many. ``more``: there are statements that were not looked at. ``done``: the last."""

    statements: int
    changed: int
    skipped: int
    moves: tuple[tuple[str, str, int], ...]
    more: bool
    done: bool


class PolicyClient:
    """What people ask of a gateway about its policy. Calls raise HoopctlError as ``channel.translate`` makes it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stub = policy_pb2_grpc.PolicyDeskStub(gateway.channel)

    async def check(self, draft: Draft) -> list[Problem]:
        said = await self._gateway.call(self._stub.Check, pb.CheckPolicyRequest(policy=_draft(draft)))
        return _problems(said.problems)

    async def show(self, version: int | None) -> Version:
        """A version, or the one in force."""
        return _version(await self._gateway.call(self._stub.Show, pb.ShowPolicyRequest(version=version or 0)))

    async def history(self, limit: int) -> AsyncIterator[Version]:
        async for each in self._gateway.stream(self._stub.History, pb.PolicyHistoryRequest(limit=limit)):
            yield _version(each)

    async def explain(
        self,
        sql: str,
        connection: str,
        *,
        user: str = "",
        groups: Iterable[str] = (),
        application: str = "",
        search_path: str | None = None,
        policy: Draft | None = None,
    ) -> Explanation:
        """Why a statement is decided on as it is: the caller's own, unless ``user`` or ``groups`` say otherwise."""
        asked = pb.ExplainRequest(
            sql=sql,
            connection=connection,
            user=user,
            groups=groups,
            application=application,
            search_path=search_path,
            policy=_draft(policy) if policy is not None else None,
        )
        said = await self._gateway.call(self._stub.Explain, asked, seconds=SECONDS)
        return Explanation(
            _decision(said.decision),
            _decision(said.connect),
            tuple(_statement(each) for each in said.statements),
            said.version or None,
            said.user,
            tuple(said.groups),
        )

    async def test(self, cases: Draft, policy: Draft | None) -> tuple[list[Problem], list[CaseResult]]:
        """What is wrong with the files, or else what came of each case."""
        asked = pb.TestPolicyRequest(cases=_draft(cases), policy=_draft(policy) if policy is not None else None)
        said = await self._gateway.call(self._stub.Test, asked, seconds=SECONDS)
        results = [CaseResult(c.name, c.ok, c.outcome, tuple(c.rules), tuple(c.failures)) for c in said.cases]
        return _problems(said.problems), results

    async def simulate(
        self, draft: Draft, since: datetime, until: datetime | None, connection: str, limit: int
    ) -> AsyncIterator[Change | Totals]:
        """Changes as they are found, totals in between and at the end."""
        asked = pb.SimulateRequest(
            policy=_draft(draft),
            since_us=_micros(since),
            until_us=_micros(until) if until is not None else 0,
            connection=connection,
            limit=limit,
        )
        async for result in self._gateway.stream(self._stub.Simulate, asked):
            match result.WhichOneof("what"):
                case "change":
                    yield _change(result.change)
                case "progress":
                    yield _totals(result.progress, done=False)
                case "done":
                    yield _totals(result.done, done=True)

    async def apply(self, draft: Draft, expected: int | None, token: str) -> Version:
        """Put a policy in force, if the one in force is version ``expected`` (None: whichever).

        ``token``: that of a sign-in made for it.
        """
        asked = pb.ApplyPolicyRequest(policy=_draft(draft), expected=expected or 0, approval_token=token)
        return _version(await self._gateway.call(self._stub.Apply, asked))


def _draft(draft: Draft) -> pb.PolicyDraft:
    return pb.PolicyDraft(text=draft.text, source=draft.source)


def _problems(found: Iterable[pb.PolicyProblem]) -> list[Problem]:
    return [Problem(p.source, p.line, p.column, p.message, p.warning) for p in found]


def _version(said: pb.PolicyVersion) -> Version:
    return Version(said.version, said.text, said.by, from_micros(said.at_us), said.source)


def _decision(said: pb.PolicyDecision) -> Decision:
    return Decision(
        said.outcome,
        tuple(said.rules),
        said.message or None,
        said.hint or None,
        tuple(Seat(seat.rule, tuple(seat.groups), seat.needed) for seat in said.seats),
        said.reason_required,
        said.hold_ms,
        said.expires_ms,
    )


def _statement(said: pb.StatementTold) -> Statement:
    return Statement(
        said.sql,
        said.kind,
        _decision(said.decision),
        tuple(Rule(r.name, r.says, r.fits, r.decides, r.why) for r in said.rules),
        tuple(Access(a.access, tuple(a.covered_by), a.built_in) for a in said.accesses),
        tuple((m.column, m.mask) for m in said.masks),
    )


def _change(said: pb.SimulatedChange) -> Change:
    return Change(
        said.statement,
        from_micros(said.time_us),
        said.principal,
        said.connection,
        said.sql,
        said.was,
        tuple(said.was_by),
        said.becomes,
        tuple(said.becomes_by),
        said.message or None,
        tuple(said.what),
    )


def _totals(said: pb.SimulatedTotals, *, done: bool) -> Totals:
    moves = tuple((move.was, move.becomes, move.statements) for move in said.moves)
    return Totals(said.statements, said.changed, said.skipped, moves, said.more, done)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
