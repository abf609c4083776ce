"""The extended protocol: Parse, Bind, Describe, Execute, Close (PostgreSQL documentation, 54.2.3).

A Parse is judged without values and recorded as prepared. A Bind is judged, held and recorded as about to run before
it is sent, since path, plan and parameters become fixed there and functions may already run. An Execute goes only to
a portal whose Bind was decided.
"""

from __future__ import annotations

from dataclasses import replace

from hoopd.domain.decision import Outcome
from hoopd.domain.events import StatementOutcome, StatementPrepared
from hoopd.domain.limits import least
from hoopd.pgwire import frontend
from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.framing import Frame
from hoopd.session import bounding, descriptions, effects, names
from hoopd.session.core import Core, Work
from hoopd.session.parameters import params_of
from hoopd.session.refusal import denial, error, refuse_extended, refuse_work
from hoopd.session.results import UnplannedResult, formatted
from hoopd.session.state import Move
from hoopd.session.tables import (
    MAX_KEPT_TEXT,
    MAX_NAME_BYTES,
    MAX_PARAMETER_BYTES,
    MAX_PORTALS,
    OWN_PREFIX,
    ExpectBind,
    ExpectClose,
    ExpectDescribe,
    ExpectDescription,
    ExpectExecute,
    ExpectOrigins,
    ExpectParse,
    ExpectParsedAnew,
    Portal,
    Prepared,
)
from hoopd.sql.facts import Copying, Effect
from hoopd.sql.parser import MAX_BYTES


def decode(raw: bytes) -> str:
    """Text of a statement; the encoding is pinned to UTF-8.

    Raises:
        WireError: not valid UTF-8, as PostgreSQL's 22021; or longer than is ever judged (54000), and then it is neither
            looked through nor recorded: texts of the size of a message would keep both for seconds.
    """
    if len(raw) > MAX_BYTES:
        raise WireError("54000", f"the text has {len(raw)} bytes; at most {MAX_BYTES} are judged")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise WireError("22021", f'invalid byte sequence for encoding "UTF8": 0x{raw[problem.start]:02x}') from None


def check_name(*names: str) -> None:
    """Refuse names of statements and portals that would not be to the server what they are in the gateway's tables.

    The server looks them up by their first 63 bytes alone (its hash tables have keys of NAMEDATALEN), so that two
    longer names here could be one there, and a decision on one would run the other (INV-1).

    Raises:
        WireError: the name is the gateway's own (42602) or too long (42622).
    """
    for name in names:
        if name.startswith(OWN_PREFIX):
            raise WireError("42602", f'names that begin with "{OWN_PREFIX}" are the gateway\'s own: choose another')
        if len(name.encode()) > MAX_NAME_BYTES:
            raise WireError("42622", f"names of statements and portals have {MAX_NAME_BYTES} bytes at most")


# Parse


def judged_parse(core: Core, work: Work) -> None:
    """What no parameter could make right is denied here, so that Describe leaks nothing."""
    assert work.parse is not None
    assert work.verdict is not None
    decision = work.verdict.decision
    full = names.statements_full(core, [work.text], replaced=work.parse.name)
    if full is not None:
        core.work = None
        core.go(Move.drop)
        refuse_extended(core, full)
        return
    if decision.outcome is Outcome.deny:
        _deny_parse(core, work)
        return
    if decision.outcome is Outcome.review and any(s.facts.runs_at_parse for s in work.verdict.statements):
        core.work = None
        core.go(Move.drop)
        refuse_extended(core, _unapproved_checks(), parse_name=work.parse.name)
        return
    _send_parse(core, work)


def _deny_parse(core: Core, work: Work) -> None:
    assert work.parse is not None
    assert work.verdict is not None
    core.decided(work, only_denied=True)
    refuse_work(core, denial(work.verdict), StatementOutcome.denied)


def _send_parse(core: Core, work: Work) -> None:
    assert work.parse is not None
    assert work.verdict is not None
    parse, statements = work.parse, work.verdict.statements
    first = statements[0].facts if statements else None
    found = tuple(sorted({str(effect) for s in statements for effect in s.facts.effects}))
    core.record(
        StatementPrepared(
            parse.name, work.verdict.sql, first.kind if first else "", found, work.verdict.decision.outcome
        )
    )
    if parse.name == "":
        core.statements.pop("", None)
    if any(s.facts.runs_at_parse for s in statements):
        effects.note_checks(core)
    prepared = Prepared(parse.name, work.text, work.frame.data, tuple(s.facts.kind for s in statements))
    prepared.types = work.types
    names.means(prepared, work.verdict)
    described = descriptions.asked_behind(core, work, prepared)
    core.expected += [ExpectParse(prepared), described]
    core.to_server(work.frame.data + frontend.make_describe("S", parse.name))
    core.unsynced = True
    core.work = None
    if described.assumed:
        core.go(Move.pass_on)
    else:
        core.to_server(frontend.FLUSH)
        core.go(Move.send_parse)


# Bind


def bound_work(core: Core, frame: Frame, bind: frontend.Bind) -> Work | None:
    """What a Bind asks to be judged, or None when it was refused or has to be described first."""
    prepared = core.statements.get(bind.statement)
    if prepared is None:
        refuse_extended(core, _no_statement(bind.statement))
        return None
    if prepared.doubtful and prepared.made_by is not None:
        refuse_extended(core, _replaced(bind.statement))
        return None
    if prepared.altered:
        prepared.altered = False
        refuse_extended(core, error("0A000", "cached plan must not change result type"))  # PostgreSQL's own words
        return None
    if prepared.doubtful or not prepared.described:
        return Work(frame, prepared.sql, core.ticket(), looked_at=prepared, types=prepared.types)
    if len(bind.values) != len(prepared.param_oids):
        wanted = len(prepared.param_oids)
        text = f'bind message supplies {len(bind.values)} parameters, but prepared statement "{bind.statement}" '
        refuse_extended(core, error("08P01", f"{text}requires {wanted}"))
        return None
    taken = core.portals.get(bind.portal) if bind.portal else None
    if taken is not None and not taken.declared and not taken.closing:
        refuse_extended(core, error("42P03", f'cursor "{bind.portal}" already exists'))
        return None
    if len(core.portals) >= MAX_PORTALS:
        refuse_extended(core, error("54000", f"a session may hold {MAX_PORTALS} portals at most"))
        return None
    _check_sizes(core, prepared, bind)
    _check_formats(prepared, bind)
    params = params_of(bind, prepared.param_oids)
    return Work(
        frame,
        prepared.sql,
        core.ticket(),
        bind=bind,
        prepared=prepared,
        params=params,
        param_oids=prepared.param_oids,
        types=prepared.types,
    )


def judged_look(core: Core, work: Work) -> None:
    """A Describe, or a Bind that has to be described or parsed anew first: the server may analyse the text again now,
    under another path, role or catalog than at Parse, and code that reads its literals runs (INV-1)."""
    prepared, verdict = work.looked_at, work.verdict
    assert prepared is not None
    assert verdict is not None
    if verdict.decision.outcome is Outcome.deny:
        core.decided(work, only_denied=True)
        refuse_work(core, denial(verdict), StatementOutcome.denied)
        return
    if any(one.facts.runs_at_parse for one in verdict.statements):
        if verdict.decision.outcome is Outcome.review:
            refuse_work(core, _unapproved_checks(), StatementOutcome.denied)
            return
        effects.note_checks(core)
    core.work = None
    core.go(Move.pass_on)
    if work.frame.kind == "D":
        _send_describe(core, work.frame)
        return
    if prepared.doubtful:
        _parse_anew(core, prepared)
        names.means(prepared, verdict)
    core.put_back(work.frame)
    core.expected.append(ExpectDescription(prepared))
    core.to_server(frontend.make_describe("S", prepared.name) + frontend.FLUSH)
    core.go(Move.send_parse)


def bind_anew(core: Core, work: Work) -> None:
    """The names of a statement stand for something else by now: the server has to read it again before it is bound."""
    assert work.prepared is not None
    work.prepared.doubtful = True
    core.work = None
    core.go(Move.pass_on)
    core.put_back(work.frame)


def _unapproved_checks() -> ErrorFields:
    text = "a literal of this statement is of a type whose checks would run before anybody could approve it"
    return error("0A000", text, hint="send it as a simple query, or pass the value as a parameter")


def _parse_anew(core: Core, prepared: Prepared) -> None:
    """Make sure that the server has the statement that was judged under this name, and no other."""
    prepared.described = False
    core.expected.append(ExpectParsedAnew(prepared))
    core.to_server(frontend.make_close("S", prepared.name) + prepared.parse)
    core.unsynced = True


def send_bind(core: Core, work: Work) -> None:
    """Send a decided Bind. Its statement counts as about to run from here on (INV-3)."""
    assert work.bind is not None
    assert work.verdict is not None
    prepared = core.statements.get(work.bind.statement)
    if prepared is None or prepared is not work.prepared:
        refuse_work(core, _no_statement(work.bind.statement), StatementOutcome.error)
        return
    running = None
    if work.verdict.statements:
        running = core.start(work.numbers[0], work.verdict.statements[0], work.request)
        try:
            running.relay.describe(formatted(prepared.fields or (), work.bind.result_formats))
        except UnplannedResult as problem:
            core.finish(running, StatementOutcome.denied, sqlstate="0A000", message=str(problem))
            core.work = None
            core.go(Move.drop)
            refuse_extended(core, error("0A000", str(problem), hint="prepare the statement again"))
            return
        facts = running.judged.facts
        if Effect.opaque in facts.effects or (facts.runs_at_parse and Effect.write in facts.effects):
            effects.note_effects(core, [running.judged.facts])  # code may run while the server plans the statement
    portal = Portal(
        work.bind.portal,
        prepared,
        running,
        serial=core.next_serial(),
        formats=tuple(work.bind.result_formats),
        minute=work.minute,
    )
    if running is not None:
        portal.judged, portal.looked_up = running.judged, names.looked_up(core, running.judged.facts)
    prepared.described = not prepared.changeable
    replaced = core.portals.pop(portal.name, None)
    core.portals[portal.name] = portal
    core.expected.append(ExpectBind(portal, replaced))
    core.to_server(work.frame.data)
    if running is not None and running.judged.plan.in_force:
        core.expected.append(ExpectOrigins(portal))
        core.to_server(frontend.make_describe("P", portal.name))
    core.unsynced = True
    core.work = None
    core.go(Move.pass_on)


def _check_sizes(core: Core, prepared: Prepared, bind: frontend.Bind) -> None:
    """INV-9: what one Bind has recorded, and what all portals keep."""
    given = sum(len(value) for value in bind.values if value is not None)
    if given > MAX_PARAMETER_BYTES:
        raise WireError("54000", f"the parameters have {given} bytes; a statement may have {MAX_PARAMETER_BYTES}")
    if len(prepared.sql) + sum(one.text_size for one in core.portals.values()) > MAX_KEPT_TEXT:
        raise WireError("54000", f"the texts of a session's portals have {MAX_KEPT_TEXT} characters at most")


def _check_formats(prepared: Prepared, bind: frontend.Bind) -> None:
    sent, columns = len(bind.result_formats), len(prepared.fields or ())
    if sent > 1 and sent != columns:
        raise WireError("08P01", f"bind message has {sent} result formats but query has {columns} columns")


# The others


def execute(core: Core, frame: Frame) -> None:
    """Only on a portal whose Bind was decided."""
    asked = frontend.read_execute(frame.body)
    check_name(asked.portal)
    portal = core.portals.get(asked.portal)
    if portal is None:
        refuse_extended(core, error("34000", f'portal "{asked.portal}" does not exist'))
        return
    if portal.doubtful:
        text = f'portal "{asked.portal}" cannot be trusted any more: code has run that could have replaced it'
        refuse_extended(core, error("34000", text, hint="bind the statement again"))
        return
    if portal.declared:
        text = f'cursor "{asked.portal}" was declared in SQL'
        refuse_extended(core, error("0A000", text, hint="FETCH from it"))
        return
    if portal.looked_up and core.barrier_ahead and core.expected:
        core.put_back(frame)
        core.to_server(frontend.FLUSH)
        core.go(Move.drain)
        return
    if names.changed(core, portal):
        text = "a name in this statement means something else than when it was bound"
        refuse_extended(core, error("26000", text, hint="bind the statement again"))
        return
    decided = portal.running.judged.decision.policy_version if portal.running is not None else None
    if decided is not None and (core.policy_version not in (None, decided) or core.minute != portal.minute):
        assert portal.prepared is not None
        core.ask(Work(frame, portal.prepared.sql, core.ticket(), execute=portal, types=portal.prepared.types))
        return
    _send_execute(core, frame, portal)


def judged_execute(core: Core, work: Work) -> None:
    """Another policy is in force than when the portal was bound, or it may say something else at this time: it goes on
    only if nothing stricter is said now.

    DESIGN.md section 4: at Execute the policy is checked again. Rows are masked by the plan of the Bind, so that a plan
    that is another now needs another Bind.
    """
    portal, verdict = work.execute, work.verdict
    assert portal is not None
    assert portal.running is not None
    assert verdict is not None
    before = portal.running.judged
    now = verdict.statements[0] if verdict.statements else None
    stricter = verdict.decision.outcome.strictness > before.decision.outcome.strictness
    others = now is not None and now.decision.review is not None and now.decision.review != before.decision.review
    if now is None or stricter or others or now.plan != before.plan:
        core.decided(work, only_denied=True)
        text = verdict.decision.message if verdict.decision.outcome is Outcome.deny else None
        changed = "the policy says something else than when this portal was bound: bind the statement again"
        refuse_work(core, error("42501", text or changed), StatementOutcome.denied)
        return
    bounds = least([before.decision.limits, now.decision.limits])
    decision = replace(before.decision, policy_version=now.decision.policy_version, limits=bounds)
    portal.running.judge(replace(before, decision=decision))
    portal.minute = work.minute
    core.work = None
    core.go(Move.pass_on)
    _send_execute(core, work.frame, portal)


def _send_execute(core: Core, frame: Frame, portal: Portal) -> None:
    if portal.running is not None:
        effects.note_effects(core, [portal.running.judged.facts])
        if portal.running.limited:
            bounding.note_execute(core, portal.running)
        portal.doubtful = False  # by its own code, which is what was judged
    core.expected.append(ExpectExecute(portal))
    core.to_server(frame.data)
    core.unsynced = True
    if portal.running is not None and portal.running.judged.facts.copies is Copying.from_client:
        core.go(Move.drain)  # what the server makes of the client's next messages depends on whether the COPY began


def describe(core: Core, frame: Frame) -> None:
    asked = frontend.read_describe(frame.body)
    check_name(asked.name)
    if asked.kind == "P":
        _send_describe(core, frame)
        return
    prepared = core.statements.get(asked.name)
    if prepared is None:
        refuse_extended(core, _no_statement(asked.name))
        return
    core.ask(Work(frame, prepared.sql, core.ticket(), looked_at=prepared, types=prepared.types))


def _replaced(name: str) -> ErrorFields:
    text = f'prepared statement "{name}" cannot be trusted any more: code has run that could have replaced it'
    return error("26000", text, hint="DEALLOCATE and PREPARE it again")


def _no_statement(name: str) -> ErrorFields:
    called = f'prepared statement "{name}"' if name else "unnamed prepared statement"
    return error("26000", f"{called} does not exist")


def _send_describe(core: Core, frame: Frame) -> None:
    core.expected.append(ExpectDescribe())
    core.to_server(frame.data)
    core.unsynced = True


def close(core: Core, frame: Frame) -> None:
    asked = frontend.read_close(frame.body)
    check_name(asked.name)
    if asked.kind == "S":
        core.expected.append(ExpectClose(core.statements.get(asked.name)))
    else:
        portal = core.portals.get(asked.name)
        if portal is not None:
            portal.closing = True
        core.expected.append(ExpectClose(portal))
    core.to_server(frame.data)
    core.unsynced = True


def flush(core: Core, frame: Frame) -> None:
    core.to_server(frame.data)
