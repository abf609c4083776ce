"""A cancel that reaches another gateway: which session it stops, and what is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from hoopd.approvals.snapshots import digest
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import RequestId
from hoopd.domain.request import Verdict
from hoopd.pgwire import startup
from hoopd.pgwire.frontend import make_query
from hoopd.runtime import cancels
from hoopd.runtime.cancels import Cancels
from hoopd.runtime.registry import Live, Registry
from hoopd.store.cancels import CHANNEL, CancelBoard
from hoopd.store.listener import Listener
from tests.unit.server.runtime.bench import Bench, bench, now, person

ALICE, MALLORY = ("iss", "alice"), ("iss", "mallory")


class Gateways:
    """Some that hear each other, with a session on the last of them."""

    def __init__(self, keys: list[bytes]) -> None:
        self.told: list[str] = []
        self.cancelled = 0
        self.now = now()
        self.all = [Cancels(key, self._tell, lambda: self.now) for key in keys]
        registry = Registry()
        with registry.key(ALICE, 4) as (self.pid, self.secret):
            pass
        registry.add(Live("s-1", ALICE, self.pid, self.secret, self._cancel, lambda *_: None))
        for each in self.all[:-1]:
            each.serve(Registry())
        self.all[-1].serve(registry)

    async def _tell(self, payload: str) -> None:
        self.told.append(payload)
        for each in self.all:
            each.heard(payload)

    def _cancel(self) -> None:
        self.cancelled += 1


async def test_a_cancel_finds_its_session_on_another_gateway() -> None:
    gateways = Gateways([b"k", b"k", b"k"])
    await gateways.all[0].pass_on(ALICE, gateways.pid, gateways.secret)
    assert gateways.cancelled == 1
    assert gateways.secret.hex() not in gateways.told[0]


async def test_nobody_elses_cancel_counts_nor_a_wrong_key_nor_a_stranger_on_the_store() -> None:
    gateways = Gateways([b"k", b"k"])
    first = gateways.all[0]
    await first.pass_on(MALLORY, gateways.pid, gateways.secret)
    await first.pass_on(ALICE, gateways.pid, bytes(4))
    await first.pass_on(ALICE, gateways.pid + 1, gateways.secret)
    await Cancels(b"another key", gateways._tell, now).pass_on(ALICE, gateways.pid, gateways.secret)
    pid = str(gateways.pid)
    for parts in ("", ":", pid, f"{pid}:", f"{pid}::", f"{pid}:1:é", "²:1:x", "x:1:y", "-1:1:", f"{pid}:{'9' * 30}:x"):
        gateways.all[1].heard(parts)
    gateways.all[1].heard(None)
    assert gateways.cancelled == 0


async def test_what_was_told_counts_once_and_not_for_long() -> None:
    """Whoever reads the store's notifications sends it again, and with another time."""
    gateways = Gateways([b"k", b"k"])
    await gateways.all[0].pass_on(ALICE, gateways.pid, gateways.secret)
    assert gateways.cancelled == 1
    (told,) = gateways.told
    pid, time, proof = told.split(":")
    for again in (told, f"{pid}:{int(time) + 1}:{proof}", f"{pid}:0{time}:{proof}", f"{pid}:{time}:{proof.upper()}"):
        gateways.all[1].heard(again)
    assert gateways.cancelled == 1
    await gateways.all[0].pass_on(ALICE, gateways.pid, gateways.secret)
    assert gateways.cancelled == 1, "in the same microsecond it is the same"
    gateways.now += timedelta(seconds=1)
    await gateways.all[0].pass_on(ALICE, gateways.pid, gateways.secret)
    assert gateways.cancelled == 2
    for seconds in (cancels.SECONDS, cancels.SECONDS, 3600):
        gateways.now += timedelta(seconds=seconds)
        for again in gateways.told:
            gateways.all[1].heard(again)
    assert gateways.cancelled == 2
    assert len(gateways.all[1]._counted) == 0


async def test_what_has_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9: past that none count, rather than one twice."""
    monkeypatch.setattr(cancels, "KEPT", 3)
    gateways = Gateways([b"k", b"k"])
    for _ in range(5):
        await gateways.all[0].pass_on(ALICE, gateways.pid, gateways.secret)
        gateways.now += timedelta(milliseconds=1)
    assert gateways.cancelled == 3


async def test_where_the_store_is_away_a_cancel_is_lost_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    async def away(payload: str) -> None:
        raise Unavailable("the store does not answer")

    lonely = Cancels(b"k", away, now)
    await lonely.pass_on(ALICE, 7, b"1234")
    lonely.heard("7:1:proof")
    assert "could not be passed on: the store does not answer" in caplog.text


async def test_a_cancel_that_arrives_at_one_gateway_stops_a_held_statement_of_the_other(database: str) -> None:
    """THREATS 11, with a store between them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.things (id int primary key, name text)")
    async with bench(database) as one, bench(database) as other:
        tells = CancelBoard(one.store).tell
        here, there = Cancels(b"k", tells, now), Cancels(b"k", tells, now)
        there.serve(other.gateway.registry)
        one.gateway._services = replace(one.services, cancels=here)
        listener = Listener(database, (CHANNEL,))
        listener.subscribe(CHANNEL, there.heard)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listener.run())
            await listener.connected.wait()
            async with other.client() as client:
                client.send(make_query(b"delete from things"))
                await client.pipe.held()
                await cancelled_at(one, client.pid, client.secret)
                lines = await client.until()
                assert lines[-2:] == ["E ERROR 57014 canceling statement due to user request", "Z I"]
            listening.cancel()


async def cancelled_at(gateway: Bench, pid: int, secret: bytes) -> None:
    asking = gateway.connect(person())
    asking.send(startup.make_cancel(pid, secret))
    assert (await asking.ended()).message == "cancel request"


async def test_an_approval_at_one_gateway_frees_a_statement_held_by_the_other(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table public.things (id int primary key, name text)")
        connection.execute("insert into public.things values (1, 'a')")
    async with bench(database) as one, bench(database) as other, other.client() as client:
        client.send(make_query(b"delete from things"))
        request = await client.pipe.held()
        reviewer = person("bob", groups=frozenset({"dba"}))
        shown = await one.services.broker.show(RequestId(request), reviewer)
        said = await one.services.broker.decide(
            RequestId(request), Verdict.approve, reviewer, "", digest(shown.snapshot)
        )
        assert said.result == "approved"
        assert (await client.until())[-2:] == ["C DELETE 1", "Z I"]
