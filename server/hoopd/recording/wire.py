"""The bytes of the events that every statement has, written straight out.

Invariant: they are byte for byte what ``codec.message_of`` serialises to (the tests hold one against the other), so
nothing that reads a record knows which of the two wrote it. The encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from hoopd.domain import events as ev
from hoopd.domain.decision import Outcome
from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param
from hoopd.recording.codec import message_of, micros

KEPT = 500
MOST = 50
"""Accesses of a statement whose unchanging part is kept (INV-9)."""

_DOUBLE = struct.Struct("<d")
_FOUR_BYTES = struct.Struct("<I")
_SHORT = [bytes((number,)) for number in range(128)]


def body_of(session: SessionId, seq: int, at: datetime, event: ev.Event) -> bytes:
    """The event as it is hashed and stored."""
    time_us, form = micros(at), _FORMS.get(type(event))
    if form is None or time_us <= 0:
        return message_of(session, seq, at, event).SerializeToString(deterministic=True)
    tag, make = form
    inner = make(event)
    size = len(inner)
    head = _SHORT[size] if size < 128 else varint(size)
    return b"".join((_session(session), b"\x10", varint(seq), b"\x18", _time(time_us), tag, head, inner))


def varint(number: int) -> bytes:
    """An unsigned number, seven bits to the byte."""
    if number < 128:
        return _SHORT[number]
    made = bytearray()
    while number >= 128:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _time(time_us: int) -> bytes:
    """As ``varint``, for a number that has more than 28 bits and few changes above them."""
    rest = time_us >> 28
    if rest == 0:
        return varint(time_us)
    low = time_us & 127 | (time_us & 0x3F80) << 1 | (time_us & 0x1FC000) << 2 | (time_us & 0xFE00000) << 3
    return _FOUR_BYTES.pack(low | 0x80808080) + _slow_part(rest)


@lru_cache(maxsize=8)
def _slow_part(number: int) -> bytes:
    return varint(number)


@lru_cache(maxsize=64)
def _session(session: SessionId) -> bytes:
    return _text(b"\x0a", session)


def _text(tag: bytes, value: str) -> bytes:
    """A field that is left out when it is empty."""
    if not value:
        return b""
    raw = value.encode("utf-8", "backslashreplace")
    size = len(raw)
    return tag + (_SHORT[size] if size < 128 else varint(size)) + raw


def _each(tag: bytes, values: tuple[str, ...]) -> bytes:
    """A repeated field, which has its empty values too."""
    return b"".join([_present(tag, value) for value in values]) if values else b""


def _present(tag: bytes, value: str) -> bytes:
    raw = value.encode("utf-8", "backslashreplace")
    size = len(raw)
    return tag + (_SHORT[size] if size < 128 else varint(size)) + raw


def _number(tag: bytes, value: int) -> bytes:
    return (tag + (_SHORT[value] if value < 128 else varint(value))) if value else b""


def _param(param: Param) -> bytes:
    inner = _text(b"\x0a", param.type)
    if param.value is not None:
        inner += _present(b"\x12", param.value)
    if param.masked:
        inner += b"\x18\x01"
    return b"\x1a" + varint(len(inner)) + inner


def _decided(event: ev.StatementDecided) -> bytes:
    known = _decided_rest if len(event.accesses) <= MOST else _decided_rest.__wrapped__
    rest = known(
        event.kind,
        event.effects,
        event.decision,
        event.rules,
        event.message,
        event.policy_version,
        event.accesses,
    )
    params = [_param(param) for param in event.params]
    return b"".join((_number(b"\x08", event.statement), _text(b"\x12", event.sql), *params, rest))


@lru_cache(maxsize=KEPT)
def _decided_rest(
    kind: str,
    effects: tuple[str, ...],
    decision: Outcome,
    rules: tuple[str, ...],
    message: str,
    policy_version: int,
    accesses: tuple[str, ...],
) -> bytes:
    """What comes behind text and parameters: the same for most statements of a program."""
    return b"".join(
        (
            _text(b"\x22", kind),
            _each(b"\x2a", effects),
            _text(b"\x32", decision.value),
            _each(b"\x3a", rules),
            _text(b"\x42", message),
            _number(b"\x48", policy_version),
            _each(b"\x52", accesses),
        )
    )


def _started(event: ev.StatementStarted) -> bytes:
    return _number(b"\x08", event.statement)


def _rows(event: ev.RowsReturned) -> bytes:
    made = [_number(b"\x08", event.statement), _each(b"\x12", event.columns)]
    for row in event.rows:
        cells = []
        for value in row:
            cell = b"" if value is None else _present(b"\x0a", value)
            cells += [b"\x0a", varint(len(cell)), cell]
        inner = b"".join(cells)
        made += [b"\x1a", varint(len(inner)), inner]
    made.append(_number(b"\x20", event.not_kept))
    return b"".join(made)


def _finished(event: ev.StatementFinished) -> bytes:
    return b"".join(
        (
            _number(b"\x08", event.statement),
            _text(b"\x12", event.outcome.value),
            _text(b"\x1a", event.tag),
            b"" if event.rows is None else b"\x20" + varint(event.rows),
            b"\x29" + _DOUBLE.pack(event.duration_ms) if event.duration_ms else b"",
            _text(b"\x32", event.sqlstate),
            _text(b"\x3a", event.message),
            _each(b"\x42", event.masked),
        )
    )


_FORMS: dict[type[ev.Event], tuple[bytes, Callable[[Any], bytes]]] = {
    ev.StatementDecided: (b"\x62", _decided),
    ev.StatementStarted: (b"\x7a", _started),
    ev.RowsReturned: (b"\x82\x01", _rows),
    ev.StatementFinished: (b"\x8a\x01", _finished),
}
"""The tag of the event's field in ``RecordEvent``, and what makes its inner message."""
