"""The gateway as its servicers see it: which connections there are, and one client connection from start to end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hoopd.approvals.broker import Broker
from hoopd.domain.connection import Connection
from hoopd.domain.decision import Outcome
from hoopd.domain.errors import HoopError, NotFound, Refused, Unavailable
from hoopd.domain.events import SessionStarted
from hoopd.domain.ids import SessionId
from hoopd.domain.principal import Principal
from hoopd.domain.statement import SessionState
from hoopd.identity import Purpose, TokenVerifier
from hoopd.masking.values import MaskContext
from hoopd.pgwire import backend
from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.scram import Verifier
from hoopd.policy.evaluation import connect_decision
from hoopd.policy.matching import Circumstances
from hoopd.recording.recorder import Recorder
from hoopd.runtime import clock, upstream
from hoopd.runtime.bounds import Bounds
from hoopd.runtime.cancels import Cancels
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.entrance import CancelAttempt, Entry, enter
from hoopd.runtime.health import Check, Readiness
from hoopd.runtime.holds import Asker, Holds
from hoopd.runtime.judging import Judging
from hoopd.runtime.metrics import Metrics
from hoopd.runtime.pipe import ClientPipe
from hoopd.runtime.policies import Policies
from hoopd.runtime.policy_desk import Place
from hoopd.runtime.registry import Live, Registry, new_session_id
from hoopd.runtime.runner import Parts, SessionRunner
from hoopd.runtime.target import Target
from hoopd.runtime.verdicts import VerdictCache
from hoopd.runtime.visa import Visa
from hoopd.session import events
from hoopd.session.machine import SessionMachine
from hoopd.sql.session_settings import PINNED

_VERSION = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?(?![0-9])")
SERVERS = range(14, 19)
"""Major versions of PostgreSQL that the analysis knows (DESIGN.md section 7)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a tunnel says of a new client connection. ``host`` and ``client_version`` are the client's own words."""

    connection: str
    scram_verifier: str
    reason: str
    client_version: str
    host: str
    tunnel: str


@dataclass(frozen=True, slots=True)
class Ended:
    cause: str
    message: str


class TunnelPipe(ClientPipe, Protocol):
    """A client pipe on which fresh tokens come as well."""

    visa: Visa | None

    async def opened(self, session: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the gateway is made of; wired in ``hoopd.wiring``."""

    targets: Mapping[str, Target]
    verifier: TokenVerifier
    policies: Policies
    recorder: Recorder
    broker: Broker
    mask_context: MaskContext
    redaction_key: bytes
    message_limit: int
    metrics: Metrics = field(default_factory=Metrics)
    bounds: Bounds = Bounds()  # noqa: RUF009 - frozen
    cancels: Cancels | None = None
    """Where a CancelRequest goes whose session is not here; nowhere where there is one gateway alone."""


class Gateway:
    """Serves client connections until ``stop``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._catalogs = {name: CatalogReader(target) for name, target in services.targets.items()}
        self._verdicts = {name: VerdictCache() for name in services.targets}
        self.registry = Registry(services.bounds)
        if services.cancels is not None:
            services.cancels.serve(self.registry)
        services.metrics.watch_sessions(lambda: len(self.registry))
        self._stopping: str | None = None

    # Connections

    def connections(self, principal: Principal) -> list[tuple[Connection, Outcome]]:
        """The connections that ``principal`` may open or ask to open, and which of the two."""
        shown: list[tuple[Connection, Outcome]] = []
        for name in sorted(self._services.targets):
            connection = self._services.targets[name].connection
            outcome = self._access(principal, connection)
            if outcome is not Outcome.deny:
                shown.append((connection, outcome))
        return shown

    def may_open(self, principal: Principal, name: str) -> Connection:
        """The connection of that name, if ``principal`` may open it.

        Raises:
            NotFound: there is none, or none that this principal may know of.
            Refused: it needs a review, which this gateway does not do for connections yet.
        """
        target = self._services.targets.get(name)
        outcome = self._access(principal, target.connection) if target is not None else Outcome.deny
        if target is None or outcome is Outcome.deny:
            known = ", ".join(c.name for c, _ in self.connections(principal))
            hint = f"yours are: {known}" if known else "you may open none; ask whoever keeps the policy"
            raise NotFound(f'there is no connection "{name}" that you may open', hint=hint)
        if outcome is Outcome.review:
            text = f'opening "{name}" needs a review, which cannot be asked for yet'
            raise Refused(text, hint="ask whoever keeps the policy")
        return target.connection

    def places(self) -> dict[str, Place]:
        """The connections as the policy desk asks about them."""
        return {
            name: Place(target.connection, target.user, self._catalogs[name])
            for name, target in self._services.targets.items()
        }

    def _access(self, principal: Principal, connection: Connection) -> Outcome:
        in_force = self._services.policies.current
        circumstances = Circumstances(principal, connection, now=clock.now())
        return connect_decision(in_force.policy, in_force.version, circumstances).outcome

    # Sessions

    async def serve(self, pipe: TunnelPipe, principal: Principal, opening: Opening) -> Ended:
        """One client connection, from its start-up packet to its end."""
        connection = self.may_open(principal, opening.connection)
        try:
            verifier = Verifier.parse(opening.scram_verifier)
        except WireError as problem:
            raise Refused(problem.message) from None
        with upstream.Dialing(self._services.targets[connection.name]) as dialing:
            with self.registry.entering(principal.key):
                most, seconds = self._services.message_limit, self._services.bounds.startup
                entry = await enter(pipe, verifier, connection.database, most, seconds=seconds, began=dialing.begin)
            return await self._entered(pipe, principal, opening, entry, dialing)

    async def _entered(
        self,
        pipe: TunnelPipe,
        principal: Principal,
        opening: Opening,
        entry: Entry | CancelAttempt | None,
        dialing: upstream.Dialing,
    ) -> Ended:
        match entry:
            case None:
                return Ended("client", "the client did not sign in to the tunnel")
            case CancelAttempt(pid=pid, secret=secret):
                if not self.registry.cancel(principal.key, pid, secret) and self._services.cancels is not None:
                    await self._services.cancels.pass_on(principal.key, pid, secret)
                return Ended("client", "cancel request")
            case Entry():
                try:
                    with self.registry.key(principal.key, entry.key_bytes) as key:
                        return await self._session(pipe, principal, opening, entry, key, dialing)
                except HoopError as problem:
                    self._services.metrics.failed(problem.sqlstate)
                    self._services.metrics.session_ended("refused")
                    await pipe.write(_fatal(problem))
                    return Ended("refused", problem.message)

    async def _session(
        self,
        pipe: TunnelPipe,
        principal: Principal,
        opening: Opening,
        entry: Entry,
        key: tuple[int, bytes],
        dialing: upstream.Dialing,
    ) -> Ended:
        if self._stopping is not None:
            raise Unavailable(self._stopping, sqlstate="57P03")
        target = self._services.targets[opening.connection]
        session = new_session_id()
        self._services.recorder.check_ready()
        visa = self._visa(pipe, principal, target)
        judging = self._judging(visa, target, entry)
        await judging.may_start(entry.judged, target.user)
        parameters, most = _parameters(entry, session, principal), self._services.message_limit
        database = await upstream.connect(target, parameters, most, dialing)
        try:
            runner = self._runner(pipe, visa, judging, opening, entry, session, target, database)
            for name, value in database.parameters.items():
                await pipe.write(backend.make_parameter_status(name, value))
            await pipe.write(backend.make_backend_key(*key))
            await pipe.opened(session)
            return await self._run(runner, visa, session, principal, key)
        finally:
            database.close()

    def _visa(self, pipe: TunnelPipe, principal: Principal, target: Target) -> Visa:
        async def verify(token: str) -> Principal:
            return await self._services.verifier.verify(token, Purpose.session)

        def check(renewed: Principal) -> None:
            self.may_open(renewed, target.connection.name)

        visa = Visa(principal, verify, check)
        pipe.visa = visa
        return visa

    def _judging(self, visa: Visa, target: Target, entry: Entry) -> Judging:
        services, name = self._services, target.connection.name
        return Judging(
            visa,
            target.connection,
            entry.application,
            self._catalogs[name],
            services.policies,
            services.recorder,
            services.redaction_key,
            self._verdicts[name],
        )

    def _runner(
        self,
        pipe: TunnelPipe,
        visa: Visa,
        judging: Judging,
        opening: Opening,
        entry: Entry,
        session: SessionId,
        target: Target,
        database: upstream.Upstream,
    ) -> SessionRunner:
        services, connection, catalog = self._services, target.connection, self._catalogs[target.connection.name]
        state = _first_state(target, database)
        record = services.recorder.open(session)
        record.append(_started(session, visa.principal, connection, target.user, opening, entry, database))
        asker = Asker(session, visa.principal, connection, entry.application, opening.reason)
        parts = Parts(
            pipe=pipe,
            frames=entry.frames,
            database=database,
            target=target,
            machine=SessionMachine(state, services.mask_context),
            record=record,
            holds=Holds(services.broker, asker),
            policy_now=services.policies.now,
            judge_now=judging.now,
            judge_later=judging.later,
            catalog_changed=catalog.changed,
            metrics=services.metrics,
            bounds=services.bounds,
        )
        return SessionRunner(parts)

    async def _run(
        self, runner: SessionRunner, visa: Visa, session: SessionId, principal: Principal, key: tuple[int, bytes]
    ) -> Ended:
        def end(cause: str, sqlstate: str, message: str) -> None:
            runner.post(events.EndAsked(cause, sqlstate, message))

        async def watch() -> None:
            end("expired", "28000", await visa.until_void())

        def cancel() -> None:
            runner.post(events.CancelAsked())

        self.registry.add(Live(session, principal.key, key[0], key[1], cancel, end))
        if self._stopping is not None:  # since this session began to open
            end("gateway", "57P01", self._stopping)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            try:
                await runner.run()
            finally:
                self._services.metrics.session_ended(runner.cause)
            watching.cancel()
        return Ended(runner.cause, runner.message)

    async def stop(self, message: str) -> None:
        """Refuse new sessions and end those that are open."""
        self._stopping = message
        self.registry.end_all("gateway", "57P01", message)
        for _ in range(100):
            if not len(self.registry):
                break
            await asyncio.sleep(0.05)

    def readiness(self) -> Readiness:
        """What this gateway needs to run a statement."""
        services = self._services

        async def store() -> None:
            if services.recorder.lagging:
                raise Unavailable("it does not answer, and journal.max_lag is over: nothing runs")

        async def policy() -> None:
            services.policies.current  # noqa: B018 - raises where there is none

        def catalog(reader: CatalogReader) -> Check:
            async def check() -> None:
                await reader.current()

            return check

        async def journal() -> None:
            await asyncio.to_thread(services.recorder.check_journal)

        checks = {"store": store, "journal": journal, "policy": policy}
        return Readiness(checks | {f"catalog {name}": catalog(each) for name, each in self._catalogs.items()})

    async def close(self) -> None:
        for catalog in self._catalogs.values():
            await catalog.close()


def _fatal(problem: HoopError) -> bytes:
    return backend.make_error(ErrorFields("FATAL", problem.sqlstate, problem.message, hint=problem.hint))


def _parameters(entry: Entry, session: SessionId, principal: Principal) -> dict[str, str]:
    return {
        **entry.parameters,
        **PINNED,
        "hoop.session": session,
        "hoop.principal": principal.name,
    }


def server_version(text: str) -> int:
    """PostgreSQL's number for a version text such as ``18.6`` or ``15.18 (Debian …)``; 0 when it cannot be read."""
    found = _VERSION.match(text)
    return int(found[1]) * 10_000 + int(found[2] or 0) if found else 0


def spoken_version(target: Target, database: upstream.Upstream) -> int:
    """The version of a database, as a number. Raises Unavailable for one that the analysis does not know."""
    text = database.parameters.get("server_version", "")
    version = server_version(text)
    if version // 10_000 not in SERVERS:
        raise Unavailable(f"the database of {target.connection.name} is PostgreSQL {text}; the gateway speaks 14 to 18")
    return version


def _first_state(target: Target, database: upstream.Upstream) -> SessionState:
    version = spoken_version(target, database)
    return SessionState(
        search_path=database.parameters.get("search_path", ""),
        role="none",
        user=target.user,
        transaction="I",
        server_version=version,
    )


def _started(
    session: SessionId,
    principal: Principal,
    connection: Connection,
    role: str,
    opening: Opening,
    entry: Entry,
    database: upstream.Upstream,
) -> SessionStarted:
    return SessionStarted(
        session=session,
        at=clock.now(),
        issuer=principal.issuer,
        subject=principal.subject,
        email=principal.email,
        groups=principal.groups,
        connection=connection.name,
        database=connection.database,
        role=role,
        application=entry.application,
        host=opening.host,
        client_version=opening.client_version,
        server_version=database.parameters.get("server_version", ""),
        reason=opening.reason,
        tunnel=opening.tunnel,
        search_path=entry.parameters.get("search_path", ""),
    )
