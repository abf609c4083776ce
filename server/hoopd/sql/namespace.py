"""What a column's name means inside a query: items of FROM, levels of nesting, stars.

Resolution as PostgreSQL does it (documentation, 4.2.1 and 7.2), except that a name with several meanings has all of
them. What cannot be resolved raises Unfollowed; must never resolve to less than the server could.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hoopd.sql.facts import ColumnName, Derivation

Sources = frozenset[ColumnName]
NOTHING: Sources = frozenset()
_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


class Unfollowed(Exception):
    """The flow of columns cannot be followed; the message is for people."""


@dataclass(frozen=True, slots=True)
class Col:
    """A column of something in FROM, or of an answer, and where its values come from."""

    name: str
    sources: Sources
    derivation: Derivation


def union(cols: Iterable[Col], name: str) -> Col:
    """One column that may be any of these."""
    found = list(cols)
    sources = NOTHING.union(*(c.sources for c in found))
    derivations = {c.derivation for c in found}
    return Col(name, sources, derivations.pop() if len(derivations) == 1 else Derivation.derived)


@dataclass(frozen=True, slots=True)
class Item:
    """Something in FROM with a name. ``open``: it may have columns besides those listed; what they would come from."""

    alias: str | None
    columns: tuple[Col, ...]
    schema: str | None = None
    open: Sources | None = None
    guess: tuple[str, str] | None = None
    """Open for want of a catalog: schema and table that every column is taken to belong to."""

    def hits(self, name: str) -> list[Col]:
        return [c for c in self.columns if c.name == name]

    def open_hit(self, name: str) -> Col | None:
        if self.guess is not None:
            return Col(name, frozenset({ColumnName(*self.guess, name)}), Derivation.column)
        if self.open is not None:
            return Col(name, self.open, Derivation.derived)
        return None

    @property
    def whole(self) -> Sources:
        """All that a whole-row reference holds."""
        every = NOTHING.union(*(c.sources for c in self.columns), self.open or NOTHING)
        return every | {ColumnName(*self.guess, "*")} if self.guess is not None else every


@dataclass(slots=True)
class Level:
    """The names in sight at one level of nesting; ``parent`` is the query around it."""

    parent: Level | None = None
    items: list[Item] = field(default_factory=list)
    columns: list[Col] = field(default_factory=list)
    """What ``*`` stands for, in order."""

    @property
    def is_open(self) -> bool:
        return any(i.open is not None or i.guess is not None for i in self.items)


def resolve(level: Level | None, words: Sequence[str]) -> Col:
    """The column that a dotted name means. Raises Unfollowed."""
    if len(words) == 1:
        return _unqualified(level, words[0])
    name = words[-1]
    for item in _named(level, words[:-1]):
        hits = item.hits(name)
        opened = item.open_hit(name)
        if hits or opened is not None:
            return union([*hits, *([opened] if opened is not None else [])], name)
    if name in _SYSTEM_COLUMNS:
        return Col(name, NOTHING, Derivation.column)
    raise Unfollowed(f"{'.'.join(words)} is not a column that is known")


def is_column(level: Level | None, words: Sequence[str]) -> bool:
    """Whether ``t.c`` is for certain a column, not a call of the function ``c``."""
    items = _named(level, words[:-1])
    return bool(items) and all(item.hits(words[-1]) for item in items)


def _unqualified(level: Level | None, name: str) -> Col:
    found: list[Col] = []
    at = level
    while at is not None:
        hits = [c for item in at.items for c in item.hits(name)]
        found += hits
        found += [c for item in at.items if (c := item.open_hit(name)) is not None]
        if hits:
            return union(found, name)
        at = at.parent
    whole = _named(level, (name,))  # what is open may not have the column after all
    if whole:
        return union([*found, Col(name, NOTHING.union(*(item.whole for item in whole)), Derivation.derived)], name)
    if found:
        return union(found, name)
    if name in _SYSTEM_COLUMNS:
        return Col(name, NOTHING, Derivation.column)
    raise Unfollowed(f"{name} is not a column that is known")


def _named(level: Level | None, words: Sequence[str]) -> list[Item]:
    """The innermost items that a name, with or without schema, means."""
    alias, schema = words[-1], words[-2] if len(words) > 1 else None
    at = level
    while at is not None:
        found = [i for i in at.items if i.alias == alias and (schema is None or i.schema == schema)]
        if found:
            return found
        at = at.parent
    return []


def star(level: Level, words: Sequence[str]) -> list[Col]:
    """The columns that ``*`` or ``t.*`` stands for, in order. Raises Unfollowed where they are not known."""
    if not words:
        if level.is_open:
            raise Unfollowed("the columns that * stands for are not known")
        return list(level.columns)
    items = _named(level, words)
    if len(items) != 1 or items[0].open is not None or items[0].guess is not None:
        raise Unfollowed(f"the columns that {'.'.join(words)}.* stands for are not known")
    return list(items[0].columns)


def everything(level: Level, words: Sequence[str]) -> Sources:
    """All sources of ``t.*`` inside an expression, order apart."""
    items = _named(level, words) if words else level.items
    if not items:
        raise Unfollowed(f"{'.'.join(words)}.* is not known")
    return NOTHING.union(*(item.whole for item in items))


def renamed(columns: Sequence[Col], names: Sequence[str]) -> tuple[Col, ...]:
    """With the first columns renamed by an alias list."""
    if len(names) > len(columns):
        raise Unfollowed("an alias names more columns than are known")
    kept = [Col(new, c.sources, c.derivation) for new, c in zip(names, columns, strict=False)]
    return (*kept, *columns[len(names) :])
