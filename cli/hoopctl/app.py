"""The command line: which commands there are, and the options that all of them take.

``COMMANDS`` names each command's module; it is imported when that command runs, so that ``hoopctl --help`` and a
typing error cost nothing and import neither grpc, textual nor keyring. Every command, however deep, takes the options
of ``_options`` as well.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from hoopctl.errors import ExitCode, HoopctlError
from hoopctl.invocation import Invocation, invocation

if TYPE_CHECKING:
    from typer._click import Command, HelpFormatter
    from typer._click import Context as ClickContext


@dataclass(frozen=True, slots=True)
class Registered:
    """A command: ``target`` is ``module:attribute`` of a ``typer.Typer``, ``section`` where the help lists it."""

    target: str
    section: str
    help: str


COMMANDS: dict[str, Registered] = {
    "login": Registered("hoopctl.commands.login:app", "Access", "Sign in to a gateway."),
    "logout": Registered("hoopctl.commands.logout:app", "Access", "Sign out and forget the tokens."),
    "whoami": Registered("hoopctl.commands.whoami:app", "Access", "Show who the gateway takes you for."),
    "connections": Registered("hoopctl.commands.connections:app", "Access", "List the connections that you may open."),
    "connect": Registered("hoopctl.commands.connect:app", "Access", "Open a tunnel to a connection on a local port."),
    "review": Registered("hoopctl.commands.review:app", "Review", "Open the inbox of held statements."),
    "requests": Registered(
        "hoopctl.commands.requests:app", "Review", "List, show, approve and reject held statements."
    ),
    "audit": Registered("hoopctl.commands.audit:app", "Audit", "Search, show, replay and verify the record."),
    "policy": Registered(
        "hoopctl.commands.policy:app", "Policy", "Check, explain, test, simulate, show and apply policies."
    ),
    "demo": Registered("hoopctl.commands.demo:app", "This machine", "Tell the whole story on this machine."),
    "doctor": Registered("hoopctl.commands.doctor:app", "This machine", "Check what a tunnel needs."),
}


def _set(name: str) -> Any:
    def store(ctx: typer.Context, value: object) -> object:
        if value:
            setattr(invocation(ctx), name, value)
        return value

    return store


def _show_version(ctx: typer.Context, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    from hoopctl import output

    if invocation(ctx).json:
        output.emit({"event": "version", "name": "hoopctl", "version": version("hoopctl")})
    else:
        output.write(f"hoopctl {version('hoopctl')}")
    raise typer.Exit


_PROFILE = typer.Option(
    "--profile", metavar="NAME", help="Identity and gateway to use.", callback=_set("profile_name"), show_default=False
)
_SERVER = typer.Option(
    "--server",
    metavar="HOST:PORT",
    help="Gateway to use (or HOOPCTL_SERVER).",
    callback=_set("server"),
    show_default=False,
)
_JSON = typer.Option("--json", help="Write JSON lines on stdout.", callback=_set("json"))
_NO_INPUT = typer.Option("--no-input", help="Never ask; fail instead.", callback=_set("no_input"))
_VERSION = typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)


def _options(
    profile: Annotated[str | None, _PROFILE] = None,
    server: Annotated[str | None, _SERVER] = None,
    json: Annotated[bool, _JSON] = False,
    no_input: Annotated[bool, _NO_INPUT] = False,
    version: Annotated[bool, _VERSION] = False,
) -> None:
    """Exists for its options."""


def _with_options(command: Command) -> Command:
    """Give ``command``, and all below it, the options that every command takes and it does not define itself."""
    carrier = typer.Typer(add_completion=False)
    carrier.command()(_options)
    own = {name for param in command.params for name in param.opts}
    command.params = [p for p in command.params if p.name not in {"install_completion", "show_completion"}]
    for param in typer.main.get_command(carrier).params:
        if own.isdisjoint(param.opts):
            param.expose_value = False
            command.params.append(param)
    if isinstance(command, typer.core.TyperGroup):
        for below in command.commands.values():
            _with_options(below)
    return command


def load(name: str) -> Command:
    """Import the command ``name`` of ``COMMANDS``, with the options that every command takes.

    Raises KeyError for a name that is not registered.
    """
    registered = COMMANDS[name]
    module, _, attribute = registered.target.partition(":")
    command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
    command.name = name
    return _with_options(command)


class _Later(typer.core.TyperCommand):
    """Stands for a command that is not imported yet; turns into it when its arguments are to be read."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: ClickContext | None = None, **extra: Any
    ) -> ClickContext:
        assert self.name is not None
        return load(self.name).make_context(info_name, args, parent=parent, **extra)


class Root(typer.core.TyperGroup):
    """The top of the command line, whose commands are those of ``COMMANDS``."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, registered in COMMANDS.items():
            self.add_command(_Later(name, help=registered.help, rich_markup_mode=None))

    def invoke(self, ctx: ClickContext) -> Any:
        """Run the command; an interruption becomes an error of ours, since typer would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise HoopctlError("Interrupted.", exit_code=ExitCode.interrupted) from None

    def format_commands(self, ctx: ClickContext, formatter: HelpFormatter) -> None:
        """Write the commands under the sections of ``COMMANDS``."""
        for section in dict.fromkeys(registered.section for registered in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, r.help) for name, r in COMMANDS.items() if r.section == section])


def root() -> Command:
    """The whole command line, ready to read arguments."""
    app = typer.Typer(
        name="hoopctl",
        cls=Root,
        help="Reach production databases through the gateway that decides, holds, masks and records.",
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(invoke_without_command=True)(_top)
    group = typer.main.get_command(app)
    completion = [p for p in group.params if p.name in {"install_completion", "show_completion"}]
    _with_options(group)
    group.params.extend(completion)
    return group


def _top(ctx: typer.Context) -> None:
    """Reach production databases through the gateway that decides, holds, masks and records."""
    if ctx.invoked_subcommand is None:
        from hoopctl import output

        output.write(ctx.get_help())


__all__ = ["COMMANDS", "Invocation", "Registered", "load", "root"]
