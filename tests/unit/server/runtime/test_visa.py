"""A session's right to go on (INV-10)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hoopd.domain.errors import NotFound, NotSignedIn, Unavailable
from hoopd.domain.principal import Principal
from hoopd.runtime.visa import Visa
from tests.unit.server.runtime.bench import now, person


def visa(answer: Principal | Exception, *, minutes: float = 60, check: Exception | None = None) -> Visa:
    async def verify(token: str) -> Principal:
        assert token == "fresh"
        if isinstance(answer, Exception):
            raise answer
        return answer

    def checked(principal: Principal) -> None:
        if check is not None:
            raise check

    return Visa(person(minutes=minutes), verify, checked)


async def void(held: Visa) -> str:
    async with asyncio.timeout(20):
        return await held.until_void()


async def test_it_ends_when_the_token_does() -> None:
    """INV-10"""
    assert await void(visa(person(), minutes=-1)) == "the sign-in of this session has expired"
    assert await void(visa(person(), minutes=0.0005)) == "the sign-in of this session has expired"


async def test_a_fresh_token_of_the_same_person_lengthens_it() -> None:
    later = person(minutes=120, email="other@example.com")
    held = visa(later, minutes=0.001)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(held.until_void())
        await asyncio.sleep(0)
        await held.renew("fresh")
        assert held.principal is later
        while held.principal.expires - timedelta(minutes=119.99) > now():
            await asyncio.sleep(0)
        assert not waiting.done()
        held.principal = replace(later, expires=now())
        held._renewed.set()
        assert await waiting == "the sign-in of this session has expired"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (person("bob"), "a token of somebody else was sent for this session"),
        (replace(person(), issuer="https://other.example"), "a token of somebody else was sent for this session"),
        (NotSignedIn("the token has expired"), "the token has expired"),
    ],
)
async def test_any_other_token_ends_it(answer: Principal | Exception, said: str) -> None:
    """INV-10"""
    held = visa(answer)
    before = held.principal
    await held.renew("fresh")
    assert await void(held) == said
    assert held.principal is before


async def test_a_right_that_was_taken_away_ends_it() -> None:
    """INV-10: a group that the fresh token does not hold any more."""
    held = visa(person(), check=NotFound("no such connection"))
    await held.renew("fresh")
    assert await void(held) == "no such connection"


async def test_a_provider_that_is_away_leaves_the_right_that_there_is() -> None:
    held = visa(Unavailable("the provider does not answer"), minutes=0.0005)
    before = held.principal
    await held.renew("fresh")
    assert held.principal is before
    assert await void(held) == "the sign-in of this session has expired"
