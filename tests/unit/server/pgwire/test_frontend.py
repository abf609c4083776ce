"""Messages of clients: every one cut at every byte is one WireError and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopd.pgwire import frontend
from hoopd.pgwire.errors import WireError

BIND = b"p\0s\0" + struct.pack("!HHHHi3si", 2, 0, 1, 2, 3, b"abc", -1) + struct.pack("!HH", 1, 1)
READERS: dict[str, tuple[Callable[[bytes], object], bytes, object]] = {
    "query": (frontend.read_query, b"select 1\0", b"select 1"),
    "parse": (
        frontend.read_parse,
        b"s\0select $1\0" + struct.pack("!HII", 2, 23, 2**32 - 1),
        frontend.Parse("s", b"select $1", (23, 2**32 - 1)),
    ),
    "bind": (frontend.read_bind, BIND, frontend.Bind("p", "s", (0, 1), (b"abc", None), (1,))),
    "describe": (frontend.read_describe, b"Ss\0", frontend.Describe("S", "s")),
    "close": (frontend.read_close, b"Pp\0", frontend.Close("P", "p")),
    "execute": (frontend.read_execute, b"p\0\0\0\0\5", frontend.Execute("p", 5)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_whole_body_is_read(name: str) -> None:
    read, body, expected = READERS[name]
    assert read(body) == expected


@pytest.mark.parametrize("name", READERS)
def test_a_body_cut_at_any_byte_or_with_more_behind_it_is_refused(name: str) -> None:
    """THREATS 10"""
    read, body, _ = READERS[name]
    for broken in [*(body[:cut] for cut in range(len(body))), body + b"\0", body + b"more"]:
        with pytest.raises(WireError) as caught:
            read(broken)
        assert caught.value.sqlstate == "08P01"


@pytest.mark.parametrize("name", READERS)
@given(st.binary(max_size=60))
def test_nothing_but_a_wire_error(name: str, body: bytes) -> None:
    with suppress(WireError):
        READERS[name][0](body)


@pytest.mark.parametrize("size", [-2, -(2**31), 2**31 - 1, 4])
def test_a_parameter_of_an_impossible_size(size: int) -> None:
    body = b"\0\0" + struct.pack("!HHi3s", 0, 1, size, b"abc") + struct.pack("!H", 0)
    with pytest.raises(WireError, match="invalid message format: Bind"):
        frontend.read_bind(body)


def test_formats_must_fit_the_parameters_and_be_known() -> None:
    two = b"\0\0" + struct.pack("!HHHH", 2, 0, 0, 0) + struct.pack("!H", 0)
    with pytest.raises(WireError, match="2 parameter formats but 0 parameters"):
        frontend.read_bind(two)
    unknown = b"\0\0" + struct.pack("!HHHH", 0, 0, 1, 2)
    with pytest.raises(WireError, match="unsupported format code"):
        frontend.read_bind(unknown)


def test_names_are_utf8() -> None:
    with pytest.raises(WireError, match="not valid UTF-8") as caught:
        frontend.read_parse(b"\xff\0select 1\0\0\0")
    assert caught.value.sqlstate == "22021"


def test_which_format_holds() -> None:
    bind = frontend.Bind("", "", (1,), (b"a", b"b"), ())
    assert (bind.value_format(1), bind.result_format(3)) == (1, 0)
    assert frontend.format_of((0, 1), 1) == 1


def test_what_is_made_can_be_read() -> None:
    assert frontend.read_query(frontend.make_query(b"x")[5:]) == b"x"
    assert frontend.read_parse(frontend.make_parse("n", b"x", (23,))[5:]) == frontend.Parse("n", b"x", (23,))
    assert frontend.read_bind(frontend.make_bind("p", "s")[5:]) == frontend.Bind("p", "s", (), (), ())
    assert frontend.read_describe(frontend.make_describe("P", "p")[5:]) == frontend.Describe("P", "p")
    assert frontend.read_execute(frontend.make_execute("p")[5:]) == frontend.Execute("p", 0)
    assert frontend.read_close(frontend.make_close("S", "s")[5:]) == frontend.Close("S", "s")
    with pytest.raises(WireError, match="subtype"):
        frontend.read_close(b"Xs\0")
