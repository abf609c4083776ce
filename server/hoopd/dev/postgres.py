"""Runs a real PostgreSQL server on loopback, without root and without a system service.

``PostgresServer`` makes a data directory or takes the one that is there, starts the server, and stops it. What holds
always: TCP on 127.0.0.1 only and no socket file; a password for everybody, SCRAM unless told otherwise; UTF-8 and a
named locale; no password in any argument list. A watcher stops the server within five seconds when this process
is killed. As root the server runs as ``nobody``, from a copy of its programs in a fresh directory, removed at the end.

PostgreSQL's documentation: chapters 18 (server setup), 19 (configuration), 20 (authentication), 23.1 (locale support).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from hoopd.dev.account import Account
from hoopd.dev.binaries import Binaries
from hoopd.dev.cluster import Cluster, ServerTls
from hoopd.dev.files import held, make_directory, open_log
from hoopd.dev.supervision import Command, Supervisor, clean_environment
from hoopd.domain.errors import Unavailable

HOST = "127.0.0.1"
POLL = 0.02
START = 60.0
"""Seconds for a start, recovery after a crash included."""
STOP = 30.0
"""Seconds for an orderly stop before the server is made to end at once; it then recovers at its next start."""
LEAVING = 10.0
"""Seconds to wait for a server whose parent was killed, which its watcher is just stopping."""
ATTEMPTS = 10
# Fast shutdown, immediate shutdown, and the end (chapter 18.5, "Shutting Down the Server").
LADDER = (("SIGINT", 2.0), ("SIGQUIT", 1.0), ("SIGKILL", 1.0))
TAKEN = "Address already in use"


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is made: the superuser's name and password, settings of postgresql.conf, TLS, and how clients prove
    their password (``scram-sha-256``, ``md5`` or ``password``)."""

    superuser: str
    password: str
    settings: Mapping[str, str]
    ssl: ServerTls | None
    authentication: str


class PostgresServer:
    """One server process and its data directory. A context manager: started on entry, stopped on exit."""

    host = HOST

    def __init__(
        self,
        directory: Path,
        binaries: Binaries,
        ports: tuple[int, int],
        options: Options,
        supervisor: Supervisor | None,
    ) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "postgres.log"
        self.binaries = binaries
        self.pid = 0
        self._wanted_port, self._preferred_port = ports
        self.port = self._wanted_port
        self._options = options
        self._shared = supervisor
        self._supervisor: Supervisor | None = None
        self._account = Account.for_server()
        self._cleanup = contextlib.ExitStack()

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        password: str,
        superuser: str = "postgres",
        binaries: Binaries | None = None,
        port: int = 0,
        preferred_port: int = 0,
        settings: Mapping[str, str] | None = None,
        ssl: ServerTls | None = None,
        authentication: str = "scram-sha-256",
        supervisor: Supervisor | None = None,
    ) -> PostgresServer:
        """A server, not yet started, with its files in ``directory`` (made where it is not there).

        ``port`` 0 is any free one, ``preferred_port`` if that is free. A data directory that is already there is used
        again, with its own superuser and passwords. A ``supervisor`` that several servers share must be closed after
        they were stopped. Raises ``Unavailable`` where there is no PostgreSQL to run.
        """
        options = Options(superuser, password, dict(settings or {}), ssl, authentication)
        return cls(directory, binaries or Binaries.find(), (port, preferred_port), options, supervisor)

    @property
    def superuser(self) -> str:
        """The name of the superuser."""
        return self._options.superuser

    @property
    def running(self) -> bool:
        """Whether the server process is there."""
        return self._supervisor is not None and self._supervisor.exit_code(self._name) is None

    def dsn(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """A connection URI, the superuser's unless another user and password are given."""
        user = self._options.superuser if user is None else user
        password = self._options.password if password is None else password
        user, password, database = (quote(part, safe="") for part in (user, password, database))
        return f"postgresql://{user}:{password}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and return when it accepts connections.

        Raises ``Unavailable`` with one sentence where it cannot: a port that is taken, a directory in use, data of
        another version, no disk.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            make_directory(self.directory)
            self._cleanup.enter_context(held(self.directory, "a PostgreSQL server"))
            self._supervisor = self._shared or self._cleanup.enter_context(Supervisor())
            runtime = self._account.private_directory("hoopd-postgres-")
            self._cleanup.callback(shutil.rmtree, runtime, ignore_errors=True)
            self._supervisor.remove_at_end(runtime)
            cluster = self._cluster(runtime)
            cluster.prepare(self._options.password, self._run)
            cluster.clear_stale_lock(LEAVING)
            self._launch(cluster)
            undo.pop_all()

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server and remove the copy of its programs; the data stays. ``immediate`` is as a crash would be."""
        if self._supervisor is not None and self.pid:
            # Without its watcher the server is stopped by the supervisor's own end.
            with contextlib.suppress(Unavailable):
                self._supervisor.stop(self._name, patience=0.0 if immediate else STOP)
        self.pid = 0
        self._supervisor = None
        self._cleanup.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def _name(self) -> str:
        return f"postgres {self.directory}"

    def _cluster(self, runtime: Path) -> Cluster:
        binaries = self.binaries
        if self._account.changed and binaries.relocatable:
            binaries = binaries.copy_to(runtime)
            self._account.own(runtime)
        data = self.directory / "data"
        durable = self._options.settings.get("fsync") != "off"
        return Cluster(data, binaries, self._account, runtime, self._options.superuser, durable)

    def _launch(self, cluster: Cluster) -> None:
        for attempt in range(ATTEMPTS):
            preferred = 0 if attempt else self._preferred_port
            self.port = self._wanted_port or preferred or free_port()
            cluster.configure(self.port, self._options.settings, self._options.ssl, self._options.authentication)
            began = self.log.stat().st_size if self.log.exists() else 0
            failure = self._try_start(cluster)
            if failure is None:
                # A later start of this server comes back to the port that its clients know.
                self._preferred_port = self.port
                return
            said = _tail(self.log, began)
            if TAKEN not in said:
                raise Unavailable(f"PostgreSQL did not start in {self.directory}: {_reason(said) or failure}")
            if self._wanted_port:
                break
        raise Unavailable(
            f"port {self.port} on {HOST} is taken, so PostgreSQL cannot listen there",
            hint="choose another port, or 0 for any free one",
        )

    def _try_start(self, cluster: Cluster) -> str | None:
        """Start the server once; None when it is ready, else how it failed."""
        supervisor = self._started_supervisor()
        place, directory = cluster.place(cluster.data)
        argv = (str(cluster.binaries.program("postgres")), "-D", place)
        self.pid = self._spawn(self._name, argv, directory)
        deadline = time.monotonic() + START
        while time.monotonic() < deadline:
            if cluster.ready(self.pid):
                return None
            code = supervisor.exit_code(self._name)
            if code is not None:
                break
            time.sleep(POLL)
        code = supervisor.stop(self._name, patience=1.0)
        self.pid = 0
        return f"it ended with exit code {code}"

    def _run(self, name: str, argv: tuple[str, ...], directory: Path | None) -> None:
        """Run a program of the server's to its end; raises ``Unavailable`` with its last words where it fails."""
        supervisor = self._started_supervisor()
        began = self.log.stat().st_size if self.log.exists() else 0
        self._spawn(name, argv, directory)
        while supervisor.exit_code(name) is None:
            time.sleep(POLL)
        code = supervisor.stop(name, patience=0.0)
        if code != 0:
            said = _reason(_tail(self.log, began)) or f"exit code {code}"
            raise Unavailable(f"{name} failed in {self.directory}: {said}")

    def _spawn(self, name: str, argv: tuple[str, ...], directory: Path | None) -> int:
        log = open_log(self.log)
        try:
            command = Command(name, argv, clean_environment(), LADDER, self._account, directory)
            return self._started_supervisor().start(command, output=log, errors=log)
        finally:
            os.close(log)

    def _started_supervisor(self) -> Supervisor:
        assert self._supervisor is not None
        return self._supervisor


def free_port() -> int:
    """A port of loopback that nothing listens on now; whoever uses it must be ready for another to be faster."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as stream:
        stream.seek(offset)
        return stream.read(1 << 20).decode(errors="replace")


def _reason(said: str) -> str:
    """The one line of a log that says why: the last that is an error, without its time and process id."""
    lines = [line for line in said.splitlines() if "FATAL:" in line or "error:" in line or "PANIC:" in line]
    if not lines:
        return ""
    line = lines[-1]
    for mark in ("FATAL:", "PANIC:", "error:"):
        _, found, rest = line.partition(mark)
        if found:
            return rest.strip()
    return line
