"""How the values of a column are replaced, and for which columns: what policy hands to masking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hoopd.domain.decision import Outcome
from hoopd.domain.patterns import NamePattern


class MaskKind(StrEnum):
    """Strongest first: of several masks on one column the first in this order holds."""

    null = "null"
    full = "full"
    replacement = "replace"
    hash = "hash"
    email = "email"
    first = "first"
    last = "last"


_ORDER = tuple(MaskKind)


@dataclass(frozen=True, slots=True)
class ColumnMask:
    """One mask. ``keep``: characters shown by ``first`` and ``last``; ``text``: what ``replace`` puts in."""

    kind: MaskKind
    keep: int = 0
    text: str = ""

    @property
    def weakness(self) -> tuple[int, int, str, str]:
        """Sorts the strongest mask first. ``first`` and ``last`` are alike: the one that shows less is the stronger."""
        shows_end = self.kind in (MaskKind.first, MaskKind.last)
        rank = _ORDER.index(MaskKind.first if shows_end else self.kind)
        return (rank, self.keep, self.kind.value, self.text)


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A mask and the columns it is on. ``predicates``: what becomes of a statement whose rows such a column decides."""

    name: str
    columns: tuple[NamePattern, ...]
    mask: ColumnMask
    predicates: Outcome = Outcome.review

    def covers(self, schema: str, table: str, column: str) -> bool:
        """Whether the column is one of those that the rule masks."""
        return any(pattern.matches(schema, table, column) for pattern in self.columns)


def strongest(masks: Iterable[ColumnMask]) -> ColumnMask | None:
    """The mask that holds where several meet; None of none."""
    return min(masks, key=lambda mask: mask.weakness, default=None)
