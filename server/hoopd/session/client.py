"""What the client sends, one message at a time, and what becomes of each once it is decided."""

from __future__ import annotations

from collections.abc import Callable

from hoopd.domain.decision import Outcome
from hoopd.domain.events import StatementOutcome
from hoopd.domain.limits import NO_LIMITS
from hoopd.masking.placeholders import refusal
from hoopd.pgwire import frontend
from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import Frame
from hoopd.session import bounding, copying, effects, extended, holding, names
from hoopd.session.core import Core, Work
from hoopd.session.events import Judged, JudgingFailed
from hoopd.session.refusal import denial, error, refuse_extended, refuse_query, refuse_work
from hoopd.session.state import Move, Phase
from hoopd.session.tables import ExpectQuery, ExpectSync

MAX_INBOX_BYTES = 1024 * 1024
"""Read-ahead behind a message that waits; the interpreter stops reading at this (INV-9)."""


_ABORTED = "current transaction is aborted, commands ignored until end of transaction block"


def advance(core: Core) -> None:
    """Take messages from the inbox until one has to wait."""
    while core.phase in (Phase.ready, Phase.copying) and core.inbox:
        if core.phase is Phase.copying:
            copying.forward(core, core.take())
            continue
        if _must_drain(core, core.inbox[0]):
            core.to_server(frontend.FLUSH)
            core.go(Move.drain)
            return
        frame = core.take()
        if core.skipping and frame.kind not in "SX":
            continue
        handler = _HANDLERS.get(frame.kind)
        if handler is None:
            core.end("client", f"invalid frontend message type {ord(frame.kind)}", sqlstate="08P01")
            return
        try:
            handler(core, frame)
        except WireError as problem:
            refuse_frame(core, frame, problem)


def refuse_frame(core: Core, frame: Frame, problem: WireError) -> None:
    """A message whose body cannot be read is refused like a statement; broken framing would end the session."""
    fields = error(problem.sqlstate, problem.message)
    if frame.kind in "QF":
        refuse_query(core, fields)
    else:
        refuse_extended(core, fields)


def _must_drain(core: Core, frame: Frame) -> bool:
    """A Query never overtakes; nothing is judged while something before it may change what it means, and nothing that
    could commit goes out while something before it may be past a limit.

    A portal is described as its Bind made it, with no text analysed again. Between the two a read-back of ours would be
    a statement run in the same implicit transaction, which VACUUM refuses and which makes LOCK TABLE legal.
    """
    if not core.expected or core.skipping:
        return False
    judged = frame.kind in "PB" or (frame.kind == "D" and frame.body[:1] != b"P")
    return frame.kind in "QF" or (judged and core.barrier_ahead) or (core.limited_ahead and bounding.waits(core, frame))


def _query(core: Core, frame: Frame) -> None:
    text = extended.decode(frontend.read_query(frame.body))
    core.ask(Work(frame, text, core.ticket()))


def _parse(core: Core, frame: Frame) -> None:
    parse = frontend.read_parse(frame.body)
    extended.check_name(parse.name)
    types = names.users_types(parse.oids)
    core.ask(Work(frame, extended.decode(parse.sql), core.ticket(), parse=parse, types=types))


def _bind(core: Core, frame: Frame) -> None:
    bind = frontend.read_bind(frame.body)
    extended.check_name(bind.portal, bind.statement)
    work = extended.bound_work(core, frame, bind)
    if work is not None:
        core.ask(work)


def judged(core: Core, event: Judged) -> None:
    """The verdict on ``core.work``."""
    work = core.work
    assert work is not None
    work.verdict = event.verdict
    core.masking = core.masking or event.verdict.masking
    if work.cancelled:
        core.decided(work)
        refuse_work(core, error("57014", "canceling statement due to user request"), StatementOutcome.cancelled)
    elif work.parse is not None:
        extended.judged_parse(core, work)
    elif work.execute is not None:
        extended.judged_execute(core, work)
    elif work.looked_at is not None:
        extended.judged_look(core, work)
    elif work.prepared is not None and names.moved(work.prepared, event.verdict):
        extended.bind_anew(core, work)
    else:
        _judged_to_run(core, work)


def _judged_to_run(core: Core, work: Work) -> None:
    assert work.verdict is not None
    decision = work.verdict.decision
    match decision.outcome:
        case Outcome.deny:
            deny(core, work)
        case _ if (no_room := names.room(core, work)) is not None:
            core.decided(work)
            refuse_work(core, no_room, StatementOutcome.denied)
        case _ if (written_back := _placeholder(work)) is not None:
            core.decided(work)
            refuse_work(core, error("42501", written_back), StatementOutcome.denied)
        case Outcome.review if core.state.transaction == "E":
            core.decided(work)
            refuse_work(core, error("25P02", _ABORTED), StatementOutcome.error)
        case Outcome.review if any(frame.kind == "X" for frame in core.inbox):
            core.decided(work)
            core.end("client", "the client ended the session and did not wait")
        case Outcome.review:
            holding.hold(core)
        case Outcome.allow:
            core.decided(work)
            run(core, work)


def _placeholder(work: Work) -> str | None:
    """Why a parameter that looks like a masked value may not be written over the real one (THREATS 19), or None."""
    assert work.verdict is not None
    if not any(statement.plan.writes_masked for statement in work.verdict.statements):
        return None
    return refusal(work.text, (param.value for param in work.params))


def deny(core: Core, work: Work) -> None:
    """Refuse a statement with the policy's words."""
    assert work.verdict is not None
    core.decided(work)
    fields = denial(work.verdict)
    if core.state.transaction == "E" and fields.sqlstate in ("26000", "34000"):
        fields = error("25P02", _ABORTED)  # an aborted transaction looks up no name
    refuse_work(core, fields, StatementOutcome.denied)


def judging_failed(core: Core, event: JudgingFailed) -> None:
    """No verdict, or no way to ask people: fail closed (INV-2)."""
    assert core.work is not None
    refuse_work(core, error(event.sqlstate, event.message), StatementOutcome.denied)


def run(core: Core, work: Work) -> None:
    """Send what was decided: exactly the client's bytes (INV-1)."""
    if work.bind is not None:
        extended.send_bind(core, work)
        return
    assert work.verdict is not None
    if work.verdict.decision.limits is not NO_LIMITS and bounding.needs_transaction(core, work):
        bounding.begin(core, work)
        return
    send_query(core, work)
    core.go(Move.send_query)


def send_query(core: Core, work: Work, *, own: bool = False) -> None:
    """Send the client's Query. ``own``: inside a transaction of the gateway's own, which has begun."""
    assert work.verdict is not None
    expect = ExpectQuery(own=own)
    for number, judged_statement in zip(work.numbers, work.verdict.statements, strict=True):
        expect.running.append(core.start(number, judged_statement, work.request))
    effects.note_effects(core, [s.facts for s in work.verdict.statements])
    core.statements.pop("", None)
    core.expected.append(expect)
    core.to_server(work.frame.data)
    if expect.running and expect.running[0].limited:
        bounding.time(core, expect.running[0])
    core.unsynced = False
    core.work = None


def _sync(core: Core, frame: Frame) -> None:
    core.skipping = False
    core.expected.append(ExpectSync())
    core.to_server(frame.data)
    core.unsynced = False
    core.go(Move.send_query)


def _terminate(core: Core, frame: Frame) -> None:
    core.end("client", "the client ended the session")


def _ignore(core: Core, frame: Frame) -> None:
    """Copy data after a failed COPY: PostgreSQL passes over it as well (54.2.6)."""


def _function_call(core: Core, frame: Frame) -> None:
    text = "the function call protocol is refused by the gateway"
    refuse_query(core, error("0A000", text, hint="call the function in a SELECT"))


_HANDLERS: dict[str, Callable[[Core, Frame], None]] = {
    "Q": _query,
    "P": _parse,
    "B": _bind,
    "D": extended.describe,
    "E": extended.execute,
    "C": extended.close,
    "H": extended.flush,
    "S": _sync,
    "X": _terminate,
    "F": _function_call,
    "d": _ignore,
    "c": _ignore,
    "f": _ignore,
}
