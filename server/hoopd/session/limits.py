"""What the limits of the policy mean for a statement, before it runs. Pure.

Rows really changed are known from the command tag alone, so a statement that changes rows in a place that its tag does
not count cannot be bounded, and neither can one that commits together with what it is to be judged by.
"""

from __future__ import annotations

from collections.abc import Sequence

from hoopd.domain.decision import Decision
from hoopd.sql.facts import Effect, Facts

COUNTED = frozenset({"insert", "update", "delete", "merge", "copy", "create_table_as", "select_into"})
"""Kinds whose tag ends with the number of rows that they wrote."""
UNCOUNTED = frozenset({"truncate", "refresh_materialized_view"})
GIVING_ROWS = COUNTED | {"select", "explain", "execute", "fetch", "show"}
_READING = frozenset({Effect.read})


def bounded(facts: Facts, decision: Decision) -> int | None:
    """How many rows it may change; None where it changes none that are counted, or nothing bounds it."""
    return decision.limits.changed_rows if facts.prepares is None and _counted(facts) else None


def limited(facts: Facts, decision: Decision) -> bool:
    """Whether it has to be seen to its end before anything that could commit it may follow."""
    if not decision.limits or facts.prepares is not None:
        return False
    return bounded(facts, decision) is not None or answers(facts, decision)


def answers(facts: Facts, decision: Decision) -> bool:
    """Whether the rows that it gives are counted: not those of a CALL, which could not be undone for them."""
    return (decision.limits.rows is not None or decision.limits.bytes is not None) and facts.kind in GIVING_ROWS


def only_reads(facts: Facts) -> bool:
    """Whether nothing is left to undo when it fails."""
    return facts.effects <= _READING


def may_commit(facts: Facts) -> bool:
    """Whether it may itself begin or end a transaction: EXECUTE too, of what is not known."""
    return Effect.transaction in facts.effects or _unknown(facts)


def refusal(batch: Sequence[tuple[Facts, Decision]]) -> tuple[int, str] | None:
    """The first statement of one message whose limits could not be held, by its number from 0, and why."""
    for number, (facts, decision) in enumerate(batch):
        if decision.limits and _unknown(facts):
            return number, "the policy limits this EXECUTE, and what it runs is not known any more: prepare it again"
        if decision.limits.changed_rows is not None and _changes(facts) and not _counted(facts):
            text = f"the policy bounds the rows that a statement changes to {decision.limits.changed_rows}, and "
            return number, f"{text}PostgreSQL does not count those of this one: write it in another way"
    transaction = next((n for n, (facts, _) in enumerate(batch) if may_commit(facts)), None)
    others = [facts for facts, _ in batch if not may_commit(facts)]
    if transaction is not None and any(limited(*one) for one in batch) and not all(map(only_reads, others)):
        return transaction, "limits of the policy hold for a statement of this message: send BEGIN and COMMIT apart"
    return None


def _kinds(facts: Facts) -> tuple[str, ...]:
    """Of what runs, first to last: EXECUTE is what it executes, and PREPARE what it will be."""
    kinds = facts.kinds or (facts.kind,)
    return kinds[1:] if kinds[0] in ("execute", "prepare") and len(kinds) > 1 else kinds


def _unknown(facts: Facts) -> bool:
    """An EXECUTE of which nobody knows any more what it runs."""
    return facts.kind == "execute" and len(facts.kinds) < 2


def _changes(facts: Facts) -> bool:
    return Effect.write in facts.effects and any(kind in COUNTED | UNCOUNTED for kind in _kinds(facts))


def _counted(facts: Facts) -> bool:
    first, *inner = _kinds(facts)
    return Effect.write in facts.effects and first in COUNTED and not any(kind in COUNTED | UNCOUNTED for kind in inner)
