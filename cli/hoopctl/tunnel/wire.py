"""The one thing of PostgreSQL's protocol that a tunnel makes itself: a last error, when the gateway no longer can.

It may only be sent between two messages of the gateway, so ``Borders`` follows where messages end. It keeps no bytes
and looks into none. Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", message formats and error
fields.
"""

from __future__ import annotations

from struct import Struct

CONNECTION_FAILURE = "08006"
TOO_MANY_CONNECTIONS = "53300"
_HEADER_BYTES = 5
_LENGTH = Struct("!I").unpack_from
_LONGEST_MESSAGE = 2**31 - 1


def fatal(sqlstate: str, message: str, hint: str | None = None) -> bytes:
    """An ErrorResponse of severity FATAL; NUL bytes cannot be in its texts and are left out."""
    fields = [("S", "FATAL"), ("V", "FATAL"), ("C", sqlstate), ("M", message)]
    if hint:
        fields.append(("H", hint))
    body = b"".join(code.encode() + text.replace("\0", "").encode() + b"\0" for code, text in fields) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


class Borders:
    """Follows the messages of a server, and knows whether it is between two of them.

    Before the first message a server may have answered SSLRequest or GSSENCRequest with one byte ``N``, which has no
    length: an ``N`` that no zero byte follows is that, since no notice is 16 MiB long.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._started = False
        self._lost = False

    @property
    def between_messages(self) -> bool:
        """Whether the next byte of the server would begin a message."""
        return not self._lost and self._left == 0 and (not self._header or (not self._started and self._header == b"N"))

    def feed(self, data: bytes) -> None:
        """Follow ``data``, the next bytes of the server, cut anywhere."""
        position = 0
        while position < len(data) and not self._lost:
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
                position += step
            elif self._started and not self._header and len(data) - position >= _HEADER_BYTES:
                position = self._skip_whole(data, position)
            else:
                self._header += data[position : position + 1]
                position += 1
                self._read_header()

    def _skip_whole(self, data: bytes, position: int) -> int:
        """As ``feed``, over messages whose header is there in one piece: a large answer has many, so in few steps."""
        last = len(data) - _HEADER_BYTES
        while position <= last:
            (length,) = _LENGTH(data, position + 1)
            if not 4 <= length <= _LONGEST_MESSAGE:
                self._lost = True
                return position
            position += 1 + length
        if position > len(data):
            self._left = position - len(data)
            return len(data)
        return position

    def _read_header(self) -> None:
        if not self._started and len(self._header) == 2 and self._header[:1] in b"NGS" and self._header[1:] != b"\0":
            self._header = self._header[1:]
        if len(self._header) < _HEADER_BYTES:
            return
        length = int.from_bytes(self._header[1:], "big")
        self._header = b""
        self._started = True
        # A length below four, or past what the protocol allows, is no message: nothing can be said of borders any more.
        self._lost = not 4 <= length <= _LONGEST_MESSAGE
        self._left = length - 4
