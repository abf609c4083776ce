"""``hoopd dev``: the development stack in the foreground, until it is told to end.

Ctrl-C, SIGTERM and SIGHUP end it in order. With ``--json`` its one line on stdout says when everything is ready and
where (section 9 of the design); more lines follow only when the gateway had to be started again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hoopd.commands import output
from hoopd.dev.stack import Interrupted, Stack, StackOptions
from hoopd.dev.stack_files import Ports
from hoopd.dev.targets import parse_target
from hoopd.runtime import clock

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130
SHOWN = {
    "gateway": "gateway",
    "ca": "its CA",
    "verification_uri": "sign in at",
    "database": "sample database",
    "store": "store",
    "settings": "settings",
    "dir": "files",
}
Port = Annotated[
    int,
    typer.Option(
        metavar="PORT", min=0, max=65535, show_default=False, help="Port of the gateway; a free one unless given."
    ),
]
ProviderPort = Annotated[
    int,
    typer.Option(
        metavar="PORT", min=0, max=65535, show_default=False, help="Port of the provider; a free one unless given."
    ),
]
DatabasePort = Annotated[
    int,
    typer.Option(
        metavar="PORT", min=0, max=65535, show_default=False, help="Port of PostgreSQL; a free one unless given."
    ),
]
Directory = Annotated[
    Path | None,
    typer.Option(
        "--dir", metavar="DIR", help="Keep data, keys and ports here for the next start; else nothing is kept."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON line on stdout when everything is ready.")]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="NAME=DSN", help="Add a database; NAME=@FILE reads the DSN from a file."),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Use this policy instead of the sample one.")
]


def dev(
    directory: Directory = None,
    as_json: Json = False,
    target: Targets = None,
    policy: PolicyFile = None,
    port: Port = 0,
    provider_port: ProviderPort = 0,
    database_port: DatabasePort = 0,
) -> None:
    """Run a whole gateway on this machine.

    PostgreSQL with sample data, a provider to sign in at, and the gateway itself, all on loopback, until Ctrl-C.
    """
    options = StackOptions(
        directory=directory,
        ports=Ports(port, provider_port, database_port),
        policy=policy,
        targets=tuple(parse_target(text) for text in target or ()),
    )
    emit = output.emit if as_json else _show
    stack = Stack(options, emit=emit, say=output.say, clock=clock.now, pid=os.getpid())
    for number in ENDING:
        # A run under nohup has said that a hangup is not for it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: stack.stop())
    try:
        stack.run()
    except Interrupted:
        raise typer.Exit(INTERRUPTED) from None


def _show(event: Mapping[str, Any]) -> None:
    if event["event"] != "ready":
        output.write(f"the gateway is back at {event['gateway']}")
        return
    width = max(len(label) for label in SHOWN.values())
    for key, label in SHOWN.items():
        output.write(f"{label:<{width}}  {event[key]}")
    output.write(f"next: hoopctl login --server https://{event['gateway']}   (Ctrl-C ends everything)")
