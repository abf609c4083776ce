"""How a sign-in with a code is shown: the link and the code, large, or one JSON line for a program that shows them
itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hoopctl import narration, output

if TYPE_CHECKING:
    from hoopctl.identity.device_flow import Verification


def as_line(verification: Verification) -> dict[str, object]:
    """The ``verify`` line of every command that signs in."""
    return {
        "event": "verify",
        "verification_uri": verification.verification_uri,
        "verification_uri_complete": verification.verification_uri_complete,
        "user_code": verification.user_code,
        "expires_in": verification.expires_in,
    }


def show(verification: Verification, purpose: str, *, as_json: bool) -> None:
    """Show what a person must do to sign in for ``purpose`` ("Sign in", "Sign in to approve r-7f3k").

    On a graphical display the page is opened as well, never with ``as_json``.
    """
    if as_json:
        output.emit(as_line(verification))
        return
    _draw(verification, purpose)
    from hoopctl.identity.browser import open_browser_if_graphical

    if open_browser_if_graphical(verification.verification_uri_complete or verification.verification_uri):
        narration.aside("The page has been opened in the browser: check that it shows this code.")
    narration.aside(f"Waiting for you; the code is good for {verification.expires_in // 60 or 1} min.")


def _draw(verification: Verification, purpose: str) -> None:
    from rich.align import Align
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.text import Text

    code = output.printable(verification.user_code, one_line=True)
    link = output.printable(verification.verification_uri, one_line=True)
    complete = verification.verification_uri_complete
    parts = [Text(f"Open {link}", overflow="fold"), Text("and enter the code")]
    parts += [Text(""), Text(code, style="bold reverse", justify="center"), Text("")]
    if complete:
        parts.append(Text(f"or open {output.printable(complete, one_line=True)}", overflow="fold"))
    console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    console.print(Panel(Group(*(Align.center(part) for part in parts)), title=Text(purpose), padding=(1, 4)))
