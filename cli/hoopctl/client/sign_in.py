"""The way from an invocation to a bearer: the kept token, renewed without asking, or a new sign-in on a terminal.

A token goes only to the gateway, and the CA, that it was got for: both are in the ``Binding`` that it is kept under.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from hoopctl import narration
from hoopctl.client.gateway import Gateway, Identity
from hoopctl.clock import Clock
from hoopctl.errors import NotSignedIn, Unreachable
from hoopctl.identity.device_flow import DeviceFlow
from hoopctl.identity.token_cache import TokenCache
from hoopctl.identity.token_source import MARGIN, TokenSource
from hoopctl.identity.tokens import Binding, Tokens
from hoopctl.invocation import Invocation
from hoopctl.profiles import open_home
from hoopctl.verification import show


def cache_of(run: Invocation) -> TokenCache:
    """What the profile of ``run`` keeps of its sign-ins."""
    return TokenCache(open_home(run.environ).path, run.profile.name, environ=run.environ)


def binding_of(gateway: Gateway) -> Binding:
    """What tokens for ``gateway`` are bound to."""
    hello = gateway.hello
    return Binding(str(gateway.server), gateway.trust.fingerprint, hello.issuer, hello.client_id)


class KeptBearer:
    """The kept token of one binding, renewed when it nears its end.

    The keyring and the provider are asked in a thread.
    """

    def __init__(self, source: TokenSource, first: Tokens, clock: Clock) -> None:
        self._source = source
        self._now = first
        self._clock = clock

    @property
    def expires(self) -> datetime:
        """When the token of now ends (UTC)."""
        return self._now.expires_at

    async def token(self) -> str:
        """A token that is good for a while. Raises NotSignedIn or Unreachable when there is none to be had."""
        if self._now.expires_at - self._clock() <= MARGIN:
            self._now = await asyncio.to_thread(self._source.current)
        return self._now.id_token

    async def renewed(self) -> str:
        """A token newer than the one of now.

        Raises NotSignedIn when the sign-in cannot be renewed, Unreachable when it cannot be at the moment.
        """
        before = self._now
        left = before.expires_at - self._clock()
        self._now = await asyncio.to_thread(self._source.current, left + timedelta(seconds=1))
        if self._now.id_token != before.id_token:
            return self._now.id_token
        if self._now.refresh_token is None:
            ends = f"{before.expires_at.astimezone():%H:%M:%S}"
            raise NotSignedIn(f"The sign-in ends at {ends} and cannot be renewed.", hint="Run: hoopctl login")
        raise Unreachable("The sign-in cannot be renewed at the moment.", hint="hoopctl tries again.")


class _GivenBearer:
    """One token, for the moment between getting and keeping it."""

    def __init__(self, tokens: Tokens) -> None:
        self.expires = tokens.expires_at
        self._token = tokens.id_token

    async def token(self) -> str:
        return self._token

    async def renewed(self) -> str:
        raise NotSignedIn("The gateway does not take the token that the identity provider gave.")


async def bearer_for(run: Invocation, gateway: Gateway) -> KeptBearer:
    """The bearer of ``run``'s profile at ``gateway``, by signing in on a terminal when there is no token.

    Raises NotSignedIn where there is no token to be had without asking, and nobody may be asked.
    """
    source = TokenSource(cache_of(run), binding_of(gateway), clock=run.clock)
    try:
        tokens = await asyncio.to_thread(source.current)
    except NotSignedIn:
        if not run.may_ask:
            raise
        await sign_in(run, gateway)
        tokens = await asyncio.to_thread(source.current)
    return KeptBearer(source, tokens, run.clock)


async def sign_in(run: Invocation, gateway: Gateway) -> Identity:
    """Sign in with a code, and keep the tokens once the gateway has taken them; who was signed in.

    Raises Denied, TimedOut or Unreachable as the provider answers, NotSignedIn when the gateway does not take the
    token.
    """
    hello = gateway.hello
    flow = DeviceFlow(hello.issuer, hello.client_id, hello.scopes, clock=run.clock)
    show(await asyncio.to_thread(flow.start), f"Sign in to {gateway.server}", as_json=run.json)
    tokens = None
    while tokens is None:
        await asyncio.sleep(flow.pause)
        tokens = await asyncio.to_thread(flow.attempt)
    identity = await gateway.signed_in(_GivenBearer(tokens)).whoami()
    cache = cache_of(run)
    await asyncio.to_thread(cache.save, binding_of(gateway), tokens)
    run.profile.remember_server(gateway.server)
    narration.aside(f"The sign-in is kept in {cache.place}.")
    return identity


async def sign_out(run: Invocation) -> int:
    """Forget the sign-ins of ``run``'s profile: at ``--server`` when it was given, else everywhere.

    How many there were.
    """
    cache, chosen = cache_of(run), run.profile.chosen

    def forget() -> int:
        if chosen is None:
            return cache.forget_all()
        return sum(cache.forget(binding) for binding in cache.bindings() if binding.server == str(chosen))

    return await asyncio.to_thread(forget)


async def tunnel_password(run: Invocation, connection: str) -> str:
    """The password of tunnels to ``connection``: the same for this profile each time."""
    return await asyncio.to_thread(cache_of(run).secret_for, connection)
