"""The processes of the story: commands to their end, commands that go on, and a command at a terminal of its own.

Each is started in a process group of its own and ended with the story, whatever happens. Every wait has a deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hoopctl import clock
from hoopctl.demo.screen import Screen
from hoopctl.errors import HoopctlError

SECONDS = 60.0
COLUMNS, ROWS = 96, 30


class Command:
    """A running command. What it says on both outputs is kept, in the order in which it came."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], *, merged: bool = True) -> None:
        errors = subprocess.STDOUT if merged else subprocess.DEVNULL
        self.process = subprocess.Popen(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.said.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def text(self) -> str:
        return "".join(self.said)

    def until(self, words: str) -> str:
        """The first line with ``words`` in it; HoopctlError when it does not come."""

        def found() -> str | None:
            return next((line for line in self.said if words in line), None)

        deadline = clock.monotonic() + SECONDS
        with self._changed:
            while found() is None and self._reader.is_alive() and clock.monotonic() < deadline:
                self._changed.wait(0.5)
        line = found()
        if line is None:
            raise HoopctlError(f"{words!r} was not said, but: {self.text.strip()[-500:] or 'nothing'}")
        return line

    def event(self, name: str) -> dict[str, Any]:
        """The first JSON line with that event."""
        found: dict[str, Any] = json.loads(self.until(f'"{name}"'))
        return found

    def wait(self) -> int:
        """Its exit code, once it has ended and everything it said is here."""
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise HoopctlError("a command of the story did not end in time") from None
        self._reader.join(SECONDS)
        return code

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()


class AtTerminal:
    """A full-screen command at a pseudo-terminal, and what is on its screen."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self.screen = Screen(COLUMNS, ROWS)
        size = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        pid, self._terminal = pty.fork()
        if pid == 0:
            # The child becomes the command; its terminal has its size before it is looked at.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvpe(argv[0], list(argv), {**environ, **size})  # noqa: S606 - no shell is meant
        self._pid = pid

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def until(self, words: str) -> str:
        """The screen once ``words`` are on it; HoopctlError when they do not come."""
        deadline = clock.monotonic() + SECONDS
        while words not in self.screen.text:
            if clock.monotonic() > deadline or not self._read():
                raise HoopctlError(f"the inbox does not show {words!r}, but:\n{self.screen.text}")
        self._settle()
        return self.screen.text

    def _settle(self) -> None:
        while select.select([self._terminal], [], [], 0.4)[0] and self._read():
            pass

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.screen.feed(data.decode("utf-8", "replace"))
        return bool(data)

    def close(self) -> None:
        """Leave it as a person would, and make sure."""
        with contextlib.suppress(OSError):
            self.press("q")
        deadline = clock.monotonic() + 5
        while clock.monotonic() < deadline:
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                break
            if not self._read():
                os.waitpid(self._pid, 0)
                break
        else:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)


@contextlib.contextmanager
def command(argv: Sequence[str], environ: Mapping[str, str], *, merged: bool = True) -> Iterator[Command]:
    """A command for as long as the block lasts."""
    running = Command(argv, environ, merged=merged)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def at_terminal(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[AtTerminal]:
    """A full-screen command for as long as the block lasts."""
    running = AtTerminal(argv, environ)
    try:
        yield running
    finally:
        running.close()
