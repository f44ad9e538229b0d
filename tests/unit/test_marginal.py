"""One more forced dollar, and the largest shock survived: on ladders whose answers can be stated, and on short runs."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.counterfactual import setting
from experiments.counterfactual.critical import (
    BRACKETED,
    NOT_PURSUED,
    SURVIVES_ALL,
    SURVIVES_NONE,
    Bisection,
    closed_share,
    critical,
    median,
    pursue,
)
from experiments.counterfactual.marginal import SHARE, Marginal, Pair, as_ratio, marginal, per_dollar
from experiments.counterfactual.measure import forced_usd, lost_positions_usd, traces_of
from experiments.counterfactual.numbers_command import critical_json, critical_lines, marginal_json, marginal_lines
from experiments.validation.case import published
from experiments.validation.liquidation import Ladder
from market.errors import InputError
from market.streams import Streams
from tests.cuts import CUTS, SYSTEM_CUTS

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
    """Borel: every tick of a fall breaks a Poisson number of accounts, each of which sells a tick of depth. A fall of 4
    ticks, and one of 2: a tick sold and a tick bought beside one of 3. Groups of seeds have intervals of 95 %."""
    extra = []
    for seed in range(120):
        counts = Streams(seed).generator("tests.marginal").poisson(ratio, 80).tolist()
        sizes = [closed_lots(Ladder(counts, lots=5, depth=5, reach=200), ticks) for ticks in (2, 4)]
        extra.append(float(sizes[1] - sizes[0]))
    whole = as_ratio(per_dollar(extra, [10.0] * 120))
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low < ratio < whole.high
    assert whole.high - whole.low < 0.25
    groups = [as_ratio(per_dollar(extra[first : first + 20], [10.0] * 20)) for first in range(0, 120, 20)]
    covered = [found.low < ratio < found.high for found in groups if found.low is not None and found.high is not None]
    assert len(covered) >= 5, "rated"
    assert sum(covered) >= len(covered) - 1, "of six intervals of 95 %"


def test_pairs_of_a_seed_count_as_one() -> None:
    """Two pairs of a seed are one history: their mean is one value among those of the other seeds."""
    pairs = [
        Pair(seed=seed, instrument="A", seconds=0.0, sold_usd=100.0, extra_usd=extra)
        for seed in range(8) for extra in (10.0 * seed, 30.0 * seed)
    ]  # fmt: skip
    found = Marginal(pairs=tuple(pairs), calm=0).per_dollar
    assert found == per_dollar([40.0 * seed for seed in range(8)], [200.0] * 8)
    assert found.n == 8
    assert found.value == pytest.approx(0.7)


def test_few_pairs_are_not_rated_and_nothing_sold_is_refused() -> None:
    assert not per_dollar([1.0] * 3 + [2.0] * 2, [1.0] * 5).rated
    assert not per_dollar([0.0] * 8 + [1.0] * 4, [1.0] * 12).rated
    with pytest.raises(ValueError, match="nothing was sold"):
        per_dollar([1.0], [0.0])
    assert as_ratio(per_dollar([-2.0] * 8 + [-1.0], [1.0] * 9)).value is None


def test_a_sale_and_a_purchase_on_the_same_random_numbers() -> None:
    """What is compared are two whole runs that differ in the sale alone; at the end of a run nothing can be added."""
    world = setting("flash-crash", overrides=SHORT)
    found = marginal(world, usd=200_000.0, seeds=[1, 2], over_seconds=20.0, repeats=1)
    assert found.calm == 0
    assert len(found.pairs) == 2
    for pair in found.pairs:
        assert pair.sold_usd == pytest.approx(400_000.0, rel=0.03)
        assert pair.extra_usd != 0.0
        assert 0.0 < pair.seconds < 432.0
    assert "too few to rate, 2 pairs of runs" in marginal_lines(found)[0]
    assert len(marginal_json(found)["pairs"]) == 2
    last = marginal(
        world, usd=200_000.0, seeds=[1], instrument="BTC-USDC", at_seconds=430.0, over_seconds=1.0, repeats=1
    )
    assert last.pairs[0].sold_usd == pytest.approx(400_000.0, rel=0.03)
    assert abs(last.pairs[0].extra_usd) < abs(found.pairs[0].extra_usd)
    calm = marginal(setting("flash-crash", overrides=(*SHORT, "hours=0.02")), usd=1e5, seeds=[1])
    assert (calm.calm, calm.pairs) == (1, ())
    assert marginal_lines(calm)[0].startswith("No seed has a cascade to add to")


def test_of_several_venues_it_is_sold_on_one_and_counted_on_all() -> None:
    world = setting("cross-venue-hedge", overrides=SYSTEM_CUTS["cross-venue-hedge"])
    found = marginal(world, seeds=[1], over_seconds=20.0, repeats=1)
    (pair,) = found.pairs
    whole = lost_positions_usd(traces_of(world.scenario, 1))
    assert pair.instrument in ("north:ETH-PERP", "north:BTC-PERP")
    assert pair.sold_usd == pytest.approx(2.0 * SHARE * whole, rel=0.03)
    assert pair.extra_usd != 0.0
    with pytest.raises(InputError, match="did you mean 'south:ETH-PERP'"):
        marginal(world, usd=1.0, seeds=[1], instrument="south:ETH-PERPS")


def test_what_cannot_be_sold() -> None:
    world = setting("flash-crash", overrides=SHORT)
    options: dict[str, Any]
    for options, message in (
        ({"usd": 0.0}, "--usd: 0 is not above 0"),
        ({"usd": 1.0, "instrument": "BTC-PERPS"}, "did you mean 'BTC-PERP'"),
        ({"usd": 1.0, "at_seconds": 1e6}, "is not within the run of 432 s"),
        ({"over_seconds": 1e6}, "--over: 1e.06 is not above 0 and within the run of 432 s"),
        ({"repeats": 0}, "--repeats: 0 is not at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            marginal(world, seeds=[1], **options)
    with pytest.raises(InputError, match="lending-loop: has no books to sell on"):
        marginal(setting("lending-loop"), usd=1.0, seeds=[1])


def searched(ends: list[float], *, steps: int = 10) -> list[Bisection]:
    """Seeds that run away beyond these positions."""
    return pursue(
        lambda runs: [place / (1 << steps) - ends[seed] for seed, place in runs], n=len(ends), above=0.0, steps=steps
    )


def test_a_search_ends_beside_the_threshold() -> None:
    (found,) = searched([0.3])
    assert found.outcome == BRACKETED
    assert found.survived <= 0.3 < found.ran_away
    assert found.ran_away - found.survived == 2.0**-10
    assert len(found.tried) <= 11
    assert searched([2.0])[0].outcome == SURVIVES_ALL
    assert searched([-1.0])[0].outcome == SURVIVES_NONE


def test_seeds_that_cannot_decide_the_median_are_not_pursued() -> None:
    """The answer is that of pursuing all to the end, from fewer runs."""
    ends = Streams(3).generator("tests.ends").random(25).tolist()
    found = searched(ends)
    every = [searched([end])[0] for end in ends]
    both = [
        median([one.survived for one in bisections], [one.ran_away for one in bisections])
        for bisections in (found, every)
    ]
    assert both[0] == both[1]
    assert sum(one.outcome == NOT_PURSUED for one in found) > 8
    assert sum(len(one.tried) for one in found) < 0.75 * sum(len(one.tried) for one in every)


def test_median_with_an_exact_interval_and_ends_that_are_not_known() -> None:
    """P(all of 6 above the median) is 1/64 < 2.5 %, of 5 more: the interval of 6 is from the first to the last."""
    six = median([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert six.value == pytest.approx(0.35)
    assert (six.low, six.high, six.rated) == (0.1, 0.7, True)
    assert not median([0.1, 0.2, 0.3, 0.4, 0.5], [1.0] * 5).rated
    cut = median([0.1, 0.2, 0.3, 0.4, 0.5, math.inf], [0.2, 0.3, 0.4, 0.5, 0.6, math.inf])
    assert cut.value == pytest.approx(0.35)
    assert cut.high is None
    assert median([0.1, *[math.inf] * 5], [0.2, *[math.inf] * 5]).value is None
    generator = Streams(1).generator("tests.median")
    samples = [generator.random(15) for _ in range(400)]
    intervals = [median(sample.tolist(), sample.tolist()) for sample in samples]
    covered = [found.low is not None and found.high is not None and found.low < 0.5 < found.high for found in intervals]
    assert 0.93 < np.mean(covered) <= 1.0


def test_the_critical_shock_is_beside_one_that_runs_away_and_runs_are_kept(tmp_path: Path) -> None:
    world = setting("flash-crash", overrides=SHORT)
    call = partial(critical, world, "reference.crash_log_return", harmless=-0.01, worst=-0.25, seeds=[1, 2], steps=4,
                   store=str(tmp_path / "store"))  # fmt: skip
    found = call(share=0.2)
    for seed, one in zip(found.seeds, found.found, strict=True):
        value = found.value(one.survived)
        share = dict(one.tried)[one.survived]
        assert share <= 0.2 < dict(one.tried)[one.ran_away]
        other = setting("flash-crash", overrides=(*SHORT, f"reference.crash_log_return={value}")).scenario
        assert closed_share(other, seed) == {"closed_share": share}
    assert "too few to rate, 2 seeds" in critical_lines(found)[0]
    assert critical_json(found)["median"]["rated"] is False
    again = call(share=0.2)
    assert (again.found, again.simulated, found.simulated) == (found.found, 0, found.runs)
    assert call(share=0.25).simulated < found.runs, "another share asks for the same runs first"


def test_a_deeper_shock_never_counts_as_milder_because_deleveraging_takes_the_place_of_sales() -> None:
    world = setting("flash-crash", overrides=SHORT)
    shares, sold = [], []
    for shock in (-0.2, -0.5):
        venues = traces_of(world.changed([f"reference.crash_log_return={shock}"]), 1)
        shares.append(lost_positions_usd(venues))
        sold.append(forced_usd(venues))
    assert sold[1] < sold[0]
    assert shares[1] > 1.15 * shares[0]


def test_of_several_venues_the_whole_is_at_stake() -> None:
    short = ("hours=0.4", "shocks.mint.at_seconds=120", "shocks.known.at_seconds=180")
    world = setting("collateral-exploit", overrides=(*short, "venues.exchange.population.count=300"))
    found = critical(world, "shocks.known.factor", harmless=1.0, worst=0.1, share=0.9, seeds=[1], steps=1)
    assert found.found[0].outcome == SURVIVES_ALL
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
