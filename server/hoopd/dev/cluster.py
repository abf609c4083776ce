"""A data directory of PostgreSQL: made by initdb, configured before each start, freed of a lock that nobody holds.

A data directory is made beside its place and renamed, so that one that is there is whole. Each start writes the
settings and the access rules anew; what initdb chose for the machine stays. Files are put in place without following
links, since as root the directory belongs to another account.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hoopd.dev.account import Account
from hoopd.dev.binaries import Binaries
from hoopd.dev.supervision import INHERITED
from hoopd.domain.errors import InvalidInput, Unavailable

POLL = 0.05
BUILTIN_LOCALES = 17
"""The first version with locales of its own, so that C.UTF-8 is there on every machine."""
LINKS = Path("/proc/self/fd")
SETTINGS = "hoopd.conf"
ACCESS = "pg_hba.conf"
ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_destination": "stderr",
}
READY_LINE = 7
"""The line of postmaster.pid with the server's state, counted from 0 (src/include/utils/pidfile.h)."""
Runner = Callable[[str, tuple[str, ...], Path | None], None]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The files of a server's certificate chain and key in PEM, and of the CA for client certificates."""

    certificate: Path
    key: Path
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory, the programs that run it and the account that owns it.

    ``runtime`` is for passing files. A cluster that is not ``durable`` need not outlive the machine's power.
    """

    data: Path
    binaries: Binaries
    account: Account
    runtime: Path
    superuser: str
    durable: bool = True

    def place(self, directory: Path) -> tuple[str, Path | None]:
        """How the server names ``directory``, and the directory to hand over open for that, if any.

        A server that runs as another account may be unable to walk to it (a home of mode 0700 above). It then gets it
        as an open descriptor, and names it by the kernel's link to that, which needs no walk (proc(5), /proc/pid/fd).
        """
        if not self.account.changed or self.account.reaches(directory):
            return str(directory), None
        if not LINKS.exists():
            raise Unavailable(
                f"PostgreSQL does not run as root, and the user it runs as cannot reach {directory}",
                hint="choose a directory whose parents every user may enter",
            )
        return INHERITED, directory

    def prepare(self, password: str, run: Runner) -> None:
        """Make the data directory where there is none; raises ``Unavailable`` where one of another version is there."""
        marker = self.data / "PG_VERSION"
        if not marker.exists():
            self._make(password, run)
            return
        made_by = marker.read_text().strip()
        if made_by != str(self.binaries.version):
            raise Unavailable(
                f"the data in {self.data} was made by PostgreSQL {made_by}, and the programs in "
                f"{self.binaries.directory} are PostgreSQL {self.binaries.version}",
                hint="use programs of the same version, or another directory",
            )

    def configure(self, port: int, settings: Mapping[str, str], ssl: ServerTls | None, authentication: str) -> None:
        """Write the settings and access rules that the next start uses."""
        chosen = {**ALWAYS, "port": str(port), **settings}
        if ssl is not None:
            chosen |= self._install(ssl)
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in chosen.items()]
        self.account.write(self.data / SETTINGS, "".join(lines))
        self.account.write(self.data / ACCESS, f"host all all 127.0.0.1/32 {authentication}\n")

    def ready(self, pid: int) -> bool:
        """Whether the server with this process id says that it accepts connections."""
        lines = self._lock_lines()
        return len(lines) > READY_LINE and lines[0].strip() == str(pid) and lines[READY_LINE].strip() == "ready"

    def clear_stale_lock(self, patience: float) -> None:
        """Remove the lock file of a server that is gone.

        PostgreSQL itself takes any process that now has the number in the file for its predecessor, which in a
        container is likely. A server that is really there has ``patience`` seconds to go, then ``Unavailable`` is
        raised.
        """
        deadline = time.monotonic() + patience
        while (pid := self._recorded_pid()) and self._is_server(pid):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"a PostgreSQL server with process id {pid} is already running in {self.data}",
                    hint="stop it first",
                )
            time.sleep(POLL)
        with contextlib.suppress(FileNotFoundError):
            (self.data / "postmaster.pid").unlink()

    def _make(self, password: str, run: Runner) -> None:
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self.account.own(fresh)
        secret = self.runtime / "password"
        self.account.write(secret, password + "\n")
        try:
            place, directory = self.place(fresh)
            run("initdb", self._initdb(place, secret), directory)
        finally:
            secret.unlink()
        main = fresh / "postgresql.conf"
        self.account.write(main, main.read_text() + f"\ninclude '{SETTINGS}'\n")
        fresh.rename(self.data)

    def _initdb(self, place: str, secret: Path) -> tuple[str, ...]:
        locale = ["--locale=C"]
        if self.binaries.version >= BUILTIN_LOCALES:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return (
            str(self.binaries.program("initdb")),
            f"--pgdata={place}",
            f"--username={self.superuser}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-instructions",
            *(() if self.durable else ("--no-sync",)),
            *locale,
        )

    def _install(self, ssl: ServerTls) -> dict[str, str]:
        files = {"ssl_cert_file": ssl.certificate, "ssl_key_file": ssl.key}
        if ssl.ca is not None:
            files["ssl_ca_file"] = ssl.ca
        for setting, path in files.items():
            self.account.write(self.data / f"{setting}.pem", path.read_bytes())
        return {"ssl": "on", **{setting: f"{setting}.pem" for setting in files}}

    def _lock_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _recorded_pid(self) -> int | None:
        lines = self._lock_lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    def _is_server(self, pid: int) -> bool:
        """Whether ``pid`` is a live process that works in this data directory, as each of a server's does."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        try:
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == self.data.resolve()
        except FileNotFoundError:
            # No such file system (macOS): the process exists, and is taken at its word. Else it has just ended.
            return not LINKS.exists()
        except PermissionError:
            # Another account's process: not one that was started from here.
            return False


def _quoted(value: str) -> str:
    """A value as it stands between quotes in postgresql.conf (chapter 19.1.2); ``InvalidInput`` on a line end."""
    if "\n" in value or "\0" in value:
        raise InvalidInput("a setting of PostgreSQL cannot hold a line end")
    return value.replace("\\", "\\\\").replace("'", "''")
