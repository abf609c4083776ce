"""What people ask about policies: is this file right, why was that decided, what would change, put this in force.

Everything is decided by the functions that decide for sessions (``session.judgement``), against the databases' own
catalogs; nothing of a question is ever run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from hoopd.domain.connection import Connection
from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.errors import HoopError, InvalidInput, NotFound
from hoopd.domain.ids import PolicyVersion, SessionId
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.policy.advice import advice
from hoopd.policy.cases import Case, Cases, load_cases
from hoopd.policy.evaluation import connect_decision
from hoopd.policy.explanation import NeedTold, RuleTold, needs_told, rules_told
from hoopd.policy.loading import load
from hoopd.policy.matching import Circumstances
from hoopd.policy.model import Policy
from hoopd.policy.nodes import read
from hoopd.policy.problems import PolicyError, Problem, at
from hoopd.recording.ports import SessionRow, StatementRow
from hoopd.runtime import clock
from hoopd.runtime.policies import Policies
from hoopd.session.judgement import JudgedStatement, PolicyInForce, Verdict, judge
from hoopd.sql.catalog import Catalog
from hoopd.sql.parser import allow_deep_recursion

DEFAULT_PATH = '"$user", public'
MAX_SQL = 100_000
MAX_STATEMENTS = 100
"""Of one question: the answer has every rule for every statement (INV-9)."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_KEY = b"nothing is compared by the hashes of a question"
"""Credentials in a question's text are shown as hashes under it."""


class Catalogs(Protocol):
    """Where the catalog of a connection is read: ``runtime.catalog.CatalogReader``."""

    @property
    def server_version(self) -> int: ...

    async def current(self) -> Catalog: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A connection that can be asked about. ``user`` is the role that its sessions have."""

    connection: Connection
    user: str
    catalogs: Catalogs


class Asked(Protocol):
    """Who asked in a recorded session: the groups and the search path are those with which it began."""

    @property
    def session(self) -> SessionRow: ...

    @property
    def groups(self) -> frozenset[str]: ...

    @property
    def search_path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Question:
    """``policy`` None: the one in force."""

    sql: str
    principal: Principal
    connection: str
    application: str = ""
    search_path: str | None = None
    policy: PolicyInForce | None = None
    at: datetime | None = None
    """When it would be asked: now, where that is not said."""


@dataclass(frozen=True, slots=True)
class StatementTold:
    """One statement of a text, and all that the policy says of it. ``masks``: column and the mask on it."""

    judged: JudgedStatement
    rules: tuple[RuleTold, ...]
    needs: tuple[NeedTold, ...]
    masks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """``decision`` is that of the whole text; ``connect`` that of opening a session to ask it in."""

    decision: Decision
    connect: Decision
    statements: tuple[StatementTold, ...]
    version: PolicyVersion


@dataclass(frozen=True, slots=True)
class CaseResult:
    """``failures`` in words; none where the case holds."""

    name: str
    outcome: Outcome
    rules: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class Change:
    """A recorded statement that a new policy decides on otherwise than the one in force. ``message`` is a denial's."""

    row: StatementRow
    outcome: Outcome
    rules: tuple[str, ...]
    message: str | None
    what: tuple[str, ...]
    """What differs: ``connect``, ``outcome``, ``reviewers``, ``masks``, ``limits``."""


@dataclass(slots=True)
class Simulated:
    """``skipped``: of connections that the gateway has no more, or that the policy in force does not decide on now as
    was recorded then: the state that they were asked in is not known.
    """

    statements: int = 0
    changed: int = 0
    skipped: int = 0
    by: dict[tuple[str, str], int] = field(default_factory=dict)
    """Old and new outcome, and how many statements go from one to the other."""


@dataclass(frozen=True, slots=True)
class _Outlook:
    connect: Decision
    verdict: Verdict

    @property
    def _refused(self) -> bool:
        return self.connect.outcome is Outcome.deny

    @property
    def outcome(self) -> Outcome:
        return Outcome.deny if self._refused else self.verdict.decision.outcome

    @property
    def rules(self) -> tuple[str, ...]:
        return self.connect.rules if self._refused else self.verdict.decision.rules

    @property
    def message(self) -> str | None:
        return self.connect.message if self._refused else self.verdict.decision.message

    def differences(self, other: _Outlook) -> tuple[str, ...]:
        """What would be noticed by whoever asks, or by who is asked."""
        mine, its = self.verdict, other.verdict
        found = {
            "connect": self.connect.outcome is not other.connect.outcome,
            "outcome": mine.decision.outcome is not its.decision.outcome,
            "reviewers": _seats(mine.decision) != _seats(its.decision),
            "masks": [one.plan.columns for one in mine.statements] != [one.plan.columns for one in its.statements],
            "limits": mine.decision.limits != its.decision.limits,
        }
        return tuple(word for word, differs in found.items() if differs)


def _seats(decision: Decision) -> list[tuple[list[str], int]]:
    """Who has to be asked, whatever the rules are called."""
    return sorted((sorted(seat.groups), seat.needed) for seat in decision.review.seats) if decision.review else []


def _circumstances(question: Question, place: Place) -> Circumstances:
    return Circumstances(question.principal, place.connection, question.application, question.at or clock.now())


class PolicyDesk:
    """``asker`` tells who asked in a recorded session."""

    def __init__(
        self,
        policies: Policies,
        places: Mapping[str, Place],
        asker: Callable[[SessionId], Awaitable[Asked | None]],
    ) -> None:
        allow_deep_recursion()
        self._policies = policies
        self._places = places
        self._asker = asker

    def check(
        self, text: str, source: str, connections: Collection[str] | None = None
    ) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        """Errors, which keep the file from loading, and advice. There is no advice on a file with errors.

        ``connections``: names that may be told of; all of them unless given. Of a large file it takes a while.
        """
        try:
            policy = load(text, source, tuple(self._places) if connections is None else connections)
        except PolicyError as problem:
            return problem.problems, ()
        return (), advised(policy, text, source)

    def draft(self, text: str, source: str) -> PolicyInForce:
        """A policy that is not in force, to ask about. Raises PolicyError."""
        return PolicyInForce(load(text, source, tuple(self._places)), PolicyVersion(0))

    async def explain(self, question: Question) -> Explanation:
        """Why a statement is decided on as it is.

        Raises:
            NotFound: no such connection.
            InvalidInput: there is no statement in the text, or too much of it.
            Unavailable: the catalog cannot be read, or no policy is loaded.
        """
        in_force = question.policy or self._policies.current
        place = self._place(question.connection)
        circumstances = Circumstances(
            question.principal, place.connection, question.application, question.at or clock.now()
        )
        verdict = await self._verdict(question, in_force, place, circumstances)
        if len(verdict.statements) > MAX_STATEMENTS:
            raise InvalidInput(f"the text has more than {MAX_STATEMENTS} statements")
        return await asyncio.to_thread(_explained, verdict, in_force, circumstances)

    async def test(self, text: str, source: str, policy: PolicyInForce | None = None) -> list[CaseResult]:
        """Try every case of a file. Raises PolicyError for a file that is none, else as ``explain``."""
        cases = load_cases(text, source)
        in_force = policy or self._policies.current
        return [await self._case(case, cases, in_force) for case in cases.cases]

    async def simulate(
        self, policy: PolicyInForce, rows: AsyncIterator[StatementRow], told: Simulated
    ) -> AsyncIterator[Change | None]:
        """For each statement, what ``policy`` decides otherwise than the one in force, or None; ``told`` counts.

        Each is judged as it was asked, with the groups and the time of then, but under the catalog of now.
        """
        sessions: dict[str, Asked | None] = {}
        async for row in rows:
            if row.session not in sessions:
                sessions[row.session] = await self._asker(SessionId(row.session))
            yield await self._simulated(policy, row, sessions[row.session], told)
            await asyncio.sleep(0)

    async def _simulated(
        self, policy: PolicyInForce, row: StatementRow, session: Asked | None, told: Simulated
    ) -> Change | None:
        told.statements += 1
        if session is None or row.connection not in self._places:
            told.skipped += 1
            return None
        of = session.session
        principal = Principal(of.issuer, of.subject, of.email, session.groups, frozenset(), _NEVER)
        path = session.search_path or None
        question = Question(row.sql, principal, row.connection, of.application, path, at=row.at)
        try:
            now, then = [await self._outlook(question, each) for each in (self._policies.current, policy)]
        except HoopError:
            told.skipped += 1
            return None
        if str(now.outcome) != row.decision:  # it was asked in a state that the record does not tell
            told.skipped += 1
            return None
        what = now.differences(then)
        if not what:
            return None
        told.changed += 1
        key = (str(now.outcome), str(then.outcome))
        told.by[key] = told.by.get(key, 0) + 1
        return Change(row, then.outcome, then.rules, then.message, what)

    async def _outlook(self, question: Question, in_force: PolicyInForce) -> _Outlook:
        """What a policy says of a statement, and of opening the session that it was asked in."""
        place = self._place(question.connection)
        circumstances = _circumstances(question, place)
        connect = connect_decision(in_force.policy, in_force.version, circumstances)
        verdict = await self._verdict(question, in_force, place, circumstances)
        return _Outlook(connect, verdict)

    async def _case(self, case: Case, cases: Cases, in_force: PolicyInForce) -> CaseResult:
        name = case.connection or cases.connection or ""
        place = self._place(name)
        at = _in_zone(case.at, in_force.policy)
        circumstances = Circumstances(case.asker.principal, place.connection, case.asker.application, at)
        masked: tuple[str, ...] = ()
        if case.sql is None:
            decision = connect_decision(in_force.policy, in_force.version, circumstances)
        else:
            question = Question(case.sql, case.asker.principal, name, case.asker.application, case.search_path)
            verdict = await self._verdict(question, in_force, place, circumstances)
            decision = verdict.decision
            masked = tuple(sorted({str(column) for one in verdict.statements for column in one.plan.masked}))
        return CaseResult(case.name, decision.outcome, decision.rules, tuple(_failures(case, decision, masked)))

    def _place(self, name: str) -> Place:
        place = self._places.get(name)
        if place is None:
            known = ", ".join(sorted(self._places))
            raise NotFound(f'there is no connection "{name}"', hint=f"there are: {known}")
        return place

    async def _verdict(
        self, question: Question, in_force: PolicyInForce, place: Place, circumstances: Circumstances
    ) -> Verdict:
        if len(question.sql) > MAX_SQL:
            raise InvalidInput(f"the text has more than {MAX_SQL} characters")
        catalog = await place.catalogs.current()
        path = DEFAULT_PATH if question.search_path is None else question.search_path
        state = SessionState(path, "none", place.user, "I", place.catalogs.server_version)
        return await asyncio.to_thread(judge, question.sql, state, catalog, in_force, circumstances, _KEY)


def advised(policy: Policy, text: str, source: str) -> tuple[Problem, ...]:
    """Advice on a policy that loads, each with its place in the file."""
    root = read(text)
    return tuple(at(path, root, source, sentence) for path, sentence in advice(policy))


def _in_zone(at: datetime | None, policy: Policy) -> datetime:
    if at is None:
        return clock.now()
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(policy.timezone or "UTC"))


def _explained(verdict: Verdict, in_force: PolicyInForce, circumstances: Circumstances) -> Explanation:
    policy = in_force.policy
    return Explanation(
        verdict.decision,
        connect_decision(policy, in_force.version, circumstances),
        tuple(
            StatementTold(
                judged,
                rules_told(policy, judged.facts, circumstances, judged.decision),
                needs_told(policy, judged.facts, circumstances),
                _masks(judged),
            )
            for judged in verdict.statements
        ),
        in_force.version,
    )


def _masks(judged: JudgedStatement) -> tuple[tuple[str, str], ...]:
    named = judged.facts.output or ()
    return tuple(
        (column.name, mask.kind.value)
        for column, mask in zip(named, judged.plan.columns, strict=False)
        if mask is not None
    )


def _failures(case: Case, decision: Decision, masked: tuple[str, ...]) -> list[str]:
    found = []
    if decision.outcome is not case.expect:
        found.append(f"expected {case.expect}, and it is {decision.outcome} by {', '.join(decision.rules)}")
        if decision.message:
            found.append(decision.message)
    if case.rules is not None and set(case.rules) != set(decision.rules):
        found.append(f"expected the rules {', '.join(sorted(case.rules))}, and it is {', '.join(decision.rules)}")
    needed = sum(seat.needed for seat in decision.review.seats) if decision.review else 0
    if case.seats is not None and case.seats != needed:
        found.append(f"expected {case.seats} seats, and there are {needed}")
    if case.masked is not None and set(case.masked) != set(masked):
        wanted, got = (", ".join(sorted(columns)) or "nothing" for columns in (case.masked, masked))
        found.append(f"expected {wanted} masked, and it is {got}")
    return found
