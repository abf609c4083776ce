"""The way from an invocation to a bearer: the kept token, renewed without asking, or a new sign-in on a terminal."""

from __future__ import annotations

from hoopctl.client.gateway import Bearer, Gateway
from hoopctl.errors import NotSignedIn
from hoopctl.invocation import Invocation


async def bearer_for(run: Invocation, gateway: Gateway) -> Bearer:
    """The bearer of ``run``'s profile at ``gateway``.

    Raises NotSignedIn where there is no token to be had without asking, and nobody may be asked.
    """
    raise NotSignedIn(f"Nobody is signed in at {gateway.server}.", hint="Run: hoopctl login")


def tunnel_password(run: Invocation, gateway: Gateway, connection: str) -> str:
    """The password of tunnels to ``connection``: the same for this profile and gateway each time."""
    raise NotImplementedError
