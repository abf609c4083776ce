"""The parent's end of the watcher: start processes that cannot outlive this one.

``Supervisor`` starts one watcher process (see ``hoopd.dev.watcher``) and gives it orders over a socket. When this
process ends in any way, SIGKILL included, the kernel closes the socket and the watcher stops everything within five
seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hoopd.dev.account import Account
from hoopd.domain.errors import Unavailable

SCRIPT = Path(__file__).with_name("watcher.py")
INHERITED = "{directory}"
END = 30.0
"""Seconds that the watcher has for its own end, once asked."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: ``ladder`` is the signals that end it, each with the seconds to wait before the next one.

    ``directory`` is handed over open, for an account that cannot walk to it: ``INHERITED`` in a word of ``argv`` stands
    for its name. The working directory is always the root, which every account can enter.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    ladder: Sequence[tuple[str, float]]
    account: Account | None = None
    directory: Path | None = None


class Supervisor:
    """Owns one watcher process. Safe to use from several threads; a context manager that ends what it started."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._control = ours
        self._lock = threading.Lock()
        self._started: dict[str, tuple[int, str]] = {}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SCRIPT)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start(self, command: Command, *, output: int, errors: int) -> int:
        """Start ``command`` with the descriptors ``output`` and ``errors``, and give its process id.

        Raises ``Unavailable`` where it does not start.
        """
        account = command.account
        order = {
            "do": "start",
            "name": command.name,
            "argv": [str(word) for word in command.argv],
            "directory": None if command.directory is None else str(command.directory),
            "env": dict(command.env),
            "ladder": [list(step) for step in command.ladder],
            "uid": account.uid if account and account.changed else None,
            "gid": account.gid if account and account.changed else None,
        }
        pid = int(self._ask(order, [output, errors])["pid"])
        self._started[command.name] = (pid, command.ladder[0][0])
        return pid

    def stop(self, name: str, *, patience: float) -> int:
        """End a process, with ``patience`` seconds after the first signal, and give its exit code (-N for signal N)."""
        code = int(self._ask({"do": "stop", "name": name, "patience": patience})["code"])
        del self._started[name]
        return code

    def exit_code(self, name: str) -> int | None:
        """The exit code of a process that has ended by itself, else None."""
        code = self._ask({"do": "poll", "name": name})["code"]
        return None if code is None else int(code)

    def remove_at_end(self, directory: Path) -> None:
        """Have ``directory`` removed once every process has ended."""
        self._ask({"do": "remove", "directory": str(directory)})

    def close(self) -> None:
        """End everything that is still running, and the watcher."""
        self._control.close()
        self._process.wait(END)
        if self._process.returncode != 0:
            # Somebody killed the watcher, and with it went the only one that could stop these.
            for pid, gentlest in reversed(self._started.values()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, getattr(signal, gentlest))

    @property
    def alive(self) -> bool:
        """Whether the watcher is there; without it nothing is safe from outliving this process."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the watcher."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, order: Mapping[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                line = json.dumps(order).encode() + b"\n"
                socket.send_fds(self._control, [line[:1]], descriptors)
                self._control.sendall(line[1:])
                reply = self._read_line()
            except OSError as error:
                raise Unavailable("the watcher process of the development stack has ended") from error
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise Unavailable(str(answer["error"]))
        return answer

    def _read_line(self) -> bytes:
        received = b""
        while not received.endswith(b"\n"):
            data = self._control.recv(65536)
            if not data:
                raise ConnectionResetError
            received += data
        return received


def clean_environment() -> dict[str, str]:
    """The variables that a server needs: none of ``PG*``, no locale that may not be installed, no secret of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
