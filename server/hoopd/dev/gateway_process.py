"""``hoopd serve`` as a process of the development stack: started, waited for, stopped, and seen when it ends.

The stack runs the same command as production does and knows the gateway by the lines that it prints. The process is the
watcher's child, so that it ends with the stack however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hoopd.dev.files import open_log
from hoopd.dev.supervision import Command, Supervisor
from hoopd.domain.errors import Unavailable

NAME = "gateway"
LADDER = (("SIGTERM", 1.5), ("SIGKILL", 1.0))
STOP = 20.0
"""Seconds for the gateway to end its sessions and write what it has."""
DROPPED = ("PG", "HOOPD_", "HOOPCTL_")
LAST_WORDS = 4096
# -P: no module is taken from the directory that the process starts in.
SERVE = (sys.executable, "-P", "-m", "hoopd", "serve")

Ready = Mapping[str, Any]


class GatewayProcess:
    """Runs ``hoopd serve``, one process at a time."""

    def __init__(self, supervisor: Supervisor, settings: Path, log: Path, program: Sequence[str] = SERVE) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._log = log
        self._program = program
        self._began = 0
        self._reader: threading.Thread | None = None
        self.pid = 0

    def start(self, on_ready: Callable[[Ready], None], on_end: Callable[[], None]) -> None:
        """Start it; raises ``Unavailable`` where that cannot be done.

        ``on_ready`` and ``on_end`` are called from a thread of its own, each at most once.
        """
        reading, writing = os.pipe()
        errors = open_log(self._log)
        self._began = os.fstat(errors).st_size
        argv = (*self._program, "-c", str(self._settings), "--json")
        try:
            self.pid = self._supervisor.start(
                Command(NAME, argv, _environment(), LADDER), output=writing, errors=errors
            )
        except Unavailable:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(errors)
        arguments = (reading, on_ready, on_end)
        self._reader = threading.Thread(target=_read, args=arguments, name="gateway-output", daemon=True)
        self._reader.start()

    def stop(self) -> int:
        """Have it end in order, and give its exit code (-N for signal N); 0 where none runs."""
        if not self.pid:
            return 0
        with contextlib.suppress(Unavailable):
            return self._end()
        return -1

    def _end(self) -> int:
        code = self._supervisor.stop(NAME, patience=STOP)
        self.pid = 0
        if self._reader is not None:
            self._reader.join()
        return code

    def last_words(self) -> str:
        """The last line that this run wrote to its log, or nothing."""
        with contextlib.suppress(OSError), self._log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._began, end - LAST_WORDS))
            lines = stream.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


def _read(descriptor: int, on_ready: Callable[[Ready], None], on_end: Callable[[], None]) -> None:
    waiting = True
    with os.fdopen(descriptor, "rb") as stream:
        for line in stream:
            ready = _ready(line) if waiting else None
            if ready is not None:
                waiting = False
                on_ready(ready)
    on_end()


def _ready(line: bytes) -> Ready | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("event") == "ready" else None


def _environment() -> dict[str, str]:
    """This process's own variables without those that would be settings of the gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
