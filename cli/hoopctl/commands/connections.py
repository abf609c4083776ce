"""``hoopctl connections``: what the caller may open, or may ask for."""

from __future__ import annotations

import typer

from hoopctl import narration, output
from hoopctl.client.gateway import ConnectionSummary, with_session
from hoopctl.invocation import Invocation, invocation, run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


async def _ask(asked: Invocation) -> list[ConnectionSummary]:
    async with with_session(asked) as gateway:
        return await gateway.connections()


@app.command()
def connections(ctx: typer.Context) -> None:
    """List the connections that you may open."""
    asked = invocation(ctx)
    found = run(_ask(asked))
    if asked.json:
        for each in found:
            output.emit(
                {"name": each.name, "labels": dict(each.labels), "database": each.database, "access": each.access}
            )
    elif found:
        rows = [(each.name, each.database, each.access, _labels(each)) for each in found]
        output.table(["name", "database", "access", "labels"], rows)
    else:
        narration.say("There is no connection that you may open.")


def _labels(connection: ConnectionSummary) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(connection.labels.items()))
