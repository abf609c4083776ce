"""``hoopd serve``: the gateway itself, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from hoopd.commands import output
from hoopd.commands.store import store_of
from hoopd.commands.supervisor import carry_over_of, check, supervise, worker_settings
from hoopd.settings import Settings, load
from hoopd.wiring import serving
from hoopd.workers import existing

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The settings file, hoopd.yaml.")]


def serve(
    config: Config = Path("hoopd.yaml"),
    json: Annotated[bool, typer.Option("--json", help="One JSON line when ready, one when stopping.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Serve with N processes on one port.")
    ] = None,
    worker: Annotated[int | None, typer.Option("--worker", hidden=True)] = None,
    port: Annotated[int, typer.Option("--port", hidden=True)] = 0,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Sessions are ended with 57P01; nothing that was recorded is lost."""
    settings = load(config)
    if worker is not None:
        settings = worker_settings(settings, worker, port)
    if workers is not None:
        check(settings, workers)
        with store_of(settings) as store, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(supervise(config, settings, store.dsn, workers, as_json=json))
        return
    with store_of(settings) as store, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        migrating = worker is None and (store.own or settings.store.migrate)
        runner.run(_serve(settings, store.dsn, migrating=migrating, as_json=json, worker=worker is not None))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:  # there are no wheels of it for this system
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, dsn: str, *, migrating: bool, as_json: bool, worker: bool = False) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A gateway under nohup was told that a hangup is not for it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop.set)
    if worker:  # its input ends when its supervisor does
        loop.add_reader(sys.stdin.fileno(), stop.set)
    async with serving(settings, dsn, migrating=migrating, shared_port=worker) as served:
        if not worker:
            await carry_over_of(existing(settings.data_dir), dsn)
        gc.freeze()  # what is here by now stays: to look through all of it again would hold every session up each time
        address = f"{served.host}:{served.port}"
        if as_json:
            pid, metrics = os.getpid(), served.metrics
            output.emit({"event": "ready", "gateway": address, "pid": pid, "metrics": metrics, "workers": 1})
        else:
            output.say(f"hoopd serves on {address}")
        await stop.wait()
        if worker:
            loop.remove_reader(sys.stdin.fileno())
        if as_json:
            output.emit({"event": "stopping", "gateway": address})
        else:
            output.say("hoopd is stopping: open sessions are ended")
