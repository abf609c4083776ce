"""Limits of the policy on what a statement really does (DESIGN.md section 8): seen, and undone when over.

Nothing that could commit a statement reaches the server before the statement's end was seen and is within its limits:

- Extended protocol: what follows a limited Execute waits for its answer, Sync too. When it is over, a failing message
  of the gateway's own takes the place of what follows, so that PostgreSQL aborts (``session.refusal``). Where nothing
  but reads has run outside a block, Sync need not wait: there is nothing to undo.
- Query, inside a block: the same, by a failing Query, before the client is told that the server is ready.
- Query, outside a block: in a transaction of the gateway's own, of which the client sees nothing; the last tag is held
  back until it has committed, as PostgreSQL itself sends it after that.

A statement that is over is an error to the client, in place of its tag: never a cut answer, never one that says it
succeeded.
"""

from __future__ import annotations

from hoopd.domain.events import StatementFinished, StatementOutcome
from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields
from hoopd.pgwire.framing import Frame
from hoopd.session import limits, names
from hoopd.session.commands import CancelServer, Finish, Time
from hoopd.session.core import Core, Work
from hoopd.session.refusal import FAILING_TEXT, error, refuse_extended
from hoopd.session.state import Move, Phase
from hoopd.session.tables import ExpectBind, ExpectExecute, ExpectOwn, ExpectQuery, ExpectSync, OwnStep, Running

TEXTS = {
    OwnStep.begin: b"BEGIN /* hoopd */",
    OwnStep.commit: b"COMMIT /* hoopd */",
    OwnStep.rollback: b"ROLLBACK /* hoopd */",
}
"""The gateway's own statements around a Query; the comment tells them apart in the database's log."""
_UNDONE = "undone: a statement of the same message went past a limit"
_NOT_BEGUN = "not run: the transaction around it did not begin"
_GIVEN_UP = "the gateway refused the data"
_CANCELLED = "canceling statement due to user request"


# Whether to wait


def waits(core: Core, frame: Frame) -> bool:
    """Whether ``frame`` could commit, or add to, what ``core.limited_ahead`` speaks of."""
    return frame.kind in "PBDEC" or (frame.kind == "S" and not (core.only_read and core.state.transaction == "I"))


def note_execute(core: Core, running: Running) -> None:
    """An Execute goes out."""
    if limits.limited(running.judged.facts, running.judged.decision):
        core.limited_ahead = True
    time(core, running)


def time(core: Core, running: Running | None) -> None:
    """A statement begins to run."""
    if running is None or not running.judged.decision.limits:
        return
    timeout = running.judged.decision.limits.statement_timeout
    if timeout is not None:
        core.emit(Time(running.number, timeout.total_seconds()))


def time_is_up(core: Core, running: Running) -> None:
    """What runs has run as long as it may; its end may still come before the cancel."""
    timeout = running.judged.decision.limits.statement_timeout
    if timeout is None:
        return
    text = f"canceling statement: it ran for {timeout.total_seconds():g} s, which is as long as the policy lets it"
    running.late = error("57014", text)
    core.emit(CancelServer())


# Answers and tags


def cut(core: Core, running: Running, size: int) -> bool:
    """Count one row of ``size`` bytes. True where it is past a limit: the client does not get it."""
    if running.over is not None:
        return True
    running.given_rows += 1
    running.given_bytes += size
    most = running.judged.decision.limits
    if most.rows is not None and running.given_rows > most.rows:
        text = f"the answer has more than {most.rows} rows, the policy's limit"
    elif most.bytes is not None and running.given_bytes > most.bytes:
        text = f"the answer has more than {most.bytes} bytes, the policy's limit"
    else:
        return False
    running.over = error("54000", text, hint="ask for less: add a WHERE or a LIMIT")
    core.emit(CancelServer())
    return True


def over(running: Running, frame: Frame) -> ErrorFields | None:
    """What is wrong with a statement that ends by this CommandComplete, or gives its rows in portions."""
    if running.over is not None:
        return running.over
    if not running.judged.decision.limits:
        return None
    bound = limits.bounded(running.judged.facts, running.judged.decision)
    if bound is None:
        return None
    if frame.kind == "s":
        text = "the rows that a statement changes are bounded, and it can be counted only when it gives all of its rows"
        return error("0A000", text, hint="ask for them at once, without a fetch size")
    tag = backend.read_command_tag(frame.body)
    rows = backend.rows_of_tag(tag)
    if rows is None and tag.startswith("CREATE"):
        return None  # WITH NO DATA
    if rows is not None and rows <= bound:
        return None
    verb = tag.split(" ")[0]
    text = f"{verb} touched {rows if rows is not None else 'uncounted'} rows; at most {bound} were allowed"
    return error("54000", text, hint="nothing of it was kept: change fewer rows at a time, or ask for a review")


def _finish(core: Core, running: Running, fields: ErrorFields) -> None:
    core.finish(running, StatementOutcome.error, sqlstate=fields.sqlstate, message=fields.message)


def refuse_portal(core: Core, running: Running, fields: ErrorFields) -> None:
    """An Execute that is over, its expectation taken away. Where Sync is out, nothing but reads was before it."""
    _finish(core, running, fields)
    if any(isinstance(one, ExpectSync) for one in core.expected):
        core.to_client(backend.make_error(fields))
        return
    if core.phase is Phase.draining:
        core.go(Move.drained)
    refuse_extended(core, fields)


def refuse_batch(core: Core, head: ExpectQuery, running: Running, fields: ErrorFields) -> None:
    """A statement of a Query that is over: nothing that still comes of the Query reaches the client."""
    head.over = fields
    _finish(core, running, fields)
    head.unseen = [rest for rest in head.running if not rest.ended]
    for rest in head.unseen:
        core.finish(rest, StatementOutcome.error, message=_UNDONE)


def dropped(core: Core, head: ExpectQuery, frame: Frame) -> None:
    """What comes of a Query after that. The server runs it to its end: what it makes and drops by name stays so."""
    if frame.kind == "G":
        core.to_server(frontend.make_copy_fail(_GIVEN_UP))
    elif frame.kind == "C" and head.unseen:
        names.completed(core, head.unseen.pop(0), backend.read_command_tag(frame.body))


# Around a Query


def needs_transaction(core: Core, work: Work) -> bool:
    """Whether a Query has to be sent in a transaction of the gateway's own."""
    assert work.verdict is not None
    every = work.verdict.statements
    return (
        core.state.transaction == "I"
        and any(limits.limited(one.facts, one.decision) for one in every)
        and not all(limits.only_reads(one.facts) for one in every)
        and not any(limits.may_commit(one.facts) for one in every)
    )


def begin(core: Core, work: Work) -> None:
    """Only when it has begun is the client's Query sent: a cancel could hit the BEGIN."""
    work.ticket = core.ticket()  # answers that are still to come are late
    core.statements.pop("", None)
    core.unsynced = False
    _own(core, ExpectOwn(OwnStep.begin))
    core.go(Move.send_query)


def _own(core: Core, expect: ExpectOwn) -> None:
    core.expected.append(expect)
    core.to_server(frontend.make_query(TEXTS[expect.step]))


def began(core: Core, status: str, failed: str) -> Work | None:
    """The answer to BEGIN is whole. The work whose Query goes out now, or None where it does not.

    Where it does not and ``status`` is ``I``, the client has still to be told that the server is ready. ``failed`` is
    the SQLSTATE of the error that the answer was.
    """
    work, core.work = core.work, None
    assert work is not None
    if status == "T" and not work.cancelled:
        core.expected.popleft()
        return work
    if status == "T":
        core.to_client(backend.make_error(error("57014", _CANCELLED)))
    outcome = StatementOutcome.cancelled if work.cancelled else StatementOutcome.error
    sqlstate = failed or "57014"
    for number in work.numbers:
        core.record(StatementFinished(number, outcome, "", None, 0.0, sqlstate, _NOT_BEGUN))
    if work.request is not None:
        core.emit(Finish(work.request))
    if status != "I":
        core.expected.popleft()
        _own(core, ExpectOwn(OwnStep.rollback))
    return None


def query_ended(core: Core, head: ExpectQuery, status: str) -> bool:
    """ReadyForQuery of a Query that was over, or ran in the gateway's own transaction. Whether it is the client's."""
    if head.own:
        if status == "I":
            core.end(
                "gateway", "the transaction around a limited statement ended before it was judged", sqlstate="XX000"
            )
            return False
        if head.over is not None:
            core.to_client(backend.make_error(head.over))
        core.expected.popleft()
        kept = status == "T" and head.over is None
        core.rolled_back = core.rolled_back or not kept
        waiting = [running for running in head.running if not running.ended]
        _own(core, ExpectOwn(OwnStep.commit if kept else OwnStep.rollback, waiting, head.withheld))
        return False
    assert head.over is not None
    if status == "T":
        core.expected.popleft()
        core.expected.append(ExpectQuery(refusal=head.over))
        core.to_server(frontend.make_query(FAILING_TEXT))
        return False
    core.to_client(backend.make_error(head.over))
    return True


def own_ended(core: Core, head: ExpectOwn, status: str) -> bool:
    """ReadyForQuery after COMMIT or ROLLBACK. Whether the client's Query is over with it."""
    if status != "I":  # a cancel has hit it
        core.expected.popleft()
        _own(core, ExpectOwn(OwnStep.rollback, head.running))
        return False
    for running in head.running:
        if not running.ended and head.step is OwnStep.commit:
            core.finish(running, StatementOutcome.done, tag=backend.read_command_tag(head.withheld[5:]))
            core.to_client(head.withheld)
    return True


def timed_out(core: Core, number: int) -> None:
    """The time of a statement is up: cancel it where it runs, and wait on where it is queued in the server."""
    for place, expected in enumerate(core.expected):
        running = _running(expected, number)
        if running is None:
            continue
        if place == 0:
            time_is_up(core, running)
        else:
            time(core, running)
        return


def _running(expected: object, number: int) -> Running | None:
    match expected:
        case ExpectQuery(running=every):
            return next((one for one in every if one.number == number and not one.ended), None)
        case ExpectBind(portal=portal) | ExpectExecute(portal=portal) if (
            portal.running is not None and portal.running.number == number
        ):
            return portal.running if not portal.running.ended else None
        case _:
            return None
