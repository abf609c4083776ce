"""A connection to a database, from the TCP socket to ReadyForQuery.

TLS up to verify-full, SCRAM-SHA-256 and -PLUS with the server's signature checked; md5 and cleartext only where the
connection allows them (PostgreSQL documentation 54.2.1, 54.3). Protocol 3.2 is asked for, since its cancel keys cannot
be guessed, and 3.0 taken where the server, or a pooler before it, has no more. Everything here has a deadline.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from hoopd.domain.connection import TlsMode
from hoopd.domain.errors import HoopError, Unavailable
from hoopd.pgwire import backend, frontend, startup
from hoopd.pgwire.errors import WireError, parse_error
from hoopd.pgwire.framing import Frame, FrameReader, encode
from hoopd.pgwire.scram import ScramClient
from hoopd.runtime.target import Target

CONNECT_SECONDS = 15.0
READ_SIZE = 64 * 1024
_NOT_SPOKEN = frozenset({"0A000", "08P01"})
"""With which a server or a pooler refuses a version of the protocol that it cannot negotiate about."""


class _NotSpoken(WireError):
    """The first thing that it said to a newer protocol was no."""


@dataclass(slots=True)
class Upstream:
    """An open, authenticated connection. ``early`` are frames that came with the end of start-up."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: FrameReader
    parameters: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    secret: bytes = b""
    minor: int = 0
    received: int = 0
    """Bytes that came from the database."""
    early: list[Frame] = field(default_factory=list)

    async def read(self) -> list[Frame]:
        """The next whole frames; an empty list at the end of the stream."""
        if self.early:
            frames, self.early = self.early, []
            return frames
        while True:
            data = await self.reader.read(READ_SIZE)
            if not data:
                return []
            self.received += len(data)
            frames = list(self.frames.feed(data))
            if frames:
                return frames

    async def write(self, data: bytes) -> None:
        self.send(data)
        await self.drained()

    def send(self, data: bytes) -> None:
        """Send without waiting: what the socket does not take at once is kept, so see to it that ``drained`` is."""
        self.writer.write(data)

    async def drained(self) -> None:
        """Return when little is left that the database has not taken."""
        await self.writer.drain()

    def close(self) -> None:
        """Say goodbye where that is possible, and close. A database that takes nothing is not waited for."""
        if self.writer.is_closing():
            return
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()
            return
        self.writer.write(frontend.TERMINATE)
        self.writer.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Dialing:
    """A socket to a database, and its TLS, made ready while the client still proves its password: the longest part of
    opening a session needs nothing of what it proves. Nothing is said on it: no credential, not even whose it will be.

    A context manager: what nobody has taken by its end is closed.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._task: asyncio.Task[Streams] | None = None

    def begin(self) -> None:
        """Start, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._dial())

    async def take(self) -> Streams:
        """The streams, which are the caller's to close from now on. Raises what opening a socket, or TLS, raises."""
        task, self._task = self._task, None
        if task is None:
            return await _open(self._target)
        try:
            reader, writer = await task
        except asyncio.CancelledError:
            _forget(task)
            raise
        if not reader.at_eof() and reader.exception() is None:
            return reader, writer
        writer.close()  # the client took so long that the database did not wait
        return await _open(self._target)

    async def _dial(self) -> Streams:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await _open(self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._task is not None:
            _forget(self._task)


def _forget(task: asyncio.Task[Streams]) -> None:
    """Close what it opened or still opens."""

    def close(done: asyncio.Task[Streams]) -> None:
        if not done.cancelled() and done.exception() is None:
            done.result()[1].close()

    task.cancel()
    task.add_done_callback(close)


async def connect(
    target: Target, parameters: Mapping[str, str], message_limit: int, dialing: Dialing | None = None
) -> Upstream:
    """Connect and authenticate as the connection's service user.

    ``parameters`` are the start-up parameters beside user and database; ``message_limit`` bounds one message in bytes;
    ``dialing`` is taken where there is one.

    Raises:
        Unavailable: the database cannot be reached, is not the one meant, or refuses the credential.
    """
    name = target.connection.name
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            try:
                streams = await (dialing or Dialing(target)).take()
                return await _start_on(streams, target, parameters, message_limit, startup.NEWEST_MINOR)
            except _NotSpoken:
                return await _start_on(await _open(target), target, parameters, message_limit, 0)
    except TimeoutError:
        raise Unavailable(
            f"the database of {name} did not answer in {CONNECT_SECONDS:.0f} s", sqlstate="08001"
        ) from None
    except ssl.SSLCertVerificationError as problem:
        why = problem.verify_message
        raise Unavailable(
            f"the database of {name} shows a certificate that is refused: {why}", sqlstate="08001"
        ) from None
    except (OSError, asyncio.IncompleteReadError) as problem:
        raise Unavailable(f"the database of {name} cannot be reached: {_why(problem)}", sqlstate="08001") from None
    except UnicodeError:
        raise Unavailable(f"the host of {name} is not a host's name", sqlstate="08001") from None
    except WireError as problem:
        raise Unavailable(f"the database of {name} refused the gateway: {problem.message}", sqlstate="08004") from None


async def _start_on(
    streams: Streams, target: Target, parameters: Mapping[str, str], message_limit: int, minor: int
) -> Upstream:
    reader, writer = streams
    try:
        upstream = Upstream(reader, writer, FrameReader(message_limit, rows=True), minor=minor)
        await _start(upstream, target, parameters)
    except BaseException:
        writer.close()
        raise
    return upstream


def _why(problem: OSError | asyncio.IncompleteReadError) -> str:
    """In words. Not asyncio's own, which tell everybody the address of the database."""
    if isinstance(problem, asyncio.IncompleteReadError) or not problem.errno:
        return "the connection was closed"
    if isinstance(problem, socket.gaierror):
        return problem.strerror or "its name is not known"
    return os.strerror(problem.errno)


async def cancel(target: Target, pid: int, secret: bytes) -> None:
    """Send a CancelRequest for a backend and wait until the database has closed that connection."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await _open(target)
            try:
                writer.write(startup.make_cancel(pid, secret))
                await writer.drain()
                await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError, UnicodeError, WireError, HoopError, asyncio.IncompleteReadError):
        return


async def _open(target: Target) -> Streams:
    sock = await _socket(target.connection.host, target.connection.port)
    try:
        if target.tls is TlsMode.disable:
            return await asyncio.open_connection(sock=sock, limit=READ_SIZE)
        await asyncio.get_running_loop().sock_sendall(sock, startup.make_ssl_request())
        # One byte and no more: what an attacker stuffs in behind it reaches the TLS layer, and fails there.
        if await asyncio.get_running_loop().sock_recv(sock, 1) != b"S":
            raise WireError("08001", "it does not speak TLS, which the connection asks for")
        context, host = target.tls_context(), target.connection.host
        return await asyncio.open_connection(sock=sock, limit=READ_SIZE, ssl=context, server_hostname=host)
    except BaseException:
        sock.close()
        raise


async def _socket(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    problem = OSError("no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError as failed:
            sock.close()
            problem = failed
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def certificate_hash(writer: asyncio.StreamWriter) -> bytes | None:
    """tls-server-end-point of the server's certificate (RFC 5929 section 4.1), or None without TLS.

    Raises:
        WireError: a certificate that cannot be read.
    """
    tls = writer.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if der is None:
        return None
    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        raise WireError("08001", "its certificate cannot be read") from None
    name = algorithm.name if algorithm is not None else "sha256"
    return hashlib.new("sha256" if name in ("md5", "sha1") else name, der).digest()


def check_encoding(encoding: str | None) -> None:
    """In another encoding the server cuts and folds names elsewhere than the gateway, so that one would be another
    (INV-1).

    Raises:
        WireError: the database is not in UTF8.
    """
    if encoding != "UTF8":
        shown = encoding or "an encoding that it does not tell"
        raise WireError("0A000", f"the database is in {shown}: the gateway reads names and statements in UTF8 only")


async def _start(upstream: Upstream, target: Target, parameters: Mapping[str, str]) -> None:
    given = {"user": target.user, "database": target.connection.database, **parameters}
    await upstream.write(startup.make_startup(given, upstream.minor))
    signing_in = _SignIn(upstream, target)
    while frames := await upstream.read():
        for place, frame in enumerate(frames):
            if await _is_ready(upstream, signing_in, frame):
                check_encoding(upstream.parameters.get("server_encoding"))
                upstream.early = frames[place + 1 :]
                return
    raise WireError("08006", "it closed the connection during start-up")


async def _is_ready(upstream: Upstream, signing_in: _SignIn, frame: Frame) -> bool:
    """Take one message of the start-up; whether it was the last."""
    signing_in.check_version(frame)
    match frame.kind:
        case "R":
            await signing_in.step(frame.body)
        case "S":
            name, value = backend.read_parameter_status(frame.body)
            upstream.parameters[name] = value
        case "K":
            upstream.pid, upstream.secret = backend.read_backend_key(frame.body)
        case "E":
            raise WireError("08004", _refusal(frame.body))
        case "N" | "v":  # what version it speaks is checked
            pass
        case "Z" if signing_in.complete:
            return True
        case _:
            raise WireError("08P01", f"it sent a message of type {frame.kind!r} during start-up")
    return False


def _refusal(body: bytes) -> str:
    """What the database says, without what would tell of the credential: its message is for the gateway's owner."""
    fields = parse_error(body)
    if fields.sqlstate in ("28P01", "28000"):
        return "it does not accept the gateway's credential"
    return fields.message


class _SignIn:
    """The authentication exchange (PostgreSQL documentation 54.2.1 and 54.3)."""

    def __init__(self, upstream: Upstream, target: Target) -> None:
        self._upstream = upstream
        self._target = target
        self._scram: ScramClient | None = None
        self._proved = False
        self._asked = False
        self._began = False
        self.complete = False

    def check_version(self, frame: Frame) -> None:
        """Take a NegotiateProtocolVersion, once and before all else; notice a server that knows of none."""
        first, self._began = not self._began, True
        if frame.kind == "v":
            if not first:
                raise WireError("08P01", "it negotiates the protocol in the middle of the start-up")
            self._upstream.minor = startup.read_negotiate_version(frame.body, self._upstream.minor)
        elif first and frame.kind == "E" and self._upstream.minor > 0:
            fields = parse_error(frame.body)
            if fields.sqlstate in _NOT_SPOKEN:
                raise _NotSpoken(fields.sqlstate, fields.message)

    async def step(self, body: bytes) -> None:
        code, data = backend.read_authentication(body)
        self._asked = self._asked or code != 0
        match code:
            case 0:
                self._finish()
            case 3:
                self._allow("cleartext")
                await self._send(self._target.password().encode() + b"\x00")
            case 5:
                self._allow("md5")
                await self._send(self._md5(data[:4]))
            case 10:
                await self._sasl(data)
            case 11 if self._scram is not None:
                # The database says how much work that is: not for this thread, which serves every session.
                await self._send(await asyncio.to_thread(self._scram.answer, data))
            case 12 if self._scram is not None:
                self._scram.check(data)
                self._proved = True
            case _:
                raise WireError("08004", "it asks for an authentication method that the gateway does not speak")

    def _finish(self) -> None:
        if not self._asked and self._target.tls in (TlsMode.disable, TlsMode.require):
            self._allow("trust")
        if self._scram is not None and not self._proved:
            raise WireError("28000", "it did not prove that it knows the password: it is not the one meant")
        self.complete = True

    def _allow(self, method: str) -> None:
        if method not in self._target.allow_auth:
            raise WireError(
                "28000", f"it asks for {method} authentication, which allow_auth of the connection does not list"
            )

    def _md5(self, salt: bytes) -> bytes:
        inner = hashlib.md5((self._target.password() + self._target.user).encode(), usedforsecurity=False).hexdigest()
        outer = hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest()
        return b"md5" + outer.encode() + b"\x00"

    async def _sasl(self, body: bytes) -> None:
        offered = [part.decode("latin-1") for part in body.split(b"\x00") if part]
        hashed = certificate_hash(self._upstream.writer)
        nonce = secrets.token_urlsafe(24)
        self._scram = ScramClient(self._target.password(), nonce, certificate_hash=hashed, offered=offered)
        first = self._scram.first()
        await self._send(self._scram.mechanism.encode() + b"\x00" + struct.pack("!I", len(first)) + first)

    async def _send(self, body: bytes) -> None:
        await self._upstream.write(encode("p", body))
