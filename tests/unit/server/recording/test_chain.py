"""The chain's formula, computed here by hand: a change of it would make every kept record unverifiable."""

import hashlib

from hoopd.recording.chain import HASH_BYTES, link, origin


def test_the_first_link_is_the_session() -> None:
    assert origin("s-1") == hashlib.sha256(b"hoop-session-1\ns-1").digest()
    assert origin("s-1") != origin("s-2")


def test_a_link_covers_what_came_before_and_the_body() -> None:
    before = origin("s-1")
    expected = hashlib.sha256(b"hoop-record-1\n" + before + b"\0\0\0\0\0\0\0\x03" + b"abc").digest()
    assert link(before, b"abc") == expected
    assert len(expected) == HASH_BYTES
    assert link(expected, b"abc") != expected


def test_bytes_cannot_move_between_two_events() -> None:
    before = origin("s-1")
    assert link(link(before, b"ab"), b"c") != link(link(before, b"a"), b"bc")
