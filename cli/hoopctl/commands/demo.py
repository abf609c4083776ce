"""``hoopctl demo``: the whole story on this machine, in real processes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from hoopctl import narration, output
from hoopctl.invocation import Invocation, invocation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    ctx: typer.Context,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the stack up afterwards, and say what to try.")] = False,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="Tell it under another policy.", exists=True, dir_okay=False),
    ] = None,
    directory: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="Keep the stack's files here.")] = None,
    reviewer: Annotated[str, typer.Option("--reviewer", metavar="NAME", help="Who is asked to approve.")] = "bob",
) -> None:
    """Start a stack, sign three people in, and tell the story of the README with the real commands.

    Exits 0 only if every step did what it says.
    """
    from hoopctl.demo.stage import Options, stage
    from hoopctl.demo.story import Story

    asked = invocation(ctx)
    options = Options(directory, policy, reviewer)
    signal.signal(signal.SIGTERM, _interrupted)
    narration.say("Starting a database, an identity provider and a gateway on this machine …")
    with stage(options) as ready:
        Story(ready, options, lambda step: _tell(asked, step)).run()
        if stay:
            _stay(asked, ready.ready, ready.home)
    if not asked.json:
        output.write()
        output.write("Every step did what it says.")


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _tell(asked: Invocation, step: object) -> None:
    from hoopctl.demo.story import Step

    assert isinstance(step, Step)
    if asked.json:
        shown = [{"by": each.by, "command": each.command, "output": each.output} for each in step.shown]
        output.emit({"event": "step", "number": step.number, "title": step.title, "shown": shown})
        return
    output.write()
    output.write(f"{step.number}. {step.title}")
    for each in step.shown:
        output.write()
        output.write(f"  {each.by} $ {each.command}")
        for line in each.output.splitlines():
            output.write(f"  {line}".rstrip())


def _stay(asked: Invocation, ready: dict[str, object], home: Path) -> None:
    gateway = ready["gateway"]
    if asked.json:
        output.emit({"event": "staying", "gateway": gateway, "verification_uri": ready["verification_uri"]})
    else:
        output.write()
        output.write("The stack stays up until Ctrl-C. To try it yourself, in another terminal:")
        output.write(
            f"  hoopctl --profile demo login --server {gateway}     (sign in as alice at the address it shows)"
        )
        output.write("  hoopctl --profile demo connect prod-db")
        output.write(
            f"  hoopctl --profile reviewer login --server {gateway} (as bob), then: hoopctl --profile reviewer review"
        )
    signal.pause()
