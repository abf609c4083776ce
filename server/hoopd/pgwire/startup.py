"""The first packets of a connection: what a client asks for, and what a gateway asks of a database.

PostgreSQL documentation 54.2.1 (start-up), 54.2.8 (cancel), 54.2.10 and 54.2.11 (encryption requests).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import encode

CANCEL = 80877102
SSL = 80877103
GSSENC = 80877104
PROTOCOL_3_0 = 3 << 16
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
        raise WireError("0A000", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: the gateway speaks 3.0")
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


def make_startup(parameters: Mapping[str, str]) -> bytes:
    body = struct.pack("!I", PROTOCOL_3_0)
    for name, value in parameters.items():
        body += name.encode() + b"\x00" + value.encode() + b"\x00"
    body += b"\x00"
    return struct.pack("!I", len(body) + 4) + body


def make_ssl_request() -> bytes:
    return struct.pack("!II", 8, SSL)


def make_cancel(pid: int, secret: bytes) -> bytes:
    return struct.pack("!III", 12 + len(secret), CANCEL, pid) + secret


def make_negotiate_version(unrecognised: list[str]) -> bytes:
    """NegotiateProtocolVersion: 3.0 is the newest spoken here.

    The whole version number, as PostgreSQL sends it and libpq wants it; its documentation speaks of the minor one.
    """
    body = struct.pack("!II", PROTOCOL_3_0, len(unrecognised)) + b"".join(
        name.encode() + b"\x00" for name in unrecognised
    )
    return encode("v", body)
