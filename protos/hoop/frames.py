"""The frames of a tunnel's stream, shared by both of its ends: how they are cut, queued and bounded. No I/O.

`Tunnel.Carry` (tunnel.proto) is one gRPC stream for all sessions of a tunnel. Each of its messages is a run of whole
frames: kind (one byte), session (four), length of the body (four), body; numbers are unsigned, in network order. The
bytes of a session are not wrapped in protobuf, which would copy them twice more each way.

A session's data is sent only as its reader has room for it: `Credit` counts at the sender, `Room` at the receiver, so
that a reader that is slow holds up its own session and nobody's memory (INV-9). `Outbox` gives each session its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from struct import Struct

_HEADER = Struct("!BII")
_AMOUNT = Struct("!I")

OPEN, DATA, EOF, RESET, CREDIT, TOKEN, OPENED, SIGNAL, ENDED = range(1, 10)
"""Bodies: OPEN, OPENED, SIGNAL and ENDED are the messages of those names, CREDIT four bytes, TOKEN text; the session of
TOKEN is 0, since it is for all of them."""

DATA_BYTES = 64 * 1024
"""The most that one frame of data carries."""
BODY_UP = 64 * 1024
BODY_DOWN = 6 * 1024 * 1024
"""The most that any other frame carries: a statement that is held is told of in full."""
MESSAGE_BYTES = 256 * 1024
"""About as much goes into one message of gRPC's."""
MESSAGE_LIMIT = 1024 * 1024
"""The most that the gateway takes in one."""
WINDOW_UP = 256 * 1024
WINDOW_DOWN = 1024 * 1024
"""What a session may send to the gateway, and the gateway to it, beyond what its reader has taken."""
TURNS = 2
"""How many turns of the event loop a flush waits for frames of other sessions, which then share its message."""


_FLOW = frozenset({DATA, CREDIT})
"""Kinds that credit bounds by itself."""


class FrameError(Exception):
    """The other end sent what is no frame, or more than it may."""


def encode(kind: int, session: int, body: bytes = b"") -> bytes:
    """One frame."""
    return _HEADER.pack(kind, session, len(body)) + body


def encode_credit(session: int, amount: int) -> bytes:
    """A frame that lets the other end send ``amount`` bytes more."""
    return encode(CREDIT, session, _AMOUNT.pack(amount))


def decode_amount(body: bytes) -> int:
    """The amount in a frame of credit. Raises FrameError."""
    if len(body) != _AMOUNT.size:
        raise FrameError("a frame of credit has four bytes")
    amount: int = _AMOUNT.unpack(body)[0]
    return amount


def decode(message: bytes, body_limit: int) -> Iterator[tuple[int, int, bytes]]:
    """The frames in ``message``: kind, session, body. Raises FrameError where one is cut off or too long."""
    at, end, size = 0, len(message), _HEADER.size
    while at < end:
        if end - at < size:
            raise FrameError("a frame is cut off")
        kind, session, length = _HEADER.unpack_from(message, at)
        at += size
        if length > (DATA_BYTES if kind == DATA else body_limit):
            raise FrameError("a frame is too long")
        if end - at < length:
            raise FrameError("a frame is cut off")
        yield kind, session, message[at : at + length]
        at += length


class Credit:
    """What a sender may still send."""

    def __init__(self, window: int) -> None:
        self._window = window
        self.left = window

    def spend(self, amount: int) -> None:
        self.left -= amount

    def give(self, amount: int) -> None:
        """Raises FrameError where more is given than was ever spent."""
        self.left += amount
        if self.left > self._window:
            raise FrameError("more credit was given than had been used")


class Room:
    """What a receiver has still to take, and what it has taken since it last gave credit."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._left = window
        self._taken = 0

    def fill(self, amount: int) -> None:
        """Raises FrameError where the sender had no credit for that."""
        self._left -= amount
        if self._left < 0:
            raise FrameError("a session sent more than it had credit for")

    def take(self, amount: int) -> int:
        """The reader has taken ``amount`` more; gives the credit that is due, mostly 0: half a window at a time."""
        self._taken += amount
        if self._taken * 2 < self._window:
            return 0
        due, self._taken = self._taken, 0
        self._left += due
        return due


class Outbox:
    """Frames that wait to be sent, by session. ``wake`` is called when the first of them comes.

    Within a session they keep their order. Where all fit into a message they go together; else sessions take turns, so
    that one that sends much is not before all others. Who puts data in is bounded by the credit of its sessions, and
    by ``has_room`` where it asks; ``is_crowded`` tells of too much of anything else, for whoever must not add to it
    without end.
    """

    LIMIT = 1024 * 1024
    CONTROL_LIMIT = 256 * 1024

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._queues: dict[int, deque[bytes]] = {}
        self._size = 0
        self._control = 0

    def __bool__(self) -> bool:
        return self._size > 0

    @property
    def has_room(self) -> bool:
        return self._size < self.LIMIT

    @property
    def is_crowded(self) -> bool:
        return self._control >= self.CONTROL_LIMIT

    def put_data(self, session: int, data: bytes) -> None:
        self._put(session, encode(DATA, session, data))

    def put(self, kind: int, session: int, body: bytes = b"") -> None:
        frame = encode(kind, session, body)
        self._control += len(frame)
        self._put(session, frame)

    def put_credit(self, session: int, amount: int) -> None:
        self._put(session, encode_credit(session, amount))

    def _put(self, session: int, frame: bytes) -> None:
        queue = self._queues.get(session)
        if queue is None:
            queue = self._queues[session] = deque()
        queue.append(frame)
        first, self._size = not self._size, self._size + len(frame)
        if first:
            self._wake()

    def take(self) -> bytes:
        """The next message: little over ``MESSAGE_BYTES`` at most, or one frame that is longer."""
        parts = self._all() if self._size <= MESSAGE_BYTES else self._in_turns()
        message = b"".join(parts)
        self._size -= len(message)
        if self._control:
            self._control -= sum(len(part) for part in parts if part[0] not in _FLOW)
        return message

    def _all(self) -> list[bytes]:
        parts = [frame for queue in self._queues.values() for frame in queue]
        self._queues.clear()
        return parts

    def _in_turns(self) -> list[bytes]:
        parts: list[bytes] = []
        size = 0
        while size < MESSAGE_BYTES and self._queues:
            session = next(iter(self._queues))
            queue = self._queues.pop(session)
            share = 0
            while queue and share < DATA_BYTES:
                frame = queue.popleft()
                share += len(frame)
                parts.append(frame)
            size += share
            if queue:
                self._queues[session] = queue
        return parts
