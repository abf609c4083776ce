"""What of a request's text a viewer is shown: literals and parameters that meet columns masked for them are hidden.

INV-4. Pure. The request itself, and the digest that a decision is on, stay whole (INV-5). What cannot be told is hidden
from everybody for whom any mask holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hoopd.domain.mask import MaskRule
from hoopd.domain.request import Meeting, Snapshot
from hoopd.domain.statement import Param

HIDDEN = "'****'"
"""Stands for a hidden literal; of the same length for all, since a length tells something too."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The text and parameters as a viewer is shown them.

    ``columns`` are the masked ones that something hidden meets, as far as they are known. ``sql_masked``: not all of
    the text is shown; of parameters each says so itself.
    """

    sql: str
    params: tuple[Param, ...]
    sql_masked: bool = False
    columns: tuple[str, ...] = ()


def whole(snapshot: Snapshot) -> Sight:
    """As it was typed: for the requester."""
    return Sight(snapshot.sql, snapshot.params)


def seen(snapshot: Snapshot, masks: Sequence[MaskRule] | None) -> Sight:
    """For somebody else. ``masks`` are those that hold for them; None where that cannot be told."""
    hidden = [meeting for meeting in snapshot.meets if _is_hidden(meeting, masks)]
    spans = _apart(span for meeting in hidden for span in meeting.spans)
    numbers = {number for meeting in hidden for number in meeting.params}
    columns = {".".join(names) for meeting in hidden for names in meeting.columns if _is_masked(names, masks)}
    return Sight(
        _without(snapshot.sql, spans),
        tuple(_shown(param, number in numbers) for number, param in enumerate(snapshot.params, 1)),
        sql_masked=bool(spans),
        columns=tuple(sorted(columns)),
    )


def _is_hidden(meeting: Meeting, masks: Sequence[MaskRule] | None) -> bool:
    if masks is None:
        return True
    return bool(masks) and (meeting.anything or any(_is_masked(names, masks) for names in meeting.columns))


def _is_masked(names: tuple[str, str, str], masks: Sequence[MaskRule] | None) -> bool:
    return any(mask.covers(*names) for mask in masks or ())


def _apart(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that touch one another's text as one."""
    made: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if made and start < made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((start, end))
    return made


def _without(sql: str, spans: Sequence[tuple[int, int]]) -> str:
    pieces, done = [], 0
    for start, end in spans:
        pieces += [sql[done:start], HIDDEN]
        done = end
    return "".join([*pieces, sql[done:]])


def _shown(param: Param, hidden: bool) -> Param:
    """NULL is no value that could be told."""
    return replace(param, value=None, masked=True) if hidden and param.value is not None else param
