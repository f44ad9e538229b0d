"""One more forced dollar, and the largest shock survived: on ladders whose answers can be stated, and on short runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.counterfactual import setting
from experiments.counterfactual.critical import (
    BRACKETED,
    SURVIVES_ALL,
    SURVIVES_NONE,
    bisect,
    critical,
    median,
    share_closed,
)
from experiments.counterfactual.marginal import as_ratio, marginal, per_dollar
from experiments.counterfactual.measure import measure
from experiments.counterfactual.numbers_command import critical_json, critical_lines, marginal_json, marginal_lines
from experiments.scenario import Scenario
from experiments.validation.case import published
from experiments.validation.liquidation import Ladder
from market.errors import InputError
from market.streams import Streams
from tests.cuts import CUTS

SHORT = (*CUTS["flash-crash"], "population.count=600", "hours=0.12")


def closed_lots(ladder: Ladder, ticks: int) -> int:
    """Lots closed by force after a sale that alone makes the price fall by so many ticks."""
    ladder.shock(ticks)
    return int(ladder.world.events["lots"].sum())


@pytest.mark.parametrize("rho", published()["LADDER"]["inputs"]["rho"])
def test_on_a_ladder_the_ratio_is_liquidatable_over_depth(rho: int) -> None:
    """One account of rho lots a tick on a book of D: a sale of a tick's depth brings about rho / D of its own size,
    that again, and so on. Exact where the fall ends on a whole rung."""
    depth, shock, more = published()["LADDER"]["inputs"]["D"], 40, 20
    ladders = [Ladder([1] * 900, lots=rho, depth=depth, reach=2_000) for _ in range(2)]
    without, other = (closed_lots(ladder, ticks) for ladder, ticks in zip(ladders, (shock, shock + more), strict=True))
    found = per_dollar([other - without] * 6, [more * depth] * 6)
    ratio = rho / depth
    assert found.value == pytest.approx(ratio / (1.0 - ratio), rel=1e-9)
    assert as_ratio(found).value == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("ratio", [0.3, 0.6])
def test_with_poisson_ladders_the_interval_covers_the_ratio(ratio: float) -> None:
    """Borel: every tick of a fall breaks a Poisson number of accounts, each of which sells a tick of depth."""
    extra = []
    for seed in range(40):
        counts = Streams(seed).generator("tests.marginal").poisson(ratio, 80).tolist()
        sizes = [closed_lots(Ladder(counts, lots=5, depth=5, reach=200), ticks) for ticks in (2, 4)]
        extra.append(float(sizes[1] - sizes[0]))
    found = as_ratio(per_dollar(extra, [10.0] * 40))
    assert found.low is not None
    assert found.high is not None
    assert found.low < ratio < found.high
    assert found.high - found.low < 0.4


def test_few_pairs_are_not_rated_and_nothing_sold_is_refused() -> None:
    assert not per_dollar([1.0] * 3 + [2.0] * 2, [1.0] * 5).rated
    assert not per_dollar([0.0] * 8 + [1.0] * 4, [1.0] * 12).rated
    with pytest.raises(ValueError, match="nothing was sold"):
        per_dollar([1.0], [0.0])
    assert as_ratio(per_dollar([-2.0] * 8 + [-1.0], [1.0] * 9)).value is None


def test_a_sale_on_the_same_random_numbers() -> None:
    """What is compared are two whole runs that differ in the sale alone; a later sale can add less."""
    world = setting("flash-crash", overrides=SHORT)
    found = marginal(world, usd=200_000.0, seeds=[1, 2])
    assert found.calm == 0
    for pair in found.pairs:
        assert pair.sold_usd == pytest.approx(200_000.0, rel=0.02)
        assert pair.extra_usd != 0.0
        assert 0.0 < pair.seconds < 432.0
    assert "too few to rate, 2 pairs of runs" in marginal_lines(found)[0]
    assert len(marginal_json(found)["pairs"]) == 2
    last = marginal(world, usd=200_000.0, seeds=[1], instrument="BTC-PERP", at_seconds=431.0)
    assert abs(last.pairs[0].extra_usd) < abs(found.pairs[0].extra_usd)
    spot = marginal(world, usd=50_000.0, seeds=[1], instrument="BTC-USDC", at_seconds=300.0)
    assert spot.pairs[0].sold_usd == pytest.approx(50_000.0, rel=0.02)
    calm = marginal(setting("flash-crash", overrides=(*SHORT, "hours=0.01")), usd=1e5, seeds=[1])
    assert (calm.calm, calm.pairs) == (1, ())
    assert marginal_lines(calm)[0].startswith("No seed has a cascade to add to")


def test_what_cannot_be_sold() -> None:
    world = setting("flash-crash", overrides=SHORT)
    for options, message in (
        ({"usd": 0.0}, "--usd: 0 is not above 0"),
        ({"usd": 1.0, "instrument": "BTC-PERPS"}, "did you mean 'BTC-PERP'"),
        ({"usd": 1.0, "at_seconds": 1e6}, "is not within the run of 432 s"),
    ):
        with pytest.raises(InputError, match=message):
            marginal(world, seeds=[1], **options)
    with pytest.raises(InputError, match="has several venues"):
        marginal(setting("collateral-exploit"), usd=1.0, seeds=[1])


def test_bisection_ends_beside_the_threshold() -> None:
    found = bisect(lambda position: position, above=0.3, steps=10)
    assert found.outcome == BRACKETED
    assert found.survived <= 0.3 < found.ran_away
    assert found.ran_away - found.survived == 2.0**-10
    assert len(found.tried) == 12
    assert bisect(lambda _: 0.0, above=0.3, steps=10).outcome == SURVIVES_ALL
    none = bisect(lambda _: 1.0, above=0.3, steps=10)
    assert (none.outcome, len(none.tried)) == (SURVIVES_NONE, 1)


def test_median_with_an_exact_interval_and_ends_that_are_not_known() -> None:
    """P(all of 6 above the median) is 1/64 < 2.5 %, of 5 more: the interval of 6 is from the first to the last."""
    six = median([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert six.value == pytest.approx(0.35)
    assert (six.low, six.high, six.rated) == (0.1, 0.6, True)
    assert not median([0.1, 0.2, 0.3, 0.4, 0.5]).rated
    cut = median([0.1, 0.2, 0.3, 0.4, 0.5, math.inf])
    assert cut.value == pytest.approx(0.35)
    assert cut.high is None
    assert median([0.1, math.inf, math.inf, math.inf, math.inf, math.inf]).value is None
    generator = Streams(1).generator("tests.median")
    covered = [
        bool(found.low is not None and found.high is not None and found.low < 0.5 < found.high)
        for found in (median(generator.random(15).tolist()) for _ in range(400))
    ]
    assert 0.93 < np.mean(covered) <= 1.0


def test_the_critical_shock_is_beside_one_that_runs_away() -> None:
    world = setting("flash-crash", overrides=SHORT)
    found = critical(world, "reference.crash_log_return", harmless=-0.01, worst=-0.25, share=0.2, seeds=[1, 2], steps=4)
    for seed, one in zip(found.seeds, found.found, strict=True):
        assert one.outcome == BRACKETED
        value = found.value(one.survived)
        figures, _ = measure(world.changed([f"reference.crash_log_return={value}"]), seed)
        share = dict(one.tried)[one.survived]
        assert share <= 0.2 < dict(one.tried)[one.ran_away]
        scenario = world.changed([])
        assert isinstance(scenario, Scenario)
        assert share == share_closed(setting("flash-crash", overrides=(*SHORT, f"reference.crash_log_return={value}")),
                                     [], seed)  # fmt: skip
        assert figures["liquidated_notional_usd"] > 0.0
    assert "too few to rate, 2 seeds" in critical_lines(found)[0]
    assert critical_json(found)["median"]["rated"] is False


def test_of_several_venues_the_whole_is_at_stake() -> None:
    short = ("hours=0.4", "shocks.mint.at_seconds=120", "shocks.known.at_seconds=180")
    world = setting("collateral-exploit", overrides=(*short, "venues.exchange.population.count=300"))
    found = critical(world, "shocks.known.factor", harmless=1.0, worst=0.1, share=0.9, seeds=[1], steps=1)
    assert found.found[0].outcome in (SURVIVES_ALL, BRACKETED)
    assert 0.0 <= found.found[0].tried[0][1] < 0.9


def test_what_cannot_be_varied() -> None:
    world = setting("flash-crash", overrides=SHORT)
    for path, ends, share, message in (
        ("hours", (1.0, 1.0), 0.2, "expected two different numbers"),
        ("hours", (1.0, -1.0), 0.2, "--vary"),
        ("hour", (1.0, 2.0), 0.2, "did you mean 'hours'"),
        ("hours", (1.0, 2.0), 0.0, "--share: 0 is not in"),
    ):
        with pytest.raises(InputError, match=message):
            critical(world, path, harmless=ends[0], worst=ends[1], share=share, seeds=[1])
