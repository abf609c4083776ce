"""Live sessions and their cancel keys."""

from __future__ import annotations

import pytest

from hoopd.domain.errors import LimitExceeded
from hoopd.domain.ids import SessionId
from hoopd.runtime.bounds import Bounds
from hoopd.runtime.registry import Live, Registry, new_session_id

ALICE, BOB, CAROL = ("iss", "alice"), ("iss", "bob"), ("iss", "carol")


@pytest.mark.parametrize("size", [4, 32])
def test_a_key_cancels_its_own_session_for_its_own_person_while_it_lives(size: int) -> None:
    """THREATS 11"""
    registry, said = Registry(), list[str]()
    with registry.key(ALICE, size) as (pid, secret), registry.key(ALICE, size) as (other, _):
        assert not registry.cancel(ALICE, pid, secret), "not open yet"
        for number in (pid, other):
            registry.add(
                Live(
                    SessionId(str(number)), ALICE, number, secret, lambda n=number: said.append(str(n)), lambda *_: None
                )
            )
        short, long = secret[:-1], secret + b"\0"
        guessed = [(ALICE, pid, wrong) for wrong in (bytes(size), b"", short, long)]
        for wrong in (*guessed, (BOB, pid, secret), (ALICE, pid ^ 1, secret)):
            assert not registry.cancel(*wrong)
        assert said == []
        assert registry.cancel(ALICE, pid, secret)
        assert said == [str(pid)]
    assert not registry.cancel(ALICE, pid, secret)
    assert len(registry) == 0


@pytest.mark.parametrize("size", [4, 32])
def test_keys_are_unguessable_and_fit_the_protocol(size: int) -> None:
    registry = Registry()
    keys = set()
    for _ in range(100):
        with registry.key(ALICE, size) as (pid, secret):
            assert 0 < pid < 2**31
            assert len(secret) == size
            keys.add((pid, secret))
    assert len(keys) == 100


def test_limits_hold_from_the_opening_on() -> None:
    """INV-9"""
    registry = Registry(Bounds(sessions=2, sessions_per_person=1))
    with registry.key(ALICE, 4):
        with pytest.raises(LimitExceeded, match="you have 1 sessions open"), registry.key(ALICE, 4):
            pass
        with registry.key(BOB, 4):
            assert len(registry) == 2
            with (
                pytest.raises(LimitExceeded, match="the gateway has 2 sessions open"),
                registry.key(CAROL, 4),
            ):
                pass
    with registry.key(ALICE, 4):
        assert len(registry) == 1


def test_connections_that_do_not_sign_in_are_counted_too() -> None:
    """INV-9, THREATS 23"""
    registry = Registry(Bounds(entering_per_person=1))
    refused = pytest.raises(LimitExceeded, match="have not signed in yet")
    with registry.entering(ALICE), registry.entering(BOB), refused, registry.entering(ALICE):
        pytest.fail("a third")
    with registry.entering(ALICE):
        pass


def test_all_are_ended() -> None:
    registry, said = Registry(), list[tuple[str, str, str]]()
    with registry.key(ALICE, 4) as (pid, secret):
        registry.add(Live(SessionId("s"), ALICE, pid, secret, lambda: None, lambda *words: said.append(words)))
        registry.end_all("gateway", "57P01", "bye")
    assert said == [("gateway", "57P01", "bye")]


def test_session_ids() -> None:
    assert new_session_id().startswith("s-")
    assert len({new_session_id() for _ in range(100)}) == 100
