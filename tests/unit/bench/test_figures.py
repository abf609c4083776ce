"""Medians, quartiles and ratios of pairs, and when a target counts as met."""

from tests.bench.figures import DIRECT, RELAY, TUNNEL, Measure, Spread, Target, slower


def rates(*rounds: dict[str, float]) -> Measure:
    return Measure("pgbench simple 1", "1/s", rounds=list(rounds))


def test_ratios_are_taken_within_a_round_never_across() -> None:
    measure = rates({RELAY: 10.0, DIRECT: 100.0}, {RELAY: 5.0, DIRECT: 10.0}, {RELAY: 30.0, DIRECT: 100.0})
    assert measure.ratio(RELAY, DIRECT) == Spread(0.2, 0.3, 0.4)


def test_a_round_without_one_of_the_two_does_not_count() -> None:
    measure = rates({RELAY: 10.0}, {RELAY: 5.0, DIRECT: 10.0})
    assert measure.ratio(RELAY, DIRECT) == Spread(0.5, 0.5, 0.5)
    assert measure.ratio(TUNNEL, DIRECT) is None


def test_times_are_compared_by_difference() -> None:
    measure = Measure("connect", "ms", rate=False, rounds=[{TUNNEL: 7.0, DIRECT: 3.0}])
    assert measure.compared(TUNNEL, DIRECT) == Spread(4.0, 4.0, 4.0)


def test_variants_come_in_one_order_whichever_was_measured_first() -> None:
    assert rates({TUNNEL: 1.0, DIRECT: 2.0}).variants() == [DIRECT, TUNNEL]


def test_more_is_better_for_a_rate_and_less_for_a_time() -> None:
    rate = Target("pgbench simple 1", TUNNEL, RELAY, 0.6)
    assert rate.met(rates({TUNNEL: 6.0, RELAY: 10.0})) is True
    assert rate.met(rates({TUNNEL: 5.9, RELAY: 10.0})) is False
    assert rate.met(rates({TUNNEL: 5.9})) is None
    time = Target("connect", TUNNEL, DIRECT, 5.0)
    assert time.met(Measure("connect", "ms", rate=False, rounds=[{TUNNEL: 8.0, DIRECT: 3.0}])) is True
    assert time.met(Measure("connect", "ms", rate=False, rounds=[{TUNNEL: 8.1, DIRECT: 3.0}])) is False


def test_slower_is_what_even_a_good_quarter_of_its_rounds_says() -> None:
    then = Spread(0.50, 0.52, 0.54)
    assert not slower(Spread(0.30, 0.40, 0.46), then), "its spread still reaches what was"
    assert slower(Spread(0.30, 0.40, 0.44), then)
