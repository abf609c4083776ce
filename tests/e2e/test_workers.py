"""A gateway of two processes: what is asked of one reaches what the other holds."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import psycopg
import pytest

from tests.fixtures.parts import WRITES_ARE_HELD, Parts, running_parts
from tests.fixtures.stack import Tunnel

pytestmark = [pytest.mark.xdist_group("workers"), pytest.mark.timeout(240)]
UPDATE = "update orders set status = 'sent' where id = %s"


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with running_parts(WRITES_ARE_HELD, words=("--workers", "2")) as running:
        yield running


@dataclass
class Placed:
    """A tunnel with a session on one of the workers, as its journal shows."""

    tunnel: Tunnel
    session: psycopg.Connection[tuple[object, ...]]
    worker: int


def sessions(parts: Parts, worker: int) -> int:
    return len(list((parts.data_dir / "workers" / str(worker) / "journal").glob("s-*")))


@contextlib.contextmanager
def one_on_each(parts: Parts) -> Iterator[list[Placed]]:
    """Alice's tunnels, opened until each worker has one. The kernel places them by chance: 30 on one is one in 2^29."""
    with contextlib.ExitStack() as open_ones:
        placed: dict[int, Placed] = {}
        for _ in range(30):
            before = sessions(parts, 1)
            tunnel = open_ones.enter_context(parts.person("alice").tunnel())
            session = open_ones.enter_context(psycopg.connect(tunnel.dsn, autocommit=True))
            worker = 1 if sessions(parts, 1) > before else 2
            placed.setdefault(worker, Placed(tunnel, session, worker))
            if len(placed) == 2:
                break
        yield list(placed.values())


def test_an_approval_frees_what_either_worker_holds(parts: Parts) -> None:
    bob = parts.person("bob")
    with one_on_each(parts) as placed:
        assert sorted(each.worker for each in placed) == [1, 2]
        for number, each in enumerate(placed):
            asking = threading.Thread(target=each.session.execute, args=(UPDATE, (number + 1,)))
            asking.start()
            said = bob.decide(each.tunnel.held())
            assert said[-1]["event"] == "approved"
            asking.join(60)
            assert not asking.is_alive()
        with psycopg.connect(parts.owner_dsn) as owner:
            (sent,) = owner.execute("select count(*) from orders where status = 'sent' and id < 3").fetchone() or (0,)
        assert sent == 2


async def test_a_cancel_that_arrives_at_one_stops_what_the_other_holds(parts: Parts) -> None:
    """THREATS 11. The cancel goes through the tunnel of the other worker."""
    with one_on_each(parts) as (here, other):
        session = await asyncpg.connect(here.tunnel.dsn)
        asking = asyncio.ensure_future(session.execute(UPDATE % 10))
        await asyncio.to_thread(here.tunnel.held)
        await cancel(other.tunnel, session._protocol.backend_pid, session._protocol.backend_secret)
        with pytest.raises(asyncpg.QueryCanceledError):
            await asyncio.wait_for(asking, 60)
        assert await session.fetchval("select 1") == 1
        await session.close()


async def cancel(tunnel: Tunnel, pid: int, secret: int) -> None:
    """A CancelRequest through ``tunnel``; returns when its connection is closed (PostgreSQL documentation 54.2.8)."""
    reader, writer = await asyncio.open_connection(tunnel.ready["host"], tunnel.ready["port"])
    writer.write(struct.pack("!IIIi", 16, 80877102, pid, secret))
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    await writer.wait_closed()
