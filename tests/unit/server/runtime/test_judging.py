"""Verdicts on a real catalog: where they are made, and when there is none."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.conninfo import conninfo_to_dict

from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.decision import Outcome
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import PolicyVersion
from hoopd.domain.statement import SessionState
from hoopd.policy.loading import load
from hoopd.runtime import clock, judging
from hoopd.runtime.catalog import CatalogReader
from hoopd.runtime.judging import AT_ONCE, Judging
from hoopd.runtime.policies import Policies
from hoopd.runtime.target import Target
from hoopd.runtime.verdicts import VerdictCache
from hoopd.runtime.visa import Visa
from hoopd.session.commands import Judge
from hoopd.session.judgement import PolicyInForce
from hoopd.sql.facts import PreparedText
from hoopd.sql.named import NothingNamed
from hoopd.sql.parser import deep_recursion
from tests.fixtures.requests import ALICE

STATE = SessionState(search_path="public", role="none", user="app", transaction="I", server_version=180006)
POLICY = "version: 1\nrules: [{name: reads, match: {effects: [read]}, then: allow}]"
LONG = f"select 1 /* {'x' * AT_ONCE} */"


class Ready:
    """A recorder that takes statements until it is told that its store has gone."""

    def __init__(self) -> None:
        self.asked = 0
        self.away_after: int | None = None

    def check_ready(self) -> None:
        self.asked += 1
        if self.away_after is not None and self.asked > self.away_after:
            raise Unavailable("the store is away")


@pytest.fixture
def recorder() -> Ready:
    return Ready()


@pytest.fixture
async def judge(database: str, recorder: Ready, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Judging]:
    dsn = conninfo_to_dict(database)
    monkeypatch.setenv("TEST_PASSWORD", str(dsn["password"]))
    connection = Connection("prod-db", str(dsn["host"]), int(str(dsn["port"])), str(dsn["dbname"]))
    target = Target(connection, str(dsn["user"]), password_env="TEST_PASSWORD", tls=TlsMode.disable)
    reader, policies = CatalogReader(target), Policies()
    policies.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(1)))
    visa = Visa(ALICE, verify=None, check=None)
    yield Judging(visa, connection, "psql", reader, policies, recorder, b"k" * 32, VerdictCache())
    await reader.close()


def asked(text: str) -> Judge:
    return Judge(1, text, STATE)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that judged, in order."""
    seen: list[int] = []
    really = judging.judge

    def noted(*arguments: object) -> object:
        seen.append(threading.get_ident())
        return really(*arguments)

    monkeypatch.setattr(judging, "judge", noted)
    return seen


async def test_a_long_text_does_not_hold_the_sessions_of_others_up(judge: Judging, threads: list[int]) -> None:
    """INV-9: a slow judgement costs its own session time, and no other."""
    verdict = await judge.later(asked(LONG))
    assert verdict.decision.outcome is Outcome.allow
    assert judge.now(asked(LONG)) is None, "it cannot be judged without waiting"
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_short_text_that_runs_a_long_one_does_not_either(judge: Judging, threads: list[int]) -> None:
    """INV-9: and its verdict is never kept."""

    class LongOne(NothingNamed):
        longest = AT_ONCE

        def statement(self, name: str) -> PreparedText | None:
            return PreparedText(name, LONG, f"PREPARE {name} AS {LONG}")

    await judge.later(asked("select 1"))
    threads.clear()
    assert judge.now(Judge(1, "Execute p", STATE, LongOne())) is None
    verdict = await judge.later(Judge(1, "Execute p", STATE, LongOne()))
    assert verdict.statements[0].facts.executes == ("p",)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_short_text_is_judged_at_once(judge: Judging, threads: list[int]) -> None:
    assert judge.now(asked("select 1")) is None, "the catalog has not been read yet"
    await judge.later(asked("select 1"))
    assert judge.now(asked("select 1")) is not None
    assert set(threads) == {threading.get_ident()}


async def test_what_is_masked_written_or_not_understood_is_not_judged_from_an_old_catalog(judge: Judging) -> None:
    await judge.later(asked("select 1"))
    assert judge.now(asked("delete from t")) is None
    assert judge.now(asked("selec 1")) is None


async def test_a_store_that_goes_away_meanwhile_denies_the_statement(judge: Judging, recorder: Ready) -> None:
    """INV-2."""
    recorder.away_after = 0
    with pytest.raises(Unavailable):
        await judge.later(asked(LONG))
    with pytest.raises(Unavailable):
        judge.now(asked("select 1"))


def test_deep_texts_are_judged_by_several_threads_at_once() -> None:
    """Python's recursion limit is one for all threads: none changes it while another may be deep."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        Judging(*[None] * 8)
        raised = sys.getrecursionlimit()
        with deep_recursion():
            assert sys.getrecursionlimit() == raised > 1000
        assert sys.getrecursionlimit() == raised
    finally:
        sys.setrecursionlimit(before)


TIMED = (
    "version: 1\ntimezone: Europe/Berlin\nrules: [{name: reads, match: {effects: [read]}, then: allow}, "
    "{name: evening, match: {if: now.hours > 17}, then: deny}]"
)


async def test_a_verdict_that_hangs_on_the_time_is_as_of_now(judge: Judging, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-1, INV-5: it is asked again at every step, and so when an approval is there."""
    now = datetime(2026, 11, 28, 16, 59, 59, 999999, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    judge._policies.put(PolicyInForce(load(TIMED, "test"), PolicyVersion(2)))
    for text in ("select 1", LONG):
        for moved, outcome in ((0, Outcome.allow), (1, Outcome.deny), (0, Outcome.allow)):
            shown = now + timedelta(microseconds=moved)
            monkeypatch.setattr(clock, "now", lambda shown=shown: shown)
            assert (await judge.later(asked(text))).decision.outcome is outcome
    assert (kept := judge.now(asked("select 1"))) is not None
    assert kept.decision.outcome is Outcome.allow


async def test_the_time_is_given_to_the_minute_and_only_where_it_is_asked_for(judge: Judging) -> None:
    judge._policies.put(PolicyInForce(load(TIMED, "test"), PolicyVersion(2)))
    first = judge._circumstances(judge._policies.current)
    assert first.now is not None
    assert (first.now.second, first.now.microsecond) == (0, 0)
    judge._policies.put(PolicyInForce(load(POLICY, "test"), PolicyVersion(3)))
    assert judge._circumstances(judge._policies.current).now is None
