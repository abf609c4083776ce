"""``hoopd dev``: what it refuses before it starts anything. What it runs is in ``tests/e2e/test_dev_stack.py``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopd.commands import app, dev

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in dev.ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("given", [f"crm=postgresql://svc:{SECRET}@/crm", f"password={SECRET}", "crm=@/nowhere/dsn"])
def test_a_target_that_cannot_be_read(capfd: pytest.CaptureFixture[str], given: str) -> None:
    """INV-7: the sentence does not repeat the DSN."""
    assert app.run(["dev", "--target", given]) == 2
    said = capfd.readouterr()
    assert "target" in said.err
    assert "Traceback" not in said.err
    assert SECRET not in said.err + said.out


def test_a_directory_of_somebody_elses(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert app.run(["dev", "--json", "--dir", str(tmp_path)]) == 2
    said = capfd.readouterr()
    error = json.loads(said.out)
    assert error["event"] == "error"
    assert "holds files that are not a development stack's" in error["message"]
    assert error["hint"]


def test_a_hangup_that_was_to_be_ignored_stays_ignored(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As under nohup."""
    (tmp_path / "thesis.tex").touch()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    app.run(["dev", "--dir", str(tmp_path)])
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    capfd.readouterr()


def test_what_a_person_reads_names_every_address(capfd: pytest.CaptureFixture[str]) -> None:
    event = {key: f"<{key}>" for key in (*dev.SHOWN, "event")} | {"event": "ready"}
    dev._show(event)
    dev._show({"event": "restarted", "gateway": "127.0.0.1:1"})
    said = capfd.readouterr().out
    assert all(f"<{key}>" in said for key in dev.SHOWN)
    assert "back at 127.0.0.1:1" in said
