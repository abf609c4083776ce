"""The development provider on the wire: http.server, loopback only, every size and wait bounded.

A web page on this machine must not be able to use it: the Host header has to name loopback (DNS rebinding), and an
Origin, where there is one, has to be the provider's own.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from hoopd.dev.oidc import pages
from hoopd.dev.oidc.endpoints import Endpoints, Request, Response

_MAX_BODY = 16 * 1024
_MAX_FIELDS = 32
_MAX_CONNECTIONS = 64
_SECONDS_TO_SEND = 10

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # Not no-referrer: with it browsers send `Origin: null` with the form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

_log = logging.getLogger(__name__)


class _BadRequest(Exception):
    def __init__(self, status: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status = status
        self.explanation = explanation


class LoopbackServer(ThreadingHTTPServer):
    """Threads per connection, at most 64; ``close`` ends connections that are open."""

    endpoints: Endpoints
    daemon_threads = False
    request_queue_size = _MAX_CONNECTIONS

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's own, which asks the name service for the name of this machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def verify_request(self, request: object, client_address: object) -> bool:
        with self._open_lock:
            if len(self._open) >= _MAX_CONNECTIONS:
                return False
            self._open.add(cast("socket.socket", request))
        return True

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._open_lock:
            self._open.discard(cast("socket.socket", request))
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening, end what is open, wait for its threads."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    _log.debug("a connection had ended already: %s", error)
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        _log.debug("a connection of the development provider failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS_TO_SEND

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def version_string(self) -> str:
        return "hoopd-dev-oidc"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        # Never the request line: its query may hold a user code.
        _log.debug("%s %s", self.command, urlsplit(self.path).path if hasattr(self, "path") else "?")

    def _serve(self) -> None:
        server = cast("LoopbackServer", self.server)
        try:
            response = server.endpoints.handle(self._request())
        except _BadRequest as error:
            page = pages.refused("This request is refused", error.explanation)
            response = Response(error.status, "text/html; charset=utf-8", page.encode())
        self._send(response)

    def _request(self) -> Request:
        self._check_origin()
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=parts.path,
            params=_fields(self._body() if self.command == "POST" else parts.query),
            address=str(self.client_address[0]),
            agent=self.headers.get("User-Agent", "unknown client"),
            authorization=self.headers.get("Authorization", ""),
        )

    def _check_origin(self) -> None:
        server = cast("LoopbackServer", self.server)
        own = netloc(server.server_name, server.server_port)
        allowed = {own, *(f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost", "[::1]"))}
        host = self.headers.get("Host", "").lower()
        if host not in allowed:
            raise _BadRequest(421, "The Host header does not name this machine's loopback address.")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise _BadRequest(403, "Another web page sent this request.")

    def _body(self) -> str:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _BadRequest(411, "Send the form with a Content-Length.")
        if int(length) > _MAX_BODY:
            raise _BadRequest(413, f"The form is larger than {_MAX_BODY} bytes.")
        if kind != "application/x-www-form-urlencoded" and int(length) > 0:
            raise _BadRequest(415, "Send a form (application/x-www-form-urlencoded).")
        try:
            return self.rfile.read(int(length)).decode("ascii")
        except UnicodeDecodeError as error:
            raise _BadRequest(400, "The form is not URL-encoded.") from error

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {"Content-Type": response.content_type, **_SECURITY_HEADERS, **response.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)


def netloc(host: str, port: int) -> str:
    """``host:port`` as a URL has it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _fields(encoded: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise _BadRequest(400, "The form cannot be read.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # RFC 6749 section 3.1: parameters are not sent twice.
        raise _BadRequest(400, "A field was sent twice.")
    return fields
