"""A command inside a tunnel: its environment, its exit code, its signals."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hoopctl.errors import HoopctlError
from hoopctl.tunnel.child import run_inside


async def test_it_gets_the_environment_and_gives_its_exit_code() -> None:
    program = "import os, sys; sys.exit(7 if os.environ['PGPORT'] == '5433' else 1)"
    assert await run_inside([sys.executable, "-c", program], {**os.environ, "PGPORT": "5433"}) == 7


async def test_an_end_by_signal_is_told_as_the_shell_tells_it() -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert await run_inside([sys.executable, "-c", program], os.environ) == 128 + 9


async def test_no_such_command_is_one_sentence() -> None:
    with pytest.raises(HoopctlError, match="There is no command 'no-such-command'"):
        await run_inside(["no-such-command"], os.environ)


async def test_what_cannot_be_run_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(HoopctlError, match="cannot be run: permission denied"):
        await run_inside([str(tmp_path / "file")], os.environ)


def waiting(mark: Path, on_signal: str) -> list[str]:
    program = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.{on_signal}, lambda *_: sys.exit(9))\n"
        f"pathlib.Path({str(mark)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    return [sys.executable, "-c", program]


async def appears(mark: Path) -> None:
    async with asyncio.timeout(20):
        while not mark.exists():
            await asyncio.sleep(0.01)


async def test_ctrl_c_does_not_end_the_tunnel_around_it(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run_inside(waiting(mark, "SIGTERM"), os.environ))
        await appears(mark)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert running.result() == 9


async def test_cancelled_it_ends_the_command(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run_inside(waiting(mark, "SIGTERM"), os.environ))
        await appears(mark)
        running.cancel()
    assert running.cancelled()
