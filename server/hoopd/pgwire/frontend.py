"""Messages that a client sends: read (the gateway is their server) and made (it is the database's client).

A body that is not exactly of its form is a WireError 08P01; nothing is guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import encode

_H = struct.Struct("!H")
_I = struct.Struct("!i")
MAX_PARAMS = 65_535

FLUSH = encode("H")
SYNC = encode("S")
TERMINATE = encode("X")


@dataclass(slots=True)
class Parse:
    name: str
    sql: bytes
    oids: tuple[int, ...]


@dataclass(slots=True)
class Bind:
    """``formats`` and ``result_formats`` as sent: none, one for all, or one for each (0 text, 1 binary)."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]

    def result_format(self, column: int) -> int:
        return format_of(self.result_formats, column)

    def value_format(self, index: int) -> int:
        return format_of(self.formats, index)


@dataclass(slots=True)
class Describe:
    kind: str
    name: str


@dataclass(slots=True)
class Execute:
    portal: str
    max_rows: int


@dataclass(slots=True)
class Close:
    kind: str
    name: str


def format_of(formats: Sequence[int], index: int) -> int:
    """The format code that holds for value ``index`` (PostgreSQL documentation, 54.2.3)."""
    if not formats:
        return 0
    return formats[0] if len(formats) == 1 else formats[index]


class _Reader:
    """Takes a body apart; every overrun is one WireError."""

    def __init__(self, body: bytes, what: str) -> None:
        self._body, self._at, self._what = body, 0, what

    def text(self) -> str:
        raw = self.raw_text()
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("22021", f"a name in {self._what} is not valid UTF-8") from None

    def raw_text(self) -> bytes:
        end = self._body.find(b"\x00", self._at)
        if end < 0:
            raise self._broken()
        raw = self._body[self._at : end]
        self._at = end + 1
        return raw

    def u16(self) -> int:
        return int(self._unpack(_H))

    def i32(self) -> int:
        return int(self._unpack(_I))

    def take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise self._broken()
        raw = self._body[self._at : end]
        self._at = end
        return raw

    def end(self) -> None:
        if self._at != len(self._body):
            raise self._broken()

    def _unpack(self, form: struct.Struct) -> int:
        try:
            (value,) = form.unpack_from(self._body, self._at)
        except struct.error:
            raise self._broken() from None
        self._at += form.size
        return int(value)

    def _broken(self) -> WireError:
        return WireError("08P01", f"invalid message format: {self._what}")


def read_query(body: bytes) -> bytes:
    """The text of a Query message."""
    reader = _Reader(body, "Query")
    text = reader.raw_text()
    reader.end()
    return text


def read_parse(body: bytes) -> Parse:
    reader = _Reader(body, "Parse")
    name, sql = reader.text(), reader.raw_text()
    oids = tuple(reader.i32() & 0xFFFFFFFF for _ in range(reader.u16()))
    reader.end()
    return Parse(name, sql, oids)


def read_bind(body: bytes) -> Bind:
    reader = _Reader(body, "Bind")
    portal, statement = reader.text(), reader.text()
    formats = tuple(reader.u16() for _ in range(reader.u16()))
    values: list[bytes | None] = []
    for _ in range(reader.u16()):
        size = reader.i32()
        values.append(None if size == -1 else reader.take(size))
    results = tuple(reader.u16() for _ in range(reader.u16()))
    reader.end()
    if len(formats) not in (0, 1, len(values)):
        raise WireError("08P01", f"bind message has {len(formats)} parameter formats but {len(values)} parameters")
    if any(code > 1 for code in (*formats, *results)):
        raise WireError("22023", "unsupported format code in Bind")
    return Bind(portal, statement, formats, tuple(values), results)


def read_describe(body: bytes) -> Describe:
    kind, name = _kind_and_name(body, "Describe")
    return Describe(kind, name)


def read_close(body: bytes) -> Close:
    kind, name = _kind_and_name(body, "Close")
    return Close(kind, name)


def read_execute(body: bytes) -> Execute:
    reader = _Reader(body, "Execute")
    portal, rows = reader.text(), reader.i32()
    reader.end()
    return Execute(portal, rows)


def _kind_and_name(body: bytes, what: str) -> tuple[str, str]:
    reader = _Reader(body, what)
    kind = reader.take(1).decode("latin-1")
    name = reader.text()
    reader.end()
    if kind not in ("S", "P"):
        raise WireError("08P01", f"invalid {what} message subtype")
    return kind, name


def make_query(sql: bytes) -> bytes:
    return encode("Q", sql + b"\x00")


def make_parse(name: str, sql: bytes, oids: Sequence[int] = ()) -> bytes:
    return encode("P", name.encode() + b"\x00" + sql + b"\x00" + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def make_bind(portal: str, statement: str) -> bytes:
    """A Bind without parameters, results as text."""
    return encode("B", portal.encode() + b"\x00" + statement.encode() + b"\x00" + b"\x00" * 6)


def make_describe(kind: str, name: str) -> bytes:
    return encode("D", kind.encode() + name.encode() + b"\x00")


def make_execute(portal: str) -> bytes:
    return encode("E", portal.encode() + b"\x00" + b"\x00" * 4)


def make_close(kind: str, name: str) -> bytes:
    return encode("C", kind.encode() + name.encode() + b"\x00")


def make_copy_fail(reason: str) -> bytes:
    return encode("f", reason.encode() + b"\x00")
