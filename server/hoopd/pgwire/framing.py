"""Frames: one type byte, a length, a body (PostgreSQL documentation, 54.7). Start-up packets have no type byte.

Every buffer here is bounded (INV-9): a length over the limit is refused before a byte of the body is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hoopd.pgwire.errors import WireError

MAX_STARTUP = 10_000
"""As PostgreSQL's MAX_STARTUP_PACKET_LENGTH."""

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: ``kind`` is its type byte as text, ``body`` what follows the length."""

    kind: str
    body: bytes

    @property
    def data(self) -> bytes:
        """As it goes over the wire."""
        return encode(self.kind, self.body)


def encode(kind: str, body: bytes = b"") -> bytes:
    """The wire form of a message of type ``kind``."""
    return kind.encode("latin-1") + _LENGTH.pack(len(body) + 4) + body


class FrameReader:
    """Cuts a byte stream into frames. ``limit`` bounds one body in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take ``data`` and give every frame that is whole.

        Raises:
            WireError: a length that is impossible (08P01) or over the limit (54000).
        """
        self._buffer += data
        start, size = 0, len(self._buffer)
        try:
            while size - start >= 5:
                (length,) = _LENGTH.unpack_from(self._buffer, start + 1)
                self._check(length)
                end = start + 1 + length
                if size < end:
                    break
                kind = chr(self._buffer[start])
                body = bytes(self._buffer[start + 5 : end])
                start = end
                yield Frame(kind, body)
        finally:
            del self._buffer[:start]

    def _check(self, length: int) -> None:
        if length < 4:
            raise WireError("08P01", f"invalid message length {length}")
        if length - 4 > self._limit:
            raise WireError("54000", f"a message of {length - 4} bytes is over the limit of {self._limit} bytes")


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
