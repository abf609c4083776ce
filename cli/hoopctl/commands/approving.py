"""A sign-in made for approving, on the spot.

It goes to the provider's second OAuth client, whose tokens are good for decisions and nothing else. The token stays in
the memory of this process: it is never kept in a keyring or a file, where an agent on this machine could use it
(INV-6).
"""

from __future__ import annotations

from collections.abc import Callable

from hoopctl.client.gateway import Gateway
from hoopctl.errors import NotSignedIn
from hoopctl.invocation import Invocation
from hoopctl.requests import ApprovalToken, Verification

Show = Callable[[Verification], None]


async def sign_in_to_approve(asked: Invocation, gateway: Gateway, show: Show) -> ApprovalToken:
    """Ask a person to sign in for an approval: ``show`` is called with where and how, then it waits for them.

    Raises NotSignedIn with ``--no-input``, when it was refused, or when the code has expired.
    """
    if asked.no_input:
        raise NotSignedIn("A decision needs a person who signs in for it.", hint="Leave out --no-input.")
    raise NotImplementedError
