"""``hoopd serve --workers N``: one port, N processes, and every way in which they end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from hoopd.commands.supervisor import MAX_WORKERS, check, reserved, worker_settings
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.settings import load
from tests.fixtures.stack import Process
from tests.unit.server.commands.conftest import Operated


def serve(operated: Operated, *words: str) -> Process:
    argv = [sys.executable, "-m", "hoopd", "serve", "-c", str(operated.path), "--json", *words]
    return Process(argv, dict(os.environ), operated.directory / "serve.log")


pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="processes are looked at in /proc")


def children(process: Process) -> list[int]:
    pid = process.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def listening(address: str) -> set[str]:
    """The sockets that listen there, over IPv4 or mapped into IPv6."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {f"socket:[{words[9]}]" for words in lines if words[1].endswith(port) and words[3] == "0A"}


def sockets_of(pid: int) -> set[str]:
    return {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}


def test_workers_share_a_port_and_stop_together(operated: Operated) -> None:
    process = serve(operated, "--workers", "2")
    ready = process.line()
    assert (ready["event"], ready["workers"], ready["pid"]) == ("ready", 2, process.process.pid)
    assert sorted(path.name for path in (operated.directory / "data" / "workers").iterdir()) == ["1", "2"]
    running = children(process)
    assert len(running) == 2
    assert all(listening(ready["gateway"]) & sockets_of(each) for each in running)
    assert process.stop() == 0
    assert process.line() == {"event": "stopping", "gateway": ready["gateway"]}
    assert not any(is_running(each) for each in running)


def test_a_worker_that_ends_is_told_of_and_not_replaced(operated: Operated) -> None:
    process = serve(operated, "--workers", "2")
    process.line()
    first, other = children(process)
    os.kill(first, signal.SIGKILL)
    lines = process.rest()
    assert [line["event"] for line in lines] == ["stopping", "error"]
    assert "ended by itself (-9), and the others were stopped" in lines[1]["message"]
    assert not is_running(other)
    assert process.stop() == 1


def test_workers_do_not_outlive_their_supervisor(operated: Operated) -> None:
    process = serve(operated, "--workers", "2")
    process.line()
    running = children(process)
    process.process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(is_running(each) for each in running):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.stop()


def test_a_worker_that_does_not_start_says_why(operated: Operated) -> None:
    operated.write(policy="none.yaml")
    process = serve(operated, "--workers", "2")
    (line,) = process.rest()
    assert line["event"] == "error"
    assert "did not start: the policy" in line["message"]
    assert process.stop() == 1


def test_a_port_that_is_taken_is_one_sentence(operated: Operated) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1:{port}"), reserved("127.0.0.1", port):
            pass


def test_each_worker_has_a_directory_and_a_port_for_metrics_of_its_own(operated: Operated) -> None:
    operated.write(metrics={"listen": "127.0.0.1:9464"})
    made = worker_settings(load(operated.path), 3, 7443)
    assert (made.listen, made.metrics.listen) == ("127.0.0.1:7443", "127.0.0.1:9466")
    assert made.data_dir == operated.directory / "data" / "workers" / "3"
    operated.write(metrics={"listen": "127.0.0.1:0"})
    assert worker_settings(load(operated.path), 3, 7443).metrics.listen == "127.0.0.1:0"


def test_what_cannot_be_is_refused(operated: Operated) -> None:
    settings = load(operated.path)
    check(settings, 1)
    for workers in (0, -1, MAX_WORKERS + 1):
        with pytest.raises(InvalidInput, match="--workers is from 1"):
            check(settings, workers)
    operated.write(metrics={"listen": "127.0.0.1:65535"})
    with pytest.raises(InvalidInput, match="takes the next port"):
        check(load(operated.path), 2)
    operated.write(store={})
    with pytest.raises(InvalidInput, match="need a store that all of them reach"):
        check(load(operated.path), 2)
