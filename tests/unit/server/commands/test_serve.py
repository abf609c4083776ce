"""``hoopd serve`` as a process: ready, stopping, and every way of being told to stop."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import uvloop

from hoopd.commands import serve as serving
from tests.fixtures.stack import Process
from tests.unit.server.commands.conftest import Operated


def serve(operated: Operated, *words: str) -> Process:
    argv = [sys.executable, "-m", "hoopd", "serve", "-c", str(operated.path), "--json", *words]
    return Process(argv, dict(os.environ), operated.directory / "serve.log")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_serves_until_it_is_told_to_stop(operated: Operated, number: int) -> None:
    process = serve(operated)
    ready = process.line()
    assert ready["event"] == "ready"
    assert ready["pid"] == process.process.pid
    assert ready["gateway"].startswith("127.0.0.1:")
    assert process.stop(number) == 0
    assert process.line() == {"event": "stopping", "gateway": ready["gateway"]}
    assert "Traceback" not in process.errors.read_text()


def test_a_hangup_is_not_for_a_gateway_under_nohup(operated: Operated) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = serve(operated)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.line()
    process.process.send_signal(signal.SIGHUP)
    assert process.stop() == 0
    assert [line["event"] for line in process.rest()] == ["stopping"]


def test_a_port_that_is_taken_is_one_sentence(operated: Operated) -> None:
    first = serve(operated)
    try:
        operated.write(listen=first.line()["gateway"], data_dir="other")
        second = serve(operated)
        (line,) = second.rest()
        assert (line["event"], line["code"]) == ("error", "failed")
        assert "the port is taken" in line["message"]
        assert second.stop() == 1
    finally:
        first.stop()


def test_two_gateways_do_not_share_a_data_directory(operated: Operated) -> None:
    first = serve(operated)
    try:
        first.line()
        second = serve(operated)
        (line,) = second.rest()
        assert "Another gateway uses" in line["message"]
        assert second.stop() == 1
    finally:
        first.stop()


def test_it_runs_on_uvloop_and_without_it_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving._loop_factory() is uvloop.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert serving._loop_factory() is None
