"""Oracles by hand: aggregation, confidence, deviation, heartbeat, latency, every kind of fault."""

from __future__ import annotations

import numpy as np
import pytest

from agents.kernels.aggregation import aggregate, confidence
from agents.kernels.oracle import _median
from agents.oracle import OracleFault, OracleFeed, Oracles, OracleSource, OutlierMean, Votes, WeightedMedian
from market.errors import InputError
from market.kernels.records import BUY, SELL
from market.world import World
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world, quote

EXACT = OracleSource(latency_seconds=0.0, noise_bps=0.0)
PROMPT = OracleFeed(sources=(EXACT,), deviation_bps=0.0, latency_seconds=0.0)


def published(
    parameters: Oracles, references: list[int], *, asset: str = "BTC", world: World | None = None
) -> list[int]:
    """The price after each tick, in asset ticks, when the reference takes these values (asset ticks)."""
    world = world or make_world()
    oracles = parameters.join(world, assets=ASSETS, instruments=INSTRUMENTS)
    row = world.asset(asset)
    seen = []
    for reference in references:
        world.assets["reference"][row] = reference
        oracles.publish(world)
        seen.append(int(world.assets["price"][row]))
        world.tick += 1
    return seen


def test_median_of_those_that_answer() -> None:
    oracles = Oracles(feed=OracleFeed(sources=(EXACT,) * 5)).join(make_world(), assets=ASSETS, instruments=INSTRUMENTS)
    scratch = np.zeros(5)
    for values, expected in [
        ((5.0, 1.0, 3.0, 2.0, 4.0), 3.0),
        ((5.0, 0.0, 3.0, 2.0, 4.0), 3.5),
        ((0.0, 0.0, 7.0, 0.0, 0.0), 7.0),
        ((0.0, 0.0, 0.0, 0.0, 0.0), 0.0),
    ]:
        oracles.sources["value"][:5] = values
        assert _median(oracles.sources, 0, 5, scratch) == expected


def aggregated(feed: OracleFeed, *values: float) -> float:
    """What the sources of a feed come to when they say these values."""
    oracles = Oracles(feed=feed).join(make_world(), assets=ASSETS, instruments=INSTRUMENTS)
    oracles.sources["value"][: len(values)] = values
    return float(aggregate(oracles.feeds[0], oracles.sources, np.zeros((2, 3 * len(values)))))


def weighing(*weights: float) -> tuple[OracleSource, ...]:
    """Exact sources with these weights."""
    return tuple(OracleSource(latency_seconds=0.0, noise_bps=0.0, weight=weight) for weight in weights)


def test_weighted_median_is_where_half_of_the_weight_lies() -> None:
    """Hyperliquid's weights: three for Binance, two for OKX and Bybit, one for the others."""
    feed = OracleFeed(sources=weighing(3.0, 2.0, 2.0, 1.0, 1.0), aggregation=WeightedMedian())
    assert aggregated(feed, 100.0, 101.0, 102.0, 50.0, 60.0) == 100.0  # 50, 60, 100: 5 of 9
    assert aggregated(feed, 0.0, 101.0, 102.0, 50.0, 60.0) == 101.0  # without the first: 50, 60, 101
    assert aggregated(feed, 100.0, 0.0, 102.0, 103.0, 0.0) == 101.0  # 3 of 6: halfway to the next
    assert aggregated(feed, 0.0, 0.0, 0.0, 0.0, 0.0) == 0.0


def test_outlier_mean_drops_one_source_and_falls_back_to_the_median_for_more() -> None:
    """Binance's index: weighted mean, without a source 5 % from the median; the median when several are."""
    feed = OracleFeed(sources=weighing(1.0, 1.0, 2.0, 1.0), aggregation=OutlierMean(outlier_bps=500.0))
    assert aggregated(feed, 100.0, 101.0, 102.0, 103.0) == pytest.approx(508.0 / 5.0)
    assert aggregated(feed, 100.0, 101.0, 102.0, 50.0) == pytest.approx(405.0 / 4.0)
    assert aggregated(feed, 100.0, 101.0, 50.0, 50.0) == 75.0
    assert aggregated(feed, 0.0, 101.0, 0.0, 0.0) == 101.0


def stating(*bps: float) -> tuple[OracleSource, ...]:
    """Exact sources that state intervals of these half-widths."""
    return tuple(OracleSource(latency_seconds=0.0, noise_bps=0.0, confidence_bps=width) for width in bps)


def test_votes_are_those_of_pyth() -> None:
    """52,000 +- 10 and 53,000 +- 20: six votes, the middle two 52,010 and 52,980; quartiles 52,000 and 53,000."""
    feed = OracleFeed(sources=stating(1e4 * 10 / 52_000, 1e4 * 20 / 53_000), aggregation=Votes())
    assert aggregated(feed, 52_000.0, 53_000.0) == pytest.approx(52_495.0)
    oracles = Oracles(feed=feed).join(make_world(), assets=ASSETS, instruments=INSTRUMENTS)
    oracles.sources["value"][:2] = (52_000.0, 53_000.0)
    found = confidence(52_495.0, oracles.feeds[0], oracles.sources, np.zeros((2, 6)))
    assert found == pytest.approx(505.0 / 52_495.0)


def test_prices_of_sources_that_disagree_are_withheld() -> None:
    """Two of five sources print half the price; a quartile of the votes is there, 50 % away."""
    prints = tuple(
        OracleFault(asset="BTC", kind="bad_print", start_seconds=1.0, end_seconds=3.0, source=source, factor=0.5)
        for source in (0, 1)
    )
    moves = [4_000_000, 4_010_000, 4_020_000, 4_030_000]
    for widest, seen in ((None, moves), (4_000.0, [4_000_000, 4_000_000, 4_000_000, 4_030_000])):
        feed = OracleFeed(
            sources=stating(*(1.0,) * 5), deviation_bps=0.0, latency_seconds=0.0, widest_confidence_bps=widest
        )
        world = make_world()
        assert published(Oracles(feed=feed, faults=prints), moves, world=world) == seen
    cohort = Oracles(feed=feed, faults=prints).join(world, assets=ASSETS, instruments=INSTRUMENTS)
    world.tick = 1
    cohort.publish(world)
    assert cohort.costs(world) == {"oracle_withheld_feed_seconds": 1.0}
    assert Oracles().join(world, assets=ASSETS, instruments=INSTRUMENTS).costs(world) == {}


def test_small_moves_wait_for_the_deviation() -> None:
    feed = OracleFeed(sources=(EXACT,), deviation_bps=100.0, heartbeat_seconds=1_000.0, latency_seconds=0.0)
    moves = [4_000_000, 4_039_999, 4_040_000, 4_000_001, 3_999_600]
    assert published(Oracles(feed=feed), moves) == [4_000_000, 4_000_000, 4_040_000, 4_040_000, 3_999_600]


def test_heartbeat_publishes_without_a_deviation() -> None:
    feed = OracleFeed(sources=(EXACT,), deviation_bps=100.0, heartbeat_seconds=3.0, latency_seconds=0.0)
    moves = [4_000_001, 4_000_002, 4_000_003, 4_000_004, 4_000_005, 4_000_006, 4_000_007]
    expected = [4_000_000, 4_000_000, 4_000_000, 4_000_004, 4_000_004, 4_000_004, 4_000_007]
    assert published(Oracles(feed=feed), moves) == expected


def test_publication_latency_keeps_every_price_on_its_way() -> None:
    feed = OracleFeed(sources=(EXACT,), deviation_bps=10.0, heartbeat_seconds=1_000.0, latency_seconds=2.0)
    moves = [4_100_000, 4_200_000, 4_200_000, 4_200_000, 4_200_000]
    assert published(Oracles(feed=feed), moves) == [4_000_000, 4_000_000, 4_100_000, 4_200_000, 4_200_000]


def test_source_latency_shows_the_past_and_the_start_before_it() -> None:
    late = OracleFeed(
        sources=(OracleSource(latency_seconds=2.0, noise_bps=0.0),), deviation_bps=0.0, latency_seconds=0.0
    )
    moves = [4_010_000, 4_020_000, 4_030_000, 4_040_000, 4_050_000]
    assert published(Oracles(feed=late), moves) == [4_010_000, 4_010_000, 4_010_000, 4_020_000, 4_030_000]


def test_outage_of_all_sources_leaves_the_price_and_of_one_the_median_of_the_rest() -> None:
    fault = OracleFault(asset="BTC", kind="outage", start_seconds=1.0, end_seconds=3.0)
    moves = [4_100_000, 4_200_000, 4_300_000, 4_400_000]
    assert published(Oracles(feed=PROMPT, faults=(fault,)), moves) == [4_100_000, 4_100_000, 4_100_000, 4_400_000]
    three = OracleFeed(sources=(EXACT,) * 3, deviation_bps=0.0, latency_seconds=0.0)
    one = OracleFault(asset="BTC", kind="outage", start_seconds=1.0, end_seconds=3.0, source=1)
    assert published(Oracles(feed=three, faults=(one,)), moves) == moves


def test_stale_source_repeats_what_it_said_before() -> None:
    fault = OracleFault(asset="BTC", kind="stale", start_seconds=1.0, end_seconds=3.0)
    moves = [4_100_000, 4_200_000, 4_300_000, 4_400_000]
    assert published(Oracles(feed=PROMPT, faults=(fault,)), moves) == [4_100_000, 4_100_000, 4_100_000, 4_400_000]


def test_bad_print_of_one_source_is_outvoted_and_of_two_is_not() -> None:
    three = OracleFeed(sources=(EXACT,) * 3, deviation_bps=0.0, latency_seconds=0.0)
    prints = tuple(
        OracleFault(asset="BTC", kind="bad_print", start_seconds=1.0, end_seconds=2.0, source=source, factor=0.5)
        for source in (0, 2)
    )
    moves = [4_000_000] * 3
    assert published(Oracles(feed=three, faults=prints[:1]), moves) == moves
    assert published(Oracles(feed=three, faults=prints), moves) == [4_000_000, 2_000_000, 4_000_000]


def test_wick_is_a_tent() -> None:
    fault = OracleFault(asset="BTC", kind="wick", start_seconds=0.0, end_seconds=5.0, factor=0.5)
    depths = [round(4_000_000 * (1.0 - 0.5 * height)) for height in (0.2, 0.6, 1.0, 0.6, 0.2, 0.0)]
    assert published(Oracles(feed=PROMPT, faults=(fault,)), [4_000_000] * 6) == depths


def test_price_stays_at_least_one_tick_and_other_assets_have_their_own_faults() -> None:
    fault = OracleFault(asset="BTC", kind="bad_print", start_seconds=0.0, end_seconds=9.0, factor=1e-9)
    assert published(Oracles(feed=PROMPT, faults=(fault,)), [4_000_000]) == [1]
    assert published(Oracles(feed=PROMPT, faults=(fault,)), [250_100], asset="ETH") == [250_100]


def test_constant_assets_are_left_alone() -> None:
    assert published(Oracles(feed=PROMPT), [9_000, 8_000], asset="USDC") == [10_000, 10_000]


def test_venue_source_reads_the_spot_book() -> None:
    feeds = {
        "BTC": OracleFeed(
            sources=(OracleSource(kind="venue", latency_seconds=0.0, noise_bps=0.0),), latency_seconds=0.0
        )
    }
    world = make_world()
    quote(world, "BTC-USDC", side=BUY, price=38_000, lots=10)
    quote(world, "BTC-USDC", side=SELL, price=38_100, lots=10)
    assert published(Oracles(feeds=feeds), [4_000_000], world=world) == [3_805_000]


def test_noise_is_drawn_per_tick_and_repeats_with_the_seed() -> None:
    noisy = Oracles(feed=OracleFeed(sources=(OracleSource(latency_seconds=0.0, noise_bps=5.0),), deviation_bps=0.0))
    first, again = (published(noisy, [4_000_000] * 50) for _ in range(2))
    other = published(noisy, [4_000_000] * 50, world=make_world(seed=2))
    assert first == again != other
    assert 0 < np.std(np.array(first[2:]) / 4_000_000 - 1.0) < 15e-4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (Oracles(feeds={"BTX": PROMPT}), "no asset 'BTX'"),
        (Oracles(faults=(OracleFault(asset="USDC", kind="stale", start_seconds=0.0, end_seconds=1.0),)), "constant"),
        (
            Oracles(faults=(OracleFault(asset="BTC", kind="stale", start_seconds=0.0, end_seconds=1.0, source=3),)),
            "no source 3; BTC has 0 to 2",
        ),
    ],
)
def test_what_does_not_exist_is_refused(parameters: Oracles, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameters.join(make_world(), assets=ASSETS, instruments=INSTRUMENTS)


def test_a_fault_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="not after its start"):
        OracleFault(asset="BTC", kind="stale", start_seconds=2.0, end_seconds=2.0)
