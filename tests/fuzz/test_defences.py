"""Each defence taken out in turn: the oracle sees what gets through (INV-1, INV-3, INV-5)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hoopd.pgwire.framing import Frame
from hoopd.session import (
    bounding,
    client,
    core,
    effects,
    extended,
    holding,
    limits,
    machine,
    names,
    readback,
    server,
    tables,
)
from hoopd.session.judgement import Verdict
from hoopd.sql.facts import Facts
from tests.fuzz.conversation import Conversation
from tests.fuzz.oracle import Finding

CONVERSATIONS = 20_000
Patch = pytest.MonkeyPatch


def deny_runs(patch: Patch) -> None:
    def run(session: core.Core, work: core.Work) -> None:
        session.decided(work)
        client.run(session, work)

    patch.setattr(client, "deny", run)


def no_barrier(patch: Patch) -> None:
    patch.setattr(client, "_must_drain", lambda session, frame: frame.kind in "QF" and bool(session.expected))


def nothing_in_doubt(patch: Patch) -> None:
    patch.setattr(effects, "note_code", lambda session: None)


def code_at_parse_and_bind_is_nothing(patch: Patch) -> None:
    noted = effects.note_effects

    def note(session: core.Core, batch: Sequence[Facts]) -> None:
        if session.work is None:  # at Execute and Query, no more at Bind
            noted(session, batch)

    patch.setattr(effects, "note_effects", note)


def bound_names_are_not_looked_up_again(patch: Patch) -> None:
    patch.setattr(names, "changed", lambda session, portal: False)


def no_code_runs_at_commit(patch: Patch) -> None:
    ended = names.transaction_ended

    def quietly(session: core.Core, *rest: Any) -> None:
        session.code_ran = False
        ended(session, *rest)

    patch.setattr(names, "transaction_ended", quietly)


def portals_of_any_kind_can_be_fetched_from(patch: Patch) -> None:
    patch.setattr(names, "_PLAIN", frozenset({"execute", "select", "do", "fetch"}))


def entries_count_at_once(patch: Patch) -> None:
    start = core.Core.start

    def counted(self: core.Core, *rest: Any) -> object:
        running = start(self, *rest)
        names.completed(self, running, "")
        return running

    patch.setattr(core.Core, "start", counted)


def any_name(patch: Patch) -> None:
    patch.setattr(extended, "check_name", lambda *names: None)


def no_start_recorded(patch: Patch) -> None:
    start = core.Core.start

    def unrecorded(self: core.Core, *rest: object) -> object:
        running = start(self, *rest)
        self.out.pop()
        return running

    patch.setattr(core.Core, "start", unrecorded)


def not_read_back(patch: Patch) -> None:
    patch.setattr(readback, "when_due", lambda session: None)


def not_confirmed(patch: Patch) -> None:
    patch.setattr(Verdict, "same_as", lambda self, other: True)


def not_consumed(patch: Patch) -> None:
    patch.setattr(holding, "consumed", lambda session, event: True)


def old_policy(patch: Patch) -> None:
    patch.setattr(machine.SessionMachine, "note_policy", lambda self, version: None)


def too_many_rows_are_passed_over(patch: Patch) -> None:
    patch.setattr(bounding, "over", lambda running, frame: None)


def sync_does_not_wait(patch: Patch) -> None:
    patch.setattr(bounding, "waits", lambda session, frame: False)


def no_transaction_around_a_query(patch: Patch) -> None:
    patch.setattr(bounding, "needs_transaction", lambda session, work: False)


def a_commit_beside_a_change(patch: Patch) -> None:
    patch.setattr(limits, "refusal", lambda batch: None)


def review_runs(patch: Patch) -> None:
    def run(session: core.Core) -> None:
        assert session.work is not None
        session.decided(session.work)
        client.run(session, session.work)

    patch.setattr(holding, "hold", run)


def a_close_ends_what_has_the_name_by_then(patch: Patch) -> None:
    """And what has ended is not looked at when it completes."""
    complete = server._complete

    def closed(session: core.Core, head: tables.ExpectClose, frame: Frame) -> bool:
        session.expected.popleft()
        portal = session.portals.get(head.entry.name) if isinstance(head.entry, tables.Portal) else None
        if portal is not None:
            names.forget(session, portal, "")
        session.to_client(frame.data)
        return frame.kind == "3"

    def completed(session: core.Core, running: tables.Running, frame: Frame) -> None:
        if running.ended:
            session.to_client(frame.data)
        else:
            complete(session, running, frame)

    patch.setitem(server._HANDLERS, tables.ExpectClose, closed)
    patch.setattr(server, "_complete", completed)


def a_statement_is_the_last_that_was_parsed(patch: Patch) -> None:
    """And not the last that was sent, which may be bound by then."""

    def parsed(session: core.Core, head: tables.ExpectParse, frame: Frame) -> bool:
        session.expected.popleft()
        session.statements[head.prepared.name] = head.prepared
        session.to_client(frame.data)
        return frame.kind == "1"

    patch.setitem(server._HANDLERS, tables.ExpectParse, parsed)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "taken_out",
    [deny_runs, no_barrier, nothing_in_doubt, bound_names_are_not_looked_up_again, no_code_runs_at_commit,
     portals_of_any_kind_can_be_fetched_from, entries_count_at_once,
     code_at_parse_and_bind_is_nothing, any_name, no_start_recorded, not_read_back, not_confirmed, not_consumed,
     old_policy, review_runs, too_many_rows_are_passed_over, sync_does_not_wait, no_transaction_around_a_query,
     a_commit_beside_a_change, a_close_ends_what_has_the_name_by_then, a_statement_is_the_last_that_was_parsed],
    ids=lambda patch: patch.__name__,
)  # fmt: skip
def test_a_defence_taken_out_is_found_INV_1(taken_out: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """A test that fails here has an oracle that sees nothing."""
    taken_out(monkeypatch)
    for seed in range(CONVERSATIONS):
        try:
            Conversation(random.Random(seed)).run()
        except Finding:
            return
        except Exception:  # the machine without its defence may also fall over; that is no proof
            continue
    pytest.fail("nothing was found")
