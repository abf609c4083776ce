"""What a statement that is sent may do to the session, and what therefore has to be waited for, read back or doubted.

Noted when it is sent, since what follows in its pipeline may be judged before it is answered (THREATS 9).
"""

from __future__ import annotations

from collections.abc import Sequence

from hoopd.session import limits, names
from hoopd.session.core import Core
from hoopd.session.readback import NOTICES
from hoopd.sql.facts import Effect, Facts


def note_effects(core: Core, batch: Sequence[Facts]) -> None:
    """Remember what has to be read back, or waited for, once this has completed."""
    for facts in batch:
        core.only_read = core.only_read and limits.only_reads(facts)
        if facts.prepares is not None:
            core.barrier_ahead = True
            if facts.runs_at_parse:
                note_checks(core)
        else:
            _note_run(core, facts)


def _note_run(core: Core, facts: Facts) -> None:
    if facts.opens is not None:
        core.barrier_ahead = True
    if any(not use.trusted for use in facts.functions):
        core.code_ran = True
        names.doubt_statements(core)
    if facts.barrier:
        core.barrier_ahead = True
        core.read_back_due = True
        core.set_state(settings_local=True)
    if Effect.session in facts.effects and any(a.name == NOTICES for a in facts.accesses):
        core.barrier_ahead = core.read_back_due = core.notice_level_local = True
    if Effect.transaction in facts.effects:
        core.barrier_ahead = True
        core.read_back_due = core.read_back_due or core.state.settings_local or core.notice_level_local
    if facts.runs_at_parse and Effect.write in facts.effects:
        note_checks(core)  # domains of the columns that are written
    if Effect.opaque in facts.effects:
        note_code(core)
    if any(a.schema == "pg_temp" for a in facts.accesses):
        core.set_state(catalog_changed=True, temporary_objects=True)
    if Effect.ddl in facts.effects:
        core.set_state(catalog_changed=True)


def note_code(core: Core) -> None:
    """Code of the database can change settings, make objects, and close and make statements and cursors by name (``DO``
    with EXECUTE)."""
    core.set_state(catalog_changed=True, temporary_objects=True)
    note_checks(core)


def note_checks(core: Core) -> None:
    """Checks of domains may run: code too, but of whoever made the type, so that it counts for less than any code."""
    core.barrier_ahead = core.read_back_due = core.code_ran = True
    core.set_state(settings_local=True)
    names.doubt(core)
