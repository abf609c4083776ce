"""The fuzzer that coverage guides, for a bounded while, and that it would find something."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repository import ROOT

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris has wheels for Python 3.11 to 3.13 on Linux x86-64 only, and is not built here",
)
RUNS = {"conversations": 3_000, "messages": 100_000}
FACTOR = int(os.environ.get("HOOP_CONVERSATIONS", "20000")) // 20_000 or 1
SABOTAGED = """
import sys
from tests.fuzz import guided
from hoopd.session import client

def deny(session, work):
    session.decided(work)
    client.run(session, work)

client.deny = deny
guided.main()
"""


def run(how: list[str], target: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *how, target, str(directory), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=240 * FACTOR,
        check=False,
    )


@pytest.mark.timeout(250 * FACTOR)
@pytest.mark.parametrize("target", RUNS)
def test_nothing_is_found_INV_1_INV_9(
    target: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """THREATS 9, 10, 23"""
    runs = RUNS[target] * FACTOR
    done = run(
        ["-m", "tests.fuzz.guided"], target, tmp_path, f"-runs={runs}", f"-seed={os.environ.get('HOOP_SEED', 1)}"
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert f"Done {runs} runs" in done.stderr
    coverage = re.findall(r"cov: (\d+)", done.stderr)[-1]
    record_property("counted", f"{target}: {runs} runs, {coverage} edges covered")


@pytest.mark.timeout(250)
def test_a_defence_taken_out_is_found_INV_1(tmp_path: Path) -> None:
    done = run(["-c", SABOTAGED], "conversations", tmp_path, "-runs=5000", "-seed=1")
    assert done.returncode != 0
    assert "Finding: sent without a decision" in done.stdout + done.stderr
    assert list(tmp_path.glob("crash-*"))
