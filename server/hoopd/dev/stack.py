"""The development stack: one PostgreSQL server, the sample shop, a provider to sign in at, and the gateway.

It writes a ``hoopd.yaml`` and runs ``hoopd serve`` with it; the gateway does not know that it is one for development.
Everything listens on loopback. However the stack ends, SIGKILL included, nothing of it runs five seconds later.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from hoopd import policy
from hoopd.dev import sample
from hoopd.dev.certificates import LOOPBACK, Authority
from hoopd.dev.databases import ensure_database, ensure_role
from hoopd.dev.files import held, write_private
from hoopd.dev.gateway_process import SERVE, GatewayProcess, Ready
from hoopd.dev.oidc import DevProvider
from hoopd.dev.postgres import HOST, PostgresServer, free_port
from hoopd.dev.settings_file import settings_text
from hoopd.dev.stack_files import Ports, StackFiles
from hoopd.dev.supervision import Supervisor
from hoopd.dev.targets import DevTarget
from hoopd.domain.connection import TlsMode
from hoopd.domain.errors import InvalidInput, Unavailable

CONNECTION = "prod-db"
STORE = "hoop_store"
READY = 60.0
"""Seconds for the gateway to say that it is ready."""
TICK = 1.0
RESTARTS = 10
RESTART_WINDOW = timedelta(minutes=1)
ATTEMPTS = 5
NO_PORTS = Ports()
# Data that is removed at the end has to outlive processes, which it does, and not the machine's power.
FLEETING = {"fsync": "off", "full_page_writes": "off"}


class Interrupted(Exception):
    """The stack was asked to end before it was ready."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What ``hoopd dev`` was asked for. Without ``directory`` the stack leaves no file behind."""

    directory: Path | None = None
    ports: Ports = NO_PORTS
    policy: Path | None = None
    targets: Sequence[DevTarget] = ()
    program: Sequence[str] = SERVE


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the gateway's settings are made of."""

    files: StackFiles
    policy: Path
    provider: DevProvider
    server: PostgresServer
    authority: Authority


class Stack:
    """Starts the parts in order and ends them in the reverse. ``emit`` gets the events that other programs read,
    ``say`` the sentences for people; ``stop`` may be called from a signal handler."""

    def __init__(
        self,
        options: StackOptions,
        *,
        emit: Callable[[Mapping[str, Any]], None],
        say: Callable[[str], None],
        clock: Callable[[], datetime],
        pid: int,
    ) -> None:
        self._options = options
        self._emit = emit
        self._say = say
        self._clock = clock
        self._pid = pid
        self._stopping = threading.Event()
        # Put from signal handlers and from the gateway's reader: a SimpleQueue allows both.
        self._happened: queue.SimpleQueue[Ready | None] = queue.SimpleQueue()
        self._restarts: deque[datetime] = deque(maxlen=RESTARTS)

    def stop(self) -> None:
        """Ask the stack to end."""
        self._stopping.set()
        self._happened.put(None)

    def run(self) -> None:
        """Run until ``stop`` is called.

        Raises ``HoopError`` where a part does not start or does not stay, ``Interrupted`` where ``stop`` came first.
        """
        with contextlib.ExitStack() as running:
            supervisor = running.enter_context(Supervisor())
            files = self._files(supervisor)
            running.enter_context(held(files.directory, "a development stack"))
            self._ask_for_gateway_port()
            policy_file = self._policy(files)
            provider = running.enter_context(self._provider(files))
            self._go_on("starting PostgreSQL")
            server = running.enter_context(self._postgres(files, supervisor))
            self._go_on("filling the sample database")
            self._databases(files, server)
            files.remember(Ports(files.remembered().gateway, provider.port, server.port))
            self._go_on("starting the gateway")
            authority = Authority.in_directory(files.tls, self._clock)
            parts = _Parts(files, policy_file, provider, server, authority)
            gateway = GatewayProcess(supervisor, files.settings, files.log, self._options.program)
            running.callback(gateway.stop)
            ready = self._gateway(gateway, parts)
            self._emit(self._ready_event(parts, gateway, ready))
            self._stay(gateway, parts, supervisor)
            self._say("stopping")

    def _go_on(self, doing: str) -> None:
        if self._stopping.is_set():
            raise Interrupted
        self._say(doing)

    def _files(self, supervisor: Supervisor) -> StackFiles:
        if self._options.directory is not None:
            return StackFiles.prepare(self._options.directory)
        fresh = Path(tempfile.mkdtemp(prefix="hoopd-dev-"))
        # The watcher removes it after the last process has ended, also when this process was killed.
        supervisor.remove_at_end(fresh)
        return StackFiles.prepare(fresh)

    def _ask_for_gateway_port(self) -> None:
        """Tell early that a port is taken, and not after everything else has started."""
        wanted = self._options.ports.gateway
        if wanted and taken(wanted):
            raise Unavailable(
                f"port {wanted} on {HOST} is taken, so the gateway cannot listen there",
                hint="choose another port, or none for any free one",
            )

    def _policy(self, files: StackFiles) -> Path:
        """The policy's file, read once here, so that an error in it is told before anything has started."""
        path = self._options.policy
        if path is None:
            path = files.policy
            if not path.exists():
                write_private(path, policy.sample_policy_text())
        path = path.absolute()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InvalidInput(f"the policy {path} cannot be read: {reason}") from error
        policy.load(text, str(path))
        return path

    def _provider(self, files: StackFiles) -> DevProvider:
        key = files.secrets / "oidc.key"
        wanted = self._options.ports.provider
        remembered = files.remembered().provider
        if not wanted and remembered and not taken(remembered):
            return DevProvider(remembered, key_file=key)
        return DevProvider(wanted, key_file=key)

    def _postgres(self, files: StackFiles, supervisor: Supervisor) -> PostgresServer:
        return PostgresServer.create(
            files.postgres,
            password=files.secret("postgres"),
            port=self._options.ports.database,
            preferred_port=files.remembered().database,
            settings=None if self._options.directory else FLEETING,
            supervisor=supervisor,
        )

    def _databases(self, files: StackFiles, server: PostgresServer) -> None:
        try:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                ensure_role(connection, STORE, files.secret(STORE))
                ensure_database(connection, STORE, STORE)
            owner, service = files.secret(sample.OWNER), files.secret(sample.SERVICE)
            sample.create_shop(server, owner_password=owner, service_password=service)
        except psycopg.Error as error:
            raise Unavailable(f"the databases of the development stack cannot be made: {error}") from error

    def _ready_event(self, parts: _Parts, gateway: GatewayProcess, ready: Ready) -> dict[str, Any]:
        files, server = parts.files, parts.server
        return {
            "event": "ready",
            "gateway": ready["gateway"],
            "ca": str(parts.authority.path),
            "issuer": parts.provider.issuer,
            "verification_uri": parts.provider.verification_uri,
            "database": server.dsn(sample.DATABASE, sample.OWNER, files.secret(sample.OWNER)),
            "store": server.dsn(STORE, STORE, files.secret(STORE)),
            "dir": str(files.directory),
            "pid": self._pid,
            "gateway_pid": gateway.pid,
            "settings": str(files.settings),
        }

    def _write_settings(self, parts: _Parts, port: int) -> None:
        files, server = parts.files, parts.server
        secret = files.secret(sample.SERVICE)
        shop = DevTarget(CONNECTION, HOST, server.port, sample.DATABASE, sample.SERVICE, secret, TlsMode.disable)
        targets = [(shop, files.secret_file(sample.SERVICE))]
        for target in self._options.targets:
            targets.append((target, files.secret_file(f"target.{target.name}", target.password)))
        text = settings_text(
            listen=f"{HOST}:{port}",
            certificate=parts.authority.issue(files.tls, "gateway", LOOPBACK, self._clock),
            data=files.data,
            store=f"postgresql://{STORE}@{HOST}:{server.port}/{STORE}",
            store_password=files.secret_file(STORE),
            issuer=parts.provider.issuer,
            policy=parts.policy,
            targets=targets,
        )
        write_private(files.settings, text)

    def _gateway(self, gateway: GatewayProcess, parts: _Parts) -> Ready:
        """Start the gateway. A port that was not asked for is chosen anew when another was faster to take it."""
        wanted = self._options.ports.gateway
        port = wanted or parts.files.remembered().gateway
        for _ in range(ATTEMPTS):
            if not wanted and (not port or taken(port)):
                port = free_port()
            self._write_settings(parts, port)
            try:
                ready = self._start_gateway(gateway)
            except Unavailable:
                if wanted or not taken(port):
                    raise
                continue
            parts.files.remember(replace(parts.files.remembered(), gateway=port))
            return ready
        raise Unavailable("no free port was found for the gateway")

    def _start_gateway(self, gateway: GatewayProcess) -> Ready:
        happened: queue.SimpleQueue[Ready | None] = queue.SimpleQueue()
        self._happened = happened
        if self._stopping.is_set():
            raise Interrupted
        gateway.start(happened.put, lambda: happened.put(None))
        try:
            ready = happened.get(timeout=READY)
        except queue.Empty:
            ready = None
        if ready is None:
            gateway.stop()
            if self._stopping.is_set():
                raise Interrupted
            raise Unavailable(f"the gateway did not start: {gateway.last_words() or 'it said nothing'}")
        return ready

    def _stay(self, gateway: GatewayProcess, parts: _Parts, supervisor: Supervisor) -> None:
        """Wait for the end; a gateway that ends by itself is started again, as a service manager would do."""
        while not self._stopping.is_set():
            try:
                self._happened.get(timeout=TICK)
            except queue.Empty:
                if not supervisor.alive:
                    raise Unavailable("the watcher process of the development stack was killed") from None
                if not parts.server.running:
                    raise Unavailable(f"PostgreSQL has ended by itself; its log is {parts.server.log}") from None
                continue
            if self._stopping.is_set():
                return
            code = gateway.stop()
            self._allow_restart()
            self._say(f"the gateway ended with exit code {code}; starting it again")
            ready = self._start_gateway(gateway)
            self._emit({"event": "restarted", "gateway": ready["gateway"], "gateway_pid": gateway.pid})

    def _allow_restart(self) -> None:
        now = self._clock()
        if len(self._restarts) == RESTARTS and now - self._restarts[0] < RESTART_WINDOW:
            raise Unavailable(f"the gateway ended {RESTARTS} times within a minute")
        self._restarts.append(now)


def taken(port: int) -> bool:
    """Whether something listens on this port of loopback."""
    with socket.socket() as probe:
        # A port that was just left is free; one that is listened on is not (socket(7)).
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
