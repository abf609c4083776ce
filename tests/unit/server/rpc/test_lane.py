"""One session's pipe: what waits for whom, without gRPC."""

from __future__ import annotations

import asyncio

import pytest

from hoop import frames
from hoop.frames import FrameError, Outbox
from hoop.v1 import tunnel_pb2 as pb
from hoopd.rpc.lane import Lane, Traffic
from hoopd.runtime.pipe import SideBand


def lanes(count: int = 1) -> tuple[Outbox, Traffic, list[Lane]]:
    outbox = Outbox(lambda: None)
    traffic = Traffic(outbox)
    return outbox, traffic, [Lane(number + 1, traffic) for number in range(count)]


def sent(outbox: Outbox) -> list[tuple[int, int, bytes]]:
    found = []
    while outbox:
        found += list(frames.decode(outbox.take(), frames.BODY_DOWN))
    return found


async def test_what_is_fed_is_read_in_order_to_its_end() -> None:
    _, _, (lane,) = lanes()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(lane.read())
        await asyncio.sleep(0)
        lane.feed(b"a")
        assert await reading == b"a"
    lane.feed(b"b")
    lane.feed_eof()
    lane.feed(b"late")
    assert [await lane.read() for _ in range(2)] == [b"b", b""]


async def test_after_the_clients_end_only_that_of_the_whole_is_read() -> None:
    _, _, (lane,) = lanes()
    lane.feed(b"a")
    lane.feed_eof()
    assert [await lane.read() for _ in range(2)] == [b"a", b""]

    async def breaks() -> None:
        await asyncio.sleep(0)
        lane.broke()

    found = await asyncio.gather(lane.read(), breaks(), return_exceptions=True)
    assert isinstance(found[0], ConnectionResetError)


async def test_a_client_has_credit_for_what_was_read_inv_9() -> None:
    outbox, _, (lane,) = lanes()
    piece = bytes(frames.DATA_BYTES)
    for _ in range(frames.WINDOW_UP // frames.DATA_BYTES):
        lane.feed(piece)
    with pytest.raises(FrameError, match="more than it had credit for"):
        lane.feed(b"x")
    await lane.read()
    assert sent(outbox) == []
    await lane.read()
    ((kind, number, body),) = sent(outbox)
    assert (kind, number, frames.decode_amount(body)) == (frames.CREDIT, 1, frames.WINDOW_UP // 2)


async def test_writing_waits_for_the_clients_credit_alone_inv_9() -> None:
    outbox, traffic, (slow, good) = lanes(2)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(slow.write(bytes(frames.WINDOW_DOWN + 5)))
        for _ in range(100):
            sent(outbox)
            traffic.moved()
            await asyncio.sleep(0)
        assert not writing.done()
        await good.write(b"goes on")
        assert sent(outbox) == [(frames.DATA, 2, b"goes on")]
        slow.give(100)
        await writing
    assert sent(outbox) == [(frames.DATA, 1, bytes(5))]
    with pytest.raises(FrameError, match="more credit"):
        slow.give(frames.WINDOW_DOWN)


async def test_a_stream_that_is_not_taken_holds_a_bounded_amount_inv_9() -> None:
    outbox, traffic, found = lanes(20)
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(lane.write(bytes(frames.WINDOW_DOWN))) for lane in found]
        for _ in range(200):
            await asyncio.sleep(0)
        assert sum(each.done() for each in writing) == frames.Outbox.LIMIT // frames.WINDOW_DOWN
        assert not outbox.has_room
        assert outbox._size < Outbox.LIMIT + 20 * (frames.DATA_BYTES + 100)
        for _ in range(1000):
            sent(outbox)
            traffic.moved()
            await asyncio.sleep(0)
        assert all(each.done() for each in writing)


async def test_writing_on_a_stream_that_broke_is_an_error_for_all_that_wait() -> None:
    outbox, traffic, (one, other) = lanes(2)
    while outbox.has_room:
        outbox.put_data(9, bytes(frames.DATA_BYTES))

    async def breaks() -> None:
        await asyncio.sleep(0)
        traffic.broke()

    found = await asyncio.gather(one.write(b"x"), other.write(b"x"), breaks(), return_exceptions=True)
    assert [type(each) for each in found] == [ConnectionResetError, ConnectionResetError, type(None)]
    with pytest.raises(ConnectionResetError):
        await one.write(b"x")
    with pytest.raises(ConnectionResetError):
        await one.opened("s-1")


async def test_a_writer_that_waits_for_credit_hears_that_the_stream_broke() -> None:
    _, traffic, (lane,) = lanes()
    outbox = traffic.outbox
    lane._credit.spend(frames.WINDOW_DOWN)

    async def breaks() -> None:
        await asyncio.sleep(0)
        traffic.broke()
        lane.broke()

    found = await asyncio.gather(lane.write(b"x"), breaks(), return_exceptions=True)
    assert isinstance(found[0], ConnectionResetError)
    assert sent(outbox) == []


async def test_the_side_band_waits_for_a_client_that_takes_nothing_inv_9() -> None:
    outbox, traffic, (lane,) = lanes()
    while not outbox.is_crowded:
        await lane.ended(pb.Ended(message="x" * 1000))
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(lane.tell(SideBand("held", "r-1", "waiting", "delete", ("dba",))))
        await asyncio.sleep(0)
        assert not telling.done()
        sent(outbox)
        traffic.moved()
        await telling
    ((kind, _, body),) = sent(outbox)
    assert kind == frames.SIGNAL
    assert pb.Signal.FromString(body).sql == "delete"


async def test_a_statement_too_long_for_the_side_band_is_left_out_and_not_cut() -> None:
    outbox, _, (lane,) = lanes()
    await lane.tell(SideBand("held", "r-1", "waiting", "x" * frames.BODY_DOWN))
    ((_, _, body),) = sent(outbox)
    assert (pb.Signal.FromString(body).request, pb.Signal.FromString(body).sql) == ("r-1", "")


async def test_a_token_that_comes_before_the_session_stands_is_not_lost_inv_10() -> None:
    renewed: list[str] = []

    class Visa:
        async def renew(self, token: str) -> None:
            renewed.append(token)

    _, _, (lane,) = lanes()
    await lane.renew("early")
    lane.visa = Visa()  # type: ignore[assignment]
    await lane.opened("s-1")
    await lane.renew("later")
    assert renewed == ["early", "later"]


async def test_frames_of_next_to_nothing_take_no_more_memory_than_their_bytes_inv_9() -> None:
    """A window of pieces of two bytes would be 25 times its size in Python's objects; and an empty one is free."""
    _, _, (lane,) = lanes()
    for _ in range(10_000):
        lane.feed(b"ab")
    pieces = list(lane._chunks)
    assert b"".join(pieces) == b"ab" * 10_000
    assert len(pieces) == 5
    with pytest.raises(FrameError):
        lane.feed(b"")
