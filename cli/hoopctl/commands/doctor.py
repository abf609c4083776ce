"""``hoopctl doctor``: what a tunnel needs, tried one by one, each with what to do when it is missing."""

from __future__ import annotations

import platform
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

import typer

from hoopctl import output
from hoopctl.client.gateway import Gateway, meet
from hoopctl.client.sign_in import bearer_for, cache_of
from hoopctl.errors import ExitCode, HoopctlError
from hoopctl.invocation import Invocation, invocation, run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. What is not ``needed`` may be missing."""

    name: str
    ok: bool
    message: str
    hint: str | None = None
    needed: bool = True
    exit_code: ExitCode = ExitCode.failed


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check what a tunnel needs."""
    asked = invocation(ctx)
    failures = run(_check(asked))
    if failures:
        raise typer.Exit(int(failures[0].exit_code))


async def _check(asked: Invocation) -> list[Check]:
    failures = []
    async for check in _checks(asked):
        _show(check, as_json=asked.json)
        if check.needed and not check.ok:
            failures.append(check)
    return failures


def _show(check: Check, *, as_json: bool) -> None:
    if as_json:
        output.emit(
            {
                "event": "check",
                "name": check.name,
                "ok": check.ok,
                "needed": check.needed,
                "message": check.message,
                "hint": check.hint,
            }
        )
        return
    mark = "ok  " if check.ok else "FAIL" if check.needed else "note"
    output.write(f"{mark}  {check.name}: {check.message}")
    if check.hint and not check.ok:
        output.write(f"      {check.hint}")


async def _checks(asked: Invocation) -> AsyncIterator[Check]:
    here = f"hoopctl {version('hoopctl')}, Python {platform.python_version()}, {platform.system()}"
    yield Check("version", ok=True, message=here)
    yield _psql()
    yield Check("secrets", ok=True, message=f"kept in {cache_of(asked).place}")
    try:
        async with meet(asked) as gateway:
            yield Check("gateway", ok=True, message=f"hoopd {gateway.hello.server_version} answers at {gateway.server}")
            yield Check("certificate", ok=True, message=_trust(gateway))
            yield await _signed_in(asked, gateway)
    except HoopctlError as error:
        yield Check("gateway", ok=False, message=error.message, hint=error.hint, exit_code=error.exit_code)


def _psql() -> Check:
    found = shutil.which("psql")
    if found:
        return Check("psql", ok=True, message=found, needed=False)
    hint = "Only `hoopctl connect NAME -- psql` needs it."
    return Check("psql", ok=False, message="not found on PATH", hint=hint, needed=False)


def _trust(gateway: Gateway) -> str:
    if gateway.trust.fingerprint == "system":
        return "trusted by this system's CAs"
    return f"trusted by the CA {gateway.trust.fingerprint}"


async def _signed_in(asked: Invocation, gateway: Gateway) -> Check:
    try:
        bearer = await bearer_for(asked.never_asking(), gateway)
        identity = await gateway.signed_in(bearer).whoami()
    except HoopctlError as error:
        return Check("sign-in", ok=False, message=error.message, hint=error.hint, exit_code=error.exit_code)
    until = f"{identity.expires.astimezone():%Y-%m-%d %H:%M:%S}"
    return Check("sign-in", ok=True, message=f"{identity.email or identity.subject}, until {until}")
