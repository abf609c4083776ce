"""Errors and notices without the values that they may quote (INV-4, THREATS class 15). The SQLSTATE stays."""

from __future__ import annotations

from collections.abc import Iterator

from hoopd.masking.errors import message
from hoopd.masking.plan import MaskPlan
from hoopd.pgwire.errors import ErrorFields
from hoopd.session.core import Core
from hoopd.session.tables import Running


def error(core: Core, fields: ErrorFields, running: Running | None) -> ErrorFields | None:
    """What the client may see of an error, or None where it may see all of it."""
    if not core.masking:
        return None
    text = fields.message
    plan = next((plan for plan in _plans(core, running) if plan.withhold_errors), None)
    if plan is not None:
        text = message(plan, fields.sqlstate, text, fields.rest.get("P"))
    return fields.without_values(message=text)


def _plans(core: Core, running: Running | None) -> Iterator[MaskPlan]:
    """Of what may have failed: a cursor WITH HOLD runs to its end at the commit, by COMMIT or by Sync."""
    if running is not None:
        yield running.judged.plan
    for portal in core.portals.values():
        if portal.holds and not portal.outlived and portal.judged is not None:
            yield portal.judged.plan


def notice(core: Core, fields: ErrorFields) -> ErrorFields | None:
    """What the client may see of a notice, or None where it may see all of it."""
    if not core.masking:
        return None
    writing = any(_may_run_code(running) for running in core.under_way())
    text = "a notice's text was withheld: it may quote masked values" if writing else None
    return fields.without_values(message=text)


def _may_run_code(running: Running) -> bool:
    return running.judged.plan.withhold_errors or any(not f.trusted for f in running.judged.facts.functions)
