"""``hoopd migrate``: bring the store's schema up to date."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hoopd.commands import output
from hoopd.commands.store import store_of
from hoopd.settings import load
from hoopd.store import migrate as store_migrate


def migrate(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The settings file, hoopd.yaml.")
    ] = Path("hoopd.yaml"),
    json: Annotated[bool, typer.Option("--json", help="One JSON line with what was applied.")] = False,
) -> None:
    """Bring the store's schema up to date.

    Applies the migrations that the store does not have yet; safe to run twice, and by several at once.
    """
    with store_of(load(config)) as store:
        applied = asyncio.run(store_migrate.migrate(store.dsn))
    if json:
        output.emit({"event": "migrated", "applied": list(applied)})
    elif applied:
        output.write(f"applied: {', '.join(applied)}")
    else:
        output.write("the store's schema is up to date")
