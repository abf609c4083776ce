"""Memory of the gateway and of `hoopctl`: with idle sessions, and while a slow reader is served.

Resident memory of a process and all below it, from /proc (proc(5)); elsewhere it is not measured.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from tests.bench.drain import Drain
from tests.bench.figures import RELAY, TUNNEL, Measure
from tests.bench.stack import PEOPLE, Endpoint, Stack

MIB = 1024 * 1024
PER_TUNNEL = 100
"""Clients that one `hoopctl connect` carries at most."""
TUNNELS_EACH = 2
"""So that nobody has more than the 200 sessions that a person may have."""
SAMPLE_SECONDS = 0.02
SETTLING_SECONDS = 1.5
STALL_SECONDS = 2.0
"""How long the slow reader reads nothing, at the start and after each eighth of the whole."""
Say = Callable[[str], None]


def can_be_measured() -> bool:
    return Path("/proc/self/status").exists()


def resident(pid: int) -> float:
    """MiB of a process and its descendants."""
    return sum(_resident_alone(each) for each in _family(pid))


def _resident_alone(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _family(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def measure_idle(stack: Stack, sessions: int, say: Say) -> list[Measure]:
    """MiB over the empty gateway with that many idle sessions, and what their tunnels take beside it.

    One figure each: opening a thousand sessions again would find the memory that the first time left.
    """
    gateway = Measure(f"idle {sessions} gateway", "MiB", rate=False, rounds=[{}])
    tunnels = Measure(f"idle {sessions} hoopctl", "MiB", rate=False, rounds=[{}])
    for variant in (RELAY, TUNNEL):
        say(f"{sessions} idle sessions, {variant}")
        with _tunnels(stack, variant, sessions) as endpoints, contextlib.ExitStack() as clients:
            pid = endpoints[0].gateway
            empty, before = resident(pid), sum(resident(each.tunnel) for each in endpoints)
            for number in range(sessions):
                endpoint = endpoints[number % len(endpoints)]
                client = clients.enter_context(psycopg.connect(endpoint.dsn, autocommit=True))
                client.execute("SELECT 1")
            time.sleep(SETTLING_SECONDS)
            gateway.rounds[0][variant] = resident(pid) - empty
            tunnels.rounds[0][variant] = sum(resident(each.tunnel) for each in endpoints) - before
    return [gateway, tunnels]


@contextlib.contextmanager
def _tunnels(stack: Stack, variant: str, sessions: int) -> Iterator[list[Endpoint]]:
    """As many tunnels as ``sessions`` need, of as many people."""
    count = -(-sessions // PER_TUNNEL)
    people = [person for person in PEOPLE for _ in range(TUNNELS_EACH)][:count]
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(stack.tunnel(variant, person)) for person in people]


def measure_slow_reader(stack: Stack, mib: int, say: Say) -> list[Measure]:
    """MiB that the gateway's memory grows at most while a slow reader is served ``mib`` MiB, and that of hoopctl's."""
    gateway = Measure(f"slow reader {mib} MiB gateway", "MiB", rate=False, rounds=[{}])
    tunnel = Measure(f"slow reader {mib} MiB hoopctl", "MiB", rate=False, rounds=[{}])
    for variant in (RELAY, TUNNEL):
        say(f"a slow reader, {variant}")
        with stack.tunnel(variant, "carol") as endpoint:
            grown = _served_slowly(endpoint, mib)
        gateway.rounds[0][variant], tunnel.rounds[0][variant] = grown
    return [gateway, tunnel]


def _served_slowly(endpoint: Endpoint, mib: int) -> tuple[float, float]:
    stalled_at = 0

    def pace(count: int) -> None:
        nonlocal stalled_at
        if count >= stalled_at:
            stalled_at += mib * MIB // 8
            time.sleep(STALL_SECONDS)

    with Drain(endpoint, receive_buffer=64 * 1024) as drain:
        drain.query("SELECT 1")
        with _peaks(endpoint.gateway, endpoint.tunnel) as peaks:
            before = dict(peaks)
            drain.query(f"SELECT repeat('x', 8192) FROM generate_series(1, {mib * MIB // 8192})", pace)
        return peaks[endpoint.gateway] - before[endpoint.gateway], peaks[endpoint.tunnel] - before[endpoint.tunnel]


@contextlib.contextmanager
def _peaks(*pids: int) -> Iterator[dict[int, float]]:
    """The most that each takes while the block lasts, sampled."""
    peaks = {pid: resident(pid) for pid in pids}
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for pid in pids:
                peaks[pid] = max(peaks[pid], resident(pid))

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield peaks
    finally:
        over.set()
        sampling.join()
