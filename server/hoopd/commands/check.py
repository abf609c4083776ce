"""``hoopd check``: is everything that the gateway needs there, before it goes live?"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hoopd.commands import output
from hoopd.commands.flow import flow as send_flow
from hoopd.commands.store import store_of
from hoopd.domain.errors import HoopError, InvalidInput, Unavailable
from hoopd.identity import TokenVerifier, client_factory
from hoopd.policy.loading import load as load_policy
from hoopd.runtime import clock, upstream
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.gateway import spoken_version
from hoopd.runtime.target import Target
from hoopd.settings import Settings, load
from hoopd.store.migrate import pending
from hoopd.store.pool import Store
from hoopd.wiring import oidc_settings, serving, target


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``message`` says what is wrong, or what was found."""

    part: str
    ok: bool
    message: str


def check(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The settings file, hoopd.yaml.")
    ] = Path("hoopd.yaml"),
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each thing that was looked at.")] = False,
    flow: Annotated[
        str | None, typer.Option("--flow", metavar="NAME", help="Send a harmless statement all the way through.")
    ] = None,
) -> None:
    """See whether all that the gateway needs is there.

    Looks at settings, policy, certificate, provider, store and every database; exits 1 when one of them fails.

    With --flow NAME it then serves, and sends a harmless statement to that connection through hold, approval, run and
    record.
    """
    settings = load(config)
    if flow is not None and flow not in [each.name for each in settings.connections]:
        raise InvalidInput(f'{config} has no connection "{flow}"')
    findings = asyncio.run(_findings(settings))
    for finding in findings:
        if json:
            output.emit({"event": "checked", "part": finding.part, "ok": finding.ok, "message": finding.message})
        else:
            output.write(f"{'ok    ' if finding.ok else 'FAILED'} {finding.part}: {finding.message}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
    if flow is not None:
        with store_of(settings) as store:
            migrating = store.own or settings.store.migrate
            asyncio.run(_flow(settings, store.dsn, flow, migrating=migrating, as_json=json))


async def _flow(settings: Settings, dsn: str, connection: str, *, migrating: bool, as_json: bool) -> None:
    def say(step: str, message: str) -> None:
        if as_json:
            output.emit({"event": "flow", "step": step, "message": message})
        else:
            output.write(f"{step:<9} {message}")

    async with serving(settings, dsn, migrating=migrating) as served:
        say("serving", f"{served.host}:{served.port}; approve with `hoopctl review`, or `hoopctl requests approve ID`")
        await send_flow(served, connection, served.services.policies.current.policy, say)


async def _findings(settings: Settings) -> list[Finding]:
    found = [
        await _tried("policy", lambda: _policy(settings)),
        await _tried("certificate", lambda: _certificate(settings)),
        await _tried("provider", lambda: _provider(settings)),
        await _tried("store", lambda: _store(settings)),
    ]
    for each in settings.connections:
        found.append(await _tried(f"connection {each.name}", lambda each=each: _database(target(each), settings)))  # type: ignore[misc]
    return found


async def _tried(part: str, look: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(part, True, await look())
    except HoopError as problem:
        return Finding(part, False, problem.message)


async def _policy(settings: Settings) -> str:
    try:
        text = settings.policy.read_text(encoding="utf-8")
    except OSError as problem:
        raise Unavailable(f"{settings.policy} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Unavailable(f"{settings.policy} is not UTF-8 text") from None
    policy = load_policy(text, str(settings.policy), [each.name for each in settings.connections])
    return f"{len(policy.rules)} rules, {len(policy.masks)} masks"


async def _certificate(settings: Settings) -> str:
    for path in (settings.tls.cert, settings.tls.key):
        if not path.is_file():
            raise Unavailable(f"{path} is not there")
    if settings.tls.key.stat().st_mode & 0o077:
        raise Unavailable(f"{settings.tls.key} can be read by others: make it 0600")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls.cert, settings.tls.key)
    except (OSError, ssl.SSLError):
        raise Unavailable(f"{settings.tls.cert} and {settings.tls.key} cannot be read, or do not match") from None
    return "there, and the key is the gateway's alone"


async def _provider(settings: Settings) -> str:
    oidc = oidc_settings(settings)
    await TokenVerifier(oidc, client_factory(oidc), clock.now).check_provider()
    return oidc.issuer


async def _store(settings: Settings) -> str:
    if settings.store.dsn is None:
        return "the gateway's own, in its data directory"
    with store_of(settings) as used:
        store = Store(used.dsn)
        await store.open()
        try:
            async with store.connection() as connection:
                missing = await pending(connection)
        finally:
            await store.close()
    if missing and settings.store.migrate:
        return f"reached; {len(missing)} migrations are applied at the next start"
    if missing:
        raise Unavailable(f"{len(missing)} migrations are missing: run `hoopd migrate`")
    return "reached, and its schema is up to date"


async def _database(database: Target, settings: Settings) -> str:
    opened = await upstream.connect(database, {"application_name": "hoopd check"}, settings.limits.message)
    opened.close()
    version = spoken_version(database, opened)
    reader = CatalogReader(database)
    try:
        catalog = await reader.current()
    finally:
        await reader.close()
    return f"PostgreSQL {version // 10_000}, {len(catalog.relations)} relations, TLS {database.tls.value}"
