"""A sign-in made for approving, on the spot.

It goes to the provider's second OAuth client, whose tokens are good for decisions and nothing else. The token stays in
the memory of this process: it is never kept in a keyring or a file, where an agent on this machine could use it
(INV-6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hoopctl.client.gateway import Gateway
from hoopctl.errors import NotSignedIn
from hoopctl.identity.device_flow import ApprovalFlow, Verification
from hoopctl.identity.tokens import ApprovalToken
from hoopctl.invocation import Invocation

Show = Callable[[Verification], None]


async def sign_in_to_approve(asked: Invocation, gateway: Gateway, show: Show) -> ApprovalToken:
    """Ask a person to sign in for an approval: ``show`` is called with where and how, then it waits for them.

    Nothing blocks the event loop meanwhile. Raises NotSignedIn with ``--no-input``, Denied when the person refused,
    TimedOut when nobody answered.
    """
    if asked.no_input:
        raise NotSignedIn("A decision needs a person who signs in for it.", hint="Leave out --no-input.")
    hello = gateway.hello
    flow = ApprovalFlow(hello.issuer, hello.approval_client_id, hello.scopes, clock=asked.clock)
    show(await asyncio.to_thread(flow.start))
    while True:
        await asyncio.sleep(flow.pause)
        token = await asyncio.to_thread(flow.attempt)
        if token is not None:
            return token
