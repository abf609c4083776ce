"""The watcher: a process of its own that starts others and stops them when its parent is gone, however it went.

It runs as a script with the standard library alone (``python -I -S watcher.py``), so that it starts fast and depends on
nothing that may be broken. Its standard input is a socket to its parent: one JSON object a line is an order, answered
by one line. When the socket closes, because the parent ended or was killed, every process is stopped in the reverse
order of its start, every directory given to it is removed, and the watcher ends; all of it within five seconds.

It must not listen anywhere, and takes orders from nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

POLL = 0.02
REAP = 1.0
MAX_ORDER = 1 << 20
MAX_DESCRIPTORS = 2
INHERITED = "{directory}"
Ladder = Sequence[tuple[str, float]]


class ParentGone(Exception):
    """The parent closed its end, or this process was asked to end."""


class Watched:
    """One process, and the signals that end it: each with the seconds to wait before the next."""

    def __init__(self, process: subprocess.Popen[bytes], ladder: Ladder) -> None:
        self.process = process
        self.ladder = ladder


class Watcher:
    """Carries out its parent's orders; ``finish`` is what happens when there is no parent any more."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._watched: dict[str, Watched] = {}
        self._directories: list[str] = []
        self._buffer = b""
        self._descriptors: list[int] = []

    def run(self) -> None:
        """Take orders until the parent is gone, then clean up."""
        try:
            while True:
                order = self._next_order()
                answer = self._carry_out(order)
                self._control.sendall(json.dumps(answer).encode() + b"\n")
        except (ParentGone, OSError):
            pass
        finally:
            self.finish()

    def finish(self) -> None:
        """Stop everything, last started first, and remove what was to be removed."""
        for watched in reversed(self._watched.values()):
            self._stop(watched, patience=None)
        for directory in self._directories:
            shutil.rmtree(directory, ignore_errors=True)

    def _next_order(self) -> dict[str, Any]:
        self._control.settimeout(REAP)
        while b"\n" not in self._buffer:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._control, MAX_ORDER, MAX_DESCRIPTORS)
            except TimeoutError:
                for watched in self._watched.values():
                    watched.process.poll()
                continue
            self._descriptors += descriptors
            if not data:
                raise ParentGone
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        order: dict[str, Any] = json.loads(line)
        return order

    def _carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] == "start":
            return self._start(order)
        if "name" in order and order["name"] not in self._watched:
            return {"error": f"no process {order['name']} was started"}
        if order["do"] == "stop":
            watched = self._watched[order["name"]]
            self._stop(watched, patience=order["patience"])
            del self._watched[order["name"]]
            return {"code": watched.process.returncode}
        if order["do"] == "poll":
            return {"code": self._watched[order["name"]].process.poll()}
        if order["do"] == "remove":
            self._directories.append(order["directory"])
            return {}
        return {"error": f"no such order: {order['do']}"}

    def _start(self, order: dict[str, Any]) -> dict[str, Any]:
        output, errors = self._descriptors
        self._descriptors = []
        options: dict[str, Any] = {}
        if order["uid"] is not None:
            options = {"user": order["uid"], "group": order["gid"], "extra_groups": []}
        inherited: list[int] = []
        argv = order["argv"]
        try:
            if order["directory"] is not None:
                inherited.append(os.open(order["directory"], os.O_RDONLY | os.O_DIRECTORY))
                argv = [word.replace(INHERITED, f"/proc/self/fd/{inherited[0]}") for word in argv]
            process = subprocess.Popen(
                argv,
                cwd="/",
                pass_fds=inherited,
                env=order["env"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                # A terminal's Ctrl-C is for the parent alone, which then stops things in their order.
                start_new_session=True,
                umask=0o077,
                **options,
            )
        except OSError as error:
            return {"error": f"{order['argv'][0]} does not start: {error.strerror}"}
        finally:
            for descriptor in (output, errors, *inherited):
                os.close(descriptor)
        self._watched[order["name"]] = Watched(process, [(name, seconds) for name, seconds in order["ladder"]])
        return {"pid": process.pid}

    def _stop(self, watched: Watched, patience: float | None) -> None:
        """Signal after signal until it has ended, with ``patience`` seconds after the first while the parent lives."""
        for name, seconds in watched.ladder:
            if watched.process.poll() is not None:
                return
            watched.process.send_signal(getattr(signal, name))
            self._wait(watched.process, seconds, patience)
            patience = None
        watched.process.wait()

    def _wait(self, process: subprocess.Popen[bytes], seconds: float, patience: float | None) -> None:
        began = time.monotonic()
        while process.poll() is None:
            if patience is not None and self._parent_is_gone():
                patience = None
                began = time.monotonic()
            if time.monotonic() - began >= (seconds if patience is None else patience):
                return
            time.sleep(POLL)

    def _parent_is_gone(self) -> bool:
        readable, _, _ = select.select([self._control], [], [], 0)
        return bool(readable) and self._control.recv(1, socket.MSG_PEEK) == b""


def main() -> None:
    """Run on the socket that standard input is."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)

    control = socket.socket(fileno=sys.stdin.fileno())

    def on_terminate(number: int, frame: object) -> None:
        # Reads as the end of the parent at the next order, never in the middle of one.
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_RDWR)

    signal.signal(signal.SIGTERM, on_terminate)
    Watcher(control).run()


if __name__ == "__main__":
    main()
