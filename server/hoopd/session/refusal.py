"""How a statement is refused so that PostgreSQL's own rules go on holding (INV-8).

Outside a transaction a refused Query is answered here: nothing was begun. Everywhere else a failing message of the
gateway's own takes its place, so that the server itself aborts, keeps savepoints and skips to Sync; its error is
replaced by ours. Never a ROLLBACK, never a pretended state.
"""

from __future__ import annotations

from hoopd.domain.events import StatementFinished, StatementOutcome
from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields
from hoopd.session.core import Core
from hoopd.session.judgement import Verdict
from hoopd.session.state import Move, Phase
from hoopd.session.tables import OWN_PREFIX, ExpectQuery, ExpectRefusal

FAILING_TEXT = b"hoopd refused this statement"
"""A syntax error to every server; it carries our name so that the database's log says whose it is."""


def error(
    sqlstate: str, message: str, *, hint: str | None = None, detail: str | None = None, position: int | None = None
) -> ErrorFields:
    rest = {"P": str(position)} if position else {}
    return ErrorFields("ERROR", sqlstate, message, detail=detail, hint=hint, rest=rest)


def denial(verdict: Verdict) -> ErrorFields:
    """The policy's words on what it denies. Text that does not parse gets PostgreSQL's own error alone."""
    decision = verdict.decision
    misread = next((one.facts.error for one in verdict.statements if one.facts.error), None)
    rules = f"rule: {', '.join(decision.rules)}" if decision.rules and misread is None else None
    position = misread.position if misread else None
    text = decision.message or "denied by the policy"
    return error(decision.sqlstate, text, hint=decision.hint or rules, position=position)


def refuse_work(core: Core, fields: ErrorFields, outcome: StatementOutcome) -> None:
    """Refuse the message under ``core.work``, recording the end of each of its statements."""
    work = core.work
    assert work is not None
    for number in work.numbers:
        core.record(StatementFinished(number, outcome, "", None, 0.0, fields.sqlstate, fields.message))
    core.work = None
    core.go(Move.drop)
    if work.frame.kind in "QF":
        refuse_query(core, fields)
    else:
        refuse_extended(core, fields, parse_name=work.parse.name if work.parse else None)


def refuse_query(core: Core, fields: ErrorFields) -> None:
    """Refuse a Query (or a FunctionCall, which ends as a Query does)."""
    core.statements.pop("", None)
    if core.state.transaction == "I" and not core.unsynced:
        core.to_client(backend.make_error(fields) + backend.make_ready("I"))
        return
    core.expected.append(ExpectQuery(refusal=fields))
    core.to_server(frontend.make_query(FAILING_TEXT))
    core.unsynced = False
    core.go(Move.send_query)


def refuse_extended(core: Core, fields: ErrorFields, *, parse_name: str | None = None) -> None:
    """Refuse a message of the extended protocol: the server skips to Sync, and so does the machine.

    A refused Parse of the unnamed statement drops the one before, as a failing Parse does in PostgreSQL.
    """
    if core.phase is not Phase.ready:
        raise AssertionError(core.phase)
    name = OWN_PREFIX + "refused"
    if parse_name == "":
        name = ""
        core.statements.pop("", None)
    core.expected.append(ExpectRefusal(fields, unnamed=name == ""))
    core.unsynced = True
    core.skipping = True
    core.to_server(frontend.make_parse(name, FAILING_TEXT))
