"""Messages that a server sends: read (the gateway is the database's client) and made (it is the client's server)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.framing import encode

_FIELD = struct.Struct("!IhIhih")
_I = struct.Struct("!i")
_H = struct.Struct("!H")
_COPY = struct.Struct("!BH")
_LONGEST_COUNT = 20
_STATES = ("I", "T", "E")


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a RowDescription."""

    name: str
    table_oid: int
    attribute: int
    type_oid: int
    type_size: int
    type_modifier: int
    format: int


def read_row_description(body: bytes) -> tuple[Field, ...]:
    """The columns of a RowDescription.

    Raises:
        WireError: the body is cut.
    """
    try:
        (count,) = _H.unpack_from(body)
        at, fields = 2, []
        for _ in range(count):
            end = body.index(b"\x00", at)
            name = body[at:end].decode("utf-8", "replace")
            oid, attribute, kind, size, modifier, code = _FIELD.unpack_from(body, end + 1)
            fields.append(Field(name, oid, attribute, kind, size, modifier, code))
            at = end + 1 + _FIELD.size
    except (struct.error, ValueError):
        raise _broken("RowDescription") from None
    if at != len(body):
        raise _broken("RowDescription")
    return tuple(fields)


def _broken(what: str) -> WireError:
    return WireError("08P01", f"the database sent a broken {what}")


def read_parameter_description(body: bytes) -> tuple[int, ...]:
    """The type of each parameter, as an OID. Raises WireError for a body that is not exactly of its form."""
    try:
        (count,) = _H.unpack_from(body)
        return struct.unpack(f"!{count}I", body[2:])
    except struct.error:
        raise _broken("ParameterDescription") from None


def read_data_row(body: bytes) -> list[bytes | None]:
    """The cells of a DataRow.

    Raises:
        WireError: the body is cut.
    """
    try:
        (count,) = _H.unpack_from(body)
        at, cells = 2, list[bytes | None]()
        for _ in range(count):
            (size,) = _I.unpack_from(body, at)
            at += 4
            if size == -1:
                cells.append(None)
            elif size < 0:
                raise _broken("DataRow")
            else:
                cells.append(body[at : at + size])
                at += size
    except struct.error:
        raise _broken("DataRow") from None
    if at != len(body):
        raise _broken("DataRow")
    return cells


def read_copy_response(body: bytes) -> bool:
    """Whether a CopyInResponse or CopyOutResponse says binary. Raises WireError for a body that is not of its form."""
    try:
        overall, count = _COPY.unpack_from(body)
    except struct.error:
        raise _broken("CopyResponse") from None
    if overall > 1 or len(body) != _COPY.size + 2 * count:
        raise _broken("CopyResponse")
    return bool(overall == 1)


def make_data_row(cells: Sequence[bytes | None]) -> bytes:
    body = bytearray(_H.pack(len(cells)))
    for cell in cells:
        if cell is None:
            body += b"\xff\xff\xff\xff"
        else:
            body += _I.pack(len(cell)) + cell
    return encode("D", bytes(body))


def read_command_tag(body: bytes) -> str:
    return body.rstrip(b"\x00").decode("utf-8", "replace")


def rows_of_tag(tag: str) -> int | None:
    """The row count at the end of a CommandComplete tag, None where it has none."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) <= _LONGEST_COUNT else None


def read_parameter_status(body: bytes) -> tuple[str, str]:
    name, _, rest = body.partition(b"\x00")
    return name.decode("utf-8", "replace"), rest.rstrip(b"\x00").decode("utf-8", "replace")


def read_notification(body: bytes) -> tuple[int, str, str]:
    """Process id, channel and payload of a NotificationResponse. Raises WireError where the body is cut."""
    texts = body[4:].split(b"\x00")
    if len(texts) != 3 or texts[2]:
        raise _broken("NotificationResponse")
    return _I.unpack_from(body)[0], texts[0].decode("utf-8", "replace"), texts[1].decode("utf-8", "replace")


def read_ready(body: bytes) -> str:
    """The transaction state of a ReadyForQuery: I, T or E. Raises WireError for anything else."""
    status = body.decode("latin-1")
    if status not in _STATES:
        raise _broken("ReadyForQuery")
    return status


def read_backend_key(body: bytes) -> tuple[int, bytes]:
    """Process id and secret of a BackendKeyData; the secret has 4 bytes, or up to 256 from protocol 3.2 on."""
    if not 8 <= len(body) <= 260:
        raise _broken("BackendKeyData")
    return struct.unpack_from("!I", body)[0], body[4:]


def read_authentication(body: bytes) -> tuple[int, bytes]:
    """What an Authentication message asks for, and what comes with it. Raises WireError where the body is cut."""
    if len(body) < 4:
        raise _broken("Authentication message")
    return struct.unpack_from("!I", body)[0], body[4:]


def make_notification(pid: int, channel: str, payload: str) -> bytes:
    return encode("A", _I.pack(pid) + channel.encode() + b"\x00" + payload.encode() + b"\x00")


def make_error(fields: ErrorFields) -> bytes:
    return encode("E", fields.encode())


def make_notice(fields: ErrorFields) -> bytes:
    return encode("N", fields.encode())


def make_ready(status: str) -> bytes:
    return encode("Z", status.encode())


def make_parameter_status(name: str, value: str) -> bytes:
    return encode("S", name.encode() + b"\x00" + value.encode() + b"\x00")


def make_backend_key(pid: int, secret: bytes) -> bytes:
    """BackendKeyData; a secret of more than 4 bytes is for protocol 3.2 only."""
    return encode("K", struct.pack("!I", pid) + secret)


AUTHENTICATION_OK = encode("R", b"\x00\x00\x00\x00")


def make_authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    return encode("R", b"\x00\x00\x00\x0a" + b"".join(m.encode() + b"\x00" for m in mechanisms) + b"\x00")


def make_authentication_sasl_continue(data: bytes) -> bytes:
    return encode("R", b"\x00\x00\x00\x0b" + data)


def make_authentication_sasl_final(data: bytes) -> bytes:
    return encode("R", b"\x00\x00\x00\x0c" + data)
