"""What PostgreSQL itself takes a statement's names for, and what the facts leave out of it.

PostgreSQL is asked by a view (of a SELECT) or the body of a function (of what changes data) in a transaction that is
rolled back: ``pg_depend`` has the columns, functions, operators and types that it holds on to, and the stored tree the
relations, built-in ones among them. The names come from the catalogs themselves, not from ``sql.catalog``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import psycopg

from hoopd.sql.catalog import FIRST_USER_OID, Catalog
from hoopd.sql.facts import ColumnName, Effect, Facts, ObjectKind

Name = tuple[str, str]
_SEEN = """
select {tree}, array(select d.refclassid::regclass || ' ' || d.refobjid || ' ' || d.refobjsubid
                     from pg_depend d where d.classid = '{catalog}'::regclass and d.objid = o.oid and d.deptype = 'n')
from {catalog} o where o.oid = (select max(oid) from {catalog})
"""
_VIEW = "begin; create temp view seen as select 1 as one from ({}) as s; "
_VIEW += _SEEN.format(catalog="pg_rewrite", tree="o.ev_action::text") + "; rollback"
_BODY = "begin; create function public.seen() returns void language sql begin atomic {}; end; "
_BODY += _SEEN.format(catalog="pg_proc", tree="o.prosqlbody::text") + "; rollback"
_RELATIONS = re.compile(r":relid ([1-9][0-9]*)")


class Seen(NamedTuple):
    """``relations`` stand in FROM, or behind views that do; ``columns`` are those of the former."""

    relations: frozenset[Name]
    columns: frozenset[ColumnName]
    functions: frozenset[tuple[int, Name]]
    operators: frozenset[Name]
    types: frozenset[tuple[int, Name]]
    counted: Counter[str]


class Judge:
    """Asks PostgreSQL over ``session``, whose search path decides."""

    def __init__(self, session: psycopg.Connection[tuple[object, ...]]) -> None:
        self._session = session
        self._relations = self._names(
            "select c.oid::int8, n.nspname, c.relname, c.relkind from pg_class c, pg_namespace n "
            "where n.oid = c.relnamespace and relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')"
        )
        self._functions = self._names(
            "select p.oid::int8, n.nspname, p.proname from pg_proc p, pg_namespace n where n.oid = p.pronamespace"
        )
        self._operators = self._names(
            "select o.oid::int8, n.nspname, o.oprname from pg_operator o, pg_namespace n where n.oid = o.oprnamespace"
        )
        self._types = self._names(
            "select t.oid::int8, n.nspname, t.typname from pg_type t, pg_namespace n where n.oid = t.typnamespace"
        )
        self._columns = {
            (int(str(row[0])), int(str(row[1]))): str(row[2])
            for row in session.execute(
                "select attrelid::int8, attnum, attname from pg_attribute where not attisdropped"
            )
        }
        self._casts = {
            int(str(row[0])) for row in session.execute("select castfunc::int8 from pg_cast where castfunc <> 0")
        }
        self._below = {
            int(str(row[0])): {int(found) for found in _RELATIONS.findall(str(row[1]))} - {int(str(row[0]))}
            for row in session.execute(
                "select ev_class::int8, ev_action::text from pg_rewrite where rulename = '_RETURN'"
            )
        }

    def _names(self, query: str) -> dict[int, tuple[str, str, str]]:
        return {
            int(str(row[0])): (str(row[1]), str(row[2]), str(row[-1])) for row in self._session.execute(query.encode())
        }

    def view(self, text: str) -> Seen:
        """Of a SELECT. It stands in FROM, so that neither names nor types of its columns are in the way of a view.
        Raises psycopg.Error."""
        return self._seen(_VIEW, text)

    def body(self, text: str) -> Seen:
        """Of a statement that changes data. Raises psycopg.Error."""
        return self._seen(_BODY, text)

    def _seen(self, question: str, text: str) -> Seen:
        try:
            cursor = self._session.execute(question.replace("{}", text).encode())
        except psycopg.Error:
            self._session.execute("rollback")
            raise
        while cursor.description is None:
            cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        depends = [str(one).split() for one in list(row[1])]  # type: ignore[call-overload]
        return self._read(str(row[0]), [(what, int(oid), int(part)) for what, oid, part in depends])

    def _read(self, tree: str, depends: list[tuple[str, int, int]]) -> Seen:
        relids = {int(oid) for oid in _RELATIONS.findall(tree)} & set(self._relations)  # without the view itself
        counted = Counter({"built-in relations": sum(oid < FIRST_USER_OID for oid in relids)})
        by_class: dict[str, set[tuple[int, int]]] = {}
        for what, oid, part in depends:
            by_class.setdefault(what, set()).add((oid, part))
        of_relations = {(oid, part) for oid, part in by_class.get("pg_class", ()) if oid in self._relations}
        columns = set()
        for oid, part in of_relations:
            if part > 0 and oid in relids:
                columns.add(ColumnName(*self._relations[oid][:2], self._columns[oid, part]))
            counted["system columns"] += part < 0
            counted["fields of rows that functions and types give"] += part > 0 and oid not in relids
        counted["relations in constants"] = len({oid for oid, part in of_relations if not part and oid not in relids})
        whole = {oid for oid, part in of_relations if part == 0 and oid in relids}
        counted["relations of which it names no column"] = len(whole - {oid for oid, part in of_relations if part})
        return Seen(
            frozenset(self._relations[oid][:2] for oid in self._deep(relids)),
            frozenset(columns),
            frozenset((oid, self._functions[oid][:2]) for oid, _ in by_class.get("pg_proc", ())),
            frozenset(self._operators[oid][:2] for oid, _ in by_class.get("pg_operator", ())),
            frozenset((oid, self._types[oid][:2]) for oid, _ in by_class.get("pg_type", ())),
            counted,
        )

    def _deep(self, relids: set[int]) -> set[int]:
        """With the relations that views stand for; of a catalog's view, the view alone."""
        found, waiting = set[int](), list(relids)
        while waiting:
            oid = waiting.pop()
            if oid not in found and oid in self._relations:
                found.add(oid)
                waiting += self._below.get(oid, ()) if oid >= FIRST_USER_OID else ()
        return found

    def is_cast(self, function: int) -> bool:
        return function in self._casts


def columns_of(facts: Facts) -> set[ColumnName]:
    """The columns whose values the facts say to be in the answer, or to decide on it."""
    outputs = {source for column in facts.output or () for source in column.sources}
    return outputs | set(facts.inferable) | set(facts.derived)


def looked_at(facts: Facts) -> tuple[set[ColumnName], set[Name]]:
    """Those, and all that the statement names without using their values; and the relations of which the facts say that
    it is not known which columns: they are written, or read through a view beside."""
    known, open_ = columns_of(facts), set[Name]()
    for access in facts.accesses:
        if access.effect in (Effect.read, Effect.write):
            own = (access.schema or "", access.name)
            known |= {ColumnName(*own, column) for column in access.columns or ()}
            if access.columns is None and facts.unfollowed is None:
                open_.add(own)
    return known, open_


class Known(Protocol):
    """What a comparison needs beside: the catalog that the facts were made with, and who tells a cast."""

    catalog: Catalog
    judge: Judge


def missing(seen: Seen, facts: Facts, known_by: Known) -> Iterator[str]:
    """What PostgreSQL sees and the facts do not have."""
    read = {(a.schema, a.name) for a in facts.accesses if a.effect in (Effect.read, Effect.write)}
    yield from (f"relation {name}" for name in seen.relations if name not in read)
    known, open_ = looked_at(facts)
    for column in seen.columns - known:
        if (column.schema, column.table) not in open_:
            yield f"column {column}"
    functions = {(use.schema, use.name) for use in facts.functions}
    casts = any(use.schema is None and use.name.startswith("cast of ") for use in facts.functions)
    for oid, name in seen.functions:
        if name not in functions and not (known_by.judge.is_cast(oid) and casts):
            yield f"function {name}"
    yield from (f"operator {name}" for name in seen.operators if name not in functions)
    yield from _types(seen, facts, known_by.catalog)


def _types(seen: Seen, facts: Facts, catalog: Catalog) -> Iterator[str]:
    """A type is told of only if making its values may run code; then it is named, or known to run when it is read."""
    opaque = {(a.schema, a.name) for a in facts.accesses if a.effect is Effect.opaque and a.kind is ObjectKind.type}
    for oid, name in seen.types:
        element = name[1].removeprefix("_")
        harmless = catalog.reads_harmlessly(oid)
        if not harmless and not opaque & {name, (name[0], element)} and not facts.runs_at_parse:
            yield f"type {name}"
