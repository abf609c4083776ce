"""Where the values of an answer come from: the flow of columns through a query.

For each output column the base-table columns behind it; besides these, the columns that decide which rows come, or in
what order (``inferable``), and those that flow into expressions or other tables (``derived``). What cannot be followed
raises Unfollowed, and the caller counts every column in reach (INV-4). A read of a table that inherits, or is inherited
from, counts for the whole family. Columns of views are their own: masking looks at the kind of what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hoopd.sql import from_items, lineage_changes
from hoopd.sql.catalog import Names
from hoopd.sql.column_names import output_name
from hoopd.sql.facts import Derivation
from hoopd.sql.namespace import (
    NOTHING,
    Col,
    Item,
    Level,
    Sources,
    Unfollowed,
    everything,
    is_column,
    renamed,
    resolve,
    star,
    union,
)
from hoopd.sql.parser import FIELDS

Node = Mapping[str, Any]
_CONSTANTS = frozenset({"A_Const", "ParamRef"})
_ROUNDS = 40
"""How often the flow round a recursive CTE is followed before giving up."""


@dataclass(slots=True)
class Cte:
    node: Node
    env: Env
    parent: Level | None
    recursive: bool = False
    columns: tuple[Col, ...] | None = None
    approached: tuple[Col, ...] | None = None
    busy: bool = False


Env = dict[str, Cte]


def words_of(items: Iterable[Node]) -> list[str]:
    """The words of a dotted name, a star at its end left out."""
    return [item["String"].get("sval", "") for item in items if "String" in item]


@dataclass(slots=True)
class Flow:
    """Follows one statement; afterwards ``inferable``, ``derived`` and ``named`` hold what it met."""

    names: Names
    inferable: set[Any] = field(default_factory=set)
    derived: set[Any] = field(default_factory=set)
    named: set[Any] = field(default_factory=set)
    """All columns that it names or that a star stands for, those among them of which no value gets anywhere."""
    suspects: frozenset[str] = frozenset()
    """Words behind a dot that are calls of functions unless they are columns."""
    followed: int = 0

    # Queries

    def query(self, tagged: Node, parent: Level | None, env: Env) -> list[Col]:
        """The columns that a query gives: of its SELECT, or of RETURNING."""
        ((tag, node),) = tagged.items()
        if tag == "SelectStmt":
            return self.select(node, parent, env)
        change = lineage_changes.CHANGES.get(tag)
        if change is None:
            raise Unfollowed(f"the flow through {tag} is not known")
        return change(self, node, parent, self.with_clause(node, parent, env))

    def with_clause(self, node: Node, parent: Level | None, env: Env) -> Env:
        """``env`` with the CTEs of a WITH clause, each of them followed, used or not."""
        clause = node.get("withClause")
        if not clause:
            return env
        inner = dict(env)
        ctes, recursive = [], bool(clause.get("recursive"))
        for item in clause["ctes"]:
            one = item["CommonTableExpr"]
            ctes.append(Cte(one, inner if recursive else dict(inner), parent, recursive))
            inner[one["ctename"]] = ctes[-1]
        for cte in ctes:
            self.cte_columns(cte)
        return inner

    def cte_columns(self, cte: Cte) -> tuple[Col, ...]:
        if cte.columns is not None:
            return cte.columns
        if cte.busy:
            if cte.approached is None:
                raise Unfollowed(f"the recursion of {cte.node['ctename']} cannot be followed")
            return cte.approached
        if cte.node.get("search_clause") or cte.node.get("cycle_clause"):
            raise Unfollowed("SEARCH and CYCLE are not followed")
        cte.busy = True
        body = cte.node["ctequery"]
        select = body.get("SelectStmt", {})
        names = words_of(cte.node.get("aliascolnames", ()))
        united = select.get("op", "SETOP_NONE") != "SETOP_NONE"
        if cte.recursive and united and not select.get("withClause"):
            columns = self._rounds(cte, select, names)
        else:
            columns = renamed(self.query(body, cte.parent, cte.env), names)
        cte.columns, cte.busy = columns, False
        return columns

    def _rounds(self, cte: Cte, select: Node, names: Sequence[str]) -> tuple[Col, ...]:
        """A set operation that may name itself on its right side: followed until nothing is added."""
        left = self.select(select["larg"], cte.parent, cte.env)
        cte.approached = renamed(left, names)
        for _ in range(_ROUNDS):
            right = self.select(select["rarg"], cte.parent, cte.env)
            merged = renamed(self._set(select, [left, right]), names)
            if [c.sources for c in merged] == [c.sources for c in cte.approached]:
                self._order(select, Level(cte.parent), list(merged), cte.env)
                return merged
            left, cte.approached = list(merged), merged
        raise Unfollowed(f"the recursion of {cte.node['ctename']} cannot be followed")

    def select(self, node: Node, parent: Level | None, env: Env) -> list[Col]:
        self.followed += 1
        if self.followed > MAX_FOLLOWED:  # an arm that may name itself is followed again, and each of its own as often
            raise Unfollowed("its queries are nested too deeply to be followed")
        env = self.with_clause(node, parent, env)
        if node.get("op", "SETOP_NONE") != "SETOP_NONE":
            columns = self._set_operation(node, parent, env)
            level = Level(parent)
        elif node.get("valuesLists"):
            columns = self._values(node["valuesLists"], parent, env)
            level = Level(parent)
        else:
            level = self.from_clause(node.get("fromClause", ()), parent, env)
            self.infer(node.get("whereClause"), level, env)
            columns = self.targets(node.get("targetList", ()), level, env)
            self._grouping(node, level, columns, env)
        self._order(node, level, columns, env)
        if node.get("intoClause"):
            self.derived.update(NOTHING.union(*(c.sources for c in columns)))
        return columns

    def _set_operation(self, node: Node, parent: Level | None, env: Env) -> list[Col]:
        """The arms of a left-deep chain side by side, so that 200 of them nest no deeper than two."""
        arms: list[Node] = []
        chain = []
        at: Node = node
        while at.get("op", "SETOP_NONE") != "SETOP_NONE" and (at is node or not _decorated(at)):
            arms.append(at["rarg"])
            chain.append(at)
            at = at["larg"]
        followed = [self.select(arm, parent, env) for arm in (at, *reversed(arms))]
        columns = followed[0]
        for own, right in zip(reversed(chain), followed[1:], strict=True):
            columns = self._set(own, [columns, right])
        return columns

    def _set(self, node: Node, arms: Sequence[Sequence[Col]]) -> list[Col]:
        if len({len(arm) for arm in arms}) != 1:
            raise Unfollowed("the sides of a set operation differ in their number of columns")
        columns = [union(group, group[0].name) for group in zip(*arms, strict=True)]
        if not node.get("all") or node.get("op") != "SETOP_UNION":
            self.compared(columns)
        return columns

    def _values(self, lists: Sequence[Node], parent: Level | None, env: Env) -> list[Col]:
        level = Level(parent)
        rows = [[self.flow(item, level, env) for item in one["List"].get("items", ())] for one in lists]
        if len({len(row) for row in rows}) != 1:
            raise Unfollowed("the rows of VALUES differ in length")
        return [union(group, f"column{place}") for place, group in enumerate(zip(*rows, strict=True), 1)]

    def from_clause(self, items: Iterable[Node], parent: Level | None, env: Env) -> Level:
        level = Level(parent)
        for item in items:
            level.columns += from_items.follow(self, item, level, env)
        return level

    def targets(self, targets: Iterable[Node], level: Level, env: Env) -> list[Col]:
        """The output columns of a select list or RETURNING, stars expanded."""
        columns: list[Col] = []
        for item in targets:
            target = item["ResTarget"]
            value = target.get("val") or {}
            fields = value.get("ColumnRef", {}).get("fields", ())
            if fields and "A_Star" in fields[-1]:
                expanded = star(level, words_of(fields))
                self.named.update(*(c.sources for c in expanded))
                columns += expanded
                if len(columns) > MAX_COLUMNS:
                    raise Unfollowed(f"target lists can have at most {MAX_COLUMNS} entries")
            elif any("A_Star" in part for part in value.get("A_Indirection", {}).get("indirection", ())):
                raise Unfollowed("(…).* is not followed")
            else:
                col = self.flow(value, level, env)
                columns.append(Col(output_name(target), col.sources, col.derivation))
        return columns

    # What is met on the way

    def compared(self, columns: Iterable[Col]) -> None:
        """Each of these is compared with others, by a set operation or by USING."""
        self.inferable.update(NOTHING.union(*(c.sources for c in columns)))

    def assigned(self, target: Item, column: str | None, sources: Sources) -> None:
        """``sources`` are written to a column of ``target``, None where it is not known to which."""
        self.derived |= sources

    def constant(self, kind: str, node: Node) -> Sources:
        """What a constant (``A_Const``) or parameter (``ParamRef``) adds to the sources of its expression."""
        return NOTHING

    # Expressions

    def flow(self, value: Node, level: Level, env: Env) -> Col:
        """The flow of one expression that is put out; what is not a plain column counts as derived too."""
        fields = value.get("ColumnRef", {}).get("fields", ())
        if fields and "A_Star" not in fields[-1]:
            col = self._resolve(level, words_of(fields))
            if col.derivation is Derivation.derived:
                self.derived |= col.sources
            return col
        if "A_Const" in value:
            return _CONSTANT
        sources = self.sources(value, level, env)
        self.derived |= sources
        return Col("", sources, Derivation.derived)

    def infer(self, value: Node | None, level: Level, env: Env) -> None:
        """An expression that decides on rows or their order."""
        if value:
            self.inferable |= self.sources(value, level, env)

    def sources(self, value: Any, level: Level, env: Env, field_type: str = "Node") -> Sources:
        """All columns that an expression looks at, those of its subqueries' answers included."""
        found: set[Any] = set()
        waiting: list[tuple[str, Any]] = [(field_type, value)]
        while waiting:
            kind, part = waiting.pop()
            if isinstance(part, list):
                waiting += [(kind, item) for item in part]
            elif not part:
                continue
            elif kind == "Node":
                waiting += list(part.items())
            elif kind == "ColumnRef":
                found |= self._reference(part, level)
            elif kind in _CONSTANTS:
                found |= self.constant(kind, part)
            elif kind == "SubLink":
                found |= self._sublink(part, level, env)
                waiting.append(("Node", part.get("testexpr")))
            else:
                waiting += _children(kind, part)
        return frozenset(found)

    def _reference(self, node: Node, level: Level) -> Sources:
        words = words_of(node["fields"])
        if "A_Star" in node["fields"][-1]:
            return everything(level, words)
        return self._resolve(level, words).sources

    def _resolve(self, level: Level, words: list[str]) -> Col:
        if len(words) > 1 and words[-1] in self.suspects and not is_column(level, words):
            raise Unfollowed(f"{'.'.join(words)} is a call of the function {words[-1]}")
        col = resolve(level, words)
        self.named |= col.sources
        return col

    def _sublink(self, node: Node, level: Level, env: Env) -> Sources:
        columns = self.query(node["subselect"], level, env)
        if node.get("subLinkType") == "EXISTS_SUBLINK":
            return NOTHING
        return NOTHING.union(*(c.sources for c in columns))

    # What decides on rows

    def _grouping(self, node: Node, level: Level, columns: Sequence[Col], env: Env) -> None:
        for item in node.get("groupClause", ()):
            waiting = [item]
            while waiting:
                one = waiting.pop()
                if "GroupingSet" in one:
                    waiting += one["GroupingSet"].get("content", ())
                elif one:
                    self.inferable |= self._by_name(one, level, columns, env)
        self.infer(node.get("havingClause"), level, env)
        for window in node.get("windowClause", ()):
            self.inferable |= self.sources(window, level, env)
        distinct = node.get("distinctClause", ())
        for one in distinct:
            if one:
                self.inferable |= self._by_name(one, level, columns, env)
        if distinct:
            self.inferable |= NOTHING.union(*(c.sources for c in columns))

    def _order(self, node: Node, level: Level, columns: Sequence[Col], env: Env) -> None:
        for item in node.get("sortClause", ()):
            self.inferable |= self._by_name(item["SortBy"]["node"], level, columns, env)
        for part in ("limitOffset", "limitCount"):
            self.infer(node.get(part), level, env)

    def _by_name(self, value: Node, level: Level, columns: Sequence[Col], env: Env) -> Sources:
        """ORDER BY, GROUP BY and DISTINCT ON: an output column by number or name, or an expression (docs, 7.5)."""
        number = value.get("A_Const", {}).get("ival", {}).get("ival")
        if number is not None:
            if not 1 <= number <= len(columns):
                raise Unfollowed(f"there is no output column {number}")
            chosen: Sources = columns[number - 1].sources
            return chosen
        words = words_of(value.get("ColumnRef", {}).get("fields", ()))
        named = [c for c in columns if words == [c.name]]
        if not named:
            return self.sources(value, level, env)
        try:
            inner = self.sources(value, level, env)
        except Unfollowed:
            inner = NOTHING
        return inner.union(*(c.sources for c in named))


MAX_FOLLOWED = 1_500
"""Queries in one statement, each as often as it is followed (INV-9)."""
MAX_COLUMNS = 1_664
"""MaxTupleAttributeNumber: the server itself takes no more."""
_CONSTANT = Col("", NOTHING, Derivation.derived)
_BARE = frozenset({"A_Const", "String", "ParamRef", "SQLValueFunction"})
"""Nodes with nothing inside that could name a column."""


def _children(kind: str, node: Node) -> list[tuple[str, Any]]:
    if kind in _BARE:
        return []
    fields = FIELDS.get(kind, {})
    parts = []
    for key, value in node.items():
        if isinstance(value, (dict, list)):
            if key not in fields:
                raise Unfollowed(f"the part {kind}.{key} is not known")
            parts.append((fields[key], value))
    return parts


def _decorated(node: Node) -> bool:
    return any(node.get(part) for part in ("withClause", "sortClause", "limitCount", "limitOffset", "lockingClause"))
