"""``hoopctl logout``: forget the tokens of a profile."""

from __future__ import annotations

import typer

from hoopctl import output
from hoopctl.client.sign_in import sign_out
from hoopctl.invocation import invocation, run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def logout(ctx: typer.Context) -> None:
    """Sign out and forget the tokens.

    All of the profile, or those for one gateway with --server. Tunnel passwords stay, so that saved editor settings
    go on working.
    """
    asked = invocation(ctx)
    forgotten = run(sign_out(asked))
    if asked.json:
        output.emit({"event": "signed_out", "profile": asked.profile.name, "sign_ins": forgotten})
    else:
        output.write("Signed out." if forgotten else "Nobody was signed in.")
