"""From facts to decisions: deny beats review beats allow, and what no rule covers gets the default.

The order of rules never matters, and each answer is a function of its arguments alone. A statement is allowed only
when every one of its needs (accesses, and effects without one) is surely covered by an allow rule. A review or deny
rule matches when any of them possibly fits it. A review rule covers what it surely fits, and no more: a rule that sends
writes of one table to review does not open the reading of another. Nothing here decides on masks: see ``masking.plan``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hoopd.domain.decision import Decision, Outcome, ReviewTerms
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.limits import least
from hoopd.domain.mask import MaskRule
from hoopd.policy.matching import (
    Circumstances,
    Need,
    any_fits,
    column_reads,
    fits_circumstances,
    fits_condition,
    fits_connection,
    fits_statement,
    is_built_in,
    is_one_of,
    local,
    needs,
    surely_fits,
)
from hoopd.policy.model import Policy, Rule
from hoopd.policy.terms import merged, terms_of
from hoopd.sql.facts import Effect, Facts, ObjectKind

DEFAULT = "default"
_CATALOGS = "built-in: catalogs that carry no data"
_SHOWN = 3
_NEXT = "Ask the people who keep the policy, or reach the data in another way that it allows."


def evaluate(
    policy: Policy, version: PolicyVersion, batch: Sequence[Facts], circumstances: Circumstances
) -> tuple[Decision, ...]:
    """One decision for each statement of a batch, in its order. Of the batch as a whole, see ``strictest``."""
    around = local(circumstances, policy.timezone)
    applying = [rule for rule in policy.rules if not rule.connects and fits_circumstances(rule.match, around)]
    return tuple(
        _bounded(_statement(policy, version, applying, facts, around), policy, applying, facts, around)
        for facts in batch
    )


def connect_decision(policy: Policy, version: PolicyVersion, circumstances: Circumstances) -> Decision:
    """Whether the principal may open a session on the connection. Where no ``connect`` rule speaks, the default."""
    around = local(circumstances, policy.timezone)
    rules = [
        rule
        for rule in policy.rules
        if rule.connects
        and fits_circumstances(rule.match, around)
        and fits_condition(rule.match, around, None, surely=rule.outcome is Outcome.allow)
    ]
    found = _by_rules(policy, version, rules)
    if found is not None and found.outcome is Outcome.deny:
        refusal = found.message or f"the policy denies {_who(circumstances)}"
        return Decision(Outcome.deny, found.rules, version, refusal, _NEXT)
    if found is not None:
        return found
    return _default(policy, version, f"no rule allows {_who(circumstances)}")


def strictest(decisions: Iterable[Decision]) -> Decision:
    """The one decision of a batch: a deny if any is denied, else a review on all the terms, else allow.

    ValueError for no decisions at all: there is no answer that would be safe to invent.
    """
    every = list(decisions)
    if not every:
        raise ValueError("no decision to choose from")
    outcome = max((decision.outcome for decision in every), key=lambda outcome: outcome.strictness)
    deciding = [decision for decision in every if decision.outcome is outcome]
    limits = least(decision.limits for decision in every)
    if outcome is Outcome.deny:
        return deciding[0]
    rules = tuple(sorted({rule for decision in deciding for rule in decision.rules}))
    terms = [decision.review for decision in deciding if decision.review is not None]
    return Decision(outcome, rules, deciding[0].policy_version, review=merged(terms) if terms else None, limits=limits)


def masks_in_force(policy: Policy, circumstances: Circumstances) -> tuple[MaskRule, ...]:
    """The masks that hold for the principal on the connection. One exception lifts its own mask only."""
    return tuple(
        MaskRule(mask.title, mask.columns, mask.mask, mask.predicates)
        for mask in policy.masks
        if fits_connection(mask.connections, circumstances.connection)
        and not (mask.excepted is not None and is_one_of(mask.excepted, circumstances.principal))
    )


def mask_decision(
    policy: Policy,
    version: PolicyVersion,
    outcome: Outcome,
    rules: tuple[str, ...],
    message: str | None,
    sqlstate: str = "42501",
) -> Decision:
    """What ``masking.plan`` says of a statement, as a decision: a review is on the policy's ``reviewers``.

    A review that nobody could do is a denial.
    """
    if outcome is Outcome.review and policy.reviewers is not None:
        seats = tuple(terms_of(rule, policy.reviewers) for rule in rules)
        return Decision(outcome, rules, version, message, review=merged(seats))
    if outcome is Outcome.allow:
        return Decision(outcome, rules, version)
    return Decision(Outcome.deny, rules, version, message, _NEXT, sqlstate=sqlstate)


def _statement(
    policy: Policy, version: PolicyVersion, rules: Sequence[Rule], facts: Facts, around: Circumstances
) -> Decision:
    if facts.error is not None:
        error = facts.error
        return Decision(
            Outcome.deny,
            ("built-in: text that is not understood",),
            version,
            error.message,
            error.hint,
            sqlstate=error.sqlstate,
        )
    if facts.forbidden is not None:
        return Decision(Outcome.deny, ("built-in: never allowed",), version, facts.forbidden)
    wanted = needs(facts)
    strict = [rule for rule in rules if rule.outcome is not Outcome.allow and may_fit(rule, wanted, facts, around)]
    found = _by_rules(policy, version, strict)
    if found is not None and found.outcome is Outcome.deny:
        message = found.message or f"the policy denies this statement by the rule `{found.rules[0]}`"
        return Decision(Outcome.deny, found.rules, version, message, _NEXT)
    if facts.harmless:
        return found or Decision(Outcome.allow, (_built_in(facts),), version)
    allowing = [
        rule
        for rule in rules
        if rule.outcome is Outcome.allow and fits_statement(rule.match, facts, surely=True, circumstances=around)
    ]
    holding = [rule for rule in strict if fits_condition(rule.match, around, facts, surely=True)]
    covering = [rule.match for rule in (*allowing, *holding)]
    uncovered = [
        need for need in wanted if not is_built_in(need) and not any(surely_fits(match, need) for match in covering)
    ]
    decided = [_default(policy, version, _not_covered(uncovered), _sqlstate(uncovered))] if uncovered else []
    if found is not None:
        return strictest([found, *decided])
    return decided[0] if decided else Decision(Outcome.allow, _covering(allowing, wanted), version)


def _bounded(
    decision: Decision, policy: Policy, rules: Sequence[Rule], facts: Facts, around: Circumstances
) -> Decision:
    """With the least of the policy's limits and those of every rule that possibly fits, whatever each says."""
    bounds = [rule for rule in rules if rule.bounds]
    if decision.outcome is Outcome.deny or facts.harmless or not (bounds or policy.bounds):
        return decision
    wanted = needs(facts)
    fitting = [rule.bounds for rule in bounds if may_fit(rule, wanted, facts, around)]
    return replace(decision, limits=least([policy.bounds, *fitting]))


def may_fit(rule: Rule, wanted: Sequence[Need], facts: Facts, around: Circumstances) -> bool:
    """Whether a review or deny rule matches, and whether a rule's limits hold. The condition, which costs most, is
    asked last.
    """
    match = rule.match
    fits = any_fits(match, wanted) or (match.columns is not None and any_fits(match, column_reads(facts)))
    return fits and fits_statement(match, facts, surely=False, circumstances=around)


def _by_rules(policy: Policy, version: PolicyVersion, rules: Sequence[Rule]) -> Decision | None:
    """What rules that all match come to; None of none."""
    if not rules:
        return None
    outcome = max((rule.outcome for rule in rules), key=lambda outcome: outcome.strictness)
    deciding = sorted((rule for rule in rules if rule.outcome is outcome), key=lambda rule: rule.name)
    names = tuple(rule.name for rule in deciding)
    if outcome is Outcome.deny:
        messages = dict.fromkeys(rule.message for rule in deciding if rule.message is not None)
        return Decision(outcome, names, version, "; ".join(messages) or None)
    if outcome is Outcome.review:
        return Decision(outcome, names, version, review=merged(_terms(policy, rule) for rule in deciding))
    return Decision(outcome, names, version)


def _terms(policy: Policy, rule: Rule) -> ReviewTerms:
    terms = rule.review or policy.reviewers
    # `policy.checks` has made sure of it; a policy made in another way must not release anything.
    if terms is None:
        raise ValueError(f"the rule `{rule.name}` asks for a review on no terms")
    return terms_of(rule.name, terms)


def _default(policy: Policy, version: PolicyVersion, message: str, sqlstate: str = "42501") -> Decision:
    if policy.default is Outcome.allow:
        return Decision(Outcome.allow, (DEFAULT,), version)
    if policy.default is Outcome.review and policy.reviewers is not None:
        return Decision(Outcome.review, (DEFAULT,), version, review=terms_of(DEFAULT, policy.reviewers))
    return Decision(Outcome.deny, (DEFAULT,), version, message, _NEXT, sqlstate=sqlstate)


def _sqlstate(uncovered: Sequence[Need]) -> str:
    """What PostgreSQL would say of a relation that is not there, where that alone is wrong: tools look for it."""
    missing = [
        need.access is not None and not need.access.known and need.access.kind is ObjectKind.unknown
        for need in uncovered
    ]
    return "42P01" if all(missing) else "42501"


def _not_covered(uncovered: Sequence[Need]) -> str:
    shown = [str(need) for need in uncovered[:_SHOWN]]
    more = len(uncovered) - len(shown)
    return "no rule allows " + ", ".join(shown) + (f" and {more} more" if more else "")


def _covering(rules: Sequence[Rule], wanted: Sequence[Need]) -> tuple[str, ...]:
    names = sorted(rule.name for rule in rules if any(surely_fits(rule.match, need) for need in wanted))
    return tuple(names) or (_CATALOGS,)


def _built_in(facts: Facts) -> str:
    if Effect.transaction in facts.effects:
        return "built-in: transaction control"
    if Effect.session in facts.effects or facts.kind in ("show", "deallocate", "close"):
        return "built-in: harmless settings, SHOW, DEALLOCATE and CLOSE"
    return _CATALOGS


def _who(circumstances: Circumstances) -> str:
    return f"{circumstances.principal.name} to connect to {circumstances.connection.name}"
