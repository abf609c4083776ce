"""Frames: one type byte, a length, a body (PostgreSQL documentation, 54.7). Start-up packets have no type byte.

Every buffer here is bounded (INV-9): a length over the limit is refused before a byte of the body is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hoopd.pgwire.errors import WireError

MAX_STARTUP = 10_000
"""As PostgreSQL's MAX_STARTUP_PACKET_LENGTH."""

KEPT_WIRE = 16 * 1024
"""A longer frame is put together again when it is passed on, so that it is not in memory twice while it waits."""

_LENGTH = struct.Struct("!I")
_DATA_ROW = ord("D")
_KINDS = [chr(number) for number in range(256)]


class Frame:
    """One message: ``kind`` is its type byte as text, ``body`` what follows the length. Not to be changed.

    ``wire``: the bytes it was cut from, where they are at hand.
    """

    __slots__ = ("_wire", "body", "kind")

    def __init__(self, kind: str, body: bytes, wire: bytes | None = None) -> None:
        self.kind, self.body, self._wire = kind, body, wire

    @property
    def data(self) -> bytes:
        """As it goes over the wire."""
        return encode(self.kind, self.body) if self._wire is None else self._wire

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and (self.kind, self.body) == (other.kind, other.body)

    def __hash__(self) -> int:
        return hash((self.kind, self.body))

    def __repr__(self) -> str:
        return f"Frame({self.kind!r}, {self.body!r})"


class Rows(Frame):
    """Several DataRows, one behind the other, that nobody has looked into. Its kind is no message's.

    ``body`` is the messages whole, as they go over the wire.
    """

    __slots__ = ("count",)

    KIND = "D…"

    def __init__(self, data: bytes, count: int) -> None:
        super().__init__(self.KIND, data, data)
        self.count = count

    def each(self) -> Iterator[Frame]:
        data, start = self.body, 0
        while start < len(data):
            (length,) = _LENGTH.unpack_from(data, start + 1)
            begin, start = start, start + 1 + length
            yield Frame("D", data[begin + 5 : start], data[begin:start])


def encode(kind: str, body: bytes = b"") -> bytes:
    """The wire form of a message of type ``kind``."""
    return kind.encode("latin-1") + _LENGTH.pack(len(body) + 4) + body


class FrameReader:
    """Cuts a byte stream into frames. ``limit`` bounds one body in bytes.

    ``rows``: DataRows that come one behind the other are given as one :class:`Rows`.
    """

    def __init__(self, limit: int, *, rows: bool = False) -> None:
        self._limit = limit
        self._rows = rows
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take ``data`` and give every frame that is whole.

        Raises:
            WireError: a length that is impossible (08P01) or over the limit (54000).
        """
        if self._buffer:
            self._buffer += data
            data = self._joined()
        start, size = 0, len(data)
        try:
            while size - start >= 5:
                (length,) = _LENGTH.unpack_from(data, start + 1)
                if length < 4 or length - 4 > self._limit:
                    raise self._refused(length)
                end = start + 1 + length
                if size < end:
                    break
                begin, start = start, end
                if self._rows and data[begin] == _DATA_ROW:
                    count, start = self._run(data, start)
                    if count:
                        yield Rows(data[begin:start], count + 1)
                        continue
                wire = data[begin:end] if length < KEPT_WIRE else None
                yield Frame(_KINDS[data[begin]], data[begin + 5 : end], wire)
        finally:
            self._buffer += data[start:]

    def _run(self, data: bytes, start: int) -> tuple[int, int]:
        """How many whole DataRows follow one another from ``start``, and where they end."""
        count, size, longest = 0, len(data), self._limit + 4
        while size - start >= 5 and data[start] == _DATA_ROW:
            (length,) = _LENGTH.unpack_from(data, start + 1)
            end = start + 1 + length
            if not 4 <= length <= longest or size < end:
                break
            start = end
            count += 1
        return count, start

    def _joined(self) -> bytes:
        """What is buffered, if there is a whole frame in it: else it would be copied for each piece of a long one."""
        buffer = self._buffer
        if len(buffer) >= 5:
            (length,) = _LENGTH.unpack_from(buffer, 1)
            if length < 4 or length - 4 > self._limit or length < len(buffer):
                self._buffer = bytearray()
                return bytes(buffer)
        return b""

    def _refused(self, length: int) -> WireError:
        if length < 4:
            return WireError("08P01", f"invalid message length {length}")
        return WireError("54000", f"a message of {length - 4} bytes is over the limit of {self._limit} bytes")


class StartupReader:
    """Cuts off start-up packets, until :meth:`finish` hands over what follows them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        """The body of the next packet (without its length), or None when more is needed.

        Raises:
            WireError: not a start-up packet of protocol 3, or a TLS hello without SSLRequest.
        """
        self._buffer += data
        if self._buffer[:1] == b"\x16":
            raise WireError("08P01", "TLS is not spoken on the local leg: connect with sslmode=disable", silent=True)
        if len(self._buffer) < 4:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if not 8 <= length <= MAX_STARTUP:
            raise WireError("08P01", "invalid length of startup packet")
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[4:length])
        del self._buffer[:length]
        return body

    def finish(self) -> bytes:
        """What came after the last packet taken."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest
