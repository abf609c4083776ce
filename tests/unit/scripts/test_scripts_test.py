"""`scripts/test`: which checks it runs, in what order, and what its exit code says. The tools are stubs."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHECKS = ["ruff check", "ruff format", "mypy cli/hoopctl", "lint-imports --no-cache", "gen-protos --check"]


def stub(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose environment is up to date by its stamp and holds only stubs."""
    shutil.copytree(ROOT / "scripts/lib", tmp_path / "scripts/lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scripts/test", tmp_path / "scripts/test")
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "pyproject.toml").touch()
    tools = tmp_path / ".venv/bin"
    tools.mkdir(parents=True)
    (tools / "python").symlink_to(sys.executable)
    for name in ("ruff", "mypy", "lint-imports"):
        stub(tools / name, f'echo "{name} $1" >> ran; exit 0')
    stub(tmp_path / "scripts/gen-protos", 'echo "gen-protos $1" >> ran')
    stub(tools / "pytest", 'for word; do echo "[$word]"; done; echo "3 passed"; exit 5')
    spec = importlib.util.spec_from_file_location("environment", ROOT / "scripts/lib/environment.py")
    assert spec is not None
    assert spec.loader is not None
    environment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(environment)
    (tmp_path / ".venv" / environment.STAMP).write_text(json.dumps(environment.stamp(tmp_path.resolve())))
    return tmp_path


def run(project: Path, *arguments: str, script: str = "scripts/test") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(project / script), *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("script", ["scripts/test", ".ci/run"])
def test_all_checks_run_and_the_last_word_and_the_exit_code_are_those_of_pytest(project: Path, script: str) -> None:
    done = run(project, *(["-k", "two words"] if script == "scripts/test" else []), script=script)
    assert (project / "ran").read_text().splitlines() == CHECKS
    assert done.returncode == 5
    assert done.stdout.splitlines()[-1] == "3 passed"
    assert ("[two words]" in done.stdout) == (script == "scripts/test")


def test_a_failed_check_is_shown_and_stops_before_the_tests(project: Path) -> None:
    stub(project / ".venv/bin/mypy", "echo 'error: no type'; exit 1")
    done = run(project)
    assert done.returncode == 1
    assert "error: no type" in done.stderr
    assert done.stderr.splitlines()[-1] == "scripts/test: failed: mypy; the tests were not run."
    assert "passed" not in done.stdout
    assert "gen-protos" in (project / "ran").read_text(), "the checks after it run all the same"


def test_lint_alone_runs_no_tests(project: Path) -> None:
    done = run(project, "--lint")
    assert (done.returncode, done.stdout) == (0, "")
