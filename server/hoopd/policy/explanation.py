"""Why a policy decides as it does: each rule, whether it fits and what of it does not, in words for people.

Nothing is decided here: each answer comes from the functions that decide, asked one selector at a time, so that what is
told is what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hoopd.domain.decision import Decision, Outcome
from hoopd.policy.evaluation import may_fit
from hoopd.policy.matching import (
    Circumstances,
    Need,
    column_reads,
    fits_circumstances,
    fits_condition,
    fits_statement,
    is_built_in,
    local,
    needs,
    possibly_fits,
    surely_fits,
)
from hoopd.policy.model import Match, Policy, Rule
from hoopd.sql.facts import Facts


@dataclass(frozen=True, slots=True)
class RuleTold:
    """One rule of the file. ``says`` is its outcome; ``why`` a clause: what does not fit, or which accesses do.

    ``fits``: it has a say in this statement. ``decides``: the decision names it.
    """

    name: str
    says: str
    fits: bool
    decides: bool
    why: str


@dataclass(frozen=True, slots=True)
class NeedTold:
    """One thing that a rule has to cover, and the rules that do; none where the default decides, or a built-in."""

    access: str
    covered_by: tuple[str, ...]
    built_in: bool


def rules_told(policy: Policy, facts: Facts, circumstances: Circumstances, decision: Decision) -> tuple[RuleTold, ...]:
    """Every rule of the policy, in the order of the file."""
    wanted, around = needs(facts), local(circumstances, policy.timezone)
    return tuple(_told(rule, facts, wanted, around, decision) for rule in policy.rules)


def needs_told(policy: Policy, facts: Facts, circumstances: Circumstances) -> tuple[NeedTold, ...]:
    """Everything that the statement does, and what of the policy covers it."""
    around = local(circumstances, policy.timezone)
    applying = [r for r in policy.rules if not r.connects and fits_circumstances(r.match, around)]
    wanted = needs(facts)
    covering = [rule for rule in applying if _may_cover(rule, wanted, facts, around)]
    return tuple(
        NeedTold(
            str(need),
            tuple(sorted(rule.name for rule in covering if surely_fits(rule.match, need))),
            facts.harmless or is_built_in(need),
        )
        for need in wanted
    )


def _may_cover(rule: Rule, wanted: tuple[Need, ...], facts: Facts, around: Circumstances) -> bool:
    if rule.outcome is Outcome.allow:
        return fits_statement(rule.match, facts, surely=True, circumstances=around)
    holds = rule.outcome is Outcome.review and may_fit(rule, wanted, facts, around)
    return holds and fits_condition(rule.match, around, facts, surely=True)


def _told(
    rule: Rule, facts: Facts, wanted: tuple[Need, ...], circumstances: Circumstances, decision: Decision
) -> RuleTold:
    says = f"connect: {rule.outcome}" if rule.connects else str(rule.outcome)
    decides = not rule.connects and rule.name in decision.rules
    if rule.connects:
        return RuleTold(rule.name, says, False, False, "it speaks of opening a session")
    match, surely = rule.match, rule.outcome is Outcome.allow
    asked = _asked(match, wanted, facts, surely=surely)
    missing = list(_not_fitting(match, facts, asked, circumstances, surely=surely))
    if missing:
        return RuleTold(rule.name, says, False, decides, "; ".join(missing))
    fit = surely_fits if surely else possibly_fits
    found = [need for need in asked if fit(match, need)]
    if not found:
        return RuleTold(rule.name, says, False, decides, "nothing that it does fits all of the selectors at once")
    if surely and len(found) < len(wanted):
        return RuleTold(rule.name, says, True, decides, f"it covers {_listed(found)}, and no more")
    return RuleTold(rule.name, says, True, decides, f"it fits {_listed(found)}")


def _not_fitting(
    match: Match, facts: Facts, asked: tuple[Need, ...], circumstances: Circumstances, *, surely: bool
) -> Iterator[str]:
    """The selectors that do not fit even when they are asked alone."""
    fit = surely_fits if surely else possibly_fits
    given = [name for name in type(match).model_fields if getattr(match, name) is not None]
    for name in given:
        alone = match.model_copy(update={other: None for other in given if other != name})
        if (
            fits_circumstances(alone, circumstances)
            and fits_statement(alone, facts, surely=surely, circumstances=circumstances)
            and any(fit(alone, need) for need in asked)
        ):
            continue
        described = _IS.get(name)
        word = type(match).model_fields[name].alias or name
        yield f"`{word}` does not fit" + (f": {described(facts, circumstances)}" if described else "")


def _asked(match: Match, wanted: tuple[Need, ...], facts: Facts, *, surely: bool) -> tuple[Need, ...]:
    """What a rule is asked about: those with ``columns`` of every column that is read, too (``evaluation``)."""
    return wanted if surely or match.columns is None else tuple(dict.fromkeys((*wanted, *column_reads(facts))))


def _listed(found: list[Need]) -> str:
    shown = ", ".join(str(need) for need in found[:3])
    return shown + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _principal(facts: Facts, circumstances: Circumstances) -> str:
    who = circumstances.principal
    return f"{who.name} is in {', '.join(sorted(who.groups)) or 'no group'}"


def _condition(facts: Facts, circumstances: Circumstances) -> str:
    return "it is false, or has no answer" + (f" at {circumstances.now:%H:%M}" if circumstances.now is not None else "")


_IS: dict[str, Callable[[Facts, Circumstances], str]] = {
    "connections": lambda facts, circumstances: f"this is {circumstances.connection.name}",
    "principals": _principal,
    "effects": lambda facts, circumstances: f"the statement's are {', '.join(sorted(facts.effects)) or 'none'}",
    "kinds": lambda facts, circumstances: f"the statement is {', '.join(facts.kinds or (facts.kind,))}",
    "objects": lambda facts, circumstances: ", ".join(str(a) for a in facts.accesses[:3]) or "it names no object",
    "client": lambda facts, circumstances: f"the client's name is {circumstances.application or 'not given'}",
    "application": lambda facts, circumstances: f"it is {circumstances.application or 'not given'}",
    "condition": _condition,
    "predicate": lambda facts, circumstances: f"it is {facts.predicate or 'of no UPDATE or DELETE'}",
}
"""What the statement has in place of what a selector wants."""
