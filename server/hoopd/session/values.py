"""Errors and notices without the values that they may quote (INV-4, THREATS class 15). The SQLSTATE stays."""

from __future__ import annotations

from hoopd.masking.errors import message
from hoopd.pgwire.errors import ErrorFields
from hoopd.session.core import Core
from hoopd.session.tables import Running


def error(core: Core, fields: ErrorFields, running: Running | None) -> ErrorFields | None:
    """What the client may see of an error, or None where it may see all of it."""
    if not core.masking:
        return None
    text = fields.message
    if running is not None:
        text = message(running.judged.plan, fields.sqlstate, text, fields.rest.get("P"))
    return fields.without_values(message=text)


def notice(core: Core, fields: ErrorFields) -> ErrorFields | None:
    """What the client may see of a notice, or None where it may see all of it."""
    if not core.masking:
        return None
    writing = any(_may_run_code(running) for running in core.under_way())
    text = "a notice's text was withheld: it may quote masked values" if writing else None
    return fields.without_values(message=text)


def _may_run_code(running: Running) -> bool:
    return running.judged.plan.withhold_errors or any(not f.trusted for f in running.judged.facts.functions)
