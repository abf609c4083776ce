"""``hoopctl review``: the inbox, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import typer

from hoopctl.client.gateway import Gateway, with_session
from hoopctl.client.requests import Link, RequestsClient
from hoopctl.commands.approving import sign_in_to_approve
from hoopctl.errors import UsageProblem
from hoopctl.identity.browser import open_browser_if_graphical
from hoopctl.identity.device_flow import Verification
from hoopctl.identity.tokens import ApprovalToken
from hoopctl.invocation import Invocation, invocation, run
from hoopctl.requests import Decided, Request, Verdict
from hoopctl.tui.app import ReviewApp
from hoopctl.tui.port import LinkState

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def review(ctx: typer.Context) -> None:
    """Open the inbox of held statements.

    It fills a terminal, and ? shows its keys. For scripts there is `hoopctl requests`.
    """
    asked = invocation(ctx)
    if asked.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageProblem("The inbox needs a terminal.", hint="For scripts: hoopctl requests list|show|approve|reject")
    run(_review(asked))


async def _review(asked: Invocation) -> None:
    async with with_session(asked) as gateway:
        who = await gateway.whoami()
        await ReviewApp(GatewayPort(asked, gateway, who.email or who.subject)).run_async()


class GatewayPort:
    """``tui.port.RequestsPort`` on a gateway."""

    def __init__(self, asked: Invocation, gateway: Gateway, reviewer: str) -> None:
        self._asked = asked
        self._gateway = gateway
        self._client = RequestsClient(gateway)
        self.reviewer = reviewer
        self.server = str(gateway.server)

    def now(self) -> datetime:
        return self._asked.clock()

    async def follow(self) -> AsyncIterator[Request | LinkState]:
        async for news in self._client.follow():
            yield LinkState(news.up, news.problem) if isinstance(news, Link) else news

    async def sign_in(self, show: Callable[[Verification], None]) -> ApprovalToken:
        def show_and_open(code: Verification) -> None:
            show(code)
            open_browser_if_graphical(code.verification_uri_complete or code.verification_uri)

        return await sign_in_to_approve(self._asked, self._gateway, show_and_open)

    async def decide(self, request: Request, verdict: Verdict, comment: str, token: ApprovalToken) -> Decided:
        return await self._client.decide(request, verdict, comment, token.reveal())
