"""The borders of messages, wherever bytes are cut, and the error a tunnel may make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopctl.tunnel.wire import Borders, fatal


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


messages = st.lists(
    st.tuples(st.sampled_from([b"R", b"S", b"K", b"Z", b"T", b"D", b"C", b"E", b"N"]), st.binary(max_size=40)).map(
        lambda parts: message(*parts)
    ),
    min_size=1,
    max_size=8,
)


@given(refusals=st.sampled_from([b"", b"N", b"NN"]), stream=messages, data=st.data())
def test_it_is_between_messages_exactly_there(refusals: bytes, stream: list[bytes], data: st.DataObject) -> None:
    whole = refusals + b"".join(stream)
    cut = data.draw(st.integers(0, len(whole)))
    steps = data.draw(st.lists(st.integers(1, 7), max_size=60))
    borders = Borders()
    position = 0
    while position < cut:
        step = min(steps.pop() if steps else cut, cut - position)
        borders.feed(whole[position : position + step])
        position += step
    ends, end = {0}, len(refusals)
    ends |= set(range(len(refusals) + 1))
    for each in stream:
        end += len(each)
        ends.add(end)
    first_is_notice = stream[0][:1] == b"N" and cut == len(refusals) + 1
    assert borders.between_messages is (cut in ends or first_is_notice)


@pytest.mark.parametrize("length", [0, 3, 2**31, 2**32 - 1])
@pytest.mark.parametrize("before", [b"", message(b"Z", b"I")])
def test_what_is_no_message_has_no_borders(length: int, before: bytes) -> None:
    borders = Borders()
    borders.feed(before)
    borders.feed(before + b"D" + length.to_bytes(4, "big"))
    assert not borders.between_messages
    borders.feed(message(b"Z", b"I"))
    assert not borders.between_messages


def test_a_fatal_error_has_the_fields_that_clients_read() -> None:
    made = fatal("08006", "gone\0 away", "come back")
    assert made[:1] == b"E"
    assert int.from_bytes(made[1:5], "big") == len(made) - 1
    assert made[5:] == b"SFATAL\0VFATAL\0C08006\0Mgone away\0Hcome back\0\0"
