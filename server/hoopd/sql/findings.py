"""What a walk over one statement has found so far, and how it becomes Facts. Mutable, private to one analysis."""

from __future__ import annotations

from dataclasses import dataclass, field

from hoopd.sql.facts import (
    Copying,
    Effect,
    FunctionUse,
    ObjectAccess,
    ObjectKind,
    Opened,
    Predicate,
    SqlError,
)

ANY_COUNT = -1
"""In ``calls``: the number of arguments is not certain (ordered-set aggregates), so every candidate counts."""
_VOLATILITY = {"i": "immutable", "s": "stable", "v": "volatile"}


def volatility_word(letter: str | None) -> str | None:
    """``v`` of pg_proc as ``volatile``."""
    return _VOLATILITY.get(letter or "", letter)


@dataclass(slots=True)
class Findings:
    """Dictionaries keep the order in which things were found."""

    effects: set[Effect] = field(default_factory=set)
    accesses: dict[ObjectAccess, None] = field(default_factory=dict)
    cascades: dict[ObjectAccess, None] = field(default_factory=dict)
    functions: dict[FunctionUse, None] = field(default_factory=dict)
    kinds: dict[str, None] = field(default_factory=dict)
    predicate: Predicate | None = None
    barrier: bool = False
    names: bool = False
    runs_at_parse: bool = False
    forbidden: str | None = None
    deallocates: tuple[str, ...] | None = None
    closes: tuple[str, ...] | None = None
    opens: Opened | None = None
    savepoint: str | None = None
    by_name: bool = False
    error: SqlError | None = None
    """A name that the server does not have either."""
    copies: Copying | None = None
    harmless: bool = False
    """What the handler of a statement that is not a query says; means nothing for the statements inside another."""
    settings: bool | None = None
    """Whether every setting that is changed on the way is harmless; None where none is."""
    calls: dict[tuple[str | None, str, int, tuple[bool, ...]], None] = field(default_factory=dict)
    """Functions to be judged when all types in reach are known: schema, name, number of arguments, and which of them
    have no type of their own (``'x'``, NULL, ``$1``), so that they are taken for any."""
    attributes: dict[str, list[tuple[str, str, str | None]]] = field(default_factory=dict)
    """Words behind a dot that call these functions unless they are columns: schema, name, volatility."""
    operators: dict[tuple[str | None, str, bool, bool], None] = field(default_factory=dict)
    """Schema and name, and whether the left and the right side have no type of their own."""
    relations: dict[int, None] = field(default_factory=dict)
    """Oids of the relations in reach."""
    through_views: set[tuple[str, str]] = field(default_factory=set)
    """Schema and name of those that a view reads, or is written through: of which columns is not followed."""
    user_types: set[int] = field(default_factory=set)
    """Oids of types that users made and that a literal, cast or function of the statement brings in."""
    row_types: set[int] = field(default_factory=set)
    """Oids of the types that the rows of relations in reach have."""
    makes_rows: bool = False
    """It has ROW(…), which may become of any composite type."""
    type_calls: bool = False
    """A cast to a type that users made runs their code, or cannot be told not to."""
    doubts: list[str] = field(default_factory=list)
    """Why the flow of columns cannot be followed, in words for people."""

    def access(self, effect: Effect, kind: ObjectKind, schema: str | None, name: str, *, known: bool = True) -> None:
        self.effects.add(effect)
        self.accesses.setdefault(ObjectAccess(effect, kind, schema, name, known))

    def opaque(self, kind: ObjectKind, schema: str | None, name: str, *, known: bool = True) -> None:
        """Code that cannot be seen through: an effect, a barrier, and no flow of columns."""
        self.access(Effect.opaque, kind, schema, name, known=known)
        self.barrier = True

    def call(self, schema: str | None, name: str, volatility: str | None, *, known: bool = True) -> None:
        """A function that is not known to be harmless."""
        self.functions.setdefault(FunctionUse(schema, name, volatility_word(volatility), trusted=False))
        self.opaque(ObjectKind.function, schema, name, known=known)
        shown = f"{schema}.{name}" if schema else name
        self.doubts.append(f"the result of {shown}() cannot be followed")

    def forbid(self, sentence: str) -> None:
        if self.forbidden is None:
            self.forbidden = sentence
