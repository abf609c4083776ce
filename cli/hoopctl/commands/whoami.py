"""``hoopctl whoami``: who the gateway takes the caller for."""

from __future__ import annotations

import typer

from hoopctl import output
from hoopctl.client.gateway import Identity, with_session
from hoopctl.clock import rfc3339
from hoopctl.invocation import Invocation, invocation, run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


async def _ask(asked: Invocation) -> tuple[Identity, str]:
    async with with_session(asked) as gateway:
        return await gateway.whoami(), str(gateway.server)


@app.command()
def whoami(ctx: typer.Context) -> None:
    """Show who the gateway takes you for."""
    asked = invocation(ctx)
    identity, server = run(_ask(asked))
    if asked.json:
        output.emit(
            {
                "subject": identity.subject,
                "email": identity.email,
                "groups": list(identity.groups),
                "roles": list(identity.roles),
                "expires": rfc3339(identity.expires),
                "profile": asked.profile.name,
                "server": server,
            }
        )
        return
    output.write(f"{identity.email or identity.subject} at {server}")
    output.write(f"groups: {', '.join(identity.groups) or 'none'}")
    if identity.roles:
        output.write(f"roles: {', '.join(identity.roles)}")
    output.write(f"signed in until {identity.expires.astimezone():%Y-%m-%d %H:%M:%S %Z}")
