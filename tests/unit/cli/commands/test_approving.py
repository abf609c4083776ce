"""The sign-in on the spot: with the second client, and kept nowhere (INV-6)."""

import asyncio
from pathlib import Path

import pytest

from hoopctl.client.gateway import meet
from hoopctl.commands.approving import sign_in_to_approve
from hoopctl.errors import Denied, NotSignedIn
from hoopctl.invocation import Invocation
from hoopd.domain.errors import NotSignedIn as GatewayNotSignedIn
from hoopd.identity import Purpose
from tests.fixtures.oidc import confirm, post


@pytest.fixture
async def met(review_gateway, hoopctl_home):
    await review_gateway.sign_in(hoopctl_home, "bob")
    asked = Invocation(environ={"HOOPCTL_HOME": str(hoopctl_home)})
    async with meet(asked) as gateway:
        yield asked, gateway


def files(home: Path):
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


async def test_the_token_is_good_for_decisions_alone_and_is_kept_nowhere_INV_6(met, review_gateway, hoopctl_home):
    asked, gateway = met
    before = files(hoopctl_home)
    token = await sign_in_to_approve(
        asked, gateway, lambda code: confirm(review_gateway.provider, code.user_code, "bob")
    )
    who = await review_gateway.verifier.verify(token.reveal(), Purpose.approval)
    assert (
        who.subject
        == (await review_gateway.verifier.verify(await review_gateway.token_of("bob"), Purpose.session)).subject
    )
    with pytest.raises(GatewayNotSignedIn):
        await review_gateway.verifier.verify(token.reveal(), Purpose.session)
    assert files(hoopctl_home) == before
    assert token.reveal() not in repr(token)


async def test_without_a_person_there_is_no_sign_in(met):
    asked, gateway = met
    asked.no_input = True
    with pytest.raises(NotSignedIn):
        await sign_in_to_approve(asked, gateway, pytest.fail)


async def test_a_person_may_refuse(met, review_gateway):
    asked, gateway = met

    def refuse(code):
        post(review_gateway.provider.verification_uri, user_code=code.user_code, user="bob", action="deny")

    with pytest.raises(Denied):
        await sign_in_to_approve(asked, gateway, refuse)


async def test_the_loop_goes_on_while_the_person_is_waited_for(met, review_gateway):
    asked, gateway = met
    shown = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        signing_in = tasks.create_task(sign_in_to_approve(asked, gateway, shown.set_result))
        code = await shown
        assert not signing_in.done()
        await asyncio.to_thread(confirm, review_gateway.provider, code.user_code, "carol")
    who = await review_gateway.verifier.verify(signing_in.result().reveal(), Purpose.approval)
    assert who.email == "carol@example.com"
