"""What a gateway counts, for Prometheus: how much, how long, how often; never what, and never who.

Invariants: no SQL, name of a person or value of a row is ever a label (INV-4, INV-7), and every label comes from a
closed set, so that no client can make the series grow (INV-9). One registry for each object, none for the process.
What happens with each statement is counted in plain numbers, by the event loop's thread alone, and put into the
format's words when it is asked for: the library's own counters take a lock each time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from hoopd.domain.decision import Outcome
from hoopd.domain.events import Event, RequestSettled, StatementDecided, StatementFinished, StatementOutcome
from hoopd.domain.request import RequestState
from hoopd.runtime import clock

__all__ = ["CONTENT_TYPE", "OTHER", "Metrics"]

OTHER = "other"
CAUSES = ("client", "database", "gateway", "expired", "refused", "limit")
"""Why sessions end."""
LEGS = ("from_client", "to_client", "from_database", "to_database")
SQLSTATE_CLASSES = (
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24",
    "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54",
    "55", "57", "58", "F0", "HV", "P0", "XX",
)  # fmt: skip
"""The first two characters of the codes in appendix A of PostgreSQL's documentation. A function can raise any other."""
JUDGING = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
RUNNING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
HOLDING = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Counter(Collector):
    """One number for each word of a closed set of labels, and where ``other`` is asked for one for all words not in it.

    Without words it is one number, under the empty word.
    """

    def __init__(
        self, name: str, text: str, label: str = "", words: Iterable[str] = (), *, other: bool = False
    ) -> None:
        self._name, self._text, self._labels = name, text, [label] if label else []
        self._counts = dict.fromkeys([str(word) for word in words] or [""], 0)
        if other:
            self._counts[OTHER] = 0

    def add(self, word: str = "", number: int = 1) -> None:
        self._counts[word if word in self._counts else OTHER] += number

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for word, number in self._counts.items():
            family.add_metric([word] if self._labels else [], number)
        yield family


class Histogram(Collector):
    """How often a value was at most each of ``bounds``, how often in all, and their sum."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        at_most, buckets = 0, []
        for bound, number in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            at_most += number
            buckets.append((bound, at_most))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=self._sum)


class Metrics:
    """Counts for one gateway. Everything here takes a microsecond and fails at nothing."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._gauge("hoopd_build_info", "The version of this gateway.", "version").labels(version("hoopctl")).set(1)
        self._sessions = self._gauge("hoopd_sessions", "Sessions that are open or opening.")
        self._ended = self._counters(
            "hoopd_sessions_ended", "Sessions that ended, by what ended them.", "cause", CAUSES
        )
        self._decided = self._counters(
            "hoopd_statements_decided", "Decisions on statements.", "decision", Outcome, other=False
        )
        self._finished = self._counters(
            "hoopd_statements_finished", "Statements that ended, by how.", "outcome", StatementOutcome, other=False
        )
        self._unjudged = self._counters(
            "hoopd_statements_unjudged",
            "Statements refused since no verdict could be had: catalog, policy, store.",
        )
        self._errors = self._counters(
            "hoopd_errors",
            "Errors that ended a statement, or kept a session from opening, by class of SQLSTATE.",
            "sqlstate_class",
            SQLSTATE_CLASSES,
        )
        self._settled = self._counters(
            "hoopd_requests_settled", "Requests that were settled, by how.", "state", RequestState, other=False
        )
        self._held = self._gauge("hoopd_statements_held", "Statements that wait for reviewers now.")
        self._bytes = self._counters("hoopd_bytes", "Bytes of sessions, by way.", "leg", LEGS, other=False)
        self._held_seconds = self._histogram(
            "hoopd_hold_seconds", "How long held statements waited for reviewers.", HOLDING
        )
        self._judging_seconds = self._histogram(
            "hoopd_judging_seconds", "How long a verdict took, catalog and analysis included.", JUDGING
        )
        self._statement_seconds = self._histogram(
            "hoopd_statement_seconds", "How long statements that were let through ran.", RUNNING
        )
        self._lag_seconds = self._gauge(
            "hoopd_journal_lag_seconds", "For how long the store has taken nothing of the journal; 0 while it answers."
        )
        self._lag_bytes = self._gauge("hoopd_journal_lag_bytes", "Bytes of the journal that the store does not have.")

    def _counters(
        self, name: str, text: str, label: str = "", words: Iterable[str] = (), *, other: bool = True
    ) -> Counter:
        made = Counter(name, text, label, words, other=other and bool(label))
        self.registry.register(made)
        return made

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
        made = Histogram(name, text, bounds)
        self.registry.register(made)
        return made

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def text(self) -> bytes:
        """All of it in Prometheus's text format, version 0.0.4."""
        return generate_latest(self.registry)

    # What is looked up when it is asked for

    def watch_sessions(self, number: Callable[[], int]) -> None:
        self._sessions.set_function(number)

    def watch_journal(self, seconds: Callable[[], float], size: Callable[[], int]) -> None:
        self._lag_seconds.set_function(seconds)
        self._lag_bytes.set_function(size)

    # What happens

    def saw(self, event: Event) -> None:
        """An event of a session's record, on its way to the journal."""
        match event:
            case StatementDecided(decision=decision):
                self._decided.add(decision)
            case StatementFinished(outcome=outcome, sqlstate=sqlstate, duration_ms=duration):
                self._finished.add(outcome)
                if duration:
                    self._statement_seconds.observe(duration / 1000)
                if sqlstate:
                    self.failed(sqlstate)
            case RequestSettled(outcome=state):
                self._settled.add(state)

    def failed(self, sqlstate: str) -> None:
        self._errors.add(sqlstate[:2])

    def session_ended(self, cause: str) -> None:
        self._ended.add(cause)

    def moved(self, leg: str, size: int) -> None:
        """``size`` bytes went one of the ``LEGS``."""
        self._bytes.add(leg, size)

    def judged(self, seconds: float) -> None:
        self._judging_seconds.observe(seconds)

    def unjudged(self) -> None:
        self._unjudged.add()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """A statement is held for as long as the block lasts."""
        began = clock.monotonic()
        self._held.inc()
        try:
            yield
        finally:
            self._held.dec()
            self._held_seconds.observe(clock.monotonic() - began)
