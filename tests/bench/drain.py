"""A client that only drains: it signs in, sends a query and counts the bytes that come, looking at none of them."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from hoopd.pgwire import frontend, startup
from hoopd.pgwire.errors import parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.pgwire.scram import MECHANISM, ScramClient
from tests.bench.stack import DATABASE, Endpoint

CHUNK = 1024 * 1024
SECONDS = 300.0
READY = b"Z\x00\x00\x00\x05I"
"""What ends an answer outside of a transaction (PostgreSQL documentation 54.7). Text in results holds no zero bytes."""


class Drain:
    """One connection, blocking. A context manager."""

    def __init__(self, endpoint: Endpoint, *, receive_buffer: int | None = None) -> None:
        """``receive_buffer``: bytes that the kernel may keep for it, of its own choosing when left out."""
        raw = socket.socket()
        raw.settimeout(SECONDS)
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.connect(("127.0.0.1", endpoint.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: socket.socket = _encrypted(raw) if endpoint.sslmode == "require" else raw
        self._buffer = bytearray(CHUNK)
        self._sign_in(endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._socket.close()

    def query(self, sql: str, pace: Callable[[int], None] = lambda _: None) -> int:
        """Run ``sql`` and read its answer; how many bytes that was. ``pace`` is told the count after each read.

        Raises:
            RuntimeError: the answer is an error.
        """
        self._socket.sendall(frontend.make_query(sql.encode()))
        count, tail = 0, b""
        view = memoryview(self._buffer)
        while tail != READY:
            got = self._socket.recv_into(self._buffer)
            if not got:
                raise RuntimeError("the connection was closed before the answer's end")
            if not count and view[:1] == b"E":
                raise RuntimeError(bytes(view[: min(got, 500)]).decode(errors="replace"))
            count += got
            tail = (tail + bytes(view[max(0, got - len(READY)) : got]))[-len(READY) :]
            pace(count)
        return count

    def _sign_in(self, endpoint: Endpoint) -> None:
        self._socket.sendall(startup.make_startup({"user": endpoint.user, "database": DATABASE}))
        scram = ScramClient(endpoint.password, secrets.token_hex(12), certificate_hash=None, offered=[MECHANISM])
        for frame in self._frames():
            code = int.from_bytes(frame.body[:4], "big")
            if frame.kind == "E":
                raise RuntimeError(f"{endpoint.variant}: {parse_error(frame.body).message}")
            if frame.kind == "R" and code == 10:
                first = scram.first()
                self._socket.sendall(encode("p", MECHANISM.encode() + b"\x00" + len(first).to_bytes(4, "big") + first))
            elif frame.kind == "R" and code == 11:
                self._socket.sendall(encode("p", scram.answer(frame.body[4:])))
            elif frame.kind == "Z":
                return

    def _frames(self) -> Iterator[Frame]:
        frames = FrameReader(1 << 20)
        while data := self._socket.recv(CHUNK):
            yield from frames.feed(data)
        raise RuntimeError("the connection was closed during start-up")


def _encrypted(raw: socket.socket) -> ssl.SSLSocket:
    raw.sendall(startup.make_ssl_request())
    if raw.recv(1) != b"S":
        raise RuntimeError("the server does not speak TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(raw)
