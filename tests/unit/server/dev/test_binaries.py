"""Finding PostgreSQL's programs, and copying an installation that works where it is put."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hoopd.dev.binaries import VARIABLE, Binaries
from hoopd.domain.errors import Unavailable
from tests.fixtures.postgres import INSTALLATIONS, name_of


def programs(directory: Path, version: str, code: int = 0) -> Path:
    """Programs that only tell a version."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("initdb", "postgres"):
        (directory / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\nexit {code}\n")
        (directory / name).chmod(0o755)
    return directory


def test_the_package_is_found() -> None:
    found = Binaries.find({})
    assert found.version == 18
    assert found.relocatable


def test_the_variable_wins(tmp_path: Path) -> None:
    found = Binaries.find({VARIABLE: str(programs(tmp_path, "16.2"))})
    assert found == Binaries(tmp_path, 16)
    assert not found.relocatable


def test_the_variable_is_never_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the program initdb is missing") as caught:
        Binaries.find({VARIABLE: str(tmp_path)})
    assert caught.value.hint is not None
    assert VARIABLE in caught.value.hint


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoopd.dev.binaries.PACKAGE", "no_such_package")
    with pytest.raises(Unavailable, match="no PostgreSQL server was found"):
        Binaries.find({})


def test_a_version_that_is_too_old(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"PostgreSQL 13 in .* is too old: 14 or newer is needed"):
        Binaries.at(programs(tmp_path, "13.9"))


@pytest.mark.parametrize(("version", "code"), [("18.6", 1), ("unknown", 0)])
def test_programs_that_do_not_run(tmp_path: Path, version: str, code: int) -> None:
    with pytest.raises(Unavailable, match="postgres does not run"):
        Binaries.at(programs(tmp_path, version, code))


def test_programs_of_another_machine(tmp_path: Path) -> None:
    programs(tmp_path, "18.6")
    (tmp_path / "postgres").write_bytes(b"\x7fELF nothing")
    with pytest.raises(Unavailable, match="postgres does not run: "):
        Binaries.at(tmp_path)


@pytest.mark.parametrize("binaries", [b for b in INSTALLATIONS if b.relocatable], ids=name_of)
def test_a_copy_runs_on_its_own(binaries: Binaries, tmp_path: Path) -> None:
    copy = binaries.copy_to(tmp_path)
    assert copy.directory.is_relative_to(tmp_path)
    assert Binaries.at(copy.directory).version == binaries.version
    assert {path.name for path in copy.directory.iterdir()} == {"initdb", "postgres"}
    assert not list(tmp_path.rglob("include"))
    told = subprocess.run([copy.program("postgres"), "--version"], capture_output=True, text=True, env={}, check=True)
    assert f"(PostgreSQL) {binaries.version}" in told.stdout
