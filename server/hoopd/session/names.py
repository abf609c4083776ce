"""What a session has by name: the entries that SQL made, and how they come and go with the protocol's own.

PREPARE and Parse, DECLARE and Bind share one table each (DESIGN.md section 4). An entry that SQL made counts when its
CommandComplete has been seen. A name that code could have given another meaning is not shown to analysis (INV-1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hoopd.domain.events import StatementOutcome
from hoopd.pgwire.errors import ErrorFields
from hoopd.session.core import Core, Savepoint, Work
from hoopd.session.judgement import Verdict
from hoopd.session.parameters import type_name
from hoopd.session.refusal import error
from hoopd.session.tables import MAX_KEPT_TEXT, MAX_PORTALS, MAX_STATEMENTS, OWN_PREFIX, Portal, Prepared, Running
from hoopd.sql.catalog import FIRST_USER_OID
from hoopd.sql.facts import Effect, Facts, PreparedText
from hoopd.sql.named import Cursor, meaning, runs_code

MAX_SAVEPOINTS = 1_000
"""Those that are followed: past it a cursor that ROLLBACK TO closed stays in the table, and the server says so."""

_PLAIN = frozenset({"select", "insert", "update", "delete", "merge"})
"""Kinds of which a portal runs nothing but what was judged: that of an EXECUTE looks its name up when it begins to."""


@dataclass(frozen=True, slots=True)
class SessionNames:
    """``sql.named.Named`` of one session: its tables as they are when asked."""

    core: Core

    @property
    def certain(self) -> bool:
        return not self.core.names_doubted

    @property
    def longest(self) -> int:
        return max((len(entry.sql) for entry in self.core.statements.values()), default=0)

    def statement(self, name: str) -> PreparedText | None:
        entry = self.core.statements.get(name)
        if entry is None or name == "" or entry.doubtful:
            return None
        if entry.made_by is not None:
            return entry.made_by
        given = ", ".join(type_name(oid) for oid in entry.param_oids)
        shown = f"PREPARE {quoted(name)}{f' ({given})' if given else ''} AS {entry.sql}"
        return PreparedText(
            name, entry.sql, shown, types=frozenset(entry.types), meant=entry.meant[0] if entry.meant else None
        )

    def cursor(self, name: str) -> Cursor | None:
        portal = self.core.portals.get(name)
        if portal is None or name == "" or portal.doubtful or portal.judged is None:
            return None
        facts = portal.judged.facts
        if not portal.declared and facts.kind not in _PLAIN:
            why = f"what the portal {name} runs is not known"
            facts = replace(facts, effects=facts.effects | {Effect.opaque}, output=None, unfollowed=why, barrier=True)
        return Cursor(facts, portal.judged.decision)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def room(core: Core, work: Work) -> ErrorFields | None:
    """Why the tables cannot take what a text would put into them, or None (INV-9)."""
    assert work.verdict is not None
    batch = [judged.facts for judged in work.verdict.statements]
    prepared = [facts.prepares for facts in batch if facts.prepares is not None]
    opened = [facts.opens for facts in batch if facts.opens is not None]
    made = [one.name for one in prepared] + [one.name for one in opened]
    if any(name.startswith(OWN_PREFIX) for name in made):
        return error("42602", f'names that begin with "{OWN_PREFIX}" are the gateway\'s own: choose another')
    if opened and len(core.portals) + len(opened) > MAX_PORTALS:
        return error("54000", f"a session may hold {MAX_PORTALS} portals at most")
    return statements_full(core, [one.sql for one in prepared]) if prepared else None


def statements_full(core: Core, texts: Sequence[str], replaced: str | None = None) -> ErrorFields | None:
    """Why ``texts`` cannot be prepared beside what is, or None. ``replaced``: the name that one of them is to have."""
    if len(core.statements) + len(texts) - (replaced in core.statements) > MAX_STATEMENTS:
        return error("54000", f"a session may hold {MAX_STATEMENTS} prepared statements at most")
    if sum(map(len, texts)) + sum(len(one.sql) for one in core.statements.values()) > MAX_KEPT_TEXT:
        text = f"the texts of a session's prepared statements have {MAX_KEPT_TEXT} characters at most"
        return error("54000", text, hint="DEALLOCATE those that are not used any more")
    return None


def completed(core: Core, running: Running, tag: str) -> None:
    """One statement has come to its end: what it made counts from now on, and what it took away is gone."""
    facts = running.judged.facts
    _made(core, running)
    for name in _those(facts.deallocates, core.statements):
        core.statements.pop(name, None)
    for name in _those(facts.closes, core.portals):
        portal = core.portals.get(name)
        if portal is not None and portal.created and portal.running is not running:
            forget(core, portal, "its portal was closed")
    _transaction(core, running, tag)


def _made(core: Core, running: Running) -> None:
    """What is past the limits all the same, having been bound before there were so many, is not to be had by name."""
    facts = running.judged.facts
    if facts.prepares is not None and len(core.statements) < MAX_STATEMENTS:
        made = facts.prepares
        core.statements[made.name] = Prepared(
            made.name,
            made.sql,
            b"",
            facts.kinds,
            made_by=made,
            doubtful=runs_code(facts),
            meant=(made.meant,) if made.meant is not None else (),
        )
    if facts.opens is not None and len(core.portals) < MAX_PORTALS:
        core.portals[facts.opens.name] = Portal(
            facts.opens.name,
            None,
            None,
            created=True,
            serial=core.next_serial(),
            judged=running.judged,
            declared=True,
            holds=facts.opens.holds,
        )


def _those(names: tuple[str, ...] | None, every: Iterable[str]) -> tuple[str, ...]:
    """``()`` means all of them."""
    return () if names is None else names or tuple(every)


def _transaction(core: Core, running: Running, tag: str) -> None:
    facts = running.judged.facts
    match facts.kind:
        case "savepoint" if len(core.savepoints) < MAX_SAVEPOINTS and facts.savepoint is not None:
            core.savepoints.append(Savepoint(facts.savepoint, core.serials))
        case "release":
            del core.savepoints[_place(core, facts.savepoint) :]
        case "rollback_to":
            _rolled_back_to(core, running)
        case "commit" | "rollback":
            core.rolled_back = core.rolled_back or tag == "ROLLBACK"
            transaction_ended(core, running)
        case _:
            pass


def _place(core: Core, name: str | None) -> int:
    """Where the last savepoint of that name is; behind all of them if it is not followed."""
    found = (i for i in reversed(range(len(core.savepoints))) if core.savepoints[i].name == name)
    return next(found, len(core.savepoints))


def _rolled_back_to(core: Core, running: Running) -> None:
    """Cursors that were opened after the savepoint are closed (documentation, ROLLBACK TO SAVEPOINT)."""
    place = _place(core, running.judged.facts.savepoint)
    for since in core.savepoints[place : place + 1]:
        for portal in [one for one in core.portals.values() if one.serial > since.serial and one.created]:
            if portal.running is not running:
                forget(core, portal, "its portal was closed by ROLLBACK TO")
    del core.savepoints[place + 1 :]


def transaction_ended(core: Core, by: Running | None = None) -> None:
    """Every portal dies with its transaction, but cursors WITH HOLD that were opened in one that was committed.

    ``by``: the COMMIT or ROLLBACK itself, whose portal is done with it.
    """
    for portal in list(core.portals.values()):
        if (by is not None and portal.running is by) or not portal.created:
            continue  # what is bound behind the end has its BindComplete still to come
        if not portal.holds or (core.rolled_back and not portal.outlived):
            forget(core, portal, "its portal ended with the transaction")
        else:
            portal.outlived = True
    if core.code_ran:
        doubt_statements(core)  # triggers that were put off, and the queries of cursors WITH HOLD, ran at the commit
        core.code_ran = False
    core.savepoints.clear()
    core.rolled_back = False


def forget(core: Core, portal: Portal, message: str) -> None:
    """It is gone from the server; another may have its name by now."""
    if core.portals.get(portal.name) is portal:
        del core.portals[portal.name]
    if portal.running is not None:
        core.finish(portal.running, StatementOutcome.done, message=message)


def doubt(core: Core) -> None:
    """Code has run that could close, and make anew, statements and cursors by name (``DO`` with EXECUTE)."""
    doubt_statements(core)
    for portal in core.portals.values():
        portal.doubtful = portal.doubtful or portal.name != ""


def doubt_statements(core: Core) -> None:
    """Likewise of triggers, checks and defaults, which are code of whoever owns the table. Portals of the protocol are
    left: drivers read from one and write in between, and cannot bind again half way.
    """
    core.names_doubted = True
    for prepared in core.statements.values():
        prepared.doubtful = prepared.doubtful or prepared.name != ""
    for portal in core.portals.values():
        portal.doubtful = portal.doubtful or portal.declared


def users_types(oids: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted({oid for oid in oids if oid >= FIRST_USER_OID}))


def means(prepared: Prepared, verdict: Verdict) -> None:
    """The server reads a statement now, and takes its names as ``verdict`` does."""
    prepared.meant, prepared.judged = tuple(meaning(one.facts) for one in verdict.statements), verdict


def moved(prepared: Prepared, verdict: Verdict) -> bool:
    """Whether ``verdict`` takes the names of a statement for other things than the server may (``sql.named.meaning``).

    Its path does not matter: what is one path as text may be the same, or another, to the server.
    """
    if prepared.judged is verdict or any(one.facts.by_name for one in verdict.statements):
        return False
    if tuple(meaning(one.facts) for one in verdict.statements) != prepared.meant:
        return True
    prepared.judged = verdict
    return False


def looked_up(core: Core, facts: Facts) -> tuple[Prepared | Portal | None, ...]:
    """The entries that a statement finds by name, which it does when it begins to run and not at Bind."""
    cursor = (core.portals.get(facts.continues),) if facts.continues is not None else ()
    return (*(core.statements.get(name) for name in facts.executes), *cursor)


def changed(core: Core, portal: Portal) -> bool:
    """Whether a name in a bound statement means something else than when it was judged (INV-1)."""
    if portal.running is None:
        return False
    now = looked_up(core, portal.running.judged.facts)
    return any(a is not b or a is None or a.doubtful for a, b in zip(now, portal.looked_up, strict=True))
