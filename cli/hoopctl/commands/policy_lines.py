"""The JSON lines of ``hoopctl policy`` (docs/json.md)."""

from __future__ import annotations

from hoopctl.client.policy import CaseResult, Change, Decision, Explanation, Problem, Totals, Version
from hoopctl.clock import rfc3339


def problem_as_line(problem: Problem) -> dict[str, object]:
    return {
        "event": "warning" if problem.warning else "problem",
        "source": problem.source,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }


def version_line(version: Version) -> dict[str, object]:
    """``text`` is null in a history."""
    return {
        "version": version.version,
        "at": rfc3339(version.at),
        "by": version.by,
        "source": version.source,
        "text": version.text or None,
    }


def explanation_line(told: Explanation, connection: str) -> dict[str, object]:
    return {
        "connection": connection,
        "user": told.user,
        "groups": list(told.groups),
        "policy_version": told.version,
        "decision": decision_line(told.decision),
        "connect": decision_line(told.connect),
        "statements": [
            {
                "sql": each.sql,
                "kind": each.kind,
                "decision": decision_line(each.decision),
                "accesses": [
                    {"access": a.access, "covered_by": list(a.covered_by), "built_in": a.built_in}
                    for a in each.accesses
                ],
                "rules": [
                    {"name": r.name, "says": r.says, "fits": r.fits, "decides": r.decides, "why": r.why}
                    for r in each.rules
                ],
                "masks": [{"column": column, "mask": mask} for column, mask in each.masks],
            }
            for each in told.statements
        ],
    }


def decision_line(decision: Decision) -> dict[str, object]:
    return {
        "outcome": decision.outcome,
        "rules": list(decision.rules),
        "message": decision.message,
        "hint": decision.hint,
        "seats": [{"rule": s.rule, "groups": list(s.groups), "needed": s.needed} for s in decision.seats],
        "reason_required": decision.reason_required,
        "hold_ms": decision.hold_ms or None,
        "expires_ms": decision.expires_ms or None,
    }


def case_line(result: CaseResult) -> dict[str, object]:
    return {
        "event": "case",
        "name": result.name,
        "ok": result.ok,
        "outcome": result.outcome,
        "rules": list(result.rules),
        "failures": list(result.failures),
    }


def change_line(change: Change) -> dict[str, object]:
    return {
        "event": "change",
        "statement": change.statement,
        "time": rfc3339(change.time),
        "principal": change.principal,
        "connection": change.connection,
        "sql": change.sql,
        "was": change.was,
        "was_by": list(change.was_by),
        "becomes": change.becomes,
        "becomes_by": list(change.becomes_by),
        "message": change.message,
        "what": list(change.what),
    }


def totals_as_line(totals: Totals) -> dict[str, object]:
    return {
        "event": "simulated",
        "statements": totals.statements,
        "changed": totals.changed,
        "skipped": totals.skipped,
        "moves": [{"was": was, "becomes": becomes, "statements": count} for was, becomes, count in totals.moves],
        "more": totals.more,
    }
