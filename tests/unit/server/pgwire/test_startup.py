"""What a client may ask for first."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.pgwire import startup
from hoopd.pgwire.errors import WireError

V3 = struct.pack("!I", 3 << 16)


def test_encryption_requests() -> None:
    for request in (startup.make_ssl_request()[4:], struct.pack("!I", startup.GSSENC)):
        assert startup.read_first_packet(request) == startup.EncryptionRequest()


@pytest.mark.parametrize("size", [1, 4, 32, 256])
def test_a_cancel_request_with_keys_of_any_length_up_to_protocol_3_2(size: int) -> None:
    secret = bytes(range(256))[:size]
    packet = startup.make_cancel(7, secret)
    assert struct.unpack("!I", packet[:4]) == (len(packet),)
    assert startup.read_first_packet(packet[4:]) == startup.CancelRequest(7, secret)


@pytest.mark.parametrize("body", [b"", b"\0\0\0\7", b"\0\0\0\7" + bytes(257)])
def test_a_cancel_request_of_a_wrong_size_is_closed_in_silence(body: bytes) -> None:
    """PostgreSQL answers no CancelRequest, whatever it holds."""
    with pytest.raises(WireError) as caught:
        startup.read_first_packet(struct.pack("!I", startup.CANCEL) + body)
    assert caught.value.silent


def test_parameters_in_order_and_the_last_of_two_counts() -> None:
    found = startup.read_first_packet(V3 + b"user\0a\0database\0d\0user\0b\0options\0\0\0")
    assert found == startup.StartupMessage(0, {"user": "b", "database": "d", "options": ""})


def test_what_is_made_can_be_read() -> None:
    given_ = {"user": "ünit", "database": "d", "options": ""}
    packet = startup.make_startup(given_)
    assert struct.unpack("!I", packet[:4]) == (len(packet),)
    assert startup.read_first_packet(packet[4:]) == startup.StartupMessage(0, given_)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"user",
        b"user\0a",
        b"user\0a\0",  # no terminator of the list
        b"user\0\0",  # a name without a value
        b"user\0a\0\0x\0y\0\0",  # more behind the terminator
        b"\0x\0\0",  # a parameter without a name
        b"user\0a\0\0\0",
    ],
)
def test_start_up_packets_that_are_not_well_formed(body: bytes) -> None:
    with pytest.raises(WireError, match="invalid startup packet layout"):
        startup.read_first_packet(V3 + body)


def test_a_start_up_packet_without_parameters() -> None:
    assert startup.read_first_packet(V3 + b"\0") == startup.StartupMessage(0, {})


def test_names_and_values_are_utf8() -> None:
    with pytest.raises(WireError, match="not valid UTF-8") as caught:
        startup.read_first_packet(V3 + b"user\0\xff\0\0")
    assert caught.value.sqlstate == "22021"


@pytest.mark.parametrize("version", [2 << 16, 1 << 16, (4 << 16), 0, (1234 << 16) | 5681])
def test_other_protocols_are_refused(version: int) -> None:
    with pytest.raises(WireError, match=rf"unsupported frontend protocol {version >> 16}\.") as caught:
        startup.read_first_packet(struct.pack("!I", version) + b"user\0a\0\0")
    assert caught.value.sqlstate == "0A000"


def _asked(minor: int, *names: str) -> startup.StartupMessage:
    found = startup.read_first_packet(startup.make_startup({"user": "a", **dict.fromkeys(names, "y")}, minor)[4:])
    assert isinstance(found, startup.StartupMessage)
    return found


@pytest.mark.parametrize(
    ("minor", "spoken", "key_bytes"), [(0, 0, 4), (1, 1, 4), (2, 2, 32), (3, 2, 32), (9999, 2, 32), (0xFFFF, 2, 32)]
)
def test_the_newest_version_that_both_know_is_spoken(minor: int, spoken: int, key_bytes: int) -> None:
    asked = _asked(minor)
    assert (asked.minor, asked.spoken, asked.key_bytes) == (minor, spoken, key_bytes)
    assert (startup.negotiation(asked) == b"") is (minor <= 2)


def test_newer_minor_versions_are_negotiated_as_postgresql_does() -> None:
    """The whole version number: libpq takes a bare minor for a version before 3.0 and gives up."""
    three_two = (3 << 16) | 2
    assert startup.negotiation(_asked(9999)) == b"v" + struct.pack("!III", 12, three_two, 0)
    assert startup.negotiation(_asked(2, "_pq_.x")) == b"v" + struct.pack("!III", 19, three_two, 1) + b"_pq_.x\0"
    names = ("_pq_.a", "options", "_pq_.b", "_PQ_.c")
    assert startup.negotiation(_asked(0, *names)) == (b"v" + struct.pack("!III", 26, 3 << 16, 2) + b"_pq_.a\0_pq_.b\0")


def test_what_a_server_negotiates() -> None:
    for minor in (0, 1):
        assert startup.read_negotiate_version(startup.make_negotiate_version(minor, ())[5:], 2) == minor


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack("!I", 3 << 16),
        startup.make_negotiate_version(2, ())[5:],  # no less than what was asked for
        startup.make_negotiate_version(3, ())[5:],
        struct.pack("!II", 0, 0),  # a bare minor
        struct.pack("!II", 2 << 16, 0),
        startup.make_negotiate_version(0, ["_pq_.x"])[5:],  # nobody asked for it
        struct.pack("!II", 3 << 16, 0) + b"x",
    ],
)
def test_a_negotiation_that_is_none(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        startup.read_negotiate_version(body, 2)
    assert caught.value.sqlstate == "08P01"


@given(st.binary(min_size=4, max_size=60))
def test_nothing_but_a_wire_error(body: bytes) -> None:
    for prefix in (b"", V3):
        with suppress(WireError):
            startup.read_first_packet(prefix + body)
