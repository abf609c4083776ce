"""``hoopctl connect``: a tunnel to one connection, alone or around a command."""

from __future__ import annotations

import asyncio
import difflib
import platform
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

import typer

from hoopctl import narration, output
from hoopctl.client.gateway import Gateway, with_session
from hoopctl.client.sign_in import tunnel_password
from hoopctl.client.stream import Opening
from hoopctl.client.tunnel import Target, TunnelClient
from hoopctl.errors import NotFound, UsageProblem
from hoopctl.invocation import Invocation, invocation, run_fast
from hoopctl.profiles import Profile
from hoopctl.tunnel.child import run_inside
from hoopctl.tunnel.events import SessionEnded, SessionStarted, TunnelEvent, as_line, as_sentence
from hoopctl.tunnel.local import LocalEnd
from hoopctl.tunnel.ports import HOST, listen_on, listen_somewhere
from hoopctl.tunnel.scram import SALT_BYTES, verifier
from hoopctl.tunnel.tunnel import Tunnel

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_NAME = typer.Argument(metavar="NAME", help="The connection, as `hoopctl connections` lists it.", show_default=False)
_COMMAND = typer.Argument(
    metavar="-- COMMAND", help="Run this inside the tunnel, which ends with it.", show_default=False
)
_PORT = typer.Option(
    "--port",
    metavar="PORT",
    min=0,
    max=65535,
    help="Local port; 0 is any free one. Without it: the one of last time.",
    show_default=False,
)
_REASON = typer.Option("--reason", metavar="TEXT", help="Why you need it; reviewers and the record see it.")


@app.command()
def connect(
    ctx: typer.Context,
    name: Annotated[str, _NAME],
    command: Annotated[list[str] | None, _COMMAND] = None,
    port: Annotated[int | None, _PORT] = None,
    reason: Annotated[str, _REASON] = "",
) -> None:
    """Open a tunnel to a connection on a local port.

    It stays open until Ctrl-C, and prints the settings to paste into an editor. With `-- psql`, or any other command,
    the command runs with PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and PGSSLMODE set, and the tunnel ends with it.
    """
    asked = invocation(ctx)
    if command and asked.json:
        raise UsageProblem("--json and a command do not go together: standard output is the command's own.")
    raise typer.Exit(run_fast(_connect(asked, name, command or [], port, reason)))


async def _connect(asked: Invocation, name: str, command: list[str], port: int | None, reason: str) -> int:
    async with with_session(asked) as gateway:
        target = await _target(gateway, TunnelClient(gateway), name)
        with _listener(asked.profile, target.connection, port) as listener:
            local = await _local_end(asked, gateway, target, listener.getsockname()[1])
            asked.profile.remember_port(target.connection, local.port)
            report = _reporter(asked, beside=bool(command))
            assert gateway.bearer is not None
            tunnel = Tunnel(
                listener, TunnelClient(gateway), _opening(local, reason), gateway.bearer, report, asked.clock
            )
            async with _serving(tunnel):
                if command:
                    return await run_inside(command, local.environment(asked.environ))
                _show(local, as_json=asked.json)
                await _until_told_to_stop()
    if asked.json:
        output.emit({"event": "stopped"})
    return 0


async def _local_end(asked: Invocation, gateway: Gateway, target: Target, port: int) -> LocalEnd:
    identity = await gateway.whoami()
    password = await tunnel_password(asked, target.connection)
    name = identity.email or identity.subject
    return LocalEnd(target.connection, HOST, port, _short_name(name), password, target.database)


async def _target(gateway: Gateway, tunnels: TunnelClient, name: str) -> Target:
    """What ``name`` leads to; where there is no such connection, the error says which names are near."""
    try:
        return await tunnels.target(name)
    except NotFound as error:
        known = [each.name for each in await gateway.connections()]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "hoopctl connections lists what you may open."
        raise NotFound(error.message, hint=error.hint or hint) from None


def _listener(profile: Profile, connection: str, port: int | None) -> socket.socket:
    if port is not None:
        return listen_on(port)
    last = profile.last_port(connection)
    listener = listen_somewhere(last, profile.ports_of_others(connection))
    taken = listener.getsockname()[1]
    if last is not None and taken != last:
        narration.warn(f"Port {last}, which {connection} had last, is taken; it has {taken} now.")
    return listener


def _short_name(name: str) -> str:
    return name.split("@", 1)[0] or name


def _opening(local: LocalEnd, reason: str) -> Opening:
    return Opening(
        connection=local.connection,
        scram_verifier=verifier(local.password, secrets.token_bytes(SALT_BYTES)),
        reason=reason,
        client_version=version("hoopctl"),
        host=platform.node(),
        tunnel="t-" + secrets.token_hex(6),
    )


@asynccontextmanager
async def _serving(tunnel: Tunnel) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(tunnel.serve())
        try:
            yield
        finally:
            serving.cancel()


async def _until_told_to_stop() -> None:
    """Return on SIGTERM or SIGHUP. Ctrl-C comes as a cancellation."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup, and for what a script puts in the background, a signal is ignored already: it stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, told.set)
    await told.wait()


def _show(local: LocalEnd, *, as_json: bool) -> None:
    if as_json:
        output.emit(local.as_line())
        return
    output.write(local.dsn)
    narration.say()
    narration.headline(f"{local.connection} is open on {local.host}:{local.port} until Ctrl-C.")
    narration.say("Any user name is accepted; the password belongs to this tunnel and stays the same next time.")
    _paragraph("For Cursor's agent, in .cursor/mcp.json (needs Node.js 20 or newer):", local.mcp_settings())
    _paragraph("For the SQLTools extension, in settings.json:", local.editor_settings())
    _paragraph("In a terminal:", f"hoopctl connect {local.connection} -- psql")
    narration.say()


def _paragraph(title: str, text: str) -> None:
    narration.say()
    narration.aside(title)
    narration.say(text)


def _reporter(asked: Invocation, *, beside: bool) -> Callable[[TunnelEvent], None]:
    """How events are told: as lines, or as sentences; ``beside`` a command, which has the terminal, only what it
    cannot say.
    """

    def as_lines(event: TunnelEvent) -> None:
        output.emit(as_line(event))

    def as_sentences(event: TunnelEvent) -> None:
        narration.say(f"{asked.clock().astimezone():%H:%M:%S} {as_sentence(event)}")

    def as_asides(event: TunnelEvent) -> None:
        if not isinstance(event, SessionStarted | SessionEnded):
            narration.aside(f"hoopctl: {as_sentence(event)}")

    if asked.json:
        return as_lines
    return as_asides if beside else as_sentences
