"""A statement on the wire while people decide: raised, held, released or refused.

Only ``RequestState.approved``, followed by the same verdict under the policy then in force, followed by the store's
word that the approval is used up, lets the statement run (INV-5). Everything else refuses it.
"""

from __future__ import annotations

from hoopd.domain.events import RequestRaised, RequestSettled, StatementFinished, StatementOutcome
from hoopd.domain.request import RequestState, Word
from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields
from hoopd.session.commands import Consume, Finish, Raise, Tell, Withdraw
from hoopd.session.core import Core, Work
from hoopd.session.events import Consumed, Judged, Raised, Reminded, Settled
from hoopd.session.parameters import digest_of
from hoopd.session.refusal import error, refuse_work
from hoopd.session.state import Move, Phase

HELD = (Phase.raising, Phase.holding, Phase.releasing, Phase.consuming)
_OUTCOMES = {
    RequestState.rejected: StatementOutcome.rejected,
    RequestState.expired: StatementOutcome.expired,
    RequestState.cancelled: StatementOutcome.cancelled,
}


def hold(core: Core) -> None:
    """Ask people about ``core.work``. What came before in the pipeline is flushed to the client meanwhile."""
    work = _work(core)
    assert work.verdict is not None
    core.decided(work)
    if core.expected:
        core.to_server(frontend.FLUSH)
    core.go(Move.hold)
    work.ticket = core.ticket()
    digest = digest_of(work.bind, work.param_oids) if work.bind is not None else ""
    core.emit(Raise(work.ticket, work.numbers[0], work.verdict, work.params, digest, core.state))


def raised(core: Core, event: Raised) -> None:
    """The request is stored: tell the client, and wait."""
    work = _work(core)
    work.request = event.request
    core.go(Move.stored)
    core.record(RequestRaised(work.numbers[0], event.request, event.waiting_for, event.expires))
    people = _people(event.waiting_for)
    text = f"held as {event.request}, waiting for {people}"
    _notice(core, text, f"rule: {', '.join(event.rules)}; cancel the statement to withdraw the request")
    core.emit(Tell("held", event.request, text, _sql(work), event.waiting_for))
    if work.cancelled:
        cancel(core)


def reminded(core: Core, event: Reminded) -> None:
    work = _work(core)
    _notice(
        core,
        f"still held as {work.request}, waiting for {_people(event.waiting_for)}",
        f"{event.left_seconds} s left of the hold",
    )


def settled(core: Core, event: Settled) -> None:
    """People have spoken, or the hold is over."""
    work = _work(core)
    assert work.request is not None
    if event.outcome is RequestState.approved:
        core.go(Move.approve)
        core.record(_settled(work, event.outcome, event.words, ""))
        work.ticket = core.ticket()
        core.put_question(work)
        return
    core.record(_settled(work, event.outcome, event.words, event.message))
    fields = _refusal_of(work, event)
    core.emit(Tell(event.outcome.value, work.request, fields.message, _sql(work)))
    refuse_work(core, fields, _OUTCOMES.get(event.outcome, StatementOutcome.cancelled))


def confirmed(core: Core, event: Judged) -> None:
    """The decision again, when the approval is there (INV-5)."""
    work = _work(core)
    assert work.verdict is not None
    if not event.verdict.same_as(work.verdict):
        void(core, "what the statement names, or the rules it falls under, have changed since it was sent")
        return
    work.verdict = event.verdict
    work.ticket = core.ticket()
    core.go(Move.confirmed)
    core.emit(Consume(work.ticket, event.verdict, core.state))


def consumed(core: Core, event: Consumed) -> bool:
    """Whether the statement runs now."""
    work = _work(core)
    assert work.request is not None
    if not event.ok:
        void(core, "the approval was withdrawn or used up before the statement could run")
        return False
    if work.cancelled:
        core.emit(
            Finish(work.request), Tell("cancelled", work.request, "the client cancelled the statement", _sql(work))
        )
        refuse_work(core, error("57014", "canceling statement due to user request"), StatementOutcome.cancelled)
        return False
    core.emit(Tell("approved", work.request, "it runs now", _sql(work)))
    return True


def void(core: Core, why: str) -> None:
    """An approval that no longer fits what would run."""
    work = _work(core)
    assert work.request is not None
    core.emit(Withdraw(why), Tell("void", work.request, why, _sql(work)))
    core.record(_settled(work, RequestState.void, (), why))
    fields = error("42501", f"the approval of {work.request} is void: {why}", hint="send the statement again")
    refuse_work(core, fields, StatementOutcome.cancelled)


def cancel(core: Core) -> None:
    """The client cancels the statement that it waits for."""
    work = _work(core)
    if work.request is None:
        work.cancelled = True
        return
    _withdrawn(core, work, "the client cancelled the statement")
    fields = error("57014", "canceling statement due to user request", hint=f"request={work.request} is withdrawn")
    refuse_work(core, fields, StatementOutcome.cancelled)


def withdraw(core: Core, why: str) -> None:
    """Nobody waits any more: the client is gone, or the session ends, or the pipeline failed before it."""
    work = core.work
    if work is None or core.phase not in HELD:
        return
    if work.request is None:
        core.emit(Withdraw(why))
        return
    _withdrawn(core, work, why)


def record_dropped(core: Core, why: str) -> None:
    """The end of statements that were decided on and never sent."""
    assert core.work is not None
    for number in core.work.numbers:
        core.record(StatementFinished(number, StatementOutcome.cancelled, "", None, 0.0, "", why))


def _withdrawn(core: Core, work: Work, why: str) -> None:
    assert work.request is not None
    core.emit(Withdraw(why), Tell("cancelled", work.request, why, _sql(work)))
    core.record(_settled(work, RequestState.cancelled, (), why))


def _settled(work: Work, outcome: RequestState, words: tuple[Word, ...], message: str) -> RequestSettled:
    assert work.request is not None
    return RequestSettled(work.numbers[0], work.request, outcome, words, message)


def _refusal_of(work: Work, event: Settled) -> ErrorFields:
    hint = f"request={work.request}"
    match event.outcome:
        case RequestState.rejected:
            word = event.words[-1] if event.words else None
            who = (word.by.email or word.by.subject) if word else "a reviewer"
            said = f": {word.comment}" if word and word.comment else ""
            return error("42501", f"rejected by {who}{said}", hint=hint)
        case RequestState.expired:
            text = f"nobody approved {work.request} within the time it may be held"
            return error("57014", text, detail=event.message or None, hint=f"{hint}; send the statement again")
        case _:
            return error("57014", event.message or f"{work.request} was withdrawn", hint=hint)


def _notice(core: Core, message: str, detail: str) -> None:
    """Between messages of the server's, which come whole; not to a client that wants no notices."""
    if core.notice_level in ("warning", "error"):
        return
    core.to_client(backend.make_notice(ErrorFields("NOTICE", "00000", message, detail=detail)))


def _people(waiting_for: tuple[str, ...]) -> str:
    return " and ".join(waiting_for) or "reviewers"


def _sql(work: Work) -> str:
    assert work.verdict is not None
    return work.verdict.sql


def _work(core: Core) -> Work:
    assert core.work is not None
    return core.work
