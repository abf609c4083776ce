"""Lineage against a real server on queries that nobody thought of.

Queries are put together at random over the sample: subselects, joins, LATERAL, CTEs, set operations, expressions. Where
the server runs one, every value that turns up must be traced to its column, under the server's own column names.
"""

import random
import re

import psycopg
import pytest

from tests.unit.server.sql.conftest import Sample
from tests.unit.server.sql.test_lineage import MARKS

TABLES = {
    "customers": ["id", "name", "email", "card", "info", "tags"],
    "orders": ["id", "customer_id", "total", "note"],
    "events": ["id", "secret", "day"],
    "parent": ["id", "hidden"],
    "child": ["id", "hidden", "extra"],
    "billing.customers": ["id", "iban"],
}
EXPRESSIONS = [
    "{0}", "{0}", "{0}", "({0})::text", "concat({0}, {1})", "case when {0} is not null then ({1})::text end",
    "coalesce(({0})::text, ({1})::text)", "array[({0})::text]", "row({0}, {1})::text", "({0})::text || 'x'",
    "max({0}::text) over ()", "to_json({0})", "array_agg({0}) over (order by 1)", "substr({0}::text, 1)",
]  # fmt: skip
JOINS = [
    "join {} on true", "left join {} on true", "cross join {}", "natural join {}", "join {} using (id)",
    "full join {} using (id)",
]  # fmt: skip
Columns = list[tuple[str, str]]
"""Qualifier and name of what can be named."""


class Maker:
    """Makes queries; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.ctes: list[tuple[str, list[str]]] = []

    def name(self) -> str:
        self.count += 1
        return f"{self.random.choice('abcdefgh')}{self.count % 7}"

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def statement(self) -> str:
        self.ctes = []
        clauses = []
        for number in range(self.random.randint(0, 2)):
            query, names = self.query(1, [], self.random.randint(1, 2))
            clauses.append(f"q{number} as ({query})")
            self.ctes.append((f"q{number}", names))
        query, _ = self.query(2, [], self.random.randint(1, 3))
        return f"with {', '.join(clauses)} {query}" if clauses else query

    def query(self, depth: int, outer: Columns, width: int) -> tuple[str, list[str]]:
        if depth and self.often(0.12):
            return self.union(depth, outer, width)
        items, columns = [], Columns()
        for _ in range(self.random.randint(1, 2)):
            item, added = self.item(depth, outer, columns)
            items.append(item)
            columns = columns + added
        names = [f"{self.name()}o{place}" for place in range(width)]
        reach = columns + (outer if self.often(0.2) else [])
        values = [f"{self.value(reach, depth)} as {name}" for name in names]
        text = f"select {', '.join(values)} from {', '.join(items)}{' order by 1' if self.often(0.1) else ''} limit 5"
        return (f"select * from ({text}) {self.name()}" if self.often(0.3) else text), names

    def union(self, depth: int, outer: Columns, width: int) -> tuple[str, list[str]]:
        names = [f"{self.name()}u{place}" for place in range(width)]
        arms = []
        for arm_names in (names, [f"n{place}" for place in range(width)]):
            query, inner = self.query(depth - 1, outer, width)
            values = ", ".join(f"x.{own}::text as {new}" for own, new in zip(inner, arm_names, strict=True))
            arms.append(f"(select {values} from ({query}) x)")
        return self.random.choice([" union ", " union all ", " except ", " intersect all "]).join(arms), names

    def item(self, depth: int, outer: Columns, left: Columns) -> tuple[str, Columns]:
        kind, alias = self.random.random(), self.name()
        if depth == 0 or kind < 0.45:
            return self.table(alias)
        if kind < 0.75:
            lateral = bool(left) and self.often(0.4)
            query, names = self.query(depth - 1, left + outer if lateral else outer, self.random.randint(1, 3))
            return f"{'lateral ' if lateral else ''}({query}) {alias}", [(alias, name) for name in names]
        first, mine = self.item(depth - 1, outer, left)
        second, theirs = self.item(depth - 1, outer, left + mine)
        joined = f"({first} {self.random.choice(JOINS).format(second)})"
        return joined, mine + theirs

    def table(self, alias: str) -> tuple[str, Columns]:
        if self.ctes and self.often(0.4):
            name, columns = self.random.choice(self.ctes)
            return f"{name} {alias}", [(alias, column) for column in columns]
        name = self.random.choice(list(TABLES))
        columns = TABLES[name]
        if self.often(0.2):
            columns = [f"{self.name()}z", *columns[1:]]
            return f"{name} {alias} ({columns[0]})", [(alias, column) for column in columns]
        return f"{name} {alias}", [(alias, column) for column in columns]

    def value(self, columns: Columns, depth: int) -> str:
        if self.often(0.05):
            return self.random.choice(["1", "'x'", "null"])
        alias, name = self.random.choice(columns)
        if self.often(0.08):
            return self.random.choice([alias, f"row_to_json({alias})", f"{alias}::text"])
        if depth and self.often(0.15):
            query, _ = self.query(depth - 1, columns, 1)
            return self.random.choice([f"({query.removesuffix(' limit 5')} limit 1)", f"array({query})"])
        other = self.value(columns, 0) if depth else "1"
        return self.random.choice(EXPRESSIONS).format(f"{alias}.{name}" if self.often(0.8) else name, other)


@pytest.mark.parametrize("seed", [11, 22, 33])
def test_random_queries_are_traced(sample: Sample, seed: int) -> None:
    """INV-4, THREATS 12."""
    maker = Maker(seed)
    traced = 0
    with psycopg.connect(sample.dsn, autocommit=True) as connection:
        connection.execute("set statement_timeout = '5s'")
        for _ in range(150):
            text = maker.statement()
            try:
                cursor = connection.execute(text.encode())
            except psycopg.Error:
                continue  # an ambiguous name, no common column: the server refuses it too
            facts = sample.facts(text)
            assert facts.output is not None, text
            assert [c.name for c in facts.output] == [c.name for c in cursor.description or ()], text
            for row in cursor.fetchmany(50):
                for column, value in zip(facts.output, row, strict=True):
                    found = re.findall(r"(?<![a-z])([a-z]+)-\d", str(value).lower())
                    sources = {f"{s.table}.{s.column}" for s in column.sources}
                    assert {MARKS[mark] for mark in found if mark in MARKS} <= sources, (column.name, text)
            traced += 1
    assert traced > 40
