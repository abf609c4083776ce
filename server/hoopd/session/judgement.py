"""From a text to a verdict: analysis, policy and masking put together. Pure.

A verdict covers every statement of its text; the batch takes the strictest decision, and a statement that no plan can
mask is denied whatever the rules say (INV-4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import Copying, Effect, Facts, ObjectKind
from hoopd.sql.literals import meetings
from hoopd.sql.named import NOTHING_NAMED, Named
from hoopd.sql.secrets import redact

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
    """One statement of a text: ``sql`` is its text without credentials, as it is recorded and shown."""

    facts: Facts
    decision: Decision
    plan: MaskPlan
    sql: str

    @property
    def summary(self) -> StatementFacts:
        """The part of the facts that is kept with a request."""
        facts = self.facts
        return StatementFacts(
            kind=facts.kind,
            effects=tuple(sorted(facts.effects)),
            accesses=tuple(str(access) for access in facts.accesses),
            functions=tuple(f"{f.schema}.{f.name}" if f.schema else f.name for f in facts.functions if not f.trusted),
            predicate=facts.predicate.value if facts.predicate else None,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        bound = limits.bounded(self.facts, self.decision)
        unseen = (UNSEEN,) if self.facts.copies is Copying.from_client else ()
        return (*unseen, f"At most {bound} rows are changed: past that, nothing is kept.") if bound else unseen


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


def judge(
    text: str,
    state: SessionState,
    catalog: Catalog,
    in_force: PolicyInForce,
    circumstances: Circumstances,
    redaction_key: bytes,
    named: Named = NOTHING_NAMED,
) -> Verdict:
    """The verdict on ``text`` as this session would run it now. ``named``: what it has by name, and may run by it.

    People are shown, and the record keeps, what is executed by name in front of the text that executes it (INV-5).
    """
    batch = analyse(text, state, catalog, named)
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
        if any(not function.trusted for function in facts.functions) or Effect.opaque in facts.effects:
            found.add(catalog.fingerprint)
    return tuple(sorted(found))
