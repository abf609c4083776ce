"""Random statements that change data, over ``resolution.sql``: what is read by them flows into tables and out of RETURNING."""

# ruff: noqa: E501
from __future__ import annotations

from tests.oracle.queries import Column, Queries, Statement, Typed

_TARGETS = [
    "public.people", "app.people", '"Third One".people', "public.orders", "app.orders", "public.notes", 'public."select"',
    "public.parent", "public.child", "public.events", "public.dropped", "public.mails", '"Third One"."A View"', "app.keyed",
]  # fmt: skip
_KEYED: list[Typed] = [("id", "int"), ("name", "text"), ("iban", "text")]


class ChangesOfData(Queries):
    """``version`` of the server: MERGE came with 15, its RETURNING with 17, old and new with 18."""

    def __init__(self, seed: int, path: str, version: int) -> None:
        super().__init__(seed, path)
        self.version = version

    def statement(self) -> Statement:
        self.ctes, self.parameters, self.scope, self.outer = {}, [], [], []
        kind = self.random.random()
        clause = f"{self.with_clause(1)} " if kind < 0.15 else ""
        change = self.change()
        if 0.15 <= kind < 0.3:
            rows, names = self.returning_all()
            self.ctes["done"] = names
            text, _ = self.query(1, None)
            inner = f"select * from ({text}) as w" if text.startswith("with") else text
            change = f"with done as ({rows}) {inner}"
        return Statement(f"{clause}{change}", tuple(self.parameters))

    def change(self) -> str:
        kinds = [self.insert, self.update, self.update, self.delete]
        if self.version >= 150000:
            kinds.append(self.merge)
        return self.random.choice(kinds)()

    def returning_all(self) -> tuple[str, list[Typed]]:
        name, alias, columns = self.target("t")
        target = [Column(alias, *column) for column in columns]
        with self.inside(target, []):
            text = f"update {name} as {alias} set {self.assignments(columns)} where {self.condition(1)} returning *"
        return text, columns

    def target(self, alias: str) -> tuple[str, str, list[Typed]]:
        name = self.random.choice(_TARGETS)
        return name, alias, self.tables.get(name, _KEYED)

    def assignments(self, columns: list[Typed]) -> str:
        own = [column for column in columns if column[1] in ("int", "text") and column[0] != "kind"]
        chosen = self.random.sample(own, min(len(own), self.random.randint(1, 2)))
        if len(chosen) == 2 and self.often(0.3):
            query, _ = self.query(1, [kind for _, kind in chosen])
            return f"({', '.join(name for name, _ in chosen)}) = (select q.* from ({query}) q limit 1)"
        return ", ".join(f"{name} = {self.value(kind, 1)}" for name, kind in chosen)

    def returning(self, target: list[Column], others: list[Column]) -> str:
        if self.often(0.3):
            return ""
        if self.often(0.2):
            return " returning *"
        extra = (
            [Column(word, *c[1:]) for word in ("old", "new") for c in target]
            if self.version >= 180000 and self.often(0.3)
            else []
        )
        with self.inside(extra or [*target, *others], []):
            values = [
                f"{self.value(self.one('int', 'text'), 1)} as {self.name()}" for _ in range(self.random.randint(1, 2))
            ]
        return f" returning {', '.join(values)}"

    def insert(self) -> str:
        if self.often(0.2):
            return self.upsert()
        name, alias, columns = self.target(self.one("a", "people", "t"))
        own = [column for column in columns if column[1] in ("int", "text")]
        chosen = self.random.sample(own, self.random.randint(1, len(own)))
        kinds = [kind for _, kind in chosen]
        if self.often(0.3):
            source = f"values ({', '.join(self.value(kind, 1) for kind in kinds)})"
        else:
            source = self.query(1, kinds)[0]
        names = ", ".join(name for name, _ in chosen)
        return f"insert into {name} as {alias} ({names}) {source}{self.returning([Column(alias, *c) for c in columns], [])}"

    def upsert(self) -> str:
        target = [Column("k", *column) for column in _KEYED]
        source, _ = self.query(1, ["int", "text", "text"])
        with self.inside([*target, *(Column("excluded", *column) for column in _KEYED)], []):
            update = f"update set {self.assignments(_KEYED[1:])}" + (
                f" where {self.condition(1)}" if self.often(0.5) else ""
            )
        action = self.one("nothing", update)
        return (
            f"insert into app.keyed as k (id, name, iban) select distinct on (1) q.* from ({source}) q (a, b, c) "
            f"where a is not null order by 1, 2, 3 on conflict (id) do {action}{self.returning(target, [])}"
        )

    def update(self) -> str:
        name, alias, columns = self.target(self.one("a", "people", "t"))
        target = [Column(alias, *column) for column in columns]
        item = self.item(1, [], [], {alias}) if self.often(0.5) else None
        others = item.columns if item else []
        source = f" from {item.text}" if item else ""
        with self.inside([*target, *others], []):
            where = f" where {self.condition(1)}" if self.often(0.7) else ""
            return f"update {name} as {alias} set {self.assignments(columns)}{source}{where}{self.returning(target, others)}"

    def delete(self) -> str:
        name, alias, columns = self.target(self.one("a", "people", "t"))
        target = [Column(alias, *column) for column in columns]
        item = self.item(1, [], [], {alias}) if self.often(0.4) else None
        others = item.columns if item else []
        source = f" using {item.text}" if item else ""
        with self.inside([*target, *others], []):
            return f"delete from {name} as {alias}{source} where {self.condition(1)}{self.returning(target, others)}"

    def merge(self) -> str:
        name, alias, columns = self.target("t")
        if name in ("public.mails", '"Third One"."A View"', "public.parent") or self.often(0.3):
            name, columns = "public.notes", self.tables["public.notes"]
        target = [Column(alias, *column) for column in columns]
        query, names = self.query(1, ["int", "text"], True)
        source = [Column("s", *column) for column in names]
        keys = f"{alias}.id = s.{names[0][0]}"
        with self.inside([*target, *source], []):
            on = self.one(keys, f"{keys} and {self.condition(0)}")
            matched = self.one("delete", "do nothing", f"update set {self.assignments(columns)}")
            matched = f"when matched and {self.condition(1)} then {matched}"
        with self.inside(source, []):
            unmatched = f" when not matched then insert (id) values ({self.value('int', 1)})" if self.often(0.6) else ""
        returning = self.returning(target, source) if self.version >= 170000 else ""
        return f"merge into {name} as {alias} using (select distinct on (1) q.* from ({query}) q order by 1, 2) as s on {on} {matched}{unmatched}{returning}"
