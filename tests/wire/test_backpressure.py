"""A client that stops reading, and one that sends far ahead, through the real tunnel: their own session waits, and
nothing grows (INV-9, THREATS 23).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hoopd.pgwire.frontend import make_query
from tests.fixtures.stack import Person, RunningStack, Tunnel
from tests.wire.test_protocol import READY, SECONDS, Raw, raw

pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which is Linux's"),
]

MIB = 1 << 20
MOST = 64 * MIB
ROW, ROWS = 100_000, 2_700
LARGE = f"select repeat('x', {ROW}) from generate_series(1, {ROWS}), (select 1 from orders limit 1) as one"
"""270 MB."""
STEADY = 50


def memory(pid: int) -> int:
    """Bytes of a process that are in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def processes(stack: RunningStack, tunnel: Tunnel) -> dict[str, int]:
    return {"gateway": int(stack.ready["gateway_pid"]), "hoopctl": tunnel.process.process.pid}


@pytest.fixture
def watched(stack: RunningStack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(str(stack.ready["database"]), autocommit=True) as connection:
        yield connection


def ticks(pid: int) -> tuple[str, str]:
    """The processor time that a process has used. Its name, in brackets, may hold blanks: proc(5), /proc/pid/stat."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return values[11], values[12]


def reader_of_orders(watched: psycopg.Connection) -> int | None:
    """The backend of a query that is under way: anybody may see who holds a lock."""
    found = watched.execute(
        "select pid from pg_locks where relation = 'public.orders'::regclass and mode = 'AccessShareLock'"
    ).fetchone()
    return found[0] if found else None


def stands_still(watched: psycopg.Connection, neighbour: Raw) -> None:
    """Wait until the database has done nothing for its reader while the neighbour was answered many times."""
    until = time.monotonic() + SECONDS
    times, last = 0, None
    while times < STEADY:
        assert time.monotonic() < until, "the database goes on sending"
        assert neighbour.query("select 1")[-2:] == ["C SELECT 1", READY]
        pid = reader_of_orders(watched)
        now = ticks(pid) if pid is not None else None
        times = times + 1 if now is not None and now == last else 0
        last = now


def test_a_client_that_stops_reading_stops_its_own_database_connection(
    stack: RunningStack, tunnel: Tunnel, watched: psycopg.Connection
) -> None:
    with raw(tunnel) as slow, raw(tunnel) as neighbour:
        assert neighbour.query("select 1")[-1] == READY
        pids = processes(stack, tunnel)
        before = {name: memory(pid) for name, pid in pids.items()}
        slow.send(make_query(LARGE.encode()))
        stands_still(watched, neighbour)
        grown = {name: memory(pid) - before[name] for name, pid in pids.items()}
        assert max(grown.values()) < MOST, grown
        rows = 0
        while (frame := slow.next()) is not None and frame.kind != "C":
            rows += frame.kind == "D" and len(frame.body) > ROW
            if rows % 300 == 0:
                grown = {name: memory(pid) - before[name] for name, pid in pids.items()}
                assert max(grown.values()) < MOST, grown
        assert rows == ROWS
        assert slow.until() == [READY]


def test_thousands_of_statements_behind_one_that_is_held_ask_nobody_and_weigh_little(
    stack: RunningStack, tunnel: Tunnel, bob: Person
) -> None:
    """One request at a time for a session, and the rest is not even read."""
    with raw(tunnel) as client:
        pids = processes(stack, tunnel)
        client.send(make_query(b"delete from orders where id = 31"))
        request = tunnel.held()
        before = {name: memory(pid) for name, pid in pids.items()}
        statement = make_query(b"delete from orders where id = 31 --" + b"x" * 16_000)
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            client.send(statement * 8_000)  # 128 MB
        grown = {name: memory(pid) - before[name] for name, pid in pids.items()}
        assert max(grown.values()) < MOST, grown
        assert [
            line["id"] for line in bob.requests() if line["sql"].startswith("delete from orders where id = 31")
        ] == [request]
    states = (line["state"] for _ in range(50) for line in bob.json("requests", "show", request))
    assert "cancelled" in states
