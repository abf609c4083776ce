"""The repository as its own tests see it: where it is, and which files belong to it."""

import ast
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Source package, the directory that its tests mirror.
PACKAGES = {ROOT / "cli/hoopctl": ROOT / "tests/unit/cli", ROOT / "server/hoopd": ROOT / "tests/unit/server"}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository that git has or would take, sorted. Skips the test where there is no git."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout of git: which files belong to the repository is not known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    # A file that was deleted and not yet committed is still in git's list.
    return tuple(sorted(ROOT / name for name in names if name and (ROOT / name).is_file()))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_generated(path: Path) -> bool:
    return path.parent == ROOT / "protos/hoop/v1" and "_pb2" in path.name


def python_files() -> list[Path]:
    """What people wrote in Python: generated code is not among it."""
    return [path for path in files() if path.suffix in (".py", ".pyi") and not is_generated(path)]


def modules() -> list[Path]:
    """The source modules of both packages."""
    inside = tuple(PACKAGES)
    return [path for path in python_files() if path.is_relative_to(inside[0]) or path.is_relative_to(inside[1])]


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
