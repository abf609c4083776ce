"""`python -m hoopd`: what it says without the packages of the gateway is in tests/unit/meta; here, that it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hoopd import __main__ as entry


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "hoopd", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hoopd ")


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "NEEDED", (*entry.NEEDED, "a_package_that_nobody_has"))
    with pytest.raises(SystemExit) as left:
        entry.main()
    assert left.value.code == 1
    assert capsys.readouterr().err == "hoopd needs the packages of the gateway: pip install 'hoopctl[server]'\n"


def what_grpc_says(experiments: str) -> str:
    serving = "import grpc; grpc.server(None).stop(None)"
    environment = {**os.environ, "GRPC_VERBOSITY": "NONE", "GRPC_EXPERIMENTS": experiments}
    command = [sys.executable, "-c", serving]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr


def test_this_grpc_knows_the_experiments_that_are_turned_off() -> None:
    assert what_grpc_says(entry.EXPERIMENTS) == ""
    assert "Unknown experiment" in what_grpc_says(entry.EXPERIMENTS + ",-no_such_experiment")
