"""What a supervisor starts does not outlive it, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopd.dev.supervision import INHERITED, Command, Supervisor, clean_environment
from hoopd.domain.errors import Unavailable
from tests.fixtures._processes import alive, ends

LIMIT = 5.0
GENTLE = (("SIGTERM", 2.0), ("SIGKILL", 1.0))
# Says that it is ready, and, when told to end, its name.
POLITE = """
import os, signal, sys, time
def end(*_):
    os.write(1, f"ended {sys.argv[1]}\\n".encode())
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(1, f"ready {sys.argv[1]}\\n".encode())
while True:
    time.sleep(60)
"""
DEAF = POLITE.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
PARENT = """
import json, sys, time
from pathlib import Path
from hoopd.dev.supervision import Command, Supervisor, clean_environment
program, directory = sys.argv[1:3]
supervisor = Supervisor()
supervisor.remove_at_end(Path(directory))
pids = [
    supervisor.start(
        Command(name, (sys.executable, "-c", program, name), clean_environment(), (("SIGTERM", 1.0), ("SIGKILL", 1.0))),
        output=1, errors=2,
    )
    for name in ("one", "two")
]
print(json.dumps([supervisor.pid, *pids]), flush=True)
time.sleep(60)
"""


def command(name: str, program: str = POLITE) -> Command:
    return Command(name, (sys.executable, "-c", program, name), clean_environment(), GENTLE)


@pytest.fixture
def output() -> Iterator[tuple[int, Iterator[str]]]:
    """The writing end of a pipe, and the lines that come out of it."""
    reading, writing = os.pipe()
    stream = os.fdopen(reading)
    yield writing, (line.strip() for line in stream)
    stream.close()
    with contextlib.suppress(OSError):
        os.close(writing)


def test_stop_gives_the_exit_code(output: tuple[int, Iterator[str]]) -> None:
    with Supervisor() as supervisor:
        supervisor.start(command("one"), output=output[0], errors=output[0])
        assert next(output[1]) == "ready one"
        assert supervisor.exit_code("one") is None
        assert supervisor.stop("one", patience=30) == 0
        assert next(output[1]) == "ended one"


def test_a_process_that_does_not_listen_is_killed(output: tuple[int, Iterator[str]]) -> None:
    with Supervisor() as supervisor:
        supervisor.start(command("deaf", DEAF), output=output[0], errors=output[0])
        assert next(output[1]) == "ready deaf"
        assert supervisor.stop("deaf", patience=0.1) == -signal.SIGKILL


def test_the_end_comes_in_reverse_order(output: tuple[int, Iterator[str]]) -> None:
    supervisor = Supervisor()
    for name in ("one", "two"):
        supervisor.start(command(name), output=output[0], errors=output[0])
        assert next(output[1]) == f"ready {name}"
    supervisor.close()
    assert [next(output[1]), next(output[1])] == ["ended two", "ended one"]


def test_children_are_in_a_session_of_their_own(output: tuple[int, Iterator[str]]) -> None:
    """Ctrl-C at a terminal reaches the parent alone."""
    with Supervisor() as supervisor:
        pid = supervisor.start(command("one"), output=output[0], errors=output[0])
        assert len({os.getsid(0), os.getsid(supervisor.pid), os.getsid(pid)}) == 3


def test_a_directory_is_handed_over_open(tmp_path: Path, output: tuple[int, Iterator[str]]) -> None:
    (tmp_path / "found").touch()
    program = "import os, sys; print(os.getcwd(), os.listdir(sys.argv[1]))"
    listing = Command(
        "list", (sys.executable, "-c", program, INHERITED), clean_environment(), GENTLE, directory=tmp_path
    )
    with Supervisor() as supervisor:
        supervisor.start(listing, output=output[0], errors=output[0])
        assert next(output[1]) == "/ ['found']"


def test_what_does_not_start_says_so(output: tuple[int, Iterator[str]]) -> None:
    with Supervisor() as supervisor:
        nothing = Command("nothing", ("/nowhere/program",), {}, GENTLE)
        with pytest.raises(Unavailable, match="/nowhere/program does not start: No such file"):
            supervisor.start(nothing, output=output[0], errors=output[0])
        supervisor.start(command("one"), output=output[0], errors=output[0])
        assert next(output[1]) == "ready one"


@pytest.mark.parametrize("program", [POLITE, DEAF], ids=["polite", "deaf"])
def test_a_killed_parent_takes_all_with_it(tmp_path: Path, program: str) -> None:
    directory = tmp_path / "removed"
    directory.mkdir()
    (directory / "file").touch()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, program, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        said = [next(lines).strip() for _ in range(3)]
        watcher, *children = json.loads(next(line for line in said if line.startswith("[")))
        parent.kill()
        parent.wait()
        assert all(ends(pid, LIMIT) for pid in (watcher, *children))
    assert not directory.exists()


def test_a_killed_watcher_is_told_and_leaves_nothing(output: tuple[int, Iterator[str]]) -> None:
    supervisor = Supervisor()
    pid = supervisor.start(command("one"), output=output[0], errors=output[0])
    assert next(output[1]) == "ready one"
    os.kill(supervisor.pid, signal.SIGKILL)
    assert ends(supervisor.pid, LIMIT)
    assert not supervisor.alive
    with pytest.raises(Unavailable, match="watcher process"):
        supervisor.exit_code("one")
    assert alive(pid)
    supervisor.close()
    assert ends(pid, LIMIT)


def test_a_terminated_watcher_cleans_up(output: tuple[int, Iterator[str]]) -> None:
    with Supervisor() as supervisor:
        pid = supervisor.start(command("one"), output=output[0], errors=output[0])
        assert next(output[1]) == "ready one"
        os.kill(supervisor.pid, signal.SIGTERM)
        assert next(output[1]) == "ended one"
        assert ends(pid, LIMIT)


def test_a_server_gets_no_settings_of_the_person_who_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("STORE_PASSWORD", "secret")
    monkeypatch.setenv("LANG", "nowhere.UTF-8")
    assert clean_environment().keys() <= {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LC_ALL", "TZ"}


def test_a_process_that_was_never_started(output: tuple[int, Iterator[str]]) -> None:
    with Supervisor() as supervisor:
        with pytest.raises(Unavailable, match="no process one was started"):
            supervisor.stop("one", patience=0)
        supervisor.start(command("one"), output=output[0], errors=output[0])
        assert next(output[1]) == "ready one"
