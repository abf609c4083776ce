"""Constants followed like columns: which literals and parameters of a query stand beside which columns.

Constants travel through ``lineage`` as sources among the columns, so that one in a CTE is found where it is compared.
Within one expression, up to AND, OR and NOT, every constant meets every column; ROWs are taken apart. An assignment
meets the column that is written. Must never note less than ``lineage`` follows: what it loses raises Unfollowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hoopd.sql.facts import ColumnName, Derivation
from hoopd.sql.lineage import Env, Flow
from hoopd.sql.namespace import NOTHING, Col, Item, Level, Sources, Unfollowed
from hoopd.sql.parser import inside

Node = Mapping[str, Any]
MAX_PAIRS = 200_000
"""Pairs of a constant and a column that are noted for one statement (INV-9)."""
_NAMING = frozenset({"funcname", "name", "names", "operName", "indirection", "fields"})
"""Fields of the tree that name what may be called: also ``t.f`` and ``(x).f`` may be (documentation, 8.16.5)."""


class Constant(ColumnName):
    """Stands among the columns: ``table`` is ``A_Const`` or ``ParamRef``, ``column`` its place or number."""

    __slots__ = ()


ANYTHING = Constant("", "anything", "")
"""Stands for what code that cannot be seen through may look at."""


@dataclass(slots=True)
class Meets:
    """What the constants of one statement meet: columns, and perhaps ``ANYTHING``."""

    of: dict[Constant, set[ColumnName]] = field(default_factory=dict)
    noted: int = 0

    def meet(self, together: Sources) -> None:
        """All of these stand side by side. Raises Unfollowed when it is too much to note."""
        constants = [one for one in together if isinstance(one, Constant) and one is not ANYTHING]
        if not constants:
            return
        columns = [one for one in together if one is ANYTHING or not isinstance(one, Constant)]
        self.noted += len(constants) * max(0, len(columns) - 1)
        if self.noted > MAX_PAIRS:
            raise Unfollowed("its constants meet too many columns")
        for one in constants:
            self.of.setdefault(one, set()).update(columns)


@dataclass(slots=True)
class ConstantFlow(Flow):
    """The flow of columns, with the constants in it.

    ``unknown``: words that call code not known to be harmless. ``modifiers``: places of numbers such as that of
    ``varchar(20)``, which are no values.
    """

    unknown: frozenset[str] = frozenset()
    modifiers: frozenset[int] = frozenset()
    meets: Meets = field(default_factory=Meets)

    def flow(self, value: Node, level: Level, env: Env) -> Col:
        if "A_Const" in value:
            return Col("", self.sources(value, level, env), Derivation.derived)
        return super(ConstantFlow, self).flow(value, level, env)

    def sources(self, value: Any, level: Level, env: Env, field_type: str = "Node") -> Sources:
        found = NOTHING
        for part in _clauses(value) if field_type == "Node" else (value,):
            own = Flow.sources(self, part, level, env, field_type)
            if self.unknown and not self.unknown.isdisjoint(_called(part)):
                own |= {ANYTHING}
            self.meets.meet(own)
            found |= own
        return found

    def constant(self, kind: str, node: Node) -> Sources:
        if kind == "A_Const" and node.get("location", 0) in self.modifiers:
            return NOTHING
        one = Constant("", kind, str(node.get("number" if kind == "ParamRef" else "location", 0)))
        self.meets.of.setdefault(one, set())
        return frozenset({one})

    def _set(self, node: Node, arms: Sequence[Sequence[Col]]) -> list[Col]:
        """One under the other in a column is side by side, whether they are compared or not."""
        columns = super(ConstantFlow, self)._set(node, arms)
        self.compared(columns)
        return columns

    def _values(self, lists: Sequence[Node], parent: Level | None, env: Env) -> list[Col]:
        columns = super(ConstantFlow, self)._values(lists, parent, env)
        self.compared(columns)
        return columns

    def compared(self, columns: Iterable[Col]) -> None:
        for one in columns:
            self.meets.meet(one.sources)

    def assigned(self, target: Item, column: str | None, sources: Sources) -> None:
        hits = target.hits(column) if column is not None else []
        opened = target.open_hit(column) if column is not None else None
        written = NOTHING.union(*(col.sources for col in hits), opened.sources if opened is not None else NOTHING)
        self.meets.meet(sources | (written or target.whole | {ANYTHING}))

    def _by_name(self, value: Node, level: Level, columns: Sequence[Col], env: Env) -> Sources:
        if "A_Const" in value:  # the number of an output column
            self.constant("A_Const", value["A_Const"])
            return NOTHING
        return super(ConstantFlow, self)._by_name(value, level, columns, env)


def _clauses(value: Any) -> Iterator[Any]:
    """The parts of an expression that have nothing to do with each other's constants."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, Mapping):
            yield one
        elif "BoolExpr" in one:
            waiting += one["BoolExpr"].get("args", ())
        elif "RowExpr" in one.get("MultiAssignRef", {}).get("source", {}):
            several = one["MultiAssignRef"]
            waiting.append(several["source"]["RowExpr"]["args"][several["colno"] - 1])
        elif pairs := _pairs(one.get("A_Expr", {})):
            waiting += pairs
        else:
            yield one


def _pairs(node: Node) -> list[Node]:
    """``(a, b) = (1, 2)`` and ``(a, b) in ((1, 2), …)`` column by column; nothing for anything else."""
    if node.get("kind") not in ("AEXPR_OP", "AEXPR_IN", "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"):
        return []
    left = _row(node.get("lexpr", {}))
    right = node.get("rexpr", {})
    rows = [_row(item) for item in right.get("List", {}).get("items", (right,))]
    if not left or any(len(row) != len(left) for row in rows):
        return []
    return [
        {"A_Expr": {**node, "lexpr": one, "rexpr": {"List": {"items": [row[place] for row in rows]}}}}
        for place, one in enumerate(left)
    ]


def _row(value: Node) -> Sequence[Node]:
    items: Sequence[Node] = value.get("RowExpr", {}).get("args", ())
    return items


def _called(value: Any) -> Iterator[str]:
    """The words in an expression that may call something."""
    for name, held in inside(value):
        if name in _NAMING and isinstance(held, list):
            yield from (item["String"].get("sval", "") for item in held if "String" in item)
        elif name == "kind" and "BETWEEN" in str(held):
            yield from ("<", "<=", ">", ">=")
        elif name == "CaseExpr" and "arg" in held:
            yield "="


def type_modifiers(node: Node) -> Iterator[int]:
    return (
        one["A_Const"]["location"]
        for name, held in inside(node)
        if name == "typmods"
        for one in held
        if "A_Const" in one and "location" in one["A_Const"]
    )
