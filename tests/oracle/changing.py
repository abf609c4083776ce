"""What a statement's answer depends on, found by changing one column at a time in transactions that are rolled back.

A column that the facts do not name as a source of some output column, as inferable or as derived must not matter to the
rest of the answer; nor, where the statement changes data, to what the other columns of all tables hold afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from hoopd.sql.catalog import Catalog, Relation
from hoopd.sql.facts import ColumnName, Facts

_CHANGES = {
    "int4": ("({c} + 1) % 5", "-{c} - 7", "null", "2"),
    "text": ("'~' || {c}", "'name-1'", "null", "reverse({c})", "'x'"),
    "_text": ("{c} || 'z'", "array['tag-2']", "null"),
    "jsonb": ("""{c} || '{"k": "name-1", "n": 77}'""", "null"),
    "date": ("{c} + 400", "null", "date '1990-06-02' - id"),
    "bool": ("not {c}", "null", "true"),
    "grade": ("'high'", "null", "case {c} when 'low' then 'top' else 'low' end::app.grade"),
    "mood": ("'sad'", "null"),
    "place": ("row('x', 2)::app.place", "null", "row(reverse(({c}).street), -({c}).number)::app.place"),
    "email": ("'x@' || {c}", "null", "'name-1@'"),
    "positive": ("{c} + 100", "null", "2"),
    "holder": ("row(5, 'x')::app.holder", "null"),
}
"""By type, what a column can be set to: other values in each row, the same in all, NULL, another order."""
MOST_ROWS = 3000
SELDOM = 7
"""Of so many statements, one has those columns changed that may matter: to see that changes are seen."""
_AFRESH = sql.SQL(
    "create temp table rows_of_it on commit drop as select * from only {0}; "
    "truncate only {0}; insert into {0} select * from rows_of_it"
)
Row = tuple[str | None, ...]


class Answer(NamedTuple):
    """``rows`` as a client gets them, or an error's code; ``left`` what tables hold afterwards, where asked."""

    rows: list[tuple[str | None, ...]]
    left: list[tuple[str, Any]]

    def without(self, places: set[int]) -> Counter[Row]:
        """The rows, without some of their columns and in any order."""
        return Counter(tuple(value for place, value in enumerate(row) if place not in places) for row in self.rows)

    def kept(self, column: ColumnName, family: set[str]) -> Counter[str]:
        """What is left, without a column of a table and its family, whose rows may move between them."""
        return Counter(
            f"{table} {sorted((k, repr(v)) for k, v in row.items() if table not in family or k != column.column)}"
            for table, row in self.left
        )


class Changes:
    """``found`` are the columns that matter and that the facts do not have, each with its statement."""

    def __init__(self, session: psycopg.Connection[tuple[object, ...]], catalog: Catalog) -> None:
        self.session = session
        self.catalog = catalog
        self.counted: Counter[str] = Counter()
        self.found: list[str] = []
        self._types = {
            ColumnName(str(row[0]), str(row[1]), str(row[2])): str(row[3])
            for row in session.execute(
                "select n.nspname, c.relname, a.attname, t.typname "
                "from pg_attribute a, pg_class c, pg_namespace n, pg_type t "
                "where a.attrelid = c.oid and n.oid = c.relnamespace and t.oid = a.atttypid and a.attnum > 0 "
                "and not a.attisdropped and c.relkind = 'r' and c.oid >= 16384 order by c.oid, a.attnum"
            )
        }
        tables = dict.fromkeys((column.schema, column.table) for column in self._types)
        self._contents = sql.SQL(" union all ").join(
            sql.SQL("select {}::text, to_jsonb(t) from only {} t").format(".".join(name), sql.Identifier(*name))
            for name in tables
        )

    def tried(self, text: str, facts: Facts, turn: int, *, writes: bool = False) -> None:
        """Change each column in reach. ``turn`` chooses how, and when those are changed that may matter."""
        plain = self._answer(None, "", text, writes)
        if plain is None or len(plain.rows) > MOST_ROWS:
            self.counted["answers too large or too slow"] += 1
            return
        self.counted["statements with changes"] += 1
        told = {*facts.inferable, *facts.derived}
        pressed: dict[tuple[str, str], Answer | None] = {}
        for column in self._in_reach(facts):
            if column in told and turn % SELDOM:
                continue
            own = (column.schema, column.table)
            if own not in pressed:
                pressed[own] = self._answer(column, "{c}", text, writes)
            before = pressed[own]
            for change in self._chosen(column, turn):
                after = self._answer(column, change, text, writes)
                if before is None or after is None:
                    self.counted["changes that a table does not take"] += 1
                elif column in told:
                    self.counted["changes of columns that decide"] += 1
                    differ = _differ(before, after, column, set(), self._family(column))
                    self.counted["of which the answer was another"] += differ
                else:
                    self._compare(column, change, text, facts, before, after)

    def _compare(self, column: ColumnName, change: str, text: str, facts: Facts, before: Answer, after: Answer) -> None:
        places = {n for n, output in enumerate(facts.output or ()) if column in output.sources}
        self.counted["changes of columns that are put out" if places else "changes of columns that do not matter"] += 1
        family = self._family(column)
        if _differ(before, after, column, places, family) and self._is_sure(column, change, text, places, family):
            where = f"beside its {len(places)} columns " if places else ""
            self.found.append(f"{column} matters {where}(as {change}): {facts.sql}")

    def _is_sure(self, column: ColumnName, change: str, text: str, places: set[int], family: set[str]) -> bool:
        """Whether it is so over a table made afresh: rows in no order come as they lie, and changes move them."""
        before = self._answer(column, "{c}", text, writes=True, afresh=True)
        after = self._answer(column, change, text, writes=True, afresh=True)
        sure = before is None or after is None or _differ(before, after, column, places, family)
        self.counted["differences by the place of rows alone"] += not sure
        return sure

    def _chosen(self, column: ColumnName, turn: int) -> tuple[str, str]:
        every = _CHANGES[self._types[column]]
        return every[turn % len(every)], every[(turn + 1) % len(every)]

    def _family(self, column: ColumnName) -> set[str]:
        relation = self.catalog.relations[column.schema, column.table]
        return {f"{one.schema}.{one.name}" for one in self.catalog.family(relation)}

    def _in_reach(self, facts: Facts) -> Iterator[ColumnName]:
        """Of tables that are named, not those that views read: a column of a view is its own."""
        named = {(access.schema or "", access.name) for access in facts.accesses}
        relations = [one for name in named if (one := self.catalog.relations.get(name)) is not None]
        below = {oid for one in relations for oid in one.reads}
        tables: dict[int, Relation] = {}
        for relation in relations:
            if relation.oid not in below:
                tables |= {one.oid: one for one in self.catalog.family(relation) if one.oid not in below}
        self.counted["tables below views, whose columns are not followed"] += len(below)
        for one in tables.values():
            for each in one.columns or ():
                column = ColumnName(one.schema, one.name, each.name)
                if column in self._types:
                    yield column

    def _answer(
        self, column: ColumnName | None, change: str, text: str, writes: bool, *, afresh: bool = False
    ) -> Answer | None:
        """None where it takes too long, or the table does not take the change."""
        try:
            self.session.execute("begin")
            if column is not None and afresh:
                self.session.execute(_AFRESH.format(sql.Identifier(column.schema, column.table)))
            if column is not None:
                self.session.execute(_update(column, change))
            return self._run(text, writes)
        except psycopg.Error:
            return None
        finally:
            self.session.execute("rollback")

    def _run(self, text: str, writes: bool) -> Answer | None:
        try:
            cursor = self.session.execute(text.encode())
            rows = [tuple(map(repr, row)) for row in cursor.fetchall()] if cursor.description else []
        except (psycopg.errors.QueryCanceled, psycopg.errors.UniqueViolation):
            return None  # whoever writes to a table learns what is there already
        except psycopg.Error as problem:
            return Answer([(problem.sqlstate,)] * 2, [])
        left = [(str(row[0]), row[1]) for row in self.session.execute(self._contents)] if writes else []
        return Answer(rows, left)


def _differ(before: Answer, after: Answer, column: ColumnName, places: set[int], family: set[str]) -> bool:
    return before.without(places) != after.without(places) or before.kept(column, family) != after.kept(column, family)


def _update(column: ColumnName, change: str) -> bytes:
    name = sql.Identifier(column.column).as_string()
    table = sql.Identifier(column.schema, column.table).as_string()
    return f"update only {table} set {name} = {change.replace('{c}', name)}".encode()
