"""A crash with an option market: dealers' hedging carries it on or dampens it, on the same random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.build import build
from experiments.run import Trace, simulate, trace
from experiments.scenario import Scenario
from market.kernels.records import FORCED_AUCTION, FORCED_HEDGE, FORCED_POSITION, OPTION
from market.simulation import run
from tests.cuts import cut, digests

PUTS = ("population.options.covered_call_share=0.0", "population.options.strangle_share=0.0")
"""Holders own puts: dealers are short gamma."""
STRANGLES = ("population.options.covered_call_share=0.0", "population.options.strangle_share=1.0")
"""Holders have sold strangles: dealers are long gamma."""
NEVER = ("agents.dealers.band=1.0", "agents.dealers.least_share=1.0")
LARGE = ("population.options.share=0.5", "population.options.size=5.0", "agents.dealers.capital_usd=2e7")


def falls(made: Trace) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Largest log fall of the marks of BTC-PERP and ETH-PERP from the start."""
    marks = made.recorder.ticks["mark"][: made.recorder.n, :2].astype(np.float64)
    return np.asarray(-np.log(marks.min(axis=0) / marks[0]))


@pytest.mark.parametrize("seed", [1, 2])
def test_short_gamma_amplifies_and_long_gamma_dampens(seed: int) -> None:
    for held, sign in ((PUTS, 1.0), (STRANGLES, -1.0)):
        hedged = trace(cut("options-crash", *LARGE, *held), seed=seed, label="hedged")
        not_hedged = trace(cut("options-crash", *LARGE, *held, *NEVER), seed=seed, label="not hedged")
        difference = sign * (falls(hedged) - falls(not_hedged))
        assert (difference > 0.0003).all(), f"{held}: {difference}"
        for made in (hedged, not_hedged):
            world = made.built.world
            assert world.ledger.conservation_error() == 0
            assert world.ledger.clearing_error(world.instruments) == 0


def test_the_scenario_auctions_books_hedges_and_settles_on_the_way() -> None:
    sold = (
        "population.options.strangle_share=0.6",
        "population.options.covered_call_share=0.0",
        "population.options.size=8.0",
        "reference.crash_log_return=-0.2",
    )
    scenario = cut("options-crash", "instruments.BTC-2H-58500-P.expiry_hours=0.12", *sold)
    world = trace(scenario, seed=1, label="run").built.world
    kinds = np.bincount(world.events["kind"][: world.n_events], minlength=5)
    assert kinds[FORCED_AUCTION] > 0
    assert kinds[FORCED_HEDGE] > 0
    assert world.expiries is not None
    (settled,) = world.expiries.settlements
    assert settled.lots > 0
    assert settled.price > 0, "the put was in the money"
    assert not world.ledger.positions["lots"][:, settled.book].any()
    assert world.ledger.positions["lots"][:, world.instruments["kind"] == OPTION].any()
    assert world.ledger.conservation_error() == world.ledger.clearing_error(world.instruments) == 0
    slow = build(scenario, seed=1)
    slow.world.watch.full_assessment = True
    run(slow.world, slow.rules, slow.cast, ticks=scenario.ticks)
    assert digests(slow.world) == digests(world), "the filter of safe accounts misses somebody"


@pytest.mark.parametrize("venue", ["derive", "derive-pmrm"])
def test_options_under_the_rules_of_derive(venue: str) -> None:
    """0.001 BTC at 60,000: initial 13 % (15 % less 2.5 and 5 % out of the money are less), maintenance 9 %."""
    small = ("population.count=150", "tick_seconds=15", "hours=0.5", "reference.crash_at_seconds=120")
    more = ("reference.crash_duration_seconds=300", "reference.crash_log_return=-0.3", "population.options.size=8.0")
    sold = ("population.options.strangle_share=0.6", "population.options.covered_call_share=0.0")
    made = build(Scenario.load("options-crash", venue=venue, overrides=[*small, *more, *sold]), seed=1)
    world = made.world
    for symbol in ("BTC-2H-58500-P", "BTC-2H-57000-P", "BTC-2H-61500-C"):
        record = world.instruments[world.instrument(symbol)]
        assert (int(record["short_initial"]), int(record["short_maintenance"])) == (7_800_000, 5_400_000)
        assert int(record["long_weight"]) == 0
    run(world, made.rules, made.cast, ticks=80)
    kinds = np.bincount(world.events["kind"][: world.n_events], minlength=FORCED_AUCTION + 1)
    assert kinds[FORCED_POSITION] > 0, "slices of accounts without options"
    assert kinds[FORCED_AUCTION] > 0, "books of options"
    assert world.ledger.conservation_error() == world.ledger.clearing_error(world.instruments) == 0


def test_greeks_are_recorded_and_cancel_between_holders_and_dealers(tmp_path: Path) -> None:
    result = simulate(cut("options-crash", "hours=0.07"), seed=2, twin=False)
    folder = result.save(tmp_path / "run")
    for name, table in (("greeks", result.greeks), ("account_greeks", result.account_greeks)):
        assert len(pd.read_parquet(folder / f"{name}.parquet")) == len(table) > 0
    by_role = result.greeks.groupby(["seconds", "underlying"])[["gamma_usd", "vega_usd", "theta_usd"]]
    scale = result.greeks[["gamma_usd_long", "vega_usd_long", "theta_usd_long"]].max().to_numpy()
    assert (np.abs(by_role.sum().to_numpy()) <= 1e-9 * scale).all(), "every option has somebody opposite"
    last = result.account_greeks[result.account_greeks["seconds"] == result.account_greeks["seconds"].max()]
    found = result.greeks[result.greeks["seconds"] == result.greeks["seconds"].max()].set_index(["role", "underlying"])
    own = last[(last["role"] == "dealer") & (last["underlying"] == "BTC")]
    assert found.loc[("dealer", "BTC"), "vega_usd"] == pytest.approx(own["vega_usd"].sum())
    np.testing.assert_allclose(found["delta_usd_long"] + found["delta_usd_short"], found["delta_usd"], atol=1e-6)
    assert {"auctioned_account_count", "dealer_profit_usd"} <= set(result.kpis)
