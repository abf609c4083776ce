"""What others did is what all did less what this process did."""

import os
import subprocess
import sys

import pytest

from tests.bench import machine

BUSY = "sum(n * n for n in range(3_000_000))"


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    values = {"busy": 100.0, "own": 10.0, "wall": 1000.0}
    monkeypatch.setattr(machine, "_busy_seconds", lambda: values["busy"])
    monkeypatch.setattr(machine, "_own_seconds", lambda: values["own"])
    monkeypatch.setattr(machine.time, "monotonic", lambda: values["wall"])
    return values


def test_own_work_is_not_the_others(clocks: dict[str, float]) -> None:
    others = machine.Others()
    clocks.update(busy=115.0, own=20.0, wall=1010.0)
    assert others.cores() == 0.5
    clocks.update(own=30.0)
    assert others.cores() == 0.0, "ticks are coarse, and nothing is less than nothing"


def test_work_of_a_child_that_has_ended_is_own_work() -> None:
    before = machine._own_seconds()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert machine._own_seconds() > before


def test_a_run_is_disturbed_when_others_took_a_tenth_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert machine.disturbed(0.41)
    assert not machine.disturbed(0.4)
    assert not machine.disturbed(None)
