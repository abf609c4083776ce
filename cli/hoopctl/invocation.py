"""What one run of the command was asked for by the options that every command has.

Made by ``hoopctl.__main__``, filled in while the command line is read (``--json`` may stand before or after the
command), and found by commands with ``invocation(ctx)``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import typer

from hoopctl import clock
from hoopctl.profiles import Profile, open_home

T = TypeVar("T")


@dataclass(slots=True)
class Invocation:
    """The options of one run.

    ``profile_name`` and ``server`` are None where they were not given. ``json``: stdout is for a program.
    ``no_input``: nobody is there to be asked. ``clock`` gives the present time.
    """

    profile_name: str | None = None
    server: str | None = None
    json: bool = False
    no_input: bool = False
    clock: clock.Clock = clock.now
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def profile(self) -> Profile:
        """The profile that ``--profile`` picks, on the server that ``--server`` or ``HOOPCTL_SERVER`` picks."""
        server = self.server or self.environ.get("HOOPCTL_SERVER") or None
        return open_home(self.environ).profile(self.profile_name or "default", server)

    @property
    def may_ask(self) -> bool:
        """Whether a person is there to be asked: a terminal on both sides, and neither ``--json`` nor
        ``--no-input``.
        """
        return not (self.json or self.no_input) and sys.stdin.isatty() and sys.stderr.isatty()

    def never_asking(self) -> Invocation:
        """The same, with nobody to be asked."""
        return replace(self, no_input=True)


def invocation(ctx: typer.Context) -> Invocation:
    """The invocation that ``ctx`` belongs to."""
    found = ctx.find_object(Invocation)
    if found is None:
        found = ctx.obj = Invocation()
    return found


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end on an event loop of its own. Ctrl-C cancels it and becomes ``KeyboardInterrupt``."""
    import asyncio

    return asyncio.run(work)


def run_fast(work: Coroutine[Any, Any, T]) -> T:
    """As ``run``, on uvloop's event loop where it is installed: for work that carries bytes."""
    import asyncio

    try:
        from uvloop import new_event_loop
    except ImportError:  # there are no wheels of it for this system
        return run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
