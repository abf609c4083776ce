"""The systemd unit is one that systemd takes, and starts what hoopd has."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

UNIT = (ROOT / "deploy/hoopd.service").read_text(encoding="utf-8")
COMMAND = "/opt/hoopd/bin/hoopd"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    assert COMMAND in UNIT
    unit = tmp_path / "hoopd.service"
    unit.write_text(UNIT.replace(COMMAND, str(Path(sys.executable).with_name("hoopd"))), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_starts_what_hoopd_has(tmp_path: Path) -> None:
    """The settings are not there, so that it ends at once: but it has read the command line."""
    (line,) = [line for line in UNIT.splitlines() if line.startswith("ExecStart=")]
    program, *arguments = line.removeprefix("ExecStart=").split()
    assert program == COMMAND
    missing = str(tmp_path / "hoopd.yaml")
    arguments = [missing if argument == "/etc/hoopd/hoopd.yaml" else argument for argument in arguments]
    done = subprocess.run([sys.executable, "-m", "hoopd", *arguments], capture_output=True, text=True, check=False)
    assert f"{missing} cannot be read" in done.stderr
