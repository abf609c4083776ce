"""``hoopd serve --workers N``: a process that starts N gateways on one port, and ends all of them when one ends.

It serves nothing itself. A worker that ends unasked is told of and never started again: what has one failing over and
over should be seen, and whatever runs the gateway starts it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoopd.commands import output
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.runtime import clock
from hoopd.settings import Settings
from hoopd.store.migrate import migrate
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.wiring import prepare_data_dir
from hoopd.workers import carry_over, directory, existing, prepare

MAX_WORKERS = 64
READY_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(slots=True)
class Worker:
    number: int
    process: asyncio.subprocess.Process

    async def line(self) -> dict[str, Any]:
        """The next line of the worker; empty when it has ended."""
        assert self.process.stdout is not None
        text = await self.process.stdout.readline()
        found: dict[str, Any] = json.loads(text) if text else {}
        return found


def worker_settings(settings: Settings, number: int, port: int) -> Settings:
    """The settings of worker ``number``: a data directory and a port for metrics of its own, and the shared port."""
    metrics = settings.metrics
    if metrics.listen is not None:
        host, _, first = metrics.listen.rpartition(":")
        own = int(first) + number - 1 if int(first) else 0
        metrics = metrics.model_copy(update={"listen": f"{host}:{own}"})
    changes = {
        "data_dir": directory(settings.data_dir, number),
        "listen": f"{settings.host}:{port}",
        "metrics": metrics,
    }
    return settings.model_copy(update=changes)


def check(settings: Settings, workers: int) -> None:
    """Raises InvalidInput for what cannot be."""
    if not 1 <= workers <= MAX_WORKERS:
        raise InvalidInput(f"--workers is from 1 to {MAX_WORKERS}")
    if settings.store.dsn is None:
        raise InvalidInput("several workers need a store that all of them reach", hint="set store.dsn")
    first = int((settings.metrics.listen or ":0").rpartition(":")[2])
    if first and first + workers - 1 > 65_535:
        raise InvalidInput("metrics.listen: each worker takes the next port, and there are not so many after that one")
    if not hasattr(socket, "SO_REUSEPORT"):
        raise InvalidInput("this system cannot share a port between processes: leave out --workers")


async def supervise(config: Path, settings: Settings, dsn: str, workers: int, *, as_json: bool) -> None:
    """Serve with ``workers`` processes until told to stop. Raises HoopError when one does not start, or ends."""
    prepare_data_dir(settings.data_dir)
    if settings.store.migrate:
        await migrate(dsn)
    prepare(settings.data_dir, workers)
    used = [directory(settings.data_dir, number) for number in range(1, workers + 1)]
    left = [home for home in (settings.data_dir, *existing(settings.data_dir)) if home not in used]
    await carry_over_of(left, dsn)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with reserved(settings.host, settings.port) as port:
        async with _started(config, port, workers) as running:
            metrics = await _ready(running)
            address = f"{settings.host}:{port}"
            line = {"event": "ready", "gateway": address, "pid": os.getpid(), "metrics": metrics[0]}
            _tell({**line, "workers": workers}, f"hoopd serves on {address} with {workers} workers", as_json=as_json)
            ended = await _until_stopped_or_ended(running, stop)
            _tell(
                {"event": "stopping", "gateway": address},
                "hoopd is stopping: open sessions are ended",
                as_json=as_json,
            )
    if ended is not None:
        how = ended.process.returncode
        raise Unavailable(f"worker {ended.number} ended by itself ({how}), and the others were stopped")


async def carry_over_of(homes: list[Path], dsn: str) -> None:
    """What gateways that will not run left in ``homes``, into the store. Raises HoopError."""
    store = Store(dsn, max_size=2)
    await store.open()
    try:
        await carry_over(homes, Records(store), clock.now)
    finally:
        await store.close()


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """A port that the workers can share and no other program can take meanwhile. Raises Unavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = (host.strip("[]"), port)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:  # whoever else listens there would get half of it
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        with socket.socket(family, socket.SOCK_STREAM) as kept:
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            kept.bind(address)
            yield kept.getsockname()[1]
    except OSError as problem:
        raise Unavailable(f"the gateway cannot listen on {host}:{port}: {(problem.strerror or '').lower()}") from None


@contextlib.asynccontextmanager
async def _started(config: Path, port: int, count: int) -> AsyncIterator[list[Worker]]:
    """The workers, stopped at the end. Their input is a pipe that ends when this process does, however that is."""
    running: list[Worker] = []
    try:
        for number in range(1, count + 1):
            argv = [sys.executable, "-P", "-m", "hoopd", "serve", "-c", str(config), "--json"]
            process = await asyncio.create_subprocess_exec(
                *argv,
                *("--worker", str(number), "--port", str(port)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            running.append(Worker(number, process))
        yield running
    finally:
        await _stop(running)


async def _stop(running: list[Worker]) -> None:
    for worker in running:
        with contextlib.suppress(ProcessLookupError):
            worker.process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            for worker in running:
                await worker.process.communicate()
    except TimeoutError:
        for worker in running:
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
        for worker in running:
            await worker.process.wait()


async def _ready(running: list[Worker]) -> list[str | None]:
    """Where each worker serves metrics, when all are ready. Raises the error of one that is not."""
    found: list[str | None] = []
    try:
        async with asyncio.timeout(READY_SECONDS):
            for worker in running:
                line = await worker.line()
                if line.get("event") != "ready":
                    message = line.get("message") or "it ended without a word"
                    raise Unavailable(f"worker {worker.number} did not start: {message}", hint=line.get("hint"))
                found.append(line["metrics"])
    except TimeoutError:
        raise Unavailable(f"the workers were not ready in {READY_SECONDS:.0f} s") from None
    return found


async def _until_stopped_or_ended(running: list[Worker], stop: asyncio.Event) -> Worker | None:
    """Which worker ended, if it was not ``stop``."""
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(stop.wait())
        ends = {tasks.create_task(worker.process.wait()): worker for worker in running}
        done, _ = await asyncio.wait((stopping, *ends), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *ends):
            task.cancel()
    return None if stopping in done else next(ends[task] for task in ends if task in done)


def _tell(line: dict[str, object], sentence: str, *, as_json: bool) -> None:
    if as_json:
        output.emit(line)
    else:
        output.say(sentence)
