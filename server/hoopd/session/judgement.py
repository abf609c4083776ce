"""From a text to a verdict: analysis, policy and masking put together. Pure.

A verdict covers every statement of its text; the batch takes the strictest decision, and a statement that no plan can
mask is denied whatever the rules say (INV-4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from hoopd.domain.decision import Decision, Outcome
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.request import Meeting, StatementFacts
from hoopd.domain.statement import SessionState
from hoopd.masking.plan import MaskPlan, plan
from hoopd.policy.evaluation import evaluate, mask_decision, masks_in_force, strictest
from hoopd.policy.matching import Circumstances
from hoopd.policy.model import Policy
from hoopd.session import limits
from hoopd.session.copy_data import APPROVED_BYTES, APPROVED_ROWS
from hoopd.sql.alike import free
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Copying, Effect, Facts, LockMode, ObjectKind
from hoopd.sql.literals import meetings
from hoopd.sql.named import NOTHING_NAMED, Named
from hoopd.sql.secrets import redact

_Kept = TypeVar("_Kept", "JudgedStatement", "Verdict")
_HARMLESS = frozenset({Effect.read, Effect.transaction, Effect.session})
UNSEEN = (
    f"The data that COPY brings is not seen before it runs: {APPROVED_ROWS} rows and {APPROVED_BYTES} bytes at most; "
    "the record keeps its hash."
)


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy that decides now, and its version."""

    policy: Policy
    version: PolicyVersion


@dataclass(frozen=True, slots=True)
class JudgedStatement:
    """One statement of a text: ``sql`` is its text without credentials, as it is recorded and shown.

    ``summary`` is the part of the facts that is recorded, and kept with a request; made once, since a verdict is kept.
    """

    facts: Facts
    decision: Decision
    plan: MaskPlan
    sql: str
    summary: StatementFacts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        facts = self.facts
        summary = StatementFacts(
            kind=facts.kind,
            effects=tuple(sorted(facts.effects)),
            accesses=tuple(str(access) for access in facts.accesses),
            functions=tuple(f"{f.schema}.{f.name}" if f.schema else f.name for f in facts.functions if not f.trusted),
            predicate=facts.predicate.value if facts.predicate else None,
            notes=self._notes(),
        )
        object.__setattr__(self, "summary", summary)

    def _notes(self) -> tuple[str, ...]:
        facts, notes = self.facts, []
        if facts.executes and facts.kinds[1:]:
            runs = " and ".join(kind.replace("_", " ").upper() for kind in facts.kinds[1:])
            notes.append(f"{facts.kind.upper()} runs by name what stands in front of it: {runs}.")
        if facts.copies is Copying.from_client:
            notes.append(UNSEEN)
        notes += lock_notes(facts)
        bound = limits.bounded(facts, self.decision)
        if bound:
            notes.append(f"At most {bound} rows are changed: past that, nothing is kept.")
        return tuple(notes)


_MEANWHILE = {
    LockMode.access_exclusive: "nobody reads or writes it meanwhile",
    LockMode.exclusive: "nobody writes it meanwhile",
    LockMode.share_row_exclusive: "nobody writes it meanwhile",
    LockMode.share: "nobody writes it meanwhile",
    LockMode.share_update_exclusive: "reading and writing go on, other maintenance waits",
}
SHOWN_LOCKS = 10


def lock_notes(facts: Facts) -> list[str]:
    """What a definition locks and writes anew, and whether it can be undone, in sentences for reviewers."""
    notes = [
        f"Locks {lock.table} ({lock.mode}): {_MEANWHILE[lock.mode]}"
        + (", and all of it is, or may be, written anew." if lock.rewrites else ".")
        for lock in facts.locks[:SHOWN_LOCKS]
        if lock.mode in _MEANWHILE
    ]
    more = len(facts.locks) - SHOWN_LOCKS
    if more > 0:
        notes.append(f"Locks {more} more tables.")
    if facts.final:
        notes.append("It cannot be rolled back.")
    return notes


def _leads_on(facts: Facts) -> bool:
    """Whether what it runs stands in users' definitions, which a moment ago may have been others."""
    views = any(access.kind is ObjectKind.view for access in facts.accesses)
    return views or any(function.schema not in (None, "pg_catalog") for function in facts.functions)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``decision`` is the strictest of the statements'. ``sql`` is the whole text without credentials.

    ``identity`` names the catalog rows that the facts rest on: it changes when what the statement names has changed.
    ``redacted``: ``sql`` is not what was typed (INV-7). ``meets``: for a review, which columns the literals and
    parameters of ``sql`` meet, whether they are masked for somebody now or not.
    """

    statements: tuple[JudgedStatement, ...]
    decision: Decision
    sql: str
    masking: bool
    identity: tuple[str, ...] = ()
    redacted: bool = False
    meets: tuple[Meeting, ...] = ()
    harmless: bool = field(init=False, repr=False, compare=False)
    """Only reads and the like, all of it understood."""
    plain: bool = field(init=False, repr=False, compare=False)
    """Harmless, and nothing is masked, and it is read through no view or function that another could have taken the
    place of: it may rest on a catalog of a moment ago."""

    def __post_init__(self) -> None:
        batch = [statement.facts for statement in self.statements]
        harmless = all(facts.effects <= _HARMLESS and facts.error is None and not facts.barrier for facts in batch)
        object.__setattr__(self, "harmless", harmless)
        object.__setattr__(self, "plain", harmless and not self.masking and not any(map(_leads_on, batch)))

    def same_as(self, other: Verdict) -> bool:
        """Whether an approval given on this verdict still holds under ``other`` (INV-5)."""
        return (
            self.identity == other.identity
            and self.decision.outcome == other.decision.outcome
            and self.decision.rules == other.decision.rules
            and self.decision.review == other.decision.review
            and [(s.facts, s.plan, s.decision.limits) for s in self.statements]
            == [(s.facts, s.plan, s.decision.limits) for s in other.statements]
        )


class Retelling:
    """A verdict as it is on other texts of the same shape (``sql.alike``), without judging them.

    Only for what ``of`` gives one: one harmless SELECT that is allowed, with nothing taken out of its text. Masks go by
    columns, so that the other text has the same.
    """

    __slots__ = ("_after", "_before", "_facts", "_verdict", "fixed")

    def __init__(self, verdict: Verdict, before: int, after: int, fixed: tuple[str | None, ...]) -> None:
        self._verdict, self._before, self._after = verdict, before, after
        facts = verdict.statements[0].facts
        self._facts = tuple(getattr(facts, each.name) for each in fields(facts))[1:]
        self.fixed = fixed
        """For each number of the shape, the text that it has to have, or None where any will do."""

    @classmethod
    def of(cls, verdict: Verdict, text: str, numbers: tuple[str, ...]) -> Retelling | None:
        """``verdict`` was given on ``text``, which has ``numbers``."""
        if len(verdict.statements) != 1 or not verdict.harmless or verdict.decision.outcome is not Outcome.allow:
            return None
        (judged,) = verdict.statements
        own = judged.facts.sql
        if judged.facts.kind != "select" or judged.facts.by_name or verdict.redacted or verdict.meets:
            return None
        if verdict.sql != text or judged.sql != own:
            return None
        before, _, after = text.partition(own)
        if not own or any(character.isdigit() for character in before + after):
            return None
        places = free(text)
        if len(places) != len(numbers) or not any(places):
            return None
        fixed = tuple(None if is_free else number for is_free, number in zip(places, numbers, strict=True))
        return cls(verdict, len(before), len(after), fixed)

    def fits(self, numbers: tuple[str, ...]) -> bool:
        return all(must is None or must == is_now for must, is_now in zip(self.fixed, numbers, strict=True))

    def on(self, text: str) -> Verdict:
        """The verdict on ``text``, whose numbers fit."""
        own = text[self._before : len(text) - self._after]
        judged = _copy(self._verdict.statements[0], facts=Facts(own, *self._facts), sql=own)
        return _copy(self._verdict, statements=(judged,), sql=text)


def _copy(given: _Kept, **changes: object) -> _Kept:
    """As ``dataclasses.replace``, but what is derived is not derived again: it is the same."""
    made = object.__new__(type(given))
    for each in type(given).__slots__:
        object.__setattr__(made, each, changes[each] if each in changes else getattr(given, each))
    return made


def judge(
    text: str,
    state: SessionState,
    catalog: Catalog,
    in_force: PolicyInForce,
    circumstances: Circumstances,
    redaction_key: bytes,
    named: Named = NOTHING_NAMED,
    types: tuple[int, ...] = (),
) -> Verdict:
    """The verdict on ``text`` as this session would run it now. ``named``: what it has by name, and may run by it;
    ``types``: oids of users' types that its parameters were given.

    People are shown, and the record keeps, what is executed by name in front of the text that executes it (INV-5).
    """
    batch = _unseen(analyse(text, state, catalog, named, types), state)
    rules = masks_in_force(in_force.policy, circumstances)
    plans = tuple(_silent(facts, plan(facts, rules, catalog)) for facts in batch)
    decisions = evaluate(in_force.policy, in_force.version, batch, circumstances)
    judged = tuple(
        JudgedStatement(
            facts,
            _by_name(facts, _with_mask(decision, made, in_force, state), named),
            made,
            redact(_expanded(facts.sql, [facts]), redaction_key)[0],
        )
        for facts, decision, made in zip(batch, decisions, plans, strict=True)
    )
    judged = _refuse_unbounded(_refuse_unjudgeable_order(judged, state))
    if judged:
        decision = strictest([statement.decision for statement in judged])
    else:
        decision = Decision(Outcome.allow, ("built-in: empty query",), in_force.version)
    identity = _identity(batch, catalog)
    text = _expanded(text, batch)
    if decision.outcome is Outcome.review and any(facts.expands for facts in batch):
        batch = analyse(text, state, catalog, named)
    recorded, redacted = redact(text, redaction_key)
    return Verdict(
        judged,
        decision,
        recorded,
        any(made.in_force for made in plans),
        identity,
        redacted,
        meetings(recorded, batch, state, catalog) if decision.outcome is Outcome.review else (),
    )


def _unseen(batch: tuple[Facts, ...], state: SessionState) -> tuple[Facts, ...]:
    """After definitions in its own transaction a session has objects that no catalog shows yet: what names something
    then may run any code (INV-2).
    """
    if not state.catalog_changed:
        return batch
    return tuple(
        replace(facts, effects=facts.effects | {Effect.opaque}, barrier=True, harmless=False)
        if facts.names_depend and facts.error is None
        else facts
        for facts in batch
    )


def _expanded(text: str, batch: Sequence[Facts]) -> str:
    return "".join(f"{prepare};\n" for facts in batch for prepare in facts.expands) + text


def _silent(facts: Facts, made: MaskPlan) -> MaskPlan:
    """What opens a cursor or prepares a statement gives no rows; the plan was made for those that it makes way for."""
    return replace(made, columns=()) if facts.opens is not None or facts.prepares is not None else made


def _by_name(facts: Facts, decision: Decision, named: Named) -> Decision:
    """PREPARE runs nothing yet, so that nobody has to approve it; FETCH goes on with what was decided at DECLARE."""
    if decision.outcome is not Outcome.review:
        return decision
    if facts.prepares is not None:
        if not facts.runs_at_parse:
            return replace(decision, outcome=Outcome.allow, review=None)
        text = "a literal of this statement is of a type whose checks would run before anybody could approve it"
        return replace(decision, outcome=Outcome.deny, message=text, review=None, sqlstate="0A000")
    cursor = named.cursor(facts.continues) if facts.continues is not None else None
    if cursor is None or cursor.decision is None or cursor.decision.outcome is Outcome.allow:
        return decision if facts.continues is None or cursor is None or cursor.decision is None else _stricter(decision)
    if (cursor.decision.rules, cursor.decision.review) == (decision.rules, decision.review):
        return replace(decision, outcome=Outcome.allow, review=None)
    return _stricter(decision)


def _stricter(decision: Decision) -> Decision:
    text = "the policy has changed since this cursor was opened: open it again"
    return replace(decision, outcome=Outcome.deny, message=text, review=None)


def _with_mask(decision: Decision, made: MaskPlan, in_force: PolicyInForce, state: SessionState) -> Decision:
    if decision.outcome is Outcome.deny:
        return decision
    if made.in_force and (state.catalog_changed or state.temporary_objects):
        return replace(
            decision,
            outcome=Outcome.deny,
            message="columns of this connection are masked, and this session has objects that only it can see: "
            "commit (or reconnect, for temporary objects) and send the statement again",
            review=None,
        )
    if made.outcome is Outcome.allow:
        return decision
    by_mask = mask_decision(
        in_force.policy, in_force.version, made.outcome, made.rules, made.message, sqlstate=made.sqlstate
    )
    return strictest([decision, by_mask])


def _refuse_unjudgeable_order(judged: tuple[JudgedStatement, ...], state: SessionState) -> tuple[JudgedStatement, ...]:
    """In one Query nothing can be judged in between: a barrier before what depends on names is refused."""
    if len(judged) < 2:
        return judged
    made: list[JudgedStatement] = []
    barrier: str | None = None
    for given in judged:
        statement = given
        if barrier is not None and statement.facts.names_depend:
            text = f"{barrier} can change what the statements after it mean: send them apart, each in its own query"
            denied = replace(statement.decision, outcome=Outcome.deny, message=text, review=None, sqlstate="0A000")
            statement = replace(statement, decision=denied)
        made.append(statement)
        if statement.facts.barrier or (Effect.transaction in statement.facts.effects and state.settings_local):
            barrier = statement.facts.kind.replace("_", " ").upper()
    return tuple(made)


def _refuse_unbounded(judged: tuple[JudgedStatement, ...]) -> tuple[JudgedStatement, ...]:
    """What the policy's limits could not be held on is denied."""
    found = limits.refusal([(one.facts, one.decision) for one in judged])
    if found is None or any(one.decision.outcome is Outcome.deny for one in judged):
        return judged
    number, text = found
    decision = replace(judged[number].decision, outcome=Outcome.deny, message=text, review=None, sqlstate="0A000")
    return (*judged[:number], replace(judged[number], decision=decision), *judged[number + 1 :])


def _identity(batch: Sequence[Facts], catalog: Catalog) -> tuple[str, ...]:
    """Of each table its oid and columns; where code of the database can run, the state of the whole catalog."""
    found: set[str] = set()
    for facts in batch:
        for access in facts.accesses:
            relation = catalog.relations.get((access.schema or "", access.name))
            if relation is None:
                continue
            columns = [(column.name, column.type_oid) for column in relation.columns or ()]
            found.add(f"{relation.schema}.{relation.name} {relation.oid} {columns}")
            if relation.kind not in (ObjectKind.table, ObjectKind.catalog) or relation.triggers or relation.has_rules:
                found.add(catalog.fingerprint)
        if any(not f.trusted or f.schema != "pg_catalog" for f in facts.functions) or Effect.opaque in facts.effects:
            found.add(catalog.fingerprint)
    return tuple(sorted(found))
