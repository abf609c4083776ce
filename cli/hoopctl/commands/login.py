"""``hoopctl login``: sign in at a gateway's identity provider."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoopctl import output
from hoopctl.client.gateway import Identity, meet
from hoopctl.client.sign_in import sign_in
from hoopctl.errors import UsageProblem
from hoopctl.invocation import Invocation, invocation, run

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_CA = typer.Option(
    "--ca", metavar="FILE", help="The gateway's CA, in PEM form; kept for next time.", show_default=False
)


async def _sign_in(asked: Invocation, ca: Path | None) -> Identity:
    async with meet(asked, ca) as gateway:
        return await sign_in(asked, gateway)


@app.command()
def login(ctx: typer.Context, ca: Annotated[Path | None, _CA] = None) -> None:
    """Sign in to a gateway.

    Shows a link and a code. Open the link in a browser, on this machine or another, and enter the code.
    """
    asked = invocation(ctx)
    if asked.profile.server is None:
        raise UsageProblem("Which gateway?", hint="hoopctl login --server HOST:PORT")
    identity = run(_sign_in(asked, ca))
    if asked.json:
        output.emit(
            {
                "event": "signed_in",
                "subject": identity.subject,
                "email": identity.email,
                "groups": list(identity.groups),
            }
        )
    else:
        groups = f" ({', '.join(identity.groups)})" if identity.groups else ""
        output.write(f"Signed in as {identity.email or identity.subject}{groups}.")
