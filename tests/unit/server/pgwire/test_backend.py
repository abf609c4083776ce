"""Messages of servers: a database that sends nonsense is one WireError, whatever the nonsense."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.pgwire import backend
from hoopd.pgwire.errors import WireError

FIELD = backend.Field("id", 16384, 1, 23, 4, -1, 0)
READERS: dict[str, tuple[Callable[[bytes], object], bytes, object]] = {
    "row_description": (
        backend.read_row_description,
        struct.pack("!H", 2) + 2 * (b"id\0" + struct.pack("!IhIhih", 16384, 1, 23, 4, -1, 0)),
        (FIELD, FIELD),
    ),
    "parameter_description": (backend.read_parameter_description, struct.pack("!HII", 2, 23, 25), (23, 25)),
    "data_row": (
        backend.read_data_row,
        struct.pack("!Hi2siI", 3, 2, b"ab", -1, 0),
        [b"ab", None, b""],
    ),
    "notification": (backend.read_notification, struct.pack("!i", 7) + b"chan\0said\0", (7, "chan", "said")),
    "ready": (backend.read_ready, b"T", "T"),
    "backend_key": (backend.read_backend_key, struct.pack("!I4s", 7, b"abcd"), (7, b"abcd")),
}


@pytest.mark.parametrize("name", READERS)
def test_a_whole_body_is_read(name: str) -> None:
    read, body, expected = READERS[name]
    assert read(body) == expected


@pytest.mark.parametrize("name", READERS)
def test_a_body_cut_at_any_byte_is_refused(name: str) -> None:
    read, body, _ = READERS[name]
    for cut in range(len(body)):
        with pytest.raises(WireError, match="the database sent a broken"):
            read(body[:cut])


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"backend_key"}))
def test_a_body_with_more_behind_it_is_refused(name: str) -> None:
    read, body, _ = READERS[name]
    with pytest.raises(WireError, match="the database sent a broken"):
        read(body + b"\0\0\0\0\0")


@pytest.mark.parametrize("name", READERS)
@given(st.binary(max_size=60))
def test_nothing_but_a_wire_error(name: str, body: bytes) -> None:
    with suppress(WireError):
        READERS[name][0](body)


@pytest.mark.parametrize("size", [-2, -(2**31), 2**31 - 1, 3])
def test_cells_of_impossible_sizes(size: int) -> None:
    with pytest.raises(WireError, match="broken DataRow"):
        backend.read_data_row(struct.pack("!Hi2s", 1, size, b"ab"))


@given(st.lists(st.none() | st.binary(max_size=20), max_size=10))
def test_rows_that_are_made_can_be_read(cells: list[bytes | None]) -> None:
    assert backend.read_data_row(backend.make_data_row(cells)[5:]) == cells


@pytest.mark.parametrize(
    ("tag", "rows"),
    [
        ("SELECT 3", 3), ("INSERT 0 12", 12), ("BEGIN", None), ("DELETE ²", None), ("SELECT -1", None), ("", None),
        (f"SELECT {'9' * 5000}", None),
    ],
)  # fmt: skip
def test_the_rows_of_a_command_tag(tag: str, rows: int | None) -> None:
    assert backend.rows_of_tag(tag) == rows


def test_a_long_key_of_protocol_3_2() -> None:
    assert backend.read_backend_key(bytes(4) + b"k" * 256) == (0, b"k" * 256)
    made = backend.make_backend_key(7, b"k" * 32)
    assert made[:5] == b"K\0\0\0\x28"
    assert backend.read_backend_key(made[5:]) == (7, b"k" * 32)
    with pytest.raises(WireError):
        backend.read_backend_key(bytes(4) + b"k" * 257)


def test_an_authentication_message() -> None:
    assert backend.read_authentication(b"\0\0\0\5salt") == (5, b"salt")
    for cut in range(4):
        with pytest.raises(WireError):
            backend.read_authentication(b"\0\0\0\5"[:cut])


def test_texts() -> None:
    assert backend.read_command_tag(b"SELECT 1\0") == "SELECT 1"
    assert backend.read_parameter_status(b"TimeZone\0UTC\0") == ("TimeZone", "UTC")
    assert backend.make_parameter_status("a", "b") == b"S\0\0\0\x08a\0b\0"
    assert backend.read_notification(backend.make_notification(1, "c", "")[5:]) == (1, "c", "")
    assert backend.make_backend_key(2**31 - 1, b"\xff" * 4) == b"K\0\0\0\x0c\x7f\xff\xff\xff\xff\xff\xff\xff"
    assert backend.make_ready("E") == b"Z\0\0\0\x05E"
