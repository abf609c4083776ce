"""The approval sign-in: made when it is needed, kept in memory, used until it ends (INV-6)."""

import asyncio
from datetime import timedelta

import pytest

from hoopctl.errors import Denied
from hoopctl.requests import Decided, Verdict
from hoopctl.tui.approver import Approver
from tests.fixtures.inbox import CODE, ScriptedPort, request


def nothing(_):
    pass


async def test_one_sign_in_serves_until_it_expires():
    port = ScriptedPort()
    approver = Approver(port)
    shown = []
    for number in (1, 2):
        await approver.decide(request(number), Verdict.approve, "", shown.append)
    assert [token for *_, token in port.decided] == ["token-1", "token-1"]
    assert shown == [CODE, None]
    port.time += port.token_life
    await approver.decide(request(3), Verdict.reject, "no", shown.append)
    assert port.decided[-1] == (request(3).id, Verdict.reject, "no", "token-2")


async def test_a_sign_in_that_the_gateway_no_longer_takes_is_made_anew_once():
    port = ScriptedPort()
    approver = Approver(port)
    await approver.decide(request(1), Verdict.approve, "", nothing)
    stale = Decided("refused", "the sign-in is too old", None, sign_in_again=True)
    port.answers = [stale]
    said = await approver.decide(request(2), Verdict.approve, "", nothing)
    assert said.result == "approved"
    assert [token for *_, token in port.decided] == ["token-1", "token-1", "token-2"]
    port.answers = [stale, stale]
    assert await approver.decide(request(3), Verdict.approve, "", nothing) == stale
    assert not approver.signed_in


async def test_a_fresh_sign_in_that_is_refused_is_not_tried_again():
    port = ScriptedPort()
    port.answers = [Decided("refused", "wrong person", None, sign_in_again=True)]
    said = await Approver(port).decide(request(), Verdict.approve, "", nothing)
    assert said.result == "refused"
    assert port.sign_ins == 1


async def test_a_refused_sign_in_says_no_word():
    port = ScriptedPort()

    async def refuse(show):
        raise Denied("The sign-in was denied.")

    port.sign_in = refuse
    with pytest.raises(Denied):
        await Approver(port).decide(request(), Verdict.approve, "", nothing)
    assert port.decided == []


async def test_a_sign_in_about_to_end_is_not_used():
    port = ScriptedPort()
    port.token_life = timedelta(seconds=5)
    approver = Approver(port)
    await approver.decide(request(1), Verdict.approve, "", nothing)
    assert not approver.signed_in


async def test_two_words_at_once_share_one_sign_in():
    port = ScriptedPort()
    approver = Approver(port)
    await asyncio.gather(*(approver.decide(request(n), Verdict.approve, "", nothing) for n in (1, 2)))
    assert port.sign_ins == 1
