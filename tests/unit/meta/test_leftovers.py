"""The check that a run leaves nothing running, tried on a run that does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures import leftovers
from tests.fixtures.isolation import isolated

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not leftovers.PROC.is_dir(), reason="needs /proc")

# A daemon: the parent of the sleeper ends at once, so the sleeper is nobody's child.
DAEMON = """
import subprocess, sys
def test_it():
    subprocess.run([sys.executable, "-c", {start!r}], check=True)
"""
START = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], "
    "stdin=open(sys.argv[1]) if sys.argv[1:] else None, start_new_session=True)"
)


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.fixtures.leftovers", "-p", "no:cacheprovider", *arguments, "."],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "conftest.py").write_text("from tests.fixtures import leftovers\nleftovers.GRACE_SECONDS = 0.2\n")
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_daemon_left_behind_fails_the_run_and_is_ended(quick: Path, workers: str) -> None:
    fifo = quick / "held-open"
    os.mkfifo(fifo)
    # Reads from the pipe that this test holds open for writing: it lives until it is ended.
    holder = os.open(fifo, os.O_RDWR)
    try:
        start = START.replace("sys.argv[1]) if sys.argv[1:] else None", f"{str(fifo)!r})")
        (quick / "test_daemon.py").write_text(DAEMON.format(start=start))
        done = run_pytest(quick, "-n", workers)
    finally:
        os.close(holder)
    assert "1 passed" in done.stdout
    assert "processes left running" in done.stdout
    assert "sys.stdin.read()" in done.stdout
    assert done.returncode == 1


def test_a_run_that_leaves_nothing_passes(quick: Path) -> None:
    (quick / "test_clean.py").write_text("def test_it():\n    pass\n")
    done = run_pytest(quick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "processes left running" not in done.stdout


def test_a_child_without_the_mark_is_found_by_its_descent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
    ) as child:
        found = leftovers.leftovers("HOOP_TEST_RUN_none", os.getpid())
        child.communicate(b"\n")
    assert child.pid in [process.pid for process in found]


def test_isolation_drops_what_is_personal_and_keeps_loopback_off_the_proxy(tmp_path: Path) -> None:
    clean = isolated(
        {"PGHOST": "db", "HOOPCTL_SERVER": "s", "HOOPD_POSTGRES_BIN": "/b", "DISPLAY": ":0", "no_proxy": "a,localhost"},
        tmp_path,
    )
    assert clean["no_proxy"] == "a,localhost,127.0.0.1,::1"
    assert clean["NO_PROXY"] == "127.0.0.1,localhost,::1"
    assert clean["HOOPD_POSTGRES_BIN"] == "/b"
    assert Path(clean["HOOPCTL_HOME"]).is_relative_to(tmp_path)
    assert not {"PGHOST", "HOOPCTL_SERVER", "DISPLAY"} & clean.keys()
