"""What is known of the data of a COPY without keeping it."""

from __future__ import annotations

import hashlib
import random
import struct

import pytest

from hoopd.domain.ids import StatementNo
from hoopd.session.copy_data import BinaryTuples, Copied, Lines


def binary(rows: int, extension: bytes = b"") -> bytes:
    """A stream as COPY (FORMAT binary) makes it, with a field that is NULL, one that is empty and one of some size."""
    data = b"PGCOPY\n\xff\r\n\0" + struct.pack("!II", 0, len(extension)) + extension
    for row in range(rows):
        data += struct.pack("!h", 3) + struct.pack("!i", -1) + struct.pack("!i", 0)
        data += struct.pack("!i", row) + b"\xff" * row
    return data + struct.pack("!h", -1)


@pytest.mark.parametrize("extension", [b"", b"more"])
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_binary_tuples_are_counted_however_the_stream_is_cut(rows: int, extension: bytes) -> None:
    data = binary(rows, extension)
    chance = random.Random(rows)
    for _ in range(50):
        counter, at = BinaryTuples(), 0
        while at < len(data):
            step = chance.choice([1, 2, 3, 7, 100])
            counter.take(data[at : at + step])
            at += step
        assert counter.found == rows


def test_a_tuple_without_fields_counts() -> None:
    counter = BinaryTuples()
    counter.take(b"PGCOPY\n\xff\r\n\0" + bytes(8) + struct.pack("!hhh", 0, 0, -1))
    assert counter.found == 2


@pytest.mark.parametrize(
    ("pieces", "rows"),
    [
        ([b"1\n2\n"], 2),
        ([b"1\n2"], 2),
        ([b"1\r2\r3\r"], 3),
        ([b"1\r", b"\n2\r\n", b""], 2),
        ([b"", b"1"], 1),
        ([b""], 0),
        ([b'"a\nb"\n'], 2),
    ],
)
def test_lines_are_counted_whatever_ends_them(pieces: list[bytes], rows: int) -> None:
    """INV-9: PostgreSQL takes LF, CR LF and CR, and a last line without an end."""
    copied = Copied(incoming=True, binary=False, counter=Lines())
    for piece in pieces:
        copied.take(piece)
    assert copied.rows == rows


def test_size_hash_and_lines() -> None:
    copied = Copied(incoming=True, binary=False, counter=Lines())
    for piece in (b"1\n2", b"\n3\n"):
        copied.take(piece)
    event = copied.event(StatementNo(4))
    assert (copied.rows, event.size, event.incoming, event.binary) == (3, 6, True, False)
    assert event.digest == hashlib.sha256(b"1\n2\n3\n").hexdigest()
