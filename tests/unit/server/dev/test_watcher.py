"""The watcher as a process: it needs nothing but the standard library, and says no to what it does not know.

What it does for its parent is in ``test_supervision.py``.
"""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

from hoopd.dev import watcher


def test_it_imports_the_standard_library_alone() -> None:
    tree = ast.parse(Path(watcher.__file__).read_text())
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules <= sys.stdlib_module_names


def test_an_order_it_does_not_know_is_refused_and_nothing_breaks() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-I", "-S", watcher.__file__], stdin=theirs.fileno())
    with ours, ours.makefile("rw") as stream:
        for order in ({"do": "dance"}, {"do": "stop", "name": "nothing", "patience": 0}):
            stream.write(json.dumps(order) + "\n")
            stream.flush()
            assert "error" in json.loads(stream.readline())
        assert process.poll() is None
        ours.shutdown(socket.SHUT_RDWR)
    assert process.wait(timeout=30) == 0
