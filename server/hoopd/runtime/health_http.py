"""The small HTTP listener for monitoring: /metrics, /healthz and /readyz, and nothing else.

It has no sign-in, so what it tells must be harmless, and it is meant for loopback or a private network. Every request
is bounded in size and time, and so is their number (INV-9). A web page must not read it through a browser on the same
machine: on loopback the Host header has to name loopback (DNS rebinding, THREATS class 21).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from hoopd.domain.errors import Unavailable
from hoopd.runtime.health import Readiness
from hoopd.runtime.metrics import CONTENT_TYPE, Metrics

MAX_HEAD = 8 * 1024
MAX_CONNECTIONS = 32
SECONDS = 10.0
"""For a request to come, and again for its answer to be taken."""
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes
    kind: str = PLAIN


class HealthServer:
    """``seconds``: how long a request may take to come, and its answer to be taken."""

    def __init__(self, metrics: Metrics, readiness: Readiness, *, seconds: float = SECONDS) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._seconds = seconds
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._loopback = True

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve while the block lasts; gives the port, which with port 0 is a free one.

        Raises:
            Unavailable: the address cannot be listened on.
        """
        self._loopback = _is_loopback(host)
        try:
            server = await asyncio.start_server(self._serve, host.strip("[]"), port, limit=MAX_HEAD)
        except (OSError, UnicodeError) as problem:
            why = getattr(problem, "strerror", None) or "it is no address of this machine"
            raise Unavailable(f"metrics.listen: the gateway cannot listen on {host}:{port}: {why}") from None
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            under_way = list(self._open)
            for task, writer in self._open.items():
                writer.transport.abort()
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await server.wait_closed()
            await self._readiness.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open[task] = writer
        try:
            await self._exchange(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            # Only the end of listening cancels this, and asyncio's streams log a task that ends so as an error.
            writer.transport.abort()
        finally:
            del self._open[task]
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; then the connection is closed."""
        method = ""
        try:
            async with asyncio.timeout(self._seconds):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            answer = _refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            method, answer = await self._answer(head.decode("latin-1"))
        async with asyncio.timeout(self._seconds):
            writer.write(_head_of(answer) + (b"" if method == "HEAD" else answer.body))
            await writer.drain()
            writer.write_eof()
            # Closed with something unread, the connection would be reset and take the answer with it.
            for _ in range(MAX_CONNECTIONS):
                if not await reader.read(MAX_HEAD):
                    break

    async def _answer(self, head: str) -> tuple[str, Answer]:
        """The method and what is answered."""
        request, *fields = head.split("\r\n")
        words = request.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "", _refused(HTTPStatus.BAD_REQUEST)
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return method, _refused(HTTPStatus.METHOD_NOT_ALLOWED)
        if self._loopback and not all(_names_loopback(host) for host in _hosts(fields)):
            return method, _refused(HTTPStatus.MISDIRECTED_REQUEST)
        return method, await self._page(target)

    async def _page(self, target: str) -> Answer:
        try:
            parts = urlsplit(target)
            query = parse_qs(parts.query, max_num_fields=16)
        except ValueError:
            return _refused(HTTPStatus.BAD_REQUEST)
        match parts.path:
            case "/metrics":
                return Answer(HTTPStatus.OK, self._metrics.text(), CONTENT_TYPE)
            case "/healthz":
                return Answer(HTTPStatus.OK, b"ok\n")
            case "/readyz":
                faults = await self._readiness.faults(frozenset(query.get("exclude", ())))
                status = HTTPStatus.SERVICE_UNAVAILABLE if faults else HTTPStatus.OK
                return Answer(status, ("\n".join(faults or ["ready"]) + "\n").encode())
            case _:
                return _refused(HTTPStatus.NOT_FOUND)


def _refused(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase}\n".encode())


def _head_of(answer: Answer) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if answer.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    return (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.kind}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"{allow}Connection: close\r\n\r\n"
    ).encode()


def _hosts(fields: list[str]) -> list[str]:
    pairs = [field.partition(":") for field in fields]
    return [value.strip() for name, _, value in pairs if name.strip().lower() == "host"]


def _names_loopback(host: str) -> bool:
    try:
        return _is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host.lower() == "localhost"
