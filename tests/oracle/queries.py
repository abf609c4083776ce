"""Random queries over ``resolution.sql`` that lay out names to be taken for others: the same seed makes the same ones.

Each value knows its type, so that nearly all of them are what the server takes. Names of CTEs and aliases are those of
tables, names of output columns those of columns; the same table is in several schemas, with other columns in each.
"""

# ruff: noqa: E501
from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

Typed = tuple[str, str]
"""A column's name, as it is written, and its type: int, text, or a word for another."""
_SPOKEN = {
    "public.people": "id int, name text, mail text, born date, boss int, tags tags, info json",
    "app.people": 'id int, name text, iban text, "name of" text, boss int',
    '"Third One".people': 'id int, "Name" text, name text, card text',
    "public.orders": "id int, people int, total int, note text, mail text, g grade, at place",
    "app.orders": "id int, people int, status text, note text",
    "public.notes": "id int, note text, name text, seen bool",
    'public."select"': 'id int, "from" text, "Id" text, "a.b" text',
    "public.parent": "id int, hidden text, name text",
    "public.child": "id int, hidden text, name text, extra text",
    "public.grandchild": "id int, hidden text, name text, extra text, more text",
    "public.events": "id int, secret text, kind int, day date",
    "public.events_1": "id int, secret text, kind int, day date",
    "app.events_rest": "day date, id int, kind int, secret text",
    "public.dropped": "id int, name text, card text",
    "public.mails": "id int, address text, name text",
    "app.people_and_orders": "id int, name text, mail text, born date, boss int, tags tags, info json, total int, note text",
    "public.view_of_views": "address text, note text, id int",
    '"Third One"."A View"': '"Some id" int, name text',
    "public.kept": "id int, name text, iban text",
}
_CODE = {
    "public.typed": "id int, mail email, p positive, h holder, m mood, name text",
    "public.view_of_code": "id int, name text",
}
PATHS = ('public, app, "Third One"', 'app, "$user", nowhere, public', '"Third One",public')
_JOINS = ["join {} on {}", "left join {} on {}", "full join {} on {}", "right join {} on {}", "cross join {}"]


def _columns(spoken: str) -> list[Typed]:
    found = re.findall(r'("[^"]+"|\w+) (\w+)', spoken)
    return [(name, kind) for name, kind in found]


class Column(NamedTuple):
    """What can be named: ``alias`` is of the item that has it, None for what a join merged."""

    alias: str | None
    name: str
    type: str


class Item(NamedTuple):
    """Something in FROM; ``columns`` are what can be named, ``star`` what ``*`` stands for."""

    text: str
    columns: list[Column]
    star: list[Typed]


class Statement(NamedTuple):
    """``text`` is what a client sends; ``parameters`` are types and values, as literals."""

    text: str
    parameters: tuple[Typed, ...]

    def with_nulls(self) -> str:
        return self._with([f"(null::{kind})" for kind, _ in self.parameters])

    def with_values(self) -> str:
        return self._with([f"({value}::{kind})" for kind, value in self.parameters])

    def _with(self, put: Sequence[str]) -> str:
        return re.sub(r"\$(\d+)", lambda found: put[int(found[1]) - 1], self.text)


class Queries:
    """``code``: how often a value calls what users made. ``path``: where names without schema are looked for."""

    def __init__(self, seed: int, path: str, code: float = 0.0) -> None:
        self.random = random.Random(f"{seed} {path} {code}")
        self.code = code
        spoken = {**_SPOKEN, **_CODE} if code else _SPOKEN
        self.tables = {name: _columns(columns) for name, columns in spoken.items()}
        self.schemas = [schema.strip() for schema in path.split(",")]
        self.ctes: dict[str, list[Typed]] = {}
        self.parameters: list[Typed] = []
        self.scope: list[Column] = []
        self.outer: list[Column] = []
        self.grouped = False
        self.windows: list[str] = []

    # Small things

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def name(self) -> str:
        return self.one(
            "id", "name", "mail", "note", "total", "people", "x", "y", "z", '"Q q"', "hidden", "value", "card"
        )

    def fresh(self, taken: set[str], *more: str) -> str:
        pool = [
            n for n in ("a", "b", "c", "people", "orders", "notes", "id", "name", "x", '"A b"', *more) if n not in taken
        ]
        name = self.random.choice(pool)
        taken.add(name)
        return name

    @contextmanager
    def inside(self, scope: list[Column], outer: list[Column]) -> Iterator[None]:
        before = self.scope, self.outer, self.grouped, self.windows
        self.scope, self.outer, self.grouped, self.windows = scope, outer, False, []
        try:
            yield
        finally:
            self.scope, self.outer, self.grouped, self.windows = before

    def statement(self) -> Statement:
        self.ctes, self.parameters, self.scope, self.outer = {}, [], [], []
        text, _ = self.query(2, None)
        return Statement(text, tuple(self.parameters))

    # Queries

    def query(self, depth: int, types: list[str] | None, named: bool = False) -> tuple[str, list[Typed]]:
        """``types`` of its columns, None for any; ``named``: each has a name of its own."""
        kind = self.random.random()
        if depth and kind < 0.16:
            before = dict(self.ctes)
            clause = self.with_clause(depth)
            text, columns = self.query(depth - 1, types, named)
            self.ctes = before
            return f"{clause} {'select * from (' + text + ') as w' if text.startswith('with') else text}", columns
        if depth and kind < 0.28:
            return self.united(depth, types)
        if kind < 0.31 and types is None and not named:
            rows = [f"({self.value('int', depth)}, {self.value('text', depth)})" for _ in range(2)]
            return f"values {', '.join(rows)}", [("column1", "int"), ("column2", "text")]
        if kind < 0.33 and types is None:
            name = self.random.choice(list(self.tables))
            return f"table {name}", self.tables[name]
        return self.select(depth, types, named)

    def with_clause(self, depth: int) -> str:
        parts = []
        recursive = self.often(0.3)
        for _ in range(self.random.randint(1, 2)):
            name = self.fresh(set(self.ctes), "child", "events")
            if recursive and self.often(0.6):
                first, _ = self.select(depth - 1, ["text"], True)
                self.ctes[name] = [("n", "int"), ("t", "text")]
                with self.inside([Column(name, "n", "int"), Column(name, "t", "text")], []):
                    again = self.value("text", 0)
                    where = f"{name}.n < 3 and {self.condition(0)}"
                other = self.one("", ", public.notes as deep")
                parts.append(
                    f"{name} (n, t) as (select 1, f.* from ({first}) f {self.one('union', 'union all')} "
                    f"select {name}.n + 1, {again} from {name}{other} where {where})"
                )
                continue
            outer = [] if self.often(0.8) else self.outer
            with self.inside([], outer):
                text, columns = self.query(depth - 1, None, True)
            names = [f"k{place}" for place in range(len(columns))] if self.often(0.3) else []
            if not recursive or name not in re.findall(r"\w+", text):
                self.ctes[name] = [(n, t) for n, (_, t) in zip(names, columns, strict=True)] if names else columns
                listed = f" ({', '.join(names)})" if names else ""
                parts.append(f"{name}{listed} as {self.one('', '', 'materialized ', 'not materialized ')}({text})")
        return f"with {'recursive ' if recursive else ''}{', '.join(parts)}" if parts else ""

    def united(self, depth: int, types: list[str] | None) -> tuple[str, list[Typed]]:
        wanted = types or [self.one("int", "text") for _ in range(self.random.randint(1, 3))]
        first, columns = self.query(depth - 1, wanted, True)
        second, _ = self.query(depth - 1, wanted)
        word = self.one("union", "union all", "union all", "except", "except all", "intersect", "intersect all")
        text = f"({first}) {word} ({second})"
        if self.often(0.2):
            text += f" order by {self.one('1', columns[0][0])}"
        return text, columns

    def select(self, depth: int, types: list[str] | None, named: bool) -> tuple[str, list[Typed]]:
        outer = [*self.scope, *self.outer] if self.often(0.6) else []
        items = self.items(depth, outer)
        scope = [column for item in items for column in item.columns]
        with self.inside(scope, outer):
            where = f" where {self.condition(depth)}" if self.often(0.4) else ""
            keys = [self.value(self.one("int", "text"), 0) for _ in range(self.random.randint(0, 2))]
            self.grouped = items != [] and self.often(0.15)
            if self.grouped:
                return self.grouped_select(depth, types, items, where, keys)
            text, columns = self.targets(depth, types, items, named)
            distinct = self.one("distinct ", f"distinct on ({self.value('text', 0)}) ") if self.often(0.1) else ""
            named_windows = f" window {', '.join(self.windows)}" if self.windows else ""
            tail = named_windows + self.tail(depth, columns, ordered="on" not in distinct)
        source = f" from {', '.join(item.text for item in items)}" if items else ""
        return f"select {distinct}{text}{source}{where}{tail}", columns

    def targets(self, depth: int, types: list[str] | None, items: list[Item], named: bool) -> tuple[str, list[Typed]]:
        stars = [item for item in items if item.star]
        if types is None and stars and self.often(0.15):
            star = [column for item in items for column in item.star]
            if not named or len({name for name, _ in star}) == len(star):
                return "*", star
        if types is None and stars and self.often(0.1):
            column = self.random.choice(self.scope)
            own = [(c.name, c.type) for c in self.scope if c.alias == column.alias]
            if column.alias is not None and len({name for name, _ in own}) == len(own):
                return f"{column.alias}.*", own
        wanted = types or [self.one("int", "text", "text", "any") for _ in range(self.random.randint(1, 3))]
        taken: set[str] = set()
        texts, columns = list[str](), list[Typed]()
        for wish in wanted:
            kind = wish if wish != "any" else (self.random.choice(self.scope).type if self.scope else "int")
            name = self.fresh(taken, "mail", "note", "total", '"Q q"', "card")
            window = kind in ("int", "text") and self.scope and self.often(0.1)
            value = self.over(kind) if window else self.value(kind, depth)
            texts.append(f"{value} as {name}" if named or self.often(0.7) else value)
            columns.append((name, kind))
        return ", ".join(texts), columns

    def grouped_select(
        self, depth: int, types: list[str] | None, items: list[Item], where: str, keys: list[str]
    ) -> tuple[str, list[Typed]]:
        columns, texts, taken = [], [], set[str]()
        for kind in types or [self.one("int", "text") for _ in range(self.random.randint(1, 3))]:
            name = self.fresh(taken, "mail", "note")
            texts.append(f"{self.aggregate(kind)} as {name}")
            columns.append((name, kind))
        listed = ", ".join(keys)
        group = {0: ""}.get(
            len(keys), f" group by {self.one('{}', '{}', 'rollup ({})', 'cube ({})', 'grouping sets (({}), ())')}"
        )
        having = f" having {self.aggregate('int')} {self.one('>', '<>')} 2" if self.often(0.3) else ""
        order = " order by 1" if self.often(0.2) else ""
        source = ", ".join(item.text for item in items)
        return f"select {', '.join(texts)} from {source}{where}{group.format(listed)}{having}{order}", columns

    def tail(self, depth: int, columns: list[Typed], *, ordered: bool) -> str:
        text = ""
        if ordered and self.often(0.25):
            by = self.one("1", columns[0][0], self.value("text", 0), self.value("int", 0))
            text += f" order by {by}{self.one('', ' desc', ' nulls first')}"
        if self.often(0.2):
            text += self.one(
                " limit 3",
                f" limit abs({self.value('int', 0) if not self.scope else 2})",
                " offset 1",
                " limit 2 offset 1",
            )
        elif depth and self.often(0.05):
            text += self.filled(" limit (select abs(max(v)) from (<query_int>) m (v))", depth - 1)
        return text

    # FROM

    def items(self, depth: int, outer: list[Column]) -> list[Item]:
        if self.often(0.03) or (depth == 0 and self.often(0.05)):
            return []
        taken: set[str] = set()
        items: list[Item] = []
        for _ in range(self.random.choice([1, 1, 2])):
            before = [column for item in items for column in item.columns]
            items.append(self.item(depth, outer, before, taken))
        return items

    def item(self, depth: int, outer: list[Column], before: list[Column], taken: set[str]) -> Item:
        kind = self.random.random()
        if depth == 0 or kind < 0.5:
            return self.table(taken)
        if kind < 0.72:
            return self.subselect(depth, outer, before, taken)
        if kind < 0.8:
            return self.function(before, outer, taken)
        return self.join(depth, outer, before, taken)

    def table(self, taken: set[str]) -> Item:
        written, columns = self.meant()
        own = written.rsplit(".", 1)[-1]
        plain = own not in taken and self.often(0.3)
        alias = own if plain else self.fresh(taken)
        taken.add(alias)
        text = written if plain else f"{written} {self.one('', 'as ')}{alias}"
        if not plain and self.often(0.15):
            columns = [(f"r{place}" if place < 2 else name, kind) for place, (name, kind) in enumerate(columns)]
            text += f" ({', '.join(name for name, _ in columns[:2])})"
        if written.startswith("public.parent") and self.often(0.2):
            text = f"only {text}"
        return Item(text, [Column(alias, *column) for column in columns], columns)

    def meant(self) -> tuple[str, list[Typed]]:
        """A table or CTE as it is written, and its columns."""
        if self.ctes and self.often(0.5):
            name = self.random.choice(list(self.ctes))
            return name, self.ctes[name]
        qualified = self.random.choice(list(self.tables))
        schema, name = qualified.rsplit(".", 1)
        if self.often(0.5) or name in self.ctes:
            return qualified, self.tables[qualified]
        first = next((s for s in self.schemas if f"{s}.{name}" in self.tables), None)
        return (qualified if first is None else name), self.tables[f"{first or schema}.{name}"]

    def subselect(self, depth: int, outer: list[Column], before: list[Column], taken: set[str]) -> Item:
        lateral = bool(before) and self.often(0.4)
        with self.inside(before if lateral else [], outer):
            text, columns = self.query(depth - 1, None, True)
        alias = self.fresh(taken)
        listed = ""
        if self.often(0.25):
            columns = [(f"s{place}", kind) for place, (_, kind) in enumerate(columns)]
            listed = f" ({', '.join(name for name, _ in columns)})"
        return Item(
            f"{'lateral ' if lateral else ''}({text}) as {alias}{listed}", [Column(alias, *c) for c in columns], columns
        )

    def function(self, before: list[Column], outer: list[Column], taken: set[str]) -> Item:
        alias = self.fresh(taken)
        with self.inside(before, outer):
            number, words = self.value("int", 0), self.value("text", 0)
        if self.often(self.code):
            columns = self.tables["public.orders"]
            return Item(f"app.orders_of({number}) as {alias}", [Column(alias, *c) for c in columns], columns)
        text, columns = self.random.choice([
            (f"generate_series(1, least({number}, 4)) as {alias}", [(alias, "int")]),
            (f"generate_series(1, least({number}, 4)) with ordinality as {alias} (m, o)", [("m", "int"), ("o", "int")]),
            (f"unnest(array[{words}, 'x']) as {alias} (w)", [("w", "text")]),
            (f"jsonb_each_text(jsonb_build_object('k', {words})) as {alias}", [("key", "text"), ("value", "text")]),
            (f"jsonb_to_record(jsonb_build_object('k', {words})) as {alias} (k text)", [("k", "text")]),
            (f"rows from (generate_series(1, 2), unnest(array[{words}])) as {alias} (m, w)", [("m", "int"), ("w", "text")]),
            (f"(values ({number}, {words}), (1, 'v')) as {alias} (m, w)", [("m", "int"), ("w", "text")]),
            (f"regexp_split_to_table({words}, '-') as {alias}", [(alias, "text")]),
        ])  # fmt: skip
        text = text.replace("(values", "lateral (values")
        return Item(text, [Column(alias, *c) for c in columns], columns)

    def join(self, depth: int, outer: list[Column], before: list[Column], taken: set[str]) -> Item:
        left = self.item(depth - 1, outer, before, taken)
        right = self.item(depth - 1, outer, [*before, *left.columns], taken)
        both = [*left.columns, *right.columns]
        kinds = dict(left.star)
        shared = [name for name, kind in right.star if kinds.get(name) == kind and kind in ("int", "text")]
        merges = (
            self.often(0.6)
            and shared
            and all([n for n, _ in side.star].count(s) == 1 for side in (left, right) for s in shared)
        )
        if not merges:
            with self.inside(both, outer):
                word = self.random.choice(_JOINS)
                text = f"({left.text} {word.format(right.text, self.condition(0))})"
            return self.aliased(text, both, [*left.star, *right.star], taken)
        natural = {name for name, _ in left.star} & {name for name, _ in right.star} == set(shared) and self.often(0.5)
        names = shared if natural else self.random.sample(shared, self.random.randint(1, len(shared)))
        side = self.one("", "left ", "full ", "right ")
        using = "" if natural else f" using ({', '.join(names)})"
        if using and self.often(0.2):
            alias = self.fresh(taken)
            using += f" as {alias}"
            both = [*both, *(Column(alias, name, kinds[name]) for name in names)]
        text = f"({left.text} {'natural ' if natural else ''}{side}join {right.text}{using})"
        merged = [(name, kind) for name, kind in left.star if name in names]
        rest = [column for column in (*left.star, *right.star) if column[0] not in names]
        visible = [*both, *(Column(None, *column) for column in merged)]
        return self.aliased(text, visible, [*merged, *rest], taken)

    def aliased(self, text: str, columns: list[Column], star: list[Typed], taken: set[str]) -> Item:
        if self.often(0.85) or len({name for name, _ in star}) < len(star):
            return Item(text, columns, star)
        alias = self.fresh(taken)
        return Item(f"{text} as {alias}", [Column(alias, *column) for column in star], star)

    # Values

    def column(self, *types: str) -> Column | None:
        local = {column.alias for column in self.scope}
        outer = [c for c in self.outer if c.alias not in local and c.alias is not None and not self.grouped]
        near = [c for c in self.scope if c.type in types]
        far = [c for c in outer if c.type in types]
        pool = far if far and (not near or self.often(0.2)) else near
        return self.random.choice(pool) if pool else None

    def reference(self, column: Column) -> str:
        merged = any(c.alias is None and c.name == column.name for c in self.scope)
        alone = [c.name for c in self.scope if c.alias is not None].count(column.name) == 1
        if column.alias is None or (column in self.scope and alone and not merged and self.often(0.5)):
            return column.name
        if self.often(0.05) and column in self.scope:
            return f"({column.alias}).{column.name}"
        return f"{column.alias}.{column.name}"

    def literal(self, kind: str) -> str:
        value = str(self.random.randint(0, 4)) if kind == "int" else self.one("'name-1'", "'x'", "'note-2'")
        if self.often(0.15):
            self.parameters.append((kind, value))
            return f"${len(self.parameters)}::{kind}"
        return value

    def value(self, kind: str, depth: int) -> str:
        column = self.column(kind)
        if kind not in _SHAPES:
            return self.reference(column) if column is not None else "null"
        if depth < 0 or self.often(0.5):
            return self.reference(column) if column is not None and self.often(0.95) else self.literal(kind)
        if self.often(self.code * 0.4):
            return self.filled(self.random.choice(_OF_USERS[kind]), depth - 1)
        shapes = _SHAPES[kind] + (_QUERYING[kind] if depth else []) + self.parts(kind)
        return self.filled(self.random.choice(shapes), depth - 1)

    def condition(self, depth: int) -> str:
        shapes = _CONDITIONS + (_ASKING if depth > 0 else []) + self.parts("bool")
        return self.filled(self.random.choice(shapes), depth - 1)

    def filled(self, shape: str, depth: int) -> str:
        return re.sub(r"<(\w+)>", lambda found: self.part(found[1], depth), shape)

    def part(self, mark: str, depth: int) -> str:
        match mark:
            case "int" | "text":
                return self.value(mark, depth)
            case "literal":
                return self.literal("int")
            case "condition":
                return self.condition(depth)
            case "table":
                return self.meant()[0]
            case "one_int" | "one_text":
                return f"(select q.* from ({self.query(depth, [mark[4:]])[0]}) q {self.one('', 'order by 1 ')}limit 1)"
        return self.query(max(depth, 0), mark.removeprefix("query_").split("_"))[0]

    def parts(self, kind: str) -> list[str]:
        """What can be made of columns of other types, and of whole rows, of those in scope."""
        found = []
        for type_, shapes in _PARTS.get(kind, {}).items():
            column = self.column(type_)
            if column is not None:
                found += [shape.format(self.reference(column)) for shape in shapes]
        whole = self.random.choice(self.scope) if self.scope else None
        if whole is not None and whole.alias is not None:
            found += [shape.format(whole.alias) for shape in _WHOLE[kind] if self.code or "full_name" not in shape]
        return found

    def aggregate(self, kind: str) -> str:
        outer, self.outer = self.outer, []
        made = self.filled(self.random.choice(_AGGREGATES[kind]), 0)
        self.outer = outer
        return made

    def over(self, kind: str) -> str:
        """A window function."""
        window, call = self.random.choice(_WINDOWS), self.random.choice(_OVER[kind])
        if self.often(0.6):
            return self.filled(f"{call} over ({window})", -1)
        name = f"w{len(self.windows)}"
        self.windows.append(self.filled(f"{name} as ({window})", -1))
        return self.filled(f"{call} over {name}", -1)


_SHAPES = {
    "int": [
        "(<int> + 1)", "(<int> * <int>)", "length(<text>)", "coalesce(<int>, <literal>)", "nullif(<int>, 2)", "abs(<int>)",
        "case when <condition> then <int> else 0 end", "greatest(<int>, 1)", "position('1' in <text>)",
        "case <text> when <text> then 1 else <int> end", "least(<int>, <literal>)", "(array[<int>, 5])[<literal>]",
    ],
    "text": [
        "(<text> || 'x')", "concat(<text>, <int>)", "upper(<text>)", "substr(<text>, 1, 3)", "coalesce(<text>, 'none')",
        "(<int>)::text", "case when <condition> then <text> end", "to_json(<text>)::text", "format('%s', <text>)",
        "(array[<text>, <text>])[1]", "row(<text>, <int>)::text", '(<text> collate "C")', "cast(<text> as varchar)",
        "(<text> is null)::text", "json_build_object('k', <text>)::text", "md5(<text>)",
    ],
}  # fmt: skip
_QUERYING = {
    "int": ["<one_int>"] * 3 + ["(select count(*)::int from <table> as n)", "(select max(v) from (<query_int>) m (v))"],
    "text": ["<one_text>"] * 3 + ["array(<query_text>)::text", "(exists (<query_int_text>))::text",
             "(select string_agg(v, ',' order by v) from (<query_text>) m (v))"],
}  # fmt: skip
_OF_USERS = {
    "int": ["app.least_of(<int>)", "(<int> operator(app.###) 1)", "cast(<int> as app.positive)", "(select app.total(<int>))",
            "app.least_of(<int>, <int>)", "'sad'::app.mood::int", "(row(<int>, 'x')::app.place).number"],
    "text": ["app.shout(<text>)", "(<text> operator(public.###) 'x')", "('m@' || <text>)::app.email::text",
             "row(<int>, <text>)::app.holder::text", "(row(<text>, 1)::app.place).street", "array['low']::app.grade[]::text"],
}  # fmt: skip
_PARTS = {
    "int": {"tags": ["array_length({}, 1)"], "place": ["({}).number"], "json": ["({}->>'n')::int"], "grade": ["length({}::text)"], "mood": ["({}::int)"]},
    "text": {"tags": ["{}[1]", "array_to_string({}, ',')"], "json": ["({}->>'k')", "({}::text)"], "grade": ["({}::text)"],
             "place": ["({}).street", "({}::text)"], "date": ["to_char({}, 'YYYY')"], "bool": ["({}::text)"], "email": ["({}::text)"],
             "holder": ["({}::text)", "({}).note"], "positive": ["({}::text)"], "mood": ["({}::text)"]},
    "bool": {"bool": ["{}"] * 3, "date": ["{} > date '1990-06-01'"], "grade": ["{} > 'low'"], "tags": ["'tag-1' = any ({})"],
             "json": ["{} ? 'k'"], "place": ["{} is not null"]},
}  # fmt: skip
_WHOLE = {
    "int": ["length({}::text)", "num_nulls({})"],
    "text": ["{}::text", "to_jsonb({})::text", "row({}.*)::text", "concat({})", "{}.full_name", "row_to_json({})::text"],
    "bool": ["{} is not null", "{0} = {0}", "({}.*) is null"],
}  # fmt: skip
_AGGREGATES = {
    "int": ["max(<int>)", "min(<int>)", "count(*)::int", "count(<text>)::int", "count(distinct <text>)::int", "sum(<int>)::int",
            "(count(*) filter (where <condition>))::int", "(percentile_disc(0.5) within group (order by <int>))::int",
            "coalesce(max(<int>), 0)", "(array_agg(<int> order by <text>))[1]", "(max(<int>) + min(<int>))"],
    "text": ["max(<text>)", "min(<text>)", "string_agg(<text>, ',' order by <int>, <text>)", "array_agg(<text> order by <text>)::text",
             "jsonb_agg(<text> order by <text>)::text", "max(<text>) filter (where <condition>)", "(count(*)::text || max(<text>))"],
}  # fmt: skip
_OVER = {
    "int": ["rank()", "dense_rank()", "sum(<int>)", "count(*)"], "text": ["max(<text>)", "min(<text>)", "string_agg(<text>, ',')"],
}  # fmt: skip
_WINDOWS = [
    "order by <int>, <text>", "partition by <text> order by <int>, <text>", "partition by <int> order by <text>",
    "order by <int> range between 1 preceding and current row", "order by <text> groups between current row and 1 following",
]  # fmt: skip
_CONDITIONS = [
    "<int> = <int>", "<int> < <int>", "<text> = <text>", "<text> like '%1'", "<int> between 1 and <int>", "<text> is not null",
    "<int> in (1, <int>)", "(<int>, <text>) = (<int>, <text>)", "<text> is distinct from <text>", "not (<int> <> <int>)", "true",
    "(<int> > 1 or <text> <> <text>)", "<text> ~ '[12]'", "<int> = any (array[1, <int>])", "(<int>, <text>) > (1, 'b')",
]  # fmt: skip
_ASKING = [
    "exists (<query_int_text>)", "<int> in (<query_int>)", "<text> <> all (<query_text>)", "(<int>, <text>) in (<query_int_text>)",
    "not exists (<query_text>)", "<int> < any (<query_int>)", "(select bool_or(b.v = 1) from (<query_int>) b (v))",
]  # fmt: skip
