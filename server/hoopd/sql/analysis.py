"""Text in, facts out: what each statement of a batch would do on this server, in this session, with this catalog.

The only way into analysis for the rest of the gateway. Pure. Invariants: text that is not understood gives a Facts with
``error``, or the effect ``opaque``; never fewer effects than the statement can have (INV-2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from hoopd.domain.statement import SessionState
from hoopd.sql import answers, bodies, calls, expressions, named, table_locks, utility, walk
from hoopd.sql.catalog import Catalog, Names
from hoopd.sql.facts import Effect, Facts, ObjectAccess, ObjectKind, PreparedText, SqlError
from hoopd.sql.findings import Findings
from hoopd.sql.named import NOTHING_NAMED, Batch, Named
from hoopd.sql.parser import ParseFailure, Statement, deep_recursion, parse, tokens, too_deep

__all__ = ["analyse"]
_HANDLERS = {**walk.HANDLERS, **expressions.HANDLERS, **utility.HANDLERS}

_NEW_NUMBERS = re.compile(r"\d[_xXoObB]")
_BARRIERS = frozenset({Effect.ddl, Effect.privilege, Effect.external, Effect.opaque})
DRIVER_FUNCTIONS = frozenset(
    """version current_database current_schema current_schemas current_setting pg_backend_pid pg_is_in_recovery
    pg_advisory_unlock_all inet_server_addr inet_server_port inet_client_addr inet_client_port pg_client_encoding
    getdatabaseencoding txid_current_if_assigned pg_my_temp_schema set_config pg_encoding_to_char
    pg_postmaster_start_time pg_conf_load_time pg_jit_available current_user session_user user current_role
    current_catalog pg_get_keywords pg_get_viewdef pg_get_functiondef pg_get_indexdef pg_get_constraintdef
    pg_get_triggerdef pg_get_ruledef pg_get_partkeydef pg_get_expr pg_get_userbyid format_type obj_description
    col_description to_regclass to_regtype string_agg""".split()  # noqa: SIM905
)
"""What drivers ask of the server itself: a SELECT of nothing but these is built in as allowed."""


def analyse(
    text: str, state: SessionState, catalog: Catalog, session: Named = NOTHING_NAMED, types: tuple[int, ...] = ()
) -> tuple[Facts, ...]:
    """One Facts for each statement of ``text``, () for an empty one; one Facts with ``error`` if it does not parse.

    ``session``: the prepared statements and cursors that it has by name before ``text`` runs. ``types``: oids of types
    that users made and that its client says its parameters have.
    """
    try:
        return _analyse(text, state, catalog, session, types)
    except ParseFailure as failure:
        return (_failed(text, failure.error),)
    except RecursionError:
        return (_failed(text, too_deep()),)
    except (LookupError, TypeError, ValueError, AttributeError):
        # A tree of another shape than this code expects, as a new grammar could give: not understood, so denied.
        return (_failed(text, SqlError("the gateway cannot read this statement", None, "0A000")),)


def _failed(text: str, error: SqlError) -> Facts:
    return Facts(text, "unknown", frozenset({Effect.opaque}), barrier=True, error=error)


def _analyse(
    text: str, state: SessionState, catalog: Catalog, session: Named, types: tuple[int, ...]
) -> tuple[Facts, ...]:
    names, entries = catalog.names(state), Batch(session, types)
    statements = parse(text) if len(text) <= _SHALLOW else None
    if statements is not None and not any(one.node_type in _NAMING for one in statements):
        return _batch(text, statements, state, names, entries)
    with deep_recursion():
        return _batch(text, statements or parse(text), state, names, entries)


_NAMING = frozenset({"ExecuteStmt", "ExplainStmt", "CreateTableAsStmt"})
"""Statements that may be short and stand for a long one."""


_SHALLOW = 150
"""Text this short cannot nest beyond what Python's own limit allows."""


def _batch(
    text: str, statements: tuple[Statement, ...], state: SessionState, names: Names, entries: Batch
) -> tuple[Facts, ...]:
    old_numbers = state.server_version < 160000 and bool(_NEW_NUMBERS.search(text)) and _new_numbers(text)
    facts = []
    for statement in statements:
        one = _statement(statement, state, names, entries)
        if old_numbers:
            one = replace(one, forbidden="this server reads numbers such as 0x1F and 1_000 as something else")
        facts.append(one)
        entries.done(one)
    return tuple(facts)


def _new_numbers(text: str) -> bool:
    data = text.encode("utf-8")
    constants = (data[t.start : t.end] for t in tokens(text) if t.name in ("ICONST", "FCONST", "PARAM"))
    return any(_NEW_NUMBERS.search(constant.decode()) for constant in constants)


def _statement(statement: Statement, state: SessionState, names: Names, entries: Batch) -> Facts:
    if statement.node_type == "FetchStmt":
        return named.fetched(statement, entries)
    found = Findings()
    executed = named.resolved(statement.node_type, statement.node, entries)
    _typed(found, names, entries.types)
    if executed.entry is not None:
        _entered(found, names, executed.entry)
    if executed.entry is not None and executed.inside is not None:
        now = named.meaning(_statement(executed.inside, state, names, Batch(NOTHING_NAMED)))
        if now != executed.entry.meant:
            found.opaque(ObjectKind.function, None, executed.entry.name, known=False)
            found.doubts.append(f"the prepared statement {executed.entry.name} may run on other objects than these")
    walk.Walk(names, state, found, _HANDLERS, entries).run(statement.node_type, executed.node)
    calls.judge(found, names, bodies.expressions(names, state, _HANDLERS))
    answer = answers.follow(statement.node_type, executed.node, found, names)
    facts = replace(
        _facts(statement, found, answer),
        by_name=executed.by_name or found.by_name,
        locks=table_locks.locks_of(statement.node_type, statement.node, names),
        final=table_locks.is_final(statement.node_type, statement.node),
    )
    if executed.entry is not None:
        expands = entries.executed(executed.entry)
        facts = replace(facts, executes=(executed.entry.name,), expands=(expands,) if expands else ())
    if statement.node_type == "PrepareStmt":
        arguments = Findings()
        walk.Walk(names, state, arguments, _HANDLERS).run("List", {"items": statement.node.get("argtypes", [])})
        made = named.prepared_text(
            statement, arguments, lambda inside: _statement(inside, state, names, Batch(NOTHING_NAMED))
        )
        facts = replace(facts, prepares=made, barrier=found.runs_at_parse)
    return facts


def _typed(found: Findings, names: Names, types: Iterable[int]) -> None:
    """Types of parameters, by their oids. What reads a value may be code of the database."""
    for oid in types:
        one = names.catalog.types_by_oid.get(oid)
        found.user_types.add(oid)
        if not names.catalog.reads_harmlessly(oid):
            found.runs_at_parse = found.type_calls = True
            schema, name = (one.schema, one.name) if one is not None else (None, f"type {oid}")
            found.opaque(ObjectKind.type, schema, name, known=one is not None)


def _entered(found: Findings, names: Names, entry: PreparedText) -> None:
    """The types of a prepared statement's parameters, as they were when it was made."""
    _typed(found, names, entry.types)
    for access in entry.code:
        found.runs_at_parse = found.type_calls = True
        found.opaque(access.kind, access.schema, access.name, known=access.known)


def _facts(statement: Statement, found: Findings, answer: answers.Answer) -> Facts:
    effects = frozenset(found.effects)
    kinds = tuple(found.kinds)
    return Facts(
        sql=statement.sql,
        kind=kinds[0],
        effects=effects,
        accesses=_with_columns(found, answer),
        functions=tuple(found.functions),
        predicate=found.predicate,
        harmless=_harmless(found),
        barrier=found.barrier or bool(effects & _BARRIERS),
        names_depend=found.names,
        runs_at_parse=found.runs_at_parse,
        forbidden=found.forbidden,
        error=found.error,
        deallocates=found.deallocates,
        closes=found.closes,
        opens=found.opens if statement.node_type == "DeclareCursorStmt" else None,  # EXPLAIN of one opens nothing
        savepoint=found.savepoint,
        kinds=kinds,
        cascades=tuple(found.cascades),
        copies=found.copies,
        output=answer.output,
        unfollowed=answer.unfollowed,
        inferable=answer.inferable,
        derived=answer.derived,
    )


def _harmless(found: Findings) -> bool:
    """Built in as allowed: by its own handler's word, or a SELECT of catalogs that carry no data."""
    if found.forbidden is not None or found.settings is False:
        return False
    if next(iter(found.kinds)) != "select":
        return found.harmless and not found.effects & _BARRIERS
    allowed = {Effect.read, Effect.session} if found.settings else {Effect.read}
    if not found.effects <= allowed or not all(use.trusted for use in found.functions):
        return False
    objects = [a for a in found.accesses if a.kind is not ObjectKind.setting]
    if objects:
        return all(a.kind is ObjectKind.catalog for a in objects)
    asks = found.settings or bool(found.functions)
    return asks and all(use.name in DRIVER_FUNCTIONS for use in found.functions)


def _with_columns(found: Findings, answer: answers.Answer) -> tuple[ObjectAccess, ...]:
    """Reads of tables with the columns that the statement names or looks at, where all of it was followed."""
    if answer.unfollowed is not None or answer.output is None:
        return tuple(found.accesses)
    read: dict[tuple[str, str], set[str]] = {}
    outputs = (source for column in answer.output for source in column.sources)
    for one in (*outputs, *answer.inferable, *answer.derived, *answer.named):
        read.setdefault((one.schema, one.table), set()).add(one.column)
    return tuple(
        replace(access, columns=tuple(sorted(read.get((access.schema or "", access.name), ()))))
        if access.effect is Effect.read and access.known and (access.schema, access.name) not in found.through_views
        else access
        for access in found.accesses
    )
