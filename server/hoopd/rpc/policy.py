"""The PolicyDesk service: authenticate, convert, call ``runtime.policy_desk``. Who may ask what is decided here.

Everybody may have a file checked, and be told of their own statements on connections that they may open. What tells
of others, of the whole policy, or of a draft, is for admins and auditors. A change is for admins, and takes a sign-in
made for it: with that of ``login`` an agent on an admin's machine could lift every review (INV-6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

import grpc.aio

from hoop.v1 import policy_pb2 as pb
from hoop.v1 import policy_pb2_grpc
from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.errors import InvalidInput, NotFound, NotSignedIn, Refused
from hoopd.domain.ids import PolicyVersion, StatementNo, statement_id
from hoopd.domain.principal import Principal, Role
from hoopd.identity import Purpose
from hoopd.policy.problems import PolicyError, Problem
from hoopd.recording.codec import NotAnEvent, micros, moment
from hoopd.rpc.authentication import principal_of
from hoopd.rpc.requests import ApprovalVerifier
from hoopd.runtime.policy_desk import Change, Explanation, PolicyDesk, Question, Simulated, StatementTold
from hoopd.session.judgement import PolicyInForce
from hoopd.store.policies import PolicyRepository, PolicyText
from hoopd.store.statements import StatementQuery, StatementRepository

MOST_SIMULATED = 100_000
MOST_VERSIONS = 1_000
PROGRESS_EVERY = 200
FILES_AT_ONCE = 2
_NEVER = datetime.max.replace(tzinfo=UTC)

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")

Context = grpc.aio.ServicerContext[Any, Any]
log = logging.getLogger("hoopd.policy")


class PolicyServicer(policy_pb2_grpc.PolicyDeskServicer):
    """``connections``: those that a person may open, or ask to. ``tokens`` verifies what was got for approving."""

    def __init__(
        self,
        desk: PolicyDesk,
        repository: PolicyRepository,
        statements: StatementRepository,
        connections: Callable[[Principal], list[tuple[Connection, Outcome]]],
        tokens: ApprovalVerifier,
    ) -> None:
        self._desk = desk
        self._repository = repository
        self._statements = statements
        self._connections = connections
        self._tokens = tokens
        self._reading = asyncio.Semaphore(FILES_AT_ONCE)
        self._explaining = asyncio.Semaphore(FILES_AT_ONCE)

    async def Check(self, request: pb.CheckPolicyRequest, context: Context) -> pb.CheckPolicyResult:
        caller = principal_of(context)
        names = None if caller.roles else [each.name for each, _ in self._connections(caller)]
        errors, advice = await self._apart(self._desk.check, request.policy.text, _source(request.policy), names)
        return pb.CheckPolicyResult(problems=[*_problems(errors), *_problems(advice, warning=True)])

    async def Show(self, request: pb.ShowPolicyRequest, context: Context) -> pb.PolicyVersion:
        _staff(principal_of(context), "the policy is shown")
        version = request.version
        found = await (self._repository.get(PolicyVersion(version)) if version else self._repository.current())
        if found is None:
            raise NotFound(f"the policy has no version {version}", hint="see: hoopctl policy show --history")
        return _version(found)

    async def History(self, request: pb.PolicyHistoryRequest, context: Context) -> AsyncIterator[pb.PolicyVersion]:
        _staff(principal_of(context), "the policy is shown")
        for each in await self._repository.history(min(request.limit or 50, MOST_VERSIONS)):
            yield pb.PolicyVersion(version=each.version, by=each.by, at_us=micros(each.at), source=each.source)

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResult:
        caller = principal_of(context)
        if request.user or request.groups or request.HasField("policy"):
            _staff(caller, "decisions about others, and under a draft, are explained")
        may = [each.name for each, outcome in self._connections(caller) if outcome is Outcome.allow]
        if not caller.roles and request.connection not in may:
            raise NotFound(f'there is no connection "{request.connection}" that you may open')
        question = Question(
            request.sql,
            _asker(request, caller),
            request.connection,
            request.application,
            request.search_path if request.HasField("search_path") else None,
            await self._draft(request.policy) if request.HasField("policy") else None,
        )
        async with self._explaining:
            return _explanation(await self._desk.explain(question), question.principal)

    async def Test(self, request: pb.TestPolicyRequest, context: Context) -> pb.TestPolicyResult:
        _staff(principal_of(context), "decisions about others are told")
        try:
            draft = await self._draft(request.policy) if request.HasField("policy") else None
            results = await self._desk.test(request.cases.text, _source(request.cases), draft)
        except PolicyError as problem:
            return pb.TestPolicyResult(problems=_problems(problem.problems))
        return pb.TestPolicyResult(
            cases=[
                pb.CaseTold(name=r.name, ok=r.ok, outcome=r.outcome, rules=r.rules, failures=r.failures)
                for r in results
            ]
        )

    async def Simulate(self, request: pb.SimulateRequest, context: Context) -> AsyncIterator[pb.SimulateResult]:
        _staff(principal_of(context), "statements of others are told of")
        draft, limit = await self._draft(request.policy), min(request.limit or MOST_SIMULATED, MOST_SIMULATED)
        told, shown = Simulated(), 0
        rows = self._statements.search(_recorded(request, limit))
        async for change in self._desk.simulate(draft, rows, told):
            if change is not None:
                yield pb.SimulateResult(change=_change(change))
            if told.statements - shown >= PROGRESS_EVERY:
                shown = told.statements
                yield pb.SimulateResult(progress=_totals(told, limit))
        yield pb.SimulateResult(done=_totals(told, limit))

    async def Apply(self, request: pb.ApplyPolicyRequest, context: Context) -> pb.PolicyVersion:
        _admin(principal_of(context))
        caller = await self._approver(request.approval_token)
        _admin(caller)
        source = _source(request.policy)
        await self._draft(request.policy)
        expected = PolicyVersion(request.expected) if request.expected else None
        put = await self._repository.put(request.policy.text, by=caller.name, source=source, expected=expected)
        log.warning("policy version %d was applied by %s", put.version, caller.name)
        return _version(put)

    async def _approver(self, token: str) -> Principal:
        """Who puts a policy in force. The bearer of the call is never asked (INV-6)."""
        if not token:
            raise Refused("a policy is put in force with a sign-in made for it", hint="use: hoopctl policy apply")
        try:
            return await self._tokens.verify(token, Purpose.approval)
        except NotSignedIn as error:
            raise Refused(error.message, hint=error.hint) from None

    async def _draft(self, given: pb.PolicyDraft) -> PolicyInForce:
        return await self._apart(self._desk.draft, given.text, _source(given))

    async def _apart(self, work: Callable[_Given, _Made], *given: _Given.args, **more: _Given.kwargs) -> _Made:
        """In a thread, few at once: a large file takes seconds, and every session runs on this loop (INV-9)."""
        async with self._reading:
            return await asyncio.to_thread(work, *given, **more)


def _admin(caller: Principal) -> None:
    if Role.admin not in caller.roles:
        raise Refused("a policy is put in force by admins", hint="ask one, or see: hoopctl whoami")


def _staff(caller: Principal, what: str) -> None:
    if not caller.roles:
        raise Refused(f"{what} to admins and auditors", hint="see who you are: hoopctl whoami")


def _source(draft: pb.PolicyDraft) -> str:
    return draft.source.replace("\x00", "")[:200] or "the policy"


def _asker(request: pb.ExplainRequest, caller: Principal) -> Principal:
    if not request.user:
        return replace(caller, groups=frozenset(request.groups)) if request.groups else caller
    return Principal(caller.issuer, request.user, request.user, frozenset(request.groups), frozenset(), _NEVER)


def _recorded(request: pb.SimulateRequest, limit: int) -> StatementQuery:
    try:
        since = moment(request.since_us) if request.since_us else None
        until = moment(request.until_us) if request.until_us else None
    except NotAnEvent as error:
        raise InvalidInput("The time to simulate from or to is out of range.") from error
    return StatementQuery(connection=request.connection, since=since, until=until, limit=limit)


def _problems(found: Iterable[Problem], *, warning: bool = False) -> list[pb.PolicyProblem]:
    return [
        pb.PolicyProblem(
            source=each.source, line=each.place.line, column=each.place.column, message=each.message, warning=warning
        )
        for each in found
    ]


def _version(found: PolicyText) -> pb.PolicyVersion:
    return pb.PolicyVersion(
        version=found.version, text=found.text, by=found.by, at_us=micros(found.at), source=found.source
    )


def _decision(decision: Decision) -> pb.PolicyDecision:
    review = decision.review
    made = pb.PolicyDecision(
        outcome=decision.outcome, rules=decision.rules, message=decision.message or "", hint=decision.hint or ""
    )
    if review is not None:
        made.reason_required = review.reason_required
        made.hold_ms = round(review.hold.total_seconds() * 1000)
        made.expires_ms = round(review.expires.total_seconds() * 1000)
        for seat in review.seats:
            made.seats.add(rule=seat.rule, groups=sorted(seat.groups), needed=seat.needed)
    return made


def _explanation(told: Explanation, principal: Principal) -> pb.ExplainResult:
    return pb.ExplainResult(
        decision=_decision(told.decision),
        connect=_decision(told.connect),
        statements=[_statement(each) for each in told.statements],
        version=told.version,
        user=principal.name,
        groups=sorted(principal.groups),
    )


def _statement(told: StatementTold) -> pb.StatementTold:
    facts = told.judged.facts
    return pb.StatementTold(
        sql=told.judged.sql.encode("utf-8", "backslashreplace").decode(),
        kind=facts.kind,
        decision=_decision(told.judged.decision),
        rules=[pb.RuleTold(name=r.name, says=r.says, fits=r.fits, decides=r.decides, why=r.why) for r in told.rules],
        accesses=[pb.AccessTold(access=n.access, covered_by=n.covered_by, built_in=n.built_in) for n in told.needs],
        masks=[pb.MaskTold(column=column, mask=mask) for column, mask in told.masks],
    )


def _change(change: Change) -> pb.SimulatedChange:
    row = change.row
    return pb.SimulatedChange(
        statement=statement_id(row.session, StatementNo(row.statement)),
        time_us=micros(row.at),
        principal=row.principal,
        connection=row.connection,
        sql=row.sql,
        was=row.decision,
        was_by=row.rules,
        becomes=change.outcome,
        becomes_by=change.rules,
        message=change.message or "",
        what=change.what,
    )


def _totals(told: Simulated, limit: int) -> pb.SimulatedTotals:
    moves = [pb.SimulatedMove(was=was, becomes=now, statements=n) for (was, now), n in sorted(told.by.items())]
    return pb.SimulatedTotals(
        statements=told.statements,
        changed=told.changed,
        skipped=told.skipped,
        moves=moves,
        more=told.statements >= limit,
    )
