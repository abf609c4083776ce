"""What is counted, and that no word of a client ever becomes a label."""

from __future__ import annotations

import re

import pytest

from hoopd.domain.decision import Outcome
from hoopd.domain.events import RequestSettled, StatementDecided, StatementFinished, StatementOutcome
from hoopd.domain.ids import PolicyVersion, RequestId, StatementNo
from hoopd.domain.request import RequestState
from hoopd.runtime.metrics import Metrics
from tests.unit.server.runtime.bench import bench

SECRET = "select 'their-secret'"


def value(metrics: Metrics, series: str) -> float:
    """Of one series, as it is written in the text."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics.text().decode(), re.MULTILINE)
    assert found is not None, series
    return float(found[1])


def series(metrics: Metrics) -> set[str]:
    return {line.rpartition(" ")[0] for line in metrics.text().decode().splitlines() if not line.startswith("#")}


def decided(outcome: Outcome) -> StatementDecided:
    return StatementDecided(StatementNo(1), SECRET, (), "select", (), (), outcome, ("r",), "why", PolicyVersion(1))


def finished(outcome: StatementOutcome, sqlstate: str = "", milliseconds: float = 0.0) -> StatementFinished:
    return StatementFinished(StatementNo(1), outcome, "SELECT 1", 1, milliseconds, sqlstate, SECRET)


@pytest.mark.parametrize("outcome", Outcome)
def test_decisions_are_counted_by_outcome(outcome: Outcome) -> None:
    metrics = Metrics()
    metrics.saw(decided(outcome))
    for each in Outcome:
        assert value(metrics, f'hoopd_statements_decided_total{{decision="{each}"}}') == (each is outcome)


@pytest.mark.parametrize("outcome", StatementOutcome)
def test_ends_of_statements_are_counted_by_outcome(outcome: StatementOutcome) -> None:
    metrics = Metrics()
    metrics.saw(finished(outcome, milliseconds=2000))
    assert value(metrics, f'hoopd_statements_finished_total{{outcome="{outcome}"}}') == 1
    assert value(metrics, "hoopd_statement_seconds_sum") == 2


@pytest.mark.parametrize("state", RequestState)
def test_requests_are_counted_by_how_they_were_settled(state: RequestState) -> None:
    metrics = Metrics()
    metrics.saw(RequestSettled(StatementNo(1), RequestId("r-1"), state, (), SECRET))
    assert value(metrics, f'hoopd_requests_settled_total{{state="{state}"}}') == 1


@pytest.mark.parametrize(
    ("sqlstate", "label"), [("42P01", "42"), ("ZZ123", "other"), ("", "other"), ('"}\n', "other"), ("é", "other")]
)
def test_errors_are_counted_by_a_class_that_postgresql_has(sqlstate: str, label: str) -> None:
    metrics = Metrics()
    metrics.failed(sqlstate)
    assert value(metrics, f'hoopd_errors_total{{sqlstate_class="{label}"}}') == 1


def test_no_client_can_make_the_series_grow_and_none_holds_its_words() -> None:
    """INV-4, INV-7, INV-9: every series is there from the start."""
    metrics = Metrics()
    before = series(metrics)
    metrics.saw(decided(Outcome.allow))
    for number in range(300):
        metrics.saw(finished(StatementOutcome.error, f"{number:05}", 1.0))
        metrics.session_ended(f"cause {number}")
    assert series(metrics) == before
    assert "their-secret" not in metrics.text().decode()


def test_who_waits_for_reviewers_is_counted_while_it_waits() -> None:
    metrics = Metrics()
    with metrics.holding():
        assert value(metrics, "hoopd_statements_held") == 1
    assert value(metrics, "hoopd_statements_held") == 0
    assert value(metrics, "hoopd_hold_seconds_count") == 1


def test_what_is_watched_is_looked_up_when_it_is_asked_for() -> None:
    metrics = Metrics()
    lag = [7]
    metrics.watch_journal(lambda: 2.5, lambda: lag[0])
    assert value(metrics, "hoopd_journal_lag_seconds") == 2.5
    lag[0] = 9
    assert value(metrics, "hoopd_journal_lag_bytes") == 9


def test_two_gateways_in_a_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.moved("to_client", 5)
    assert value(one, 'hoopd_bytes_total{leg="to_client"}') == 5
    assert value(other, 'hoopd_bytes_total{leg="to_client"}') == 0


async def test_a_session_moves_the_counters(database: str) -> None:
    async with bench(database) as gateway:
        metrics = gateway.services.metrics
        async with gateway.client() as client:
            assert value(metrics, "hoopd_sessions") == 1
            assert (await client.query("select 'their-secret'"))[-1] == "Z I"
            await client.query("select 1 / 0")
            await client.query("create table denied (id int)")
        assert value(metrics, 'hoopd_statements_decided_total{decision="allow"}') == 2
        assert value(metrics, 'hoopd_statements_decided_total{decision="deny"}') == 1
        assert value(metrics, 'hoopd_errors_total{sqlstate_class="22"}') == 1
        assert value(metrics, "hoopd_statement_seconds_count") == 2
        assert value(metrics, "hoopd_judging_seconds_count") == 3
        assert value(metrics, 'hoopd_sessions_ended_total{cause="client"}') == 1
        assert value(metrics, "hoopd_sessions") == 0
        for leg in ("from_client", "to_client", "from_database", "to_database"):
            assert value(metrics, f'hoopd_bytes_total{{leg="{leg}"}}') > 0
        text = metrics.text().decode()
        assert "their-secret" not in text
        assert "alice" not in text


async def test_a_session_that_does_not_open_is_counted_as_refused(database: str) -> None:
    async with bench(database) as gateway:
        await gateway.gateway.stop("it is shutting down")
        client = gateway.connect()
        assert (await client.sign_in(database=gateway.target.connection.database))[-1].startswith("E FATAL 57P03")
        await client.ended()
        assert value(gateway.services.metrics, 'hoopd_sessions_ended_total{cause="refused"}') == 1
        assert value(gateway.services.metrics, 'hoopd_errors_total{sqlstate_class="57"}') == 1
