"""Frames, however the stream is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.pgwire.errors import WireError
from hoopd.pgwire.framing import KEPT_WIRE, MAX_STARTUP, Frame, FrameReader, Rows, StartupReader, encode

LIMIT = 4096
FRAMES = st.lists(st.tuples(st.characters(max_codepoint=255), st.binary(max_size=40)), max_size=8)


@given(FRAMES, st.lists(st.integers(0, 200), max_size=12))
def test_frames_are_the_same_wherever_the_stream_is_cut(frames: list[tuple[str, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode(kind, body) for kind, body in frames)
    reader, found, at = FrameReader(LIMIT), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += reader.feed(stream[at:cut])
        at = max(at, cut)
    assert found == [Frame(kind, body) for kind, body in frames]
    assert reader.buffered == 0


def test_one_byte_at_a_time() -> None:
    stream = encode("Q", b"select 1\0") + encode("S") + encode("X")
    reader = FrameReader(LIMIT)
    found = [frame for index in range(len(stream)) for frame in reader.feed(stream[index : index + 1])]
    assert found == [Frame("Q", b"select 1\0"), Frame("S", b""), Frame("X", b"")]
    assert [frame.data for frame in found] == [encode("Q", b"select 1\0"), encode("S"), encode("X")]


KINDS = st.lists(st.tuples(st.sampled_from("DDDTCZ"), st.binary(max_size=40)), max_size=20)


@given(KINDS, st.lists(st.integers(0, 600), max_size=12))
def test_rows_that_are_taken_together_are_the_rows(frames: list[tuple[str, bytes]], cuts: list[int]) -> None:
    """Wherever the stream is cut, and whatever stands between them."""
    stream = b"".join(encode(kind, body) for kind, body in frames)
    reader, given_out, at = FrameReader(LIMIT, rows=True), list[Frame](), 0
    for cut in [*sorted(cuts), len(stream)]:
        given_out += reader.feed(stream[at:cut])
        at = max(at, cut)
    apart: list[Frame] = []
    for frame in given_out:
        several = list(frame.each()) if isinstance(frame, Rows) else [frame]
        assert not isinstance(frame, Rows) or frame.count == len(several) > 1
        apart += several
    assert apart == [Frame(kind, body) for kind, body in frames]
    assert b"".join(frame.data for frame in given_out) == stream
    assert reader.buffered == 0


@pytest.mark.parametrize("length", [0, 3, LIMIT + 5, 2**32 - 1])
def test_a_length_among_rows_is_checked_as_any(length: int) -> None:
    """INV-9"""
    frames = FrameReader(LIMIT, rows=True).feed(encode("D", b"1") * 3 + b"D" + struct.pack("!I", length))
    rows = next(frames)
    assert isinstance(rows, Rows)
    assert rows.count == 3
    with pytest.raises(WireError):
        next(frames)


def test_rows_are_no_message_that_a_peer_could_send() -> None:
    assert len(Rows.KIND) > 1
    frames = list(FrameReader(LIMIT).feed(encode("D", b"1") * 3))
    assert frames == [Frame("D", b"1")] * 3


def test_a_long_frame_is_not_kept_twice() -> None:
    """INV-9"""
    for size, kept in ((KEPT_WIRE - 5, True), (KEPT_WIRE, False)):
        (frame,) = FrameReader(1 << 20).feed(encode("d", bytes(size)))
        assert (frame._wire is not None) is kept
        assert frame.data == encode("d", bytes(size))


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_length_that_does_not_hold_itself_is_impossible(length: int) -> None:
    with pytest.raises(WireError, match=f"invalid message length {length}") as caught:
        list(FrameReader(LIMIT).feed(b"Q" + struct.pack("!I", length)))
    assert caught.value.sqlstate == "08P01"


@pytest.mark.parametrize("length", [LIMIT + 5, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_length_over_the_limit_is_refused_before_its_body(length: int) -> None:
    """INV-9: also where it would be negative as PostgreSQL reads it."""
    with pytest.raises(WireError, match="over the limit of 4096 bytes") as caught:
        list(FrameReader(LIMIT).feed(b"Q" + struct.pack("!I", length)))
    assert caught.value.sqlstate == "54000"


def test_the_longest_body_is_taken() -> None:
    assert [len(frame.body) for frame in FrameReader(LIMIT).feed(encode("d", bytes(LIMIT)))] == [LIMIT]


def test_what_came_before_a_broken_length_is_given() -> None:
    frames = FrameReader(LIMIT).feed(encode("S") + b"Q\0\0\0\0")
    assert next(frames) == Frame("S", b"")
    with pytest.raises(WireError):
        next(frames)


@pytest.mark.parametrize("body", [b"\0\x03\0\0user\0a\0\0", struct.pack("!I", 80877103)])
def test_start_up_packets_cut_at_every_byte(body: bytes) -> None:
    packet = struct.pack("!I", len(body) + 4) + body
    for cut in range(len(packet)):
        reader = StartupReader()
        assert reader.feed(packet[:cut]) is None
        assert reader.feed(packet[cut:] + b"rest") == body
        assert reader.finish() == b"rest"
        assert reader.finish() == b""


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, MAX_STARTUP + 1, 2**31, 2**32 - 1])
def test_impossible_start_up_lengths(length: int) -> None:
    """INV-9"""
    packet = struct.pack("!I", length)
    if packet[0] == 0x16:
        raise AssertionError
    with pytest.raises(WireError, match="invalid length of startup packet"):
        StartupReader().feed(packet)


def test_a_tls_hello_is_closed_without_an_answer_at_its_first_byte() -> None:
    with pytest.raises(WireError) as caught:
        StartupReader().feed(b"\x16")
    assert caught.value.silent


def test_several_start_up_packets_in_one_piece() -> None:
    ssl = struct.pack("!II", 8, 80877103)
    reader = StartupReader()
    assert reader.feed(ssl + ssl) == ssl[4:]
    assert reader.feed(b"") == ssl[4:]
    assert reader.feed(b"") is None
