"""The first packets of a connection: what a client asks for, and what a gateway asks of a database.

PostgreSQL documentation 54.2.1 (start-up), 54.2.8 (cancel), 54.2.10 and 54.2.11 (encryption requests), and 54.1.4 for
the versions 3.0 and 3.2, which differ in the length of the cancel key alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import encode

CANCEL = 80877102
SSL = 80877103
GSSENC = 80877104
NEWEST_MINOR = 2
"""Of protocol 3. There is no 3.1; PostgreSQL takes it without a word, and so does the gateway."""
LONG_KEYS_SINCE = 2
LONG_KEY, SHORT_KEY = 32, 4
"""Bytes of the secret in a cancel key, as PostgreSQL makes them."""
OPTION_PREFIX = "_pq_."
REFUSE_ENCRYPTION = b"N"


@dataclass(frozen=True, slots=True)
class EncryptionRequest:
    """SSLRequest or GSSENCRequest: answered ``N`` on the local leg."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    pid: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """``minor`` is the minor protocol version asked for; ``parameters`` as sent, in order."""

    minor: int
    parameters: Mapping[str, str]

    @property
    def spoken(self) -> int:
        """The minor version that the conversation goes on with."""
        return min(self.minor, NEWEST_MINOR)

    @property
    def unrecognised(self) -> tuple[str, ...]:
        """The protocol options asked for: none is known here."""
        return tuple(name for name in self.parameters if name.startswith(OPTION_PREFIX))

    @property
    def key_bytes(self) -> int:
        """How long the secret of this client's cancel key is."""
        return LONG_KEY if self.spoken >= LONG_KEYS_SINCE else SHORT_KEY


FirstPacket = EncryptionRequest | CancelRequest | StartupMessage


def read_first_packet(body: bytes) -> FirstPacket:
    """What a client asks for with the body of a start-up packet.

    Raises:
        WireError: another protocol, or a packet that is not well formed.
    """
    (code,) = struct.unpack_from("!I", body)
    if code in (SSL, GSSENC):
        return EncryptionRequest()
    if code == CANCEL:
        if not 8 < len(body) <= 264:
            raise WireError("08P01", "invalid length of cancel request", silent=True)
        return CancelRequest(struct.unpack_from("!I", body, 4)[0], body[8:])
    if code >> 16 != 3:
        asked = f"{code >> 16}.{code & 0xFFFF}"
        raise WireError("0A000", f"unsupported frontend protocol {asked}: the gateway speaks 3.0 to 3.2")
    return StartupMessage(code & 0xFFFF, _parameters(body[4:]))


def _parameters(raw: bytes) -> dict[str, str]:
    if not raw.endswith(b"\x00"):
        raise WireError("08P01", "invalid startup packet layout: expected terminator as last byte")
    *parts, end = raw[:-1].split(b"\x00")
    if end or len(parts) % 2 or b"" in parts[::2]:
        raise WireError("08P01", "invalid startup packet layout")
    try:
        texts = [part.decode("utf-8") for part in parts]
    except UnicodeDecodeError:
        raise WireError("22021", "a start-up parameter is not valid UTF-8") from None
    return dict(zip(texts[::2], texts[1::2], strict=True))


def make_startup(parameters: Mapping[str, str], minor: int = 0) -> bytes:
    body = struct.pack("!I", _version(minor))
    for name, value in parameters.items():
        body += name.encode() + b"\x00" + value.encode() + b"\x00"
    body += b"\x00"
    return struct.pack("!I", len(body) + 4) + body


def make_ssl_request() -> bytes:
    return struct.pack("!II", 8, SSL)


def make_cancel(pid: int, secret: bytes) -> bytes:
    return struct.pack("!III", 12 + len(secret), CANCEL, pid) + secret


def _version(minor: int) -> int:
    return 3 << 16 | minor


def make_negotiate_version(minor: int, unrecognised: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: what is spoken from here on, and the options that are not known.

    The whole version number, as PostgreSQL sends it and libpq wants it; its documentation speaks of the minor one.
    """
    body = struct.pack("!II", _version(minor), len(unrecognised))
    return encode("v", body + b"".join(name.encode() + b"\x00" for name in unrecognised))


def negotiation(message: StartupMessage) -> bytes:
    """NegotiateProtocolVersion where PostgreSQL would send one; else nothing."""
    if message.minor <= NEWEST_MINOR and not message.unrecognised:
        return b""
    return make_negotiate_version(message.spoken, message.unrecognised)


def read_negotiate_version(body: bytes, asked: int) -> int:
    """The minor version that a server speaks with who asked for ``asked`` and for no options.

    Raises:
        WireError: the body is not well formed, or it is no answer to that.
    """
    if len(body) < 8:
        raise WireError("08P01", "it sent a broken NegotiateProtocolVersion")
    version: int
    version, count = struct.unpack_from("!II", body)
    if count or len(body) > 8:
        raise WireError("08P01", "it speaks of protocol options that nobody asked for")
    if not _version(0) <= version < _version(asked):
        raise WireError("08P01", f"it answers with protocol {version >> 16}.{version & 0xFFFF}")
    return version & 0xFFFF
