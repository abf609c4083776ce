"""A command that runs inside a tunnel, as the shell would run it: its terminal, its signals, its exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from hoopctl.errors import HoopctlError

GRACE_SECONDS = 5.0


@contextmanager
def _signals_for(child: asyncio.subprocess.Process) -> Iterator[None]:
    """While the child runs, Ctrl-C and Ctrl-\\ are its own (the terminal sends them to both); an end asked of us is
    asked of it.
    """
    loop = asyncio.get_running_loop()

    def pass_on(number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, lambda: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, pass_on, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def run_inside(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run ``command`` with ``environment`` on our own terminal; its exit code, or 128 and the signal that ended it.

    Cancelled, it ends the command. Raises HoopctlError when there is no such command.
    """
    try:
        child = await asyncio.create_subprocess_exec(*command, env=dict(environment))
    except FileNotFoundError:
        raise HoopctlError(
            f"There is no command {command[0]!r} on this machine.", hint="Is it installed, and on PATH?"
        ) from None
    except OSError as error:
        raise HoopctlError(f"The command {command[0]!r} cannot be run: {(error.strerror or '').lower()}.") from None
    try:
        with _signals_for(child):
            code = await child.wait()
    finally:
        await _end(child)
    return code if code >= 0 else 128 - code
