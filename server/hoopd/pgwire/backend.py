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
        raise WireError("08P01", "the database sent a broken RowDescription") from None
    return tuple(fields)


def read_parameter_description(body: bytes) -> tuple[int, ...]:
    try:
        (count,) = _H.unpack_from(body)
        return struct.unpack_from(f"!{count}I", body, 2)
    except struct.error:
        raise WireError("08P01", "the database sent a broken ParameterDescription") from None


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
            if size < 0:
                cells.append(None)
            else:
                cells.append(body[at : at + size])
                at += size
    except struct.error:
        raise WireError("08P01", "the database sent a broken DataRow") from None
    if at != len(body):
        raise WireError("08P01", "the database sent a broken DataRow")
    return cells


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
    return int(last) if last.isascii() and last.isdigit() else None


def read_parameter_status(body: bytes) -> tuple[str, str]:
    name, _, rest = body.partition(b"\x00")
    return name.decode("utf-8", "replace"), rest.rstrip(b"\x00").decode("utf-8", "replace")


def read_notification(body: bytes) -> tuple[int, str, str]:
    """Process id, channel and payload of a NotificationResponse."""
    (pid,) = _I.unpack_from(body)
    channel, _, rest = body[4:].partition(b"\x00")
    return pid, channel.decode("utf-8", "replace"), rest.rstrip(b"\x00").decode("utf-8", "replace")


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


def make_backend_key(pid: int, secret: int) -> bytes:
    return encode("K", struct.pack("!II", pid, secret))


AUTHENTICATION_OK = encode("R", b"\x00\x00\x00\x00")


def make_authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    return encode("R", b"\x00\x00\x00\x0a" + b"".join(m.encode() + b"\x00" for m in mechanisms) + b"\x00")


def make_authentication_sasl_continue(data: bytes) -> bytes:
    return encode("R", b"\x00\x00\x00\x0b" + data)


def make_authentication_sasl_final(data: bytes) -> bytes:
    return encode("R", b"\x00\x00\x00\x0c" + data)
