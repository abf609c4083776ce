"""Expressions as the catalogs keep them (``pg_node_tree``): which code in them runs though nobody calls it.

The planner simplifies the expressions of a table's indexes, statistics and checks whenever the table is read, and
evaluates immutable functions whose arguments are constant then (``eval_const_expressions``). A view's own expressions
run when it is read. Pure; what cannot be told counts as run (INV-2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hoopd.sql.builtin_names import FIRST_USER_OID
from hoopd.sql.inlining import passes_its_arguments_on

_TOKENS = re.compile(r"[{}()]|(?:\\.|[^\s(){}\\])+")
_CALLED = {
    "FUNCEXPR": ":funcid",
    "OPEXPR": ":opfuncid",
    "DISTINCTEXPR": ":opfuncid",
    "NULLIFEXPR": ":opfuncid",
    "SCALARARRAYOPEXPR": ":opfuncid",
}
_PASSES_ON = frozenset(_CALLED) - {"NULLIFEXPR"} | {
    "RELABELTYPE", "COERCEVIAIO", "ARRAYCOERCEEXPR", "ARRAYEXPR", "COLLATEEXPR", "NULLTEST"
}  # fmt: skip
"""Nodes that are constant only when all their arguments are: others may be simplified to one of their parts."""
_TYPE = re.compile(r" :(?:resulttype|typid) ([0-9]+)| :(?:func)?coltypes \(o ([0-9 ]+)\)")


@dataclass(slots=True)
class _Node:
    name: str
    values: dict[str, str] = field(default_factory=dict)
    children: list[_Node] = field(default_factory=list)
    row: bool = False
    """Its value certainly depends on a row."""


@dataclass(frozen=True, slots=True)
class StoredFunction:
    """``body`` of a function in SQL, "" of one that was written in the new style (``BEGIN ATOMIC``)."""

    schema: str
    name: str
    volatility: str
    language: str
    body: str

    @property
    def use(self) -> tuple[str, str, str]:
        return self.schema, self.name, self.volatility


def evaluated(tree: str, function: Callable[[int], StoredFunction | None]) -> Iterator[tuple[str, str, str]]:
    """Schema, name and volatility of users' functions in ``tree`` that may run when it is planned.

    ``function`` gives those that users made by their oids.
    """
    for node in _nodes(tree):
        called = _CALLED.get(node.name)
        oid = int(node.values.get(called, "0")) if called is not None else 0
        made = function(oid) if oid >= FIRST_USER_OID else None
        node.row = node.name == "VAR" or (node.name in _PASSES_ON and any(child.row for child in node.children))
        if oid < FIRST_USER_OID:
            continue
        if made is None:
            yield "", f"function {oid}", "i"
        elif made.language == "sql":
            if not (node.row and passes_its_arguments_on(made.body)):
                yield made.use
            node.row = node.row and passes_its_arguments_on(made.body)
        elif made.volatility == "i" and not node.row:
            yield made.use


def types_made(tree: str) -> frozenset[int]:
    """Oids of users' types that values are made into in ``tree``: their input, or the checks of domains, run."""
    found = (number for one, many in _TYPE.findall(tree) for number in (one, *many.split()) if number)
    return frozenset(oid for oid in map(int, found) if oid >= FIRST_USER_OID)


def _nodes(tree: str) -> Iterator[_Node]:
    """Every node, those inside one before it."""
    open_nodes: list[_Node] = []
    key = ""
    expects_name = False
    for word in _TOKENS.findall(tree):
        if word == "{":
            expects_name = True
        elif word == "}":
            node = open_nodes.pop()
            if open_nodes:
                open_nodes[-1].children.append(node)
            yield node
        elif expects_name:
            open_nodes.append(_Node(word))
            expects_name, key = False, ""
        elif word.startswith(":") and open_nodes:
            key = word
        elif open_nodes and key and word not in "()":
            open_nodes[-1].values.setdefault(key, word)
