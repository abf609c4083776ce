"""The processes of the story end with it, and their waits end with a sentence."""

from __future__ import annotations

import os
import sys

import pytest

from hoopctl.demo import processes
from hoopctl.demo.processes import at_terminal, command
from hoopctl.errors import HoopctlError

SAYS = [
    sys.executable,
    "-c",
    "import time; print('one', flush=True); print('{\"event\":\"x\"}', flush=True); time.sleep(60)",
]


def test_what_a_command_says_can_be_waited_for() -> None:
    with command(SAYS, os.environ) as running:
        assert running.until("one") == "one\n"
        assert running.event("x") == {"event": "x"}
    assert running.process.returncode is not None


def test_a_command_that_ends_without_saying_it_is_an_error() -> None:
    with command([sys.executable, "-c", "print('other')"], os.environ) as running:
        with pytest.raises(HoopctlError, match="'one' was not said, but: other"):
            running.until("one")
        assert running.wait() == 0


def test_a_full_screen_command_is_read_and_ended() -> None:
    script = "import sys; sys.stdout.write('\\x1b[2;2Hhello'); sys.stdout.flush(); sys.stdin.readline()"
    with at_terminal([sys.executable, "-c", script], os.environ) as running:
        assert " hello" in running.until("hello")
        running.press("\r")
    with pytest.raises(ChildProcessError):
        os.waitpid(running._pid, 0)


def test_a_screen_that_never_shows_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SECONDS", 0.2)
    script = "import sys; print('something else'); sys.stdin.readline()"
    with at_terminal([sys.executable, "-c", script], os.environ) as running:
        with pytest.raises(HoopctlError, match="does not show 'hello', but"):
            running.until("hello")
        running.press("\r")
