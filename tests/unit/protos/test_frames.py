"""The frames of a tunnel's stream: cutting, turns, credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoop import frames
from hoop.frames import Credit, FrameError, Outbox, Room

FRAME = st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=200))


@given(st.lists(FRAME))
def test_what_is_encoded_comes_back(sent: list[tuple[int, int, bytes]]) -> None:
    message = b"".join(frames.encode(*each) for each in sent)
    assert list(frames.decode(message, 200)) == sent


@given(FRAME, st.data())
def test_a_frame_that_is_cut_off_is_an_error(frame: tuple[int, int, bytes], data: st.DataObject) -> None:
    whole = frames.encode(*frame)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(FrameError, match="cut off"):
        list(frames.decode(whole[:cut], 200))


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_an_error(data: bytes) -> None:
    try:
        found = list(frames.decode(data, frames.BODY_UP))
    except FrameError:
        return
    assert b"".join(frames.encode(*each) for each in found) == data


@pytest.mark.parametrize(("kind", "limit"), [(frames.DATA, frames.DATA_BYTES), (frames.OPEN, frames.BODY_UP)])
def test_a_frame_has_a_longest_body_inv_9(kind: int, limit: int) -> None:
    assert list(frames.decode(frames.encode(kind, 1, bytes(limit)), frames.BODY_UP)) == [(kind, 1, bytes(limit))]
    with pytest.raises(FrameError, match="too long"):
        list(frames.decode(frames.encode(kind, 1, bytes(limit + 1)), frames.BODY_UP))


def test_credit_goes_over_as_a_number() -> None:
    ((kind, session, body),) = frames.decode(frames.encode_credit(7, 70_000), frames.BODY_UP)
    assert (kind, session, frames.decode_amount(body)) == (frames.CREDIT, 7, 70_000)
    with pytest.raises(FrameError, match="four bytes"):
        frames.decode_amount(b"\0\0\0")


def test_a_sender_has_a_window_and_no_more_inv_9() -> None:
    credit = Credit(10)
    credit.spend(10)
    assert credit.left == 0
    credit.give(4)
    assert credit.left == 4
    with pytest.raises(FrameError, match="more credit"):
        credit.give(7)


def test_a_receiver_gives_credit_back_half_a_window_at_a_time_inv_9() -> None:
    room = Room(10)
    room.fill(10)
    with pytest.raises(FrameError, match="more than it had credit for"):
        room.fill(1)
    room = Room(10)
    room.fill(10)
    assert [room.take(2), room.take(2), room.take(2), room.take(4)] == [0, 0, 6, 0]
    room.fill(6)
    assert room.take(1) == 5


@given(st.lists(st.integers(1, 100)))
def test_credit_and_room_never_disagree(sizes: list[int]) -> None:
    credit, room = Credit(1000), Room(1000)
    for size in sizes:
        part = min(size, credit.left)
        assert part > 0
        credit.spend(part)
        room.fill(part)
        if due := room.take(part):
            credit.give(due)


def woken() -> tuple[Outbox, list[None]]:
    calls: list[None] = []
    return Outbox(lambda: calls.append(None)), calls


def test_what_is_put_while_a_message_is_made_goes_together() -> None:
    outbox, calls = woken()
    assert not outbox
    outbox.put_data(1, b"a")
    outbox.put_data(2, b"b")
    outbox.put(frames.EOF, 1)
    assert (len(calls), bool(outbox)) == (1, True)
    found = list(frames.decode(outbox.take(), frames.BODY_UP))
    assert found == [(frames.DATA, 1, b"a"), (frames.EOF, 1, b""), (frames.DATA, 2, b"b")]
    assert not outbox
    outbox.put_credit(1, 5)
    assert len(calls) == 2


def test_a_session_that_sends_much_is_not_before_the_others() -> None:
    outbox, _ = woken()
    piece = bytes(frames.DATA_BYTES)
    for _ in range(16):
        outbox.put_data(1, piece)
    outbox.put_data(2, b"small")
    sizes, sessions = [], []
    while outbox:
        message = outbox.take()
        sizes.append(len(message))
        sessions.append([session for _, session, _ in frames.decode(message, frames.BODY_UP)])
    assert 2 in sessions[0]
    assert sum(each.count(1) for each in sessions) == 16
    assert max(sizes) < frames.MESSAGE_BYTES + frames.DATA_BYTES + 1000


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 70_000)), max_size=40))
def test_within_a_session_frames_keep_their_order(sent: list[tuple[int, int]]) -> None:
    outbox, _ = woken()
    for number, (session, size) in enumerate(sent):
        outbox.put_data(session, number.to_bytes(2, "big") + bytes(min(size, frames.DATA_BYTES - 2)))
    got: dict[int, list[int]] = {}
    while outbox:
        for _, session, body in frames.decode(outbox.take(), frames.BODY_UP):
            got.setdefault(session, []).append(int.from_bytes(body[:2], "big"))
    expected: dict[int, list[int]] = {}
    for number, (session, _) in enumerate(sent):
        expected.setdefault(session, []).append(number)
    assert got == expected


def test_what_waits_is_told_of_inv_9() -> None:
    outbox, _ = woken()
    while outbox.has_room:
        outbox.put_data(1, bytes(frames.DATA_BYTES))
    assert not outbox.is_crowded
    while not outbox.is_crowded:
        outbox.put(frames.ENDED, 1, bytes(1000))
    while outbox:
        outbox.take()
    assert outbox.has_room
    assert not outbox.is_crowded


def test_what_was_sent_does_not_count_any_more_while_data_still_waits_inv_9() -> None:
    """Else one long word to one session would keep all that its neighbours send from being read."""
    outbox = Outbox(lambda: None)
    outbox.put(frames.SIGNAL, 1, b"s" * Outbox.CONTROL_LIMIT)
    for _ in range(20):
        outbox.put_data(2, b"d" * frames.DATA_BYTES)
    assert outbox.is_crowded
    outbox.take()
    assert outbox
    assert not outbox.is_crowded
    while outbox:
        outbox.take()
    assert outbox._control == 0
