"""The one module that puts the gateway's objects together: from settings to a gateway that serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hoopd.approvals.broker import Broker
from hoopd.approvals.repository import CHANNEL as REQUESTS
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.identity import OidcSettings, TokenVerifier, client_factory
from hoopd.keys import derive, load_secret
from hoopd.masking.values import MaskContext
from hoopd.policy.loading import load
from hoopd.recording.journal import Sync
from hoopd.recording.keys import RecordKeys, load_keys
from hoopd.recording.recorder import Recorder
from hoopd.rpc.masks import ViewerMasks
from hoopd.rpc.policy import PolicyServicer
from hoopd.rpc.server import GRACE_SECONDS, RpcServer
from hoopd.runtime import clock
from hoopd.runtime.bounds import bounds_of
from hoopd.runtime.cancels import Cancels
from hoopd.runtime.gateway import Gateway, Services
from hoopd.runtime.health_http import HealthServer
from hoopd.runtime.policies import Policies, PolicyFollower
from hoopd.runtime.policy_desk import PolicyDesk
from hoopd.runtime.target import Target
from hoopd.session.judgement import PolicyInForce
from hoopd.settings import ConnectionSettings, Settings
from hoopd.store.askers import Askers
from hoopd.store.audit import Audit
from hoopd.store.cancels import CHANNEL as CANCELS
from hoopd.store.cancels import CancelBoard
from hoopd.store.listener import Listener
from hoopd.store.migrate import migrate, pending
from hoopd.store.policies import CHANNEL as POLICIES
from hoopd.store.policies import PolicyRepository
from hoopd.store.pool import Store
from hoopd.store.records import Records
from hoopd.store.requests import StoredRequests
from hoopd.store.statements import StatementRepository

SEARCHING = 4
"""Connections to the store for searching and verifying the record. Apart from those that recording and reviews take, so
that nobody's searches can make the store seem away, and with it every session stop (INV-9)."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that takes calls at ``host:port``, and what it is made of."""

    host: str
    port: int
    services: Services
    audit: Audit
    metrics: str | None = None
    """Where metrics, liveness and readiness are served."""


def oidc_settings(settings: Settings) -> OidcSettings:
    """The identity provider as ``hoopd.identity`` takes it. Raises InvalidInput."""
    section = settings.oidc
    return OidcSettings(
        issuer=section.issuer,
        client_id=section.client_id,
        approval_client_id=section.approval_client_id,
        scopes=section.scopes,
        groups_claim=section.groups_claim,
        email_claim=section.email_claim,
        subject_claim=section.subject_claim,
        ca=section.ca,
        approval_max_age=settings.approval_max_age,
        roles={role: frozenset(groups) for role, groups in settings.roles.items()},
    )


def target(settings: ConnectionSettings) -> Target:
    return Target(
        connection=settings.connection,
        user=settings.user,
        password_file=settings.password_file,
        password_env=settings.password_env,
        tls=settings.tls.mode,
        ca=settings.tls.ca,
        allow_auth=frozenset(settings.allow_auth),
    )


def prepare_data_dir(path: Path) -> None:
    """Make the data directory, for the gateway's user alone. Raises Unavailable."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise Unavailable(f"the data directory {path} cannot be made: {problem.strerror}") from None


@asynccontextmanager
async def serving(
    settings: Settings, store_dsn: str, *, migrating: bool, shared_port: bool = False
) -> AsyncIterator[Serving]:
    """A gateway that serves for as long as the block lasts.

    ``migrating``: bring the store's schema up to date first (a store of the gateway's own); else it must be.
    ``shared_port``: other processes listen there too, and each takes its part of the tunnels.

    Raises:
        HoopError: one of its parts is missing, broken or unreachable; the sentence says which.
    """
    oidc = oidc_settings(settings)
    prepare_data_dir(settings.data_dir)
    secret, record_keys = load_secret(settings.data_dir), load_keys(settings.data_dir)
    if migrating:
        await migrate(store_dsn)
    async with _opened(Store(store_dsn)) as store, _opened(Store(store_dsn, max_size=SEARCHING)) as searched:
        if not migrating:
            await _check_schema(store)
        policies = Policies()
        await load_policy(policies, PolicyRepository(store, clock.now), settings)
        verifier = TokenVerifier(oidc, client_factory(oidc), clock.now)
        async with _parts(settings, store, policies, verifier, record_keys, secret) as services:
            audit = Audit(searched, record_keys, services.recorder.holds)
            gateway = Gateway(services)
            masks = ViewerMasks(policies, {name: each.connection for name, each in services.targets.items()})
            desk = PolicyDesk(policies, gateway.places(), Askers(searched).of)
            repository, statements = PolicyRepository(store, clock.now), StatementRepository(searched)
            policy_desk = PolicyServicer(desk, repository, statements, gateway.connections, verifier)
            server = RpcServer(
                gateway, audit, services.broker, verifier, oidc, masks, policy_desk, shared_port=shared_port
            )
            port = await server.start(settings.listen, settings.tls.cert, settings.tls.key)
            try:
                async with _watched(settings.metrics.listen, gateway, services) as metrics:
                    yield Serving(settings.host, port, services, audit, metrics)
            finally:
                await gateway.stop("the gateway is shutting down: connect again")
                await server.stop()
                await gateway.close()


@asynccontextmanager
async def _watched(listen: str | None, gateway: Gateway, services: Services) -> AsyncIterator[str | None]:
    """Metrics, liveness and readiness at ``listen``, where that is asked for; gives the address."""
    if listen is None:
        yield None
        return
    host, _, port = listen.rpartition(":")
    shipper = services.recorder.shipper
    services.metrics.watch_journal(lambda: shipper.away_seconds, lambda: shipper.lag)
    server = HealthServer(services.metrics, gateway.readiness())
    async with server.listening(host, int(port)) as taken:
        yield f"{host}:{taken}"


@asynccontextmanager
async def _opened(store: Store) -> AsyncIterator[Store]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _check_schema(store: Store) -> None:
    async with store.connection() as connection:
        missing = await pending(connection)
    if missing:
        raise Unavailable("the store's schema is not up to date", hint="run `hoopd migrate -c hoopd.yaml`")


async def load_policy(policies: Policies, repository: PolicyRepository, settings: Settings) -> None:
    """Put the file's policy in force as a new version where the file has changed, else what the store has.

    Raises:
        InvalidInput: the file does not load; what is in the store stays.
    """
    try:
        text = settings.policy.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise InvalidInput(f"the policy {settings.policy} cannot be read: {reason}") from None
    names = [connection.name for connection in settings.connections]
    policy = load(text, str(settings.policy), names)
    stored = await repository.put_from_file(text, source=settings.policy.name)
    if stored.text != text:  # applied since, and the file is as it was then
        policy = load(stored.text, f"the policy in the store, version {stored.version} by {stored.by}", names)
    policies.put(PolicyInForce(policy, stored.version))


@asynccontextmanager
async def _parts(
    settings: Settings,
    store: Store,
    policies: Policies,
    verifier: TokenVerifier,
    keys: RecordKeys,
    secret: bytes,
) -> AsyncIterator[Services]:
    recorder = Recorder(
        settings.data_dir,
        Records(store),
        keys,
        clock.now,
        max_lag=settings.journal.max_lag,
        sync=Sync(settings.journal.sync),
    )
    listener = Listener(store.dsn, (REQUESTS, POLICIES, CANCELS), on_lost=recorder.shipper.suspect)
    broker = Broker(StoredRequests(store), listener, clock.now, keys.id)
    cancels = Cancels(derive(secret, "cancel"), CancelBoard(store).tell, clock.now)
    listener.subscribe(CANCELS, cancels.heard)
    services = Services(
        targets={each.name: target(each) for each in settings.connections},
        verifier=verifier,
        policies=policies,
        recorder=recorder,
        broker=broker,
        mask_context=MaskContext(derive(secret, "mask")),
        redaction_key=derive(secret, "redaction"),
        message_limit=settings.limits.message,
        bounds=bounds_of(settings.limits),
        cancels=cancels,
    )
    recorder.start()
    try:
        following = PolicyFollower(policies, PolicyRepository(store, clock.now), listener, load)
        async with _running(listener.run, recorder.shipper.run, broker.run, following.run):
            await _ready(recorder, broker)
            yield services
            await recorder.shipper.drain(GRACE_SECONDS)
    finally:
        recorder.close()


@asynccontextmanager
async def _running(*parts: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part()) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _ready(recorder: Recorder, broker: Broker) -> None:
    try:
        async with asyncio.timeout(timedelta(seconds=15).total_seconds()):
            await recorder.shipper.reached.wait()
            await broker.until_ready()
    except TimeoutError:
        raise Unavailable("the store did not answer in 15 s") from None
