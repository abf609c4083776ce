"""The development stack with a stand-in for the gateway: what it starts, keeps, says, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from hoopd.dev.stack import taken
from hoopd.dev.stack_files import StackFiles
from tests.fixtures._processes import alive, ends, eventually

LIMIT = 5.0
PROGRAM = Path(__file__).parents[3] / "fixtures" / "_run_stack.py"
ORDERLY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Running:
    """A stack in a process of its own, and the events that it prints."""

    def __init__(self, options: dict[str, Any], temporary: Path) -> None:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(options)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self._lines = self.process.stdout

    def next(self, key: str) -> dict[str, Any]:
        """The next event that has ``key``; fails when the stack ends first."""
        for line in self._lines:
            event: dict[str, Any] = json.loads(line)
            if key in event:
                return event
        raise AssertionError(f"the stack ended with {self.process.wait()} and no {key}")

    def end(self, number: signal.Signals) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        self._lines.read()
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        self._lines.close()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files of this test alone, which every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that several tests start their stack in, one after another: only the first start is a long one."""
    return StackFiles.prepare(tmp_path_factory.mktemp("stacks") / "kept").directory


@contextmanager
def told(kept: Path, what: str) -> Iterator[None]:
    """Have the stand-in for the gateway do ``what`` as long as the block lasts."""
    mark = kept / "gateway" / what
    mark.touch()
    try:
        yield
    finally:
        mark.unlink()


@contextmanager
def stack(temporary: Path, **options: object) -> Iterator[Running]:
    running = Running(options, temporary)
    try:
        yield running
    finally:
        running.close()


def server_pid(ready: dict[str, Any]) -> int:
    lock = Path(ready["dir"]) / "postgres" / "data" / "postmaster.pid"
    return int(lock.read_text().splitlines()[0])


def parent_of(pid: int) -> int:
    # The name, in brackets, may hold blanks itself: proc(5), /proc/pid/stat.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_ready_says_where_everything_is(temporary: Path, kept: Path) -> None:
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        assert ready["event"] == "ready"
        assert ready["pid"] == running.process.pid
        assert alive(ready["gateway_pid"])
        host, _, port = ready["gateway"].rpartition(":")
        socket.create_connection((host, int(port)), timeout=10).close()
        with psycopg.connect(ready["database"]) as connection:
            assert connection.execute("SELECT current_user, count(*) FROM orders").fetchone() == ("shop_owner", 40000)
        with psycopg.connect(ready["store"]) as connection:
            connection.execute("CREATE TABLE anything (n int)")
            connection.rollback()
        assert Path(ready["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert ready["verification_uri"].startswith(ready["issuer"] + "/")


def test_the_settings_hold_no_secret_and_secrets_are_private(temporary: Path, kept: Path) -> None:
    """INV-7: what may be shown holds no credential, and what holds one may be read by its owner alone."""
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        directory = Path(ready["dir"])
        secrets = [path for path in directory.rglob("*") if path.parent.name == "secrets" or path.suffix == ".key"]
        assert len(secrets) >= 6
        assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
        settings = Path(ready["settings"]).read_text()
        assert all(path.read_text() not in settings for path in secrets)
        connection = yaml.safe_load(settings)["connections"][0]
        assert connection["name"] == "prod-db"
        assert connection["labels"] == {"env": "production"}
        assert connection["user"] == "hoop_service"


@pytest.mark.parametrize("number", ORDERLY)
def test_an_orderly_end_leaves_nothing(temporary: Path, kept: Path, number: signal.Signals) -> None:
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        pids = [ready["gateway_pid"], server_pid(ready)]
        assert running.end(number) == 0
        assert not any(alive(pid) for pid in pids)
        assert not list(temporary.iterdir())


def test_a_kill_leaves_nothing_after_five_seconds(temporary: Path) -> None:
    with stack(temporary) as running:
        ready = running.next("event")
        server = server_pid(ready)
        running.process.kill()
        assert ends(ready["gateway_pid"], LIMIT)
        assert ends(server, LIMIT)
        assert eventually(lambda: not list(temporary.iterdir()), LIMIT)


def test_a_kill_ends_a_gateway_that_does_not_listen(temporary: Path, kept: Path) -> None:
    with told(kept, "deaf"), stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        server = server_pid(ready)
        running.process.kill()
        assert ends(ready["gateway_pid"], LIMIT)
        assert ends(server, LIMIT)
        assert eventually(lambda: not list(temporary.iterdir()), LIMIT)


def test_an_end_during_the_start_is_an_interruption(temporary: Path) -> None:
    with stack(temporary) as running:
        running.next("said")
        assert running.end(signal.SIGINT) == 130
        assert not list(temporary.iterdir())


def test_a_kept_directory_makes_the_same_stack_again(temporary: Path, tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    with stack(temporary, dir=str(directory)) as running:
        first = running.next("event")
        authority = Path(first["ca"]).read_bytes()
        with psycopg.connect(first["database"]) as connection:
            connection.execute("DELETE FROM orders WHERE id = 1")
    with stack(temporary, dir=str(directory)) as running:
        second = running.next("event")
        assert Path(second["ca"]).read_bytes() == authority
        changing = ("pid", "gateway_pid")
        assert {k: v for k, v in second.items() if k not in changing} == {
            k: v for k, v in first.items() if k not in changing
        }
        with psycopg.connect(second["database"]) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (39999,)
    assert (directory / "postgres" / "data" / "PG_VERSION").exists()


def test_two_side_by_side(temporary: Path) -> None:
    with stack(temporary) as one, stack(temporary) as two:
        first, second = one.next("event"), two.next("event")
        for key in ("gateway", "issuer", "database", "store", "dir", "ca", "pid"):
            assert first[key] != second[key]


def test_one_directory_makes_one_stack(temporary: Path, tmp_path: Path) -> None:
    directory = str(tmp_path / "kept")
    with stack(temporary, dir=directory) as one:
        one.next("event")
        with stack(temporary, dir=directory) as two:
            assert "a development stack is already running in" in two.next("error")["error"]


def test_a_gateway_that_was_killed_comes_back(temporary: Path, kept: Path) -> None:
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        os.kill(ready["gateway_pid"], signal.SIGKILL)
        again = running.next("event")
        assert again["event"] == "restarted"
        assert again["gateway"] == ready["gateway"]
        assert again["gateway_pid"] != ready["gateway_pid"]


def test_a_stack_without_its_database_ends(temporary: Path, kept: Path) -> None:
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        os.kill(server_pid(ready), signal.SIGKILL)
        assert "PostgreSQL has ended by itself" in running.next("error")["error"]
        assert running.process.wait() == 1
        assert not alive(ready["gateway_pid"])
    assert not list(temporary.iterdir())


def test_a_stack_without_its_watcher_ends_and_leaves_no_process(temporary: Path, kept: Path) -> None:
    with stack(temporary, dir=str(kept)) as running:
        ready = running.next("event")
        pids = [ready["gateway_pid"], server_pid(ready)]
        os.kill(parent_of(pids[0]), signal.SIGKILL)
        assert "the watcher process" in running.next("error")["error"]
        assert running.process.wait() == 1
        assert all(ends(pid, LIMIT) for pid in pids)


def test_a_gateway_that_does_not_start_is_quoted(temporary: Path, kept: Path) -> None:
    with told(kept, "fail"), stack(temporary, dir=str(kept)) as running:
        assert running.next("error")["error"] == "the gateway did not start: the stand-in was told to fail"
        assert running.process.wait() == 1
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("part", ["gateway", "provider", "database"])
def test_a_port_that_is_taken(temporary: Path, part: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert taken(port)
        with stack(temporary, ports={part: port}) as running:
            error = running.next("error")
            assert f"port {port} on 127.0.0.1" in error["error"]
            assert error["hint"]
    assert not list(temporary.iterdir())


def test_a_remembered_port_that_is_taken_is_passed_over(temporary: Path, tmp_path: Path) -> None:
    directory = str(tmp_path / "kept")
    with stack(temporary, dir=directory) as running:
        first = running.next("event")
    with (
        socket.create_server(("127.0.0.1", int(first["gateway"].rpartition(":")[2]))),
        socket.create_server(("127.0.0.1", int(first["issuer"].rpartition(":")[2]))),
        stack(temporary, dir=directory) as running,
    ):
        second = running.next("event")
        assert second["gateway"] != first["gateway"]
        assert second["issuer"] != first["issuer"]
        assert second["database"] == first["database"]


def test_a_policy_with_an_error_is_told_before_anything_starts(temporary: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ndefalt: deny\n")
    with stack(temporary, policy=str(policy)) as running:
        event = running.next("error")
    assert str(policy) in event["error"]
    assert not list(temporary.iterdir())


def test_a_policy_that_is_not_there(temporary: Path, tmp_path: Path) -> None:
    with stack(temporary, policy=str(tmp_path / "none.yaml")) as running:
        assert "none.yaml cannot be read: No such file or directory" in running.next("error")["error"]


def test_a_directory_with_other_files_is_left_alone(temporary: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with stack(temporary, dir=str(tmp_path)) as running:
        assert "holds files that are not a development stack's" in running.next("error")["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
