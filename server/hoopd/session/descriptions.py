"""What the server says of a statement: asked by the gateway behind each Parse, and known of texts that come again.

Drivers parse the same text over and over. What was learned of it holds where its verdict is the very same, and a Bind
need not wait for it then; what the server says is held against it all the same, before any row.
"""

from __future__ import annotations

from hoopd.domain.decision import Outcome
from hoopd.pgwire import backend
from hoopd.pgwire.backend import Field
from hoopd.pgwire.framing import Frame
from hoopd.session.core import Core, Work
from hoopd.session.judgement import Verdict
from hoopd.session.results import UnplannedResult, formatted
from hoopd.session.state import Move
from hoopd.session.tables import Description, ExpectBind, ExpectDescription, Prepared

MAX_DESCRIPTIONS = 50
MAX_DESCRIBED_BYTES = 4_000
"""Descriptions that a session keeps of unnamed statements, and the longest Parse of one (INV-9)."""


def asked_behind(core: Core, work: Work, prepared: Prepared) -> ExpectDescription:
    """What is expected behind a Parse: a description that is still to be learned, or one that is taken for granted."""
    return _described_before(core, work, prepared) if _as_ever(core, work) else ExpectDescription(prepared)


def _as_ever(core: Core, work: Work) -> bool:
    """Whether what the server says of an unnamed statement hangs on nothing but what its verdict hangs on: not where
    the session has made or changed what the catalog of the verdict does not show, and may change it again."""
    assert work.parse is not None
    assert work.verdict is not None
    facts = [one.facts for one in work.verdict.statements]
    if work.types or core.state.catalog_changed or core.state.temporary_objects:
        return False
    if work.parse.name or not work.verdict.plain or work.verdict.decision.outcome is not Outcome.allow:
        return False
    return all(one.kind == "select" and not one.by_name and not one.runs_at_parse for one in facts)


def _described_before(core: Core, work: Work, prepared: Prepared) -> ExpectDescription:
    """Drivers parse the same text again and again. Its description is known where the verdict is the very same, which
    is that of the same text, settings and catalog: then a Bind need not wait for it, and it is set right when it comes,
    before any row. Of unnamed statements only: if this Parse fails, there is none, as there is none in the server."""
    assert work.verdict is not None
    body = work.frame.body
    known = core.descriptions.get(body)
    if known is None or known.verdict is not work.verdict:
        return ExpectDescription(prepared, (body, work.verdict) if len(body) <= MAX_DESCRIBED_BYTES else None)
    prepared.param_oids, prepared.fields, prepared.described = known.param_oids, known.fields, True
    core.statements[""] = prepared
    return ExpectDescription(prepared, assumed=True)


def receive(core: Core, head: ExpectDescription, frame: Frame) -> bool:
    """A message of the server while a description is expected. Whether it was one of it."""
    if head.assumed:
        return _described_again(core, head, frame)
    before = head.prepared.fields
    match frame.kind:
        case "t":
            head.prepared.param_oids = backend.read_parameter_description(frame.body)
            return True
        case "T":
            head.prepared.fields = backend.read_row_description(frame.body)
        case "n":
            head.prepared.fields = ()
        case _:
            return False
    if before is not None and not head.prepared.changeable:
        head.prepared.altered = _shape(before) != _shape(head.prepared.fields)
    head.prepared.described = True
    if head.learn is not None:
        _learn(core, *head.learn, head.prepared)
    core.expected.popleft()
    core.go(Move.described)
    return True


def _shape(fields: tuple[Field, ...] | None) -> list[tuple[str, int, int]]:
    return [(one.name, one.type_oid, one.type_modifier) for one in fields or ()]


def _described_again(core: Core, head: ExpectDescription, frame: Frame) -> bool:
    """It has been taken for granted, and a Bind may have gone out. Another session can have altered a table within the
    moment that a plain read may lag; then what is to come is taken as it is described now, before any row of it.
    """
    prepared = head.prepared
    match frame.kind:
        case "t":
            oids = backend.read_parameter_description(frame.body)
            if oids != prepared.param_oids:
                core.descriptions.clear()
                prepared.param_oids = oids
            return True
        case "T":
            fields = backend.read_row_description(frame.body)
        case "n":
            fields = ()
        case _:
            return False
    core.expected.popleft()
    if fields != prepared.fields:
        core.descriptions.clear()
        prepared.fields = fields
        _describe_bound(core, prepared)
    return True


def _describe_bound(core: Core, prepared: Prepared) -> None:
    bound = [one.portal for one in core.expected if isinstance(one, ExpectBind) and one.portal.prepared is prepared]
    for portal in bound:
        running = portal.running
        if running is None:
            continue
        if running.judged.plan.in_force:
            raise UnplannedResult("the database describes a statement otherwise than its masks were planned for")
        running.relay.describe(formatted(prepared.fields or (), portal.formats))


def _learn(core: Core, body: bytes, verdict: Verdict, prepared: Prepared) -> None:
    core.descriptions[body] = Description(verdict, prepared.param_oids, prepared.fields)
    if len(core.descriptions) > MAX_DESCRIPTIONS:
        del core.descriptions[next(iter(core.descriptions))]
