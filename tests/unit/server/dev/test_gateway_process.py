"""The gateway as a process: its ready line, its last words, its environment."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoopd.dev.gateway_process import GatewayProcess
from hoopd.dev.supervision import Supervisor
from hoopd.domain.errors import Unavailable

SERVES = """
import json, os, sys
sys.stderr.write("first\\nlast words\\n")
sys.stderr.flush()
print("a line that is not for programs")
print(json.dumps({"event": "other"}))
ready = {"event": "ready", "gateway": "127.0.0.1:1"}
print(json.dumps({**ready, "arguments": sys.argv[1:], "environment": dict(os.environ)}))
print(json.dumps({"event": "ready", "gateway": "again"}), flush=True)
import signal
signal.pause()
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


def gateway(supervisor: Supervisor, directory: Path, program: str) -> GatewayProcess:
    return GatewayProcess(supervisor, directory / "hoopd.yaml", directory / "log", (sys.executable, "-c", program))


def test_ready_once_then_the_end(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "personal")
    monkeypatch.setenv("HOOPD_SECRET", "personal")
    monkeypatch.setenv("KEPT", "kept")
    happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
    process = gateway(supervisor, tmp_path, SERVES)
    process.start(happened.put, lambda: happened.put(None))
    ready = happened.get(timeout=60)
    assert ready["gateway"] == "127.0.0.1:1"
    assert ready["arguments"] == ["-c", str(tmp_path / "hoopd.yaml"), "--json"]
    assert ready["environment"]["KEPT"] == "kept"
    assert "personal" not in ready["environment"].values()
    assert process.pid
    assert process.stop() == -15
    assert happened.get(timeout=60) is None
    assert happened.empty()
    assert process.last_words() == "last words"
    assert process.stop() == 0


def test_last_words_are_this_runs_own(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of a run before\n")
    happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
    process = gateway(supervisor, tmp_path, "raise SystemExit(3)")
    process.start(happened.put, lambda: happened.put(None))
    assert happened.get(timeout=60) is None
    assert process.stop() == 3
    assert process.last_words() == ""


def test_a_program_that_is_not_there(supervisor: Supervisor, tmp_path: Path) -> None:
    process = GatewayProcess(supervisor, tmp_path / "hoopd.yaml", tmp_path / "log", ("/nowhere/hoopd",))
    with pytest.raises(Unavailable, match="/nowhere/hoopd does not start"):
        process.start(lambda _: None, lambda: None)
