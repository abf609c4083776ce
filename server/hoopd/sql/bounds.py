"""How deep a tree the grammar would build, told from the tokens alone: an upper bound, made before the parser runs.

Depth comes from brackets, CASE, chained operators, joins and set operations; lists (commas, AND, OR) are flat.
Must count everything that PostgreSQL's grammar nests without brackets: what it misses could overflow the C stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_TOKENS = 100_000
MAX_DEPTH = 1500
_GROUP = 5
"""What a bracket costs: a subselect makes several levels of the tree, an operator one."""
_MAX_COPIES = 300_000
"""Tokens, each counted as often as the tree repeats it: ``(a, b) = (…)`` holds its right side once for each column."""

_MAX_REREAD = 50_000_000
"""Bytes that the scanner may read again, over the whole text: a quarter of a second."""
_RUN = re.compile(rb"[-+*/<>=~!@#%^&|`?]{256,}")

_OPEN = {"ASCII_40": "ASCII_41", "ASCII_91": "ASCII_93", "CASE": "END_P"}
_CLOSE = frozenset(_OPEN.values())
_SETS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_CHAINED = frozenset(
    {
        "Op", "TYPECAST", "LESS_EQUALS", "GREATER_EQUALS", "NOT_EQUALS", "EQUALS_GREATER", "RIGHT_ARROW",
        "ASCII_37", "ASCII_42", "ASCII_43", "ASCII_45", "ASCII_47", "ASCII_60", "ASCII_61", "ASCII_62", "ASCII_94",
        "NOT", "NOT_LA", "IS", "ISNULL", "NOTNULL", "LIKE", "ILIKE", "SIMILAR", "BETWEEN", "IN_P", "COLLATE", "AT",
        "OVERLAPS", "OPERATOR",
    }
)  # fmt: skip


class TooDeep(Exception):
    """The text would make a tree that is too deep or too large to judge. ``hint`` says what to do about it."""

    def __init__(self, message: str, hint: str = "Write it with fewer levels.") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(slots=True)
class _Level:
    closes: str
    copies: int
    run: int = 0
    joins: int = 0
    sets: int = 0
    child: int = 0
    best: int = 0
    betweens: int = 0
    commas: int = 0
    times: int = 1
    """How often what follows in this item is repeated (multiple assignment)."""

    def depth(self) -> int:
        return self.sets + max(self.best, self.joins + self.run + self.child)

    def item_ends(self) -> None:
        self.best = max(self.best, self.joins + self.run + self.child)
        self.run = self.child = 0
        self.times = 1


class _Bound:
    def __init__(self) -> None:
        self.levels = [_Level("", 1)]
        self.last = ""
        self.closed_commas = 0
        self.cost = 0

    def take(self, name: str) -> None:
        if name in _COMMENTS:
            return
        level = self.levels[-1]
        self.cost += level.copies * level.times
        if name in _OPEN:
            self.levels.append(_Level(_OPEN[name], level.copies * level.times))
        elif name == level.closes and len(self.levels) > 1:
            self._close()
        else:
            self._within(level, name)
        if self.cost > _MAX_COPIES:
            raise TooDeep(
                "the statement repeats too much of itself in multiple assignments", "Assign the columns one by one."
            )
        if self.levels[-1].depth() + _GROUP * len(self.levels) > MAX_DEPTH:
            raise TooDeep("the statement is too deeply nested")
        self.last = name

    def _close(self) -> None:
        done = self.levels.pop()
        self.closed_commas = done.commas
        parent = self.levels[-1]
        parent.child = max(parent.child, done.depth() + _GROUP)

    def _within(self, level: _Level, name: str) -> None:
        if name == "AND" and level.betweens:
            level.betweens -= 1
        elif name in ("ASCII_44", "AND", "OR"):
            level.commas += name == "ASCII_44"
            level.item_ends()
        elif name == "ASCII_59":
            level.item_ends()
            level.joins = level.sets = 0
        elif name in _SETS:
            level.sets += 1
        elif name == "SELECT":
            level.item_ends()
            level.joins = 0
        elif name == "JOIN":
            level.joins += 1
        elif name in _CHAINED:
            self._chained(level, name)

    def _chained(self, level: _Level, name: str) -> None:
        level.run += 1
        level.betweens += name == "BETWEEN"
        if name == "ASCII_61" and self.last == "ASCII_41":
            level.times *= self.closed_commas + 1


def check_runs(data: bytes) -> None:
    """Raises TooDeep when PostgreSQL's scanner would read a text's operator characters over and over.

    It takes a whole run of them, and gives all but the first back where that is a sign (before any ``--``, which ends
    the run) or opens a comment inside a comment: a megabyte of ``+`` would keep it for an hour.
    """
    cost = 0
    for run in _RUN.finditer(data):
        signs = run[0].partition(b"--")[0]
        cost += len(run[0]) * (signs.count(b"+") + signs.count(b"-") + run[0].count(b"/*"))
        if cost > _MAX_REREAD:
            raise TooDeep("the text has too many operator characters in a row", "Put blanks between operators.")


def check(tokens: Iterable[str]) -> None:
    """Raises TooDeep when the tree of tokens of these names could be too deep, or too large, to print and walk."""
    bound = _Bound()
    for count, token in enumerate(tokens):
        if count >= MAX_TOKENS:
            raise TooDeep(f"the text has more than {MAX_TOKENS} tokens", "Send it in smaller parts.")
        bound.take(token)
