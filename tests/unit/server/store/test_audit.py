"""Who may ask what of the record, and how much at once."""

import asyncio
from datetime import UTC, datetime

import pytest

from hoopd.domain.errors import InvalidInput, LimitExceeded, NotFound
from hoopd.domain.principal import Principal, Role
from hoopd.store.audit import VERIFICATIONS, Audit, owner_of
from hoopd.store.pool import Store
from hoopd.store.statements import StatementQuery

SESSION = "s-4kq7aaaabbbb"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def person(subject: str, *roles: Role) -> Principal:
    return Principal("idp", subject, None, frozenset(), frozenset(roles), NOON)


ALICE, BOB, DAVE = person("alice"), person("bob"), person("dave", Role.auditor)


@pytest.fixture
def audit(store: Store, keys, recorder, recorded) -> Audit:
    return Audit(store, keys, recorder.holds)


def test_a_role_widens_and_nothing_else() -> None:
    assert owner_of(ALICE) == ("idp", "alice")
    assert owner_of(DAVE) is None
    assert owner_of(person("erin", Role.admin)) is None


@pytest.mark.parametrize(("who", "seen"), [(ALICE, 20), (BOB, 0), (DAVE, 20)])
async def test_search_and_verify_stay_within_what_one_may_see(audit: Audit, who: Principal, seen: int) -> None:
    wide = StatementQuery(owner=None)
    assert len([row async for row in audit.search(wide, who)]) == seen
    assert len([each async for each in audit.verify("", who)]) == bool(seen)


async def test_anothers_session_is_not_found(audit: Audit) -> None:
    with pytest.raises(NotFound):
        await audit.show(SESSION, BOB)
    with pytest.raises(NotFound):
        await anext(audit.replay(SESSION, BOB))
    with pytest.raises(NotFound):
        await anext(audit.verify(SESSION, BOB))


@pytest.mark.parametrize("name", [f"{SESSION}/x", f"{SESSION}/-1", f"{SESSION}/\u0661", f"{SESSION}/{10**30}"])
async def test_what_is_no_statement_is_said(audit: Audit, name: str) -> None:
    with pytest.raises(InvalidInput, match="neither a session nor a statement"):
        await audit.show(name, ALICE)


@pytest.mark.parametrize("name", ["", "s-none", "s-none/1", "\x00", f"{SESSION}/21", f"{SESSION}/0"])
async def test_what_is_not_there_is_not_found(audit: Audit, name: str) -> None:
    with pytest.raises(NotFound):
        await audit.show(name, DAVE)


async def test_what_is_shown_at_once_is_bounded(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9."""
    assert len((await audit.show(SESSION, ALICE)).statements) == 20
    monkeypatch.setattr("hoopd.store.audit.SHOWN_CHARACTERS", 50)
    with pytest.raises(LimitExceeded, match="too long to be shown"):
        await audit.show(SESSION, ALICE)
    assert len((await audit.show(f"{SESSION}/20", ALICE)).statements) == 1


async def test_few_verifications_run_at_once(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9: each holds a connection, and the shipper needs one."""
    running = most = 0
    go = asyncio.Event()

    async def slowly(*_: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == VERIFICATIONS:
            go.set()
        await go.wait()
        running -= 1

    monkeypatch.setattr("hoopd.store.audit.verify_stored", slowly)

    async def verify() -> None:
        async for _ in audit.verify(SESSION, ALICE):
            pass

    await asyncio.gather(*(verify() for _ in range(6)))
    assert most == VERIFICATIONS
