"""From what was measured to what is said of it: medians, quartiles, ratios of pairs, and whether a target is met.

Values are compared within a round only: what one round measured for two variants was measured side by side, so whatever
else the machine did meanwhile weighs on both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DIRECT, PGBOUNCER, RELAY, TUNNEL, MASKED = "direct", "pgbouncer", "relay", "tunnel", "masked"
VARIANTS = (DIRECT, PGBOUNCER, RELAY, TUNNEL, MASKED)
PAIRS = ((RELAY, DIRECT), (TUNNEL, RELAY), (TUNNEL, DIRECT), (MASKED, TUNNEL), (PGBOUNCER, DIRECT))
MARGIN = 0.10
"""How far apart the quartiles of two runs must be before one counts as clearly slower."""

Round = dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The quartiles of some values."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)

    def as_list(self) -> list[float]:
        return [round(value, 4) for value in (self.low, self.median, self.high)]


@dataclass(slots=True)
class Measure:
    """One workload: in each round one value for each variant.

    ``rate``: more is better, and variants are compared by ratio; else less is better, and they are compared by
    difference.
    """

    workload: str
    unit: str
    rate: bool = True
    rounds: list[Round] = field(default_factory=list)

    def variants(self) -> list[str]:
        return [name for name in VARIANTS if any(name in each for each in self.rounds)]

    def values(self, variant: str) -> Spread:
        return Spread.of([each[variant] for each in self.rounds if variant in each])

    def ratio(self, over: str, under: str) -> Spread | None:
        """``over`` divided by ``under`` in each round; None where they never met."""
        return self._pairs(over, under, lambda a, b: a / b)

    def added(self, over: str, under: str) -> Spread | None:
        """``over`` less ``under`` in each round; None where they never met."""
        return self._pairs(over, under, lambda a, b: a - b)

    def compared(self, over: str, under: str) -> Spread | None:
        """As this measure is compared: ratios of rates, differences of everything else."""
        return self.ratio(over, under) if self.rate else self.added(over, under)

    def _pairs(self, over: str, under: str, how: Callable[[float, float], float]) -> Spread | None:
        pairs = [how(each[over], each[under]) for each in self.rounds if over in each and under in each]
        return Spread.of(pairs) if pairs else None


@dataclass(frozen=True, slots=True)
class Target:
    """What a measure should come to: at least ``bound`` where more is better, at most ``bound`` else.

    ``under``: what the value is compared with; None for the value itself.
    """

    workload: str
    over: str
    under: str | None
    bound: float

    def found(self, measure: Measure) -> Spread | None:
        """What it came to; None where it was not measured."""
        if self.under is not None:
            return measure.compared(self.over, self.under)
        return measure.values(self.over) if self.over in measure.variants() else None

    def met(self, measure: Measure) -> bool | None:
        """None where it was not measured."""
        found = self.found(measure)
        if found is None:
            return None
        return found.median >= self.bound if measure.rate else found.median <= self.bound


def pgbench_targets() -> list[Target]:
    found = []
    for protocol, over_relay in (("simple", 0.6), ("extended", 0.8), ("prepared", 0.8)):
        for clients in (1, 8, 32):
            found.append(Target(f"pgbench {protocol} {clients}", TUNNEL, RELAY, over_relay))
        found.append(Target(f"pgbench {protocol} 8", TUNNEL, DIRECT, 0.25))
        found.append(Target(f"pgbench {protocol} 32", TUNNEL, DIRECT, 0.40))
        found.append(Target(f"p50 {protocol} 1", TUNNEL, RELAY, 0.150))
        found.append(Target(f"p50 {protocol} 1", TUNNEL, DIRECT, 0.65))
    return found


TARGETS = [
    *pgbench_targets(),
    Target("rows drained", TUNNEL, DIRECT, 0.9),
    Target("connect", TUNNEL, DIRECT, 5.0),
    Target("idle 1000 gateway", TUNNEL, None, 150.0),
    Target("slow reader 1024 MiB gateway", TUNNEL, None, 64.0),
]


def slower(now: Spread, then: Spread) -> bool:
    """Whether ratios of rates are clearly lower than they were: even their upper quartile is below the lower one."""
    return now.high < then.low * (1 - MARGIN)
