"""Texts that differ in plain numbers only, and which of their numbers no fact depends on.

A text has a shape, and numbers, if it is made of words, blanks, decimal integers and simple operators alone: nothing in
it can be quoted, commented out, cast or parametrised, so that PostgreSQL's scanner and this module cannot disagree on
where a number begins and ends. All numbers have nine digits at most, and so the type integer whatever their value.

A number is free if it is compared with a column, by one of six operators, in the WHERE of a SELECT, as a term of AND,
OR and NOT and nowhere deeper. Its value then is in the tree at that place and changes nothing else of it; no fact,
column, mask or decision looks there. Every other number (LIMIT, ORDER BY 1, GROUP BY 1, typmods, arguments, arithmetic,
subqueries) is not free, and has to be the very same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hoopd.sql.parser import ParseFailure, parse

LONGEST = 1_000
"""Characters of a text that has a shape."""
MOST = 20
"""Numbers of it."""

_WRITTEN = re.compile(r"[A-Za-z0-9_ \t\r\n.,;()*=<>+/%-]*")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])([0-9]{1,9})(?![A-Za-z0-9_.])")
_COMPARISONS = frozenset({"=", "<", ">", "<=", ">=", "<>"})


def shape(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The text without its numbers, and those; None for a text that has no shape, or no number."""
    if len(text) > LONGEST or "--" in text or "/*" in text or _WRITTEN.fullmatch(text) is None:
        return None
    parts = _NUMBER.split(text)
    if not 1 < len(parts) <= 2 * MOST + 1:
        return None
    return "\0".join(parts[::2]), tuple(parts[1::2])


def free(text: str) -> tuple[bool, ...]:
    """For each number of a text that has a shape, in order, whether it is free."""
    try:
        statements = parse(text)
    except ParseFailure:
        return ()
    if len(statements) != 1 or statements[0].node_type != "SelectStmt":
        return ()
    found = dict(_compared(statements[0].node.get("whereClause")))
    return tuple(found.get(match.start()) == int(match[1]) for match in _NUMBER.finditer(text))


def _compared(where: Any) -> Iterator[tuple[int, int]]:
    """Place and value of each integer that is compared with a column."""
    waiting = [where] if where else []
    while waiting:
        term = waiting.pop()
        if "BoolExpr" in term:
            waiting += term["BoolExpr"].get("args", ())
        elif "A_Expr" in term:
            node = term["A_Expr"]
            names = [name.get("String", {}).get("sval") for name in node.get("name", ())]
            if node.get("kind") != "AEXPR_OP" or len(names) != 1 or names[0] not in _COMPARISONS:
                continue
            for column, number in (("lexpr", "rexpr"), ("rexpr", "lexpr")):
                constant = node.get(number, {}).get("A_Const", {})
                if "ColumnRef" in node.get(column, {}) and "ival" in constant:
                    yield constant.get("location", 0), constant["ival"].get("ival", 0)
