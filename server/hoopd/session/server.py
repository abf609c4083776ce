"""What the database answers: matched with what was asked, masked, counted, recorded, and passed on.

An answer that was not asked for ends the session: nothing of it is passed on (INV-2, INV-4).
"""

from __future__ import annotations

from collections.abc import Callable

from hoopd.domain.events import StatementOutcome
from hoopd.pgwire import backend
from hoopd.pgwire.errors import ErrorFields, WireError, parse_error
from hoopd.pgwire.framing import Frame, Rows
from hoopd.session import bounding, client, copying, descriptions, holding, names, readback, values
from hoopd.session.commands import CatalogChanged
from hoopd.session.core import Core
from hoopd.session.results import UnplannedResult
from hoopd.session.state import Move, Phase
from hoopd.session.tables import (
    ExpectBind,
    ExpectClose,
    ExpectDescribe,
    ExpectDescription,
    Expected,
    ExpectExecute,
    ExpectOrigins,
    ExpectOwn,
    ExpectParse,
    ExpectParsedAnew,
    ExpectQuery,
    ExpectRefusal,
    ExpectSetting,
    ExpectSync,
    OwnStep,
    Portal,
    Prepared,
    Running,
)
from hoopd.sql.session_settings import PINNED


def receive(core: Core, frame: Frame) -> None:
    """Take one message of the server."""
    try:
        if frame.kind in _ANY_TIME:
            _ANY_TIME[frame.kind](core, frame)
        elif frame.kind == "E":
            _error(core, frame)
        else:
            _expected(core, frame)
    except UnplannedResult as problem:
        core.end("gateway", str(problem), sqlstate="XX000")
    except WireError as problem:
        core.end("database", problem.message, sqlstate=problem.sqlstate)


def _expected(core: Core, frame: Frame) -> None:
    head = core.expected[0] if core.expected and core.phase is not Phase.copying else None
    handler = _HANDLERS.get(type(head)) if head is not None else None
    if head is None or handler is None or not handler(core, head, frame):
        raise WireError("08P01", f"the database sent a message of type {frame.kind!r} that nobody asked for")
    if not core.expected and core.phase is Phase.draining:
        readback.drained(core)


# Any time


def _notice(core: Core, frame: Frame) -> None:
    head = core.expected[0] if core.expected else None
    if isinstance(head, ExpectSetting):
        return
    fields = parse_error(frame.body)
    shown = values.notice(core, fields)
    core.to_client(frame.data if shown is None else backend.make_notice(shown))
    running = _current(head) if head is not None else None
    if running is not None:
        core.noticed(running, shown or fields)


def _notification(core: Core, frame: Frame) -> None:
    if not core.masking:
        core.to_client(frame.data)
        return
    pid, channel, _ = backend.read_notification(frame.body)
    core.to_client(backend.make_notification(pid, channel, ""))


def _parameter_status(core: Core, frame: Frame) -> None:
    name, value = backend.read_parameter_status(frame.body)
    if name in PINNED and value != PINNED[name]:
        text = f"{name} was changed to {value}; the gateway reads statements with {PINNED[name]} only"
        core.end("gateway", text, sqlstate="55P02")
        return
    if name == "search_path":
        core.set_state(search_path=value)
    core.to_client(frame.data)


_ANY_TIME: dict[str, Callable[[Core, Frame], None]] = {
    "N": _notice,
    "A": _notification,
    "S": _parameter_status,
}


# Errors


def _error(core: Core, frame: Frame) -> None:
    fields = parse_error(frame.body)
    if fields.severity in ("FATAL", "PANIC"):
        shown = values.error(core, fields, None)
        core.to_client(frame.data if shown is None else backend.make_error(shown))
        core.end("database", fields.message)
        return
    head = core.expected[0] if core.expected else None
    if isinstance(head, ExpectSetting):
        core.end("gateway", f"the session's {head.setting} could not be read back", sqlstate="XX000")
        return
    if head is None:
        raise WireError("08P01", "the database sent an error that nobody asked for")
    core.rolled_back = core.rolled_back or core.state.transaction == "I"
    _pass_error(core, head, frame, fields)
    if not isinstance(head, ExpectQuery | ExpectOwn):
        _skip_to_sync(core)


def _pass_error(core: Core, head: Expected, frame: Frame, fields: ErrorFields) -> None:
    if isinstance(head, ExpectOwn) and head.step is OwnStep.rollback:
        return  # the client was told why before it was sent
    if isinstance(head, ExpectQuery) and head.over is not None:
        return
    refusal = getattr(head, "refusal", None) or (head.error if isinstance(head, ExpectRefusal) else None)
    if refusal is not None:
        core.to_client(backend.make_error(refusal))
        return
    if isinstance(head, ExpectOwn):
        head.failed = fields.sqlstate
    running = _current(head)
    shown = _own_words(running, fields) or values.error(core, fields, running)
    core.to_client(frame.data if shown is None else backend.make_error(shown))
    if running is not None:
        told = shown or fields
        core.finish(running, _outcome_of(fields), sqlstate=told.sqlstate, message=told.message)
    if running is not None:
        copying.failed(core, running)
    if isinstance(head, ExpectQuery):
        for rest in head.running:
            core.finish(rest, StatementOutcome.error, message="not run: an earlier statement of the batch failed")


def _own_words(running: Running | None, fields: ErrorFields) -> ErrorFields | None:
    """What the gateway says in place of an error that it brought about."""
    if running is None:
        return None
    refused = running.copied.refusal if running.copied is not None else None
    return refused or running.over or (running.late if fields.sqlstate == "57014" else None)


def _outcome_of(fields: ErrorFields) -> StatementOutcome:
    return StatementOutcome.cancelled if fields.sqlstate == "57014" else StatementOutcome.error


def _current(head: Expected) -> Running | None:
    match head:
        case ExpectQuery(running=running) | ExpectOwn(running=running):
            return next((r for r in running if not r.ended), None)
        case ExpectExecute(portal=portal) | ExpectBind(portal=portal):
            return portal.running
        case _:
            return None


def _skip_to_sync(core: Core) -> None:
    """The server passes over everything up to Sync, and so do the expectations and what waits for a decision."""
    while core.expected and not isinstance(core.expected[0], ExpectSync):
        gone = core.expected.popleft()
        if isinstance(gone, ExpectBind):
            _replaced(core, gone)
            if core.portals.get(gone.portal.name) is gone.portal:
                del core.portals[gone.portal.name]
        if isinstance(gone, ExpectClose) and isinstance(gone.entry, Portal):
            gone.entry.closing = False
        if isinstance(gone, ExpectParse) and core.statements.get(gone.prepared.name) is gone.prepared:
            del core.statements[gone.prepared.name]
        running = _current(gone)
        if running is not None:
            core.finish(running, StatementOutcome.error, message="not run: an earlier statement failed")
    if not core.expected:
        core.skipping = True
        core.unsynced = True
    _drop_waiting(core)


def _drop_waiting(core: Core) -> None:
    if core.work is not None:
        holding.withdraw(core, "an earlier statement of the pipeline failed")
        holding.record_dropped(core, "not run: an earlier statement of the pipeline failed")
        core.work = None
    if core.phase is not Phase.ready:
        core.go(Move.failed)


# In the order asked


def _query(core: Core, head: ExpectQuery, frame: Frame) -> bool:
    running = _current(head)
    if head.over is not None and frame.kind != "Z":
        bounding.dropped(core, head, frame)
        return True
    match frame.kind:
        case "T" if running is not None:
            running.relay.describe(backend.read_row_description(frame.body))
            core.to_client(frame.data)
        case "D" if running is not None:
            _row(core, running, frame)
        case Rows.KIND if running is not None:
            _rows(core, running, frame)
        case "C" if running is not None:
            _query_completes(core, head, running, frame)
        case "G" | "H" if running is not None:
            return copying.begun(core, running, frame)
        case "d" | "c" if running is not None:
            return copying.outgoing(core, running, frame)
        case "I":
            core.to_client(frame.data)
        case "Z":
            _query_ready(core, head, frame)
        case _:
            return False
    return True


def _query_ready(core: Core, head: ExpectQuery, frame: Frame) -> None:
    if not (head.own or head.over) or bounding.query_ended(core, head, backend.read_ready(frame.body)):
        _ready(core, head, frame)


def _query_completes(core: Core, head: ExpectQuery, running: Running, frame: Frame) -> None:
    over = bounding.over(running, frame) if running.limited else None
    if over is not None:
        bounding.refuse_batch(core, head, running, over)
    elif head.own and running is head.running[-1]:
        names.completed(core, running, backend.read_command_tag(frame.body))
        head.withheld = frame.data
    else:
        _complete(core, running, frame)
        if len(head.running) > 1:
            bounding.time(core, _current(head))


def _row(core: Core, running: Running, frame: Frame) -> None:
    if running.row_limited and bounding.cut(core, running, len(frame.body)):
        return
    core.to_client(running.relay.row(frame))
    core.rows_due(running, last=False)


def _rows(core: Core, running: Running, frame: Frame) -> None:
    assert isinstance(frame, Rows)
    if not running.row_limited and running.relay.pass_over(frame):
        core.to_client(frame.data)
    else:
        for each in frame.each():
            _row(core, running, each)


def _complete(core: Core, running: Running, frame: Frame) -> None:
    tag = backend.read_command_tag(frame.body)
    names.completed(core, running, tag)
    core.finish(running, StatementOutcome.done, tag=tag)
    core.to_client(frame.data)


def _own(core: Core, head: ExpectOwn, frame: Frame) -> bool:
    if frame.kind != "Z":
        return frame.kind == "C"
    status = backend.read_ready(frame.body)
    if head.step is not OwnStep.begin:
        if bounding.own_ended(core, head, status):
            _ready(core, head, frame)
    elif (work := bounding.began(core, status, head.failed)) is not None:
        client.send_query(core, work, own=True)
    elif status == "I":
        _ready(core, head, frame)
    return True


def _sync(core: Core, head: ExpectSync, frame: Frame) -> bool:
    if frame.kind != "Z":
        return False
    _ready(core, head, frame)
    return True


def _ready(core: Core, head: ExpectQuery | ExpectOwn | ExpectSync, frame: Frame) -> None:
    status = backend.read_ready(frame.body)
    core.expected.popleft()
    if status == "I" and (core.state.settings_local or core.notice_level_local):
        core.read_back_due = True  # SET LOCAL, or a SET before an error, has ended with the transaction
    if status != core.state.transaction:
        core.set_state(transaction=status)
    own = isinstance(head, ExpectSync) and head.own
    if isinstance(head, ExpectQuery):
        for running in head.running:
            core.finish(running, StatementOutcome.unknown, message="the server did not say how it ended")
    if status == "I":
        names.transaction_ended(core)
        if core.state.catalog_changed:
            core.set_state(catalog_changed=False)
            core.emit(CatalogChanged())
    core.barrier_ahead = core.limited_ahead = False
    core.only_read = True
    if own:
        readback.done(core)
        return
    core.to_client(frame.data)
    core.go(Move.synced)
    readback.when_due(core)


def _parse(core: Core, head: ExpectParse, frame: Frame) -> bool:
    if frame.kind != "1":
        return False
    core.expected.popleft()
    name = head.prepared.name
    if not any(_comes_after(one, name) for one in core.expected):
        core.statements[name] = head.prepared  # else another is on its way to the server, and may be bound already
    core.to_client(frame.data)
    return True


def _comes_after(one: Expected, name: str) -> bool:
    """Whether what is still to be answered takes the place of the statement ``name``."""
    match one:
        case ExpectParse(prepared=prepared):
            return prepared.name == name
        case ExpectRefusal(unnamed=True):
            return name == ""
        case _:
            return False


def _parsed_anew(core: Core, head: ExpectParsedAnew, frame: Frame) -> bool:
    if frame.kind == "3":
        return True
    if frame.kind != "1":
        return False
    core.expected.popleft()
    head.prepared.doubtful = False  # only now: an error before it makes the server skip over the Parse
    return True


def _bind(core: Core, head: ExpectBind, frame: Frame) -> bool:
    if frame.kind != "2":
        return False
    core.expected.popleft()
    _replaced(core, head)
    head.portal.created = True
    core.to_client(frame.data)
    return True


def _replaced(core: Core, head: ExpectBind) -> None:
    """All that was sent to the portal before this one has been answered by now."""
    if head.replaced is not None and head.replaced.running is not None:
        core.finish(head.replaced.running, StatementOutcome.done, message="its portal was replaced")


def _origins(core: Core, head: ExpectOrigins, frame: Frame) -> bool:
    """Behind the Bind, in which the server may have analysed the statement anew, and before any row."""
    running = head.portal.running
    if frame.kind not in ("T", "n") or running is None:
        return False
    core.expected.popleft()
    if frame.kind == "T":
        running.relay.describe(backend.read_row_description(frame.body))
    return True


def _describe(core: Core, head: ExpectDescribe, frame: Frame) -> bool:
    if frame.kind not in ("t", "T", "n"):
        return False
    core.to_client(frame.data)
    if frame.kind != "t":
        core.expected.popleft()
    return True


def _execute(core: Core, head: ExpectExecute, frame: Frame) -> bool:
    running = head.portal.running
    match frame.kind:
        case "D" if running is not None:
            _row(core, running, frame)
            return True
        case Rows.KIND if running is not None:
            _rows(core, running, frame)
            return True
        case "G" | "H" if running is not None:
            return copying.begun(core, running, frame)
        case "d" | "c" if running is not None:
            return copying.outgoing(core, running, frame)
        case "C" if running is not None:
            return _portal_completes(core, running, frame)
        case "s" if running is not None and running.limited and bounding.over(running, frame) is not None:
            return _portal_completes(core, running, frame)
        case "I" | "s":
            core.to_client(frame.data)
        case _:
            return False
    core.expected.popleft()
    return True


def _portal_completes(core: Core, running: Running, frame: Frame) -> bool:
    core.expected.popleft()
    # Of one that has ended as well: it is executed again.
    over = bounding.over(running, frame) if running.limited else None
    if over is not None:
        bounding.refuse_portal(core, running, over)
    else:
        _complete(core, running, frame)
    return True


def _close(core: Core, head: ExpectClose, frame: Frame) -> bool:
    if frame.kind != "3":
        return False
    core.expected.popleft()
    match head.entry:
        case Portal() as portal:
            names.forget(core, portal, "its portal was closed")
        case Prepared() as prepared if core.statements.get(prepared.name) is prepared:
            del core.statements[prepared.name]
    core.to_client(frame.data)
    return True


def _setting(core: Core, head: ExpectSetting, frame: Frame) -> bool:
    match frame.kind:
        case "1" | "2":
            return True
        case "D":
            cells = backend.read_data_row(frame.body)
            head.value = (cells[0] or b"").decode("utf-8", "replace") if len(cells) == 1 else None
            return True
        case "C":
            return True
        case "3" if not head.portal_closed:
            head.portal_closed = True
            return True
        case "3":
            core.expected.popleft()
            readback.learned(core, head)
            return True
        case _:
            return False


_HANDLERS: dict[type[Expected], Callable[..., bool]] = {
    ExpectQuery: _query,
    ExpectOwn: _own,
    ExpectSync: _sync,
    ExpectParse: _parse,
    ExpectParsedAnew: _parsed_anew,
    ExpectDescription: descriptions.receive,
    ExpectBind: _bind,
    ExpectOrigins: _origins,
    ExpectDescribe: _describe,
    ExpectExecute: _execute,
    ExpectClose: _close,
    ExpectSetting: _setting,
    ExpectRefusal: lambda core, head, frame: False,
}
