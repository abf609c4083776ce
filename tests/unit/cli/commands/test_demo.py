"""``hoopctl demo`` before its stack is up; the story is tried by tests/e2e/test_demo.py."""

from __future__ import annotations

import json
import subprocess
import sys


def hoopctl(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hoopctl", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_a_policy_that_is_not_there_is_a_usage_error() -> None:
    done = hoopctl("demo", "--policy", "/nowhere/policy.yaml")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_policy_with_a_typing_error_is_one_sentence(tmp_path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nrulez: []\n")
    done = hoopctl("--json", "demo", "--policy", str(policy))
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["event"] == "error"
    assert "rulez" in done.stdout
    assert "Traceback" not in done.stderr
