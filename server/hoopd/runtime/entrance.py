"""The first minute of a client connection: encryption requests, start-up parameters, the tunnel's password.

The user name and password that a client sends never reach the database. Start-up options are taken from lists: what
may be SET without being asked for passes, what the policy has to be asked about waits for its word (``Entry.judged``),
and the rest is refused: it could change identity or lexing, or load code, behind the policy's back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hoopd.pgwire import backend, startup
from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.framing import Frame, FrameReader, StartupReader
from hoopd.pgwire.scram import MECHANISM, ScramServer, Verifier
from hoopd.runtime.bounds import Bounds
from hoopd.runtime.pipe import ClientPipe
from hoopd.sql.session_settings import HARMLESS, PINNED, judge

PASSWORD_LIMIT = 4096

JUDGED = frozenset({"search_path"})
"""Start-up parameters that reach the database if the policy lets this person SET them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A client that knows the tunnel's password. ``key_bytes``: how long the secret of its cancel key is."""

    application: str
    parameters: Mapping[str, str]
    frames: FrameReader
    key_bytes: int

    @property
    def judged(self) -> Mapping[str, str]:
        """Those of ``parameters`` that the policy has to be asked about."""
        return {name: value for name, value in self.parameters.items() if name in JUDGED}


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    pid: int
    secret: bytes


async def enter(
    pipe: ClientPipe,
    verifier: Verifier,
    database: str,
    message_limit: int,
    *,
    seconds: float = Bounds().startup,
    began: Callable[[], None] = lambda: None,
) -> Entry | CancelAttempt | None:
    """Read what the client asks for and check its password. None: it left, or was told why it may not stay.

    ``database`` is the connection's: another name is refused. ``seconds``: how long all of this may take. ``began`` is
    called once it has asked for a session that it may have if it knows the password.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _enter(pipe, verifier, database, message_limit, began)
    except TimeoutError:
        await _fatal(pipe, "08006", f"start-up took more than {seconds:g} s")
    except WireError as problem:
        if not problem.silent:
            await _fatal(pipe, problem.sqlstate, problem.message)
    return None


async def _fatal(pipe: ClientPipe, sqlstate: str, message: str) -> None:
    await pipe.write(backend.make_error(ErrorFields("FATAL", sqlstate, message)))


async def _enter(
    pipe: ClientPipe, verifier: Verifier, database: str, message_limit: int, began: Callable[[], None]
) -> Entry | CancelAttempt | None:
    first = StartupReader()
    for _ in range(3):
        packet = await _first_packet(pipe, first)
        match packet:
            case None:
                return None
            case startup.EncryptionRequest():
                await pipe.write(startup.REFUSE_ENCRYPTION)
            case startup.CancelRequest(pid=pid, secret=secret):
                return CancelAttempt(pid, secret)
            case startup.StartupMessage():
                if negotiation := startup.negotiation(packet):
                    await pipe.write(negotiation)
                parameters = check_parameters(packet.parameters, database)
                began()
                return await _signed_in(pipe, packet, parameters, first.finish(), verifier, message_limit)
    raise WireError("08P01", "too many encryption requests")


async def _first_packet(pipe: ClientPipe, reader: StartupReader) -> startup.FirstPacket | None:
    body = reader.feed(b"")
    while body is None:
        data = await pipe.read()
        if not data:
            return None
        body = reader.feed(data)
    return startup.read_first_packet(body)


async def _signed_in(
    pipe: ClientPipe,
    message: startup.StartupMessage,
    parameters: Mapping[str, str],
    rest: bytes,
    verifier: Verifier,
    message_limit: int,
) -> Entry | None:
    frames = FrameReader(PASSWORD_LIMIT)
    early = list(frames.feed(rest))
    scram = ScramServer(verifier, secrets.token_urlsafe(24))
    await pipe.write(backend.make_authentication_sasl([MECHANISM]))
    initial = await _password(pipe, frames, early)
    if initial is None:
        return None
    mechanism, _, tail = initial.partition(b"\x00")
    if len(tail) < 4 or int.from_bytes(tail[:4], "big") != len(tail) - 4:
        raise WireError("08P01", "malformed SASL message")
    await pipe.write(
        backend.make_authentication_sasl_continue(scram.first(mechanism.decode("latin-1"), tail[4:])),
    )
    final = await _password(pipe, frames, early)
    if final is None:
        return None
    await pipe.write(backend.make_authentication_sasl_final(scram.final(final)) + backend.AUTHENTICATION_OK)
    if frames.buffered or early:
        raise WireError("08P01", "the client sent messages before it was told that it is signed in")
    application = parameters.get("application_name", "")
    return Entry(application, parameters, FrameReader(message_limit), message.key_bytes)


async def _password(pipe: ClientPipe, frames: FrameReader, early: list[Frame]) -> bytes | None:
    while not early:
        data = await pipe.read()
        if not data:
            return None
        early += frames.feed(data)
    frame = early.pop(0)
    if frame.kind != "p":
        raise WireError("08P01", f"expected a password message, got {frame.kind!r}")
    return frame.body


def check_parameters(given: Mapping[str, str], database: str) -> dict[str, str]:
    """The start-up parameters that reach the database.

    Raises:
        WireError: one that is refused, with what to do.
    """
    if not given.get("user"):
        raise WireError("28000", "no PostgreSQL user name specified in startup packet")
    wanted = given.get("database") or given["user"]
    if wanted != database:
        raise WireError("3D000", f'this tunnel is for the database "{database}", not "{wanted}"')
    if given.get("replication", "false").lower() not in ("false", "off", "no", "0"):
        raise WireError("0A000", "replication is refused by the gateway")
    passed: dict[str, str] = {}
    settings = {name: value for name, value in given.items() if not name.startswith(startup.OPTION_PREFIX)}
    # As the server does it: what stands in the packet by itself counts for more than the same in `options`.
    for name, value in (*_options(given.get("options", "")).items(), *settings.items()):
        _pass_on(passed, name, value)
    return passed


def _pass_on(passed: dict[str, str], name: str, value: str) -> None:
    lower = name.lower()
    if lower in ("user", "database", "replication", "options"):
        return
    if lower in PINNED:
        pinned = (lower, value.lower()) == ("client_encoding", "auto") or judge(lower, value).forbidden is None
        if not pinned and lower == "client_encoding":
            raise WireError("0A000", f"client_encoding {value} is refused: the gateway reads UTF8 only")
        if not pinned:
            raise WireError("0A000", f"{lower} is pinned to {PINNED[lower]} by the gateway: connect without it")
    elif lower in HARMLESS or lower in JUDGED:
        passed[lower] = value
    else:
        raise WireError("0A000", f'start-up option "{name}" is refused by the gateway: use SET after connecting')


def _options(text: str) -> dict[str, str]:
    """The settings in a libpq ``options`` string: ``-c name=value`` or ``--name=value``, backslash escapes a blank."""
    found: dict[str, str] = {}
    words = _words(text)
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            setting = words.pop(0)
        elif word.startswith(("--", "-c")):
            setting = word[2:]
        else:
            raise WireError("0A000", f'start-up option "{word}" is refused by the gateway')
        name, equals, value = setting.partition("=")
        if not equals:
            raise WireError("22023", f'start-up option "{setting}" has no value')
        found[name.replace("-", "_")] = value
    return found


def _words(text: str) -> list[str]:
    words: list[str] = []
    word, escaped, started = "", False, False
    for letter in text:
        if escaped or (letter != "\\" and not letter.isspace()):
            word, escaped, started = word + letter, False, True
        elif letter == "\\":
            escaped = True
        elif started:
            words.append(word)
            word, started = "", False
    return [*words, word] if started else words
