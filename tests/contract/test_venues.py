"""What every embedded venue promises: sources, a run of any scenario under its rules, margin that behaves."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments import library
from experiments.build import Built, build
from experiments.scenario import Scenario
from experiments.venues import presets
from market.errors import InputError
from market.kernels.margin import initial_excess, requirement_of, weighted_value
from market.kernels.records import INITIAL, MAINTENANCE, PORTFOLIO, SPOT
from market.simulation import run
from market.world import World
from tests.cuts import digests

NAMES = library.venues()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "venues.md"
LENDING = {"aave-v3", "compound-v3", "maker"}
SMALL = (
    "population.count=300",
    "tick_seconds=15",
    "hours=0.84",
    "reference.crash_at_seconds=300",
    "reference.crash_duration_seconds=600",
    "reference.crash_log_return=-0.3",
)
"""A flash crash of 200 ticks, long enough for slow auctions to come down to the market."""

PROFILES = (MAINTENANCE, INITIAL)


def built(name: str, *more: str) -> Built:
    return build(Scenario.load("flash-crash", venue=name, overrides=[*SMALL, *more]), seed=1)


@cache
def resting(name: str) -> World:
    """The world of a venue before its first step, for looking at margin."""
    portfolio = "hedge" in presets.preset(name).venue.about.holds
    return built(name, *(["venue.margin.mode=portfolio"] if portfolio else [])).world


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    venue = presets.preset(name).venue
    about = venue.about
    assert about.name == name
    assert all((about.summary, about.as_of, about.sources, about.leaves_out, about.holds))
    assert {"default", "settlement"} <= set(venue.margin.collateral), "fits no scenario but its own"
    assert ("default" in venue.margin.requirement) == (name not in LENDING)
    text = library.find_venue(name).read_text(encoding="utf-8")
    for table in ("mark", "funding", "liquidation.sizing", "liquidation.price"):
        assert f"[venue.{table}]" in text or "extends = " in text


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source(name: str) -> None:
    text = library.find_venue(name).read_text(encoding="utf-8")
    header, _, body = text.partition("[venue.about]")
    labels = {word for word in re.findall(r"([\w-]+)\s+=\s", header) if word != "extends"}
    labels |= {"leaves_out", "unconfirmed", "Pyth", "Chainlink", *re.findall(r"\b\w+\.(?:sol|go|rs)\b", text)}
    missing = []
    for line in body.partition("[venue.mark]")[2].splitlines() if "[venue.mark]" in body else body.splitlines():
        value, _, comment = line.partition("#")
        numbers = re.search(r"(?<![\w.])\d", re.sub(r'"[^"]*"|^\s*\[.*\]', "", value))
        if numbers and not any(label in comment for label in labels):
            missing.append(line)
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("scenario", library.scenarios())
@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_runs_under_its_rules(name: str, scenario: str) -> None:
    """From beginning to end in sixty long ticks, with few accounts; a market whose keepers seize collateral needs a
    venue that says what they pay for it."""
    if scenario == "lending-market" and presets.preset(name).venue.liquidation.price.kind not in ("oracle", "dutch"):
        with pytest.raises(InputError, match="which say what a keeper pays"):
            Scenario.load(scenario, venue=name)
        return
    hours = Scenario.load(scenario).hours
    short = ["population.count=120", f"tick_seconds={hours * 60.0}"]
    made = build(Scenario.load(scenario, venue=name, overrides=short), seed=1)
    world = made.world
    run(world, made.rules, made.cast, ticks=60)
    assert world.ledger.conservation_error() == 0
    assert world.ledger.clearing_error(world.instruments) == 0
    assert world.n_events > 0 or scenario == "calm", "nobody was liquidated"


@pytest.mark.parametrize("name", NAMES)
def test_a_crash_under_its_rules_is_the_same_without_the_filter(name: str) -> None:
    made = built(name)
    world = made.world
    run(world, made.rules, made.cast, ticks=200)
    assert world.ledger.conservation_error() == 0
    assert world.ledger.clearing_error(world.instruments) == 0
    assert world.n_events > 0, "nobody was liquidated"
    slow = built(name)
    slow.world.watch.full_assessment = True
    run(slow.world, slow.rules, slow.cast, ticks=200)
    assert digests(slow.world) == digests(world), "the filter of safe accounts misses somebody"


def declared(promise: str) -> list[str]:
    return [name for name in NAMES if promise in presets.preset(name).venue.about.holds]


def amounts(world: World, asset: int) -> list[int]:
    """Balances in quanta worth 0 to 10 billion USD, rising."""
    unit = float(world.assets["price"][asset] * world.assets["price_tick"][asset] * world.assets["quantum"][asset])
    return [0, *(int(usd / unit) for usd in np.geomspace(1e-2, 1e10, 40))]


@pytest.mark.parametrize("name", declared("collateral"))
def test_more_collateral_never_lowers_the_excess(name: str) -> None:
    world = resting(name)
    account = next(row for row in range(len(world.ledger.accounts)) if world.ledger.roles[row] == "trader")
    cash = world.ledger.cash[account].copy()
    for asset in range(len(world.assets)):
        excesses = []
        for amount in amounts(world, asset):
            world.ledger.cash[account] = cash
            world.ledger.cash[account, asset] = amount
            equity, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin)[account]
            initial = initial_excess(
                account, world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash
            )
            excesses.append((equity - maintenance, initial))
        world.ledger.cash[account] = cash
        assert (np.diff(np.array(excesses), axis=0) >= 0).all(), world.asset_symbols[asset]


@pytest.mark.parametrize("name", declared("haircuts"))
def test_haircuts_never_fall_with_size(name: str) -> None:
    world = resting(name)
    for asset, record in enumerate(world.assets):
        counted = [
            [
                weighted_value(record, False, profile, amount, world.margin[1]) / amount
                for amount in amounts(world, asset)[16:]
            ]
            for profile in PROFILES
        ]
        shares = np.array(counted) / counted[0][0] if counted[0][0] else np.array(counted)
        assert (np.diff(shares, axis=1) <= 1e-5).all(), world.asset_symbols[asset]
        assert (shares[1] <= shares[0] + 1e-5).all(), "initial haircuts are no smaller than those of maintenance"


@pytest.mark.parametrize("name", declared("tiers"))
def test_tiers_join_without_a_jump(name: str) -> None:
    world = resting(name)
    tiers = world.margin[1]
    for book, record in enumerate(world.instruments):
        if record["kind"] == SPOT:
            continue
        one = int(record["mark"] * record["tick_value"])
        first, count = int(record["first_tier"]), int(record["n_tiers"])
        sizes = [int(floor) // one for floor in tiers["floor"][first + 1 : first + count]]
        for lots in [*sizes, *(int(size) for size in np.geomspace(1, 1e5, 10))]:
            for profile in PROFILES:
                common = (profile, world.instruments, world.assets, tiers)
                needed = [needs(book, lots + more, *common) for more in range(3)]
                steps = np.diff(needed)
                assert (steps >= 0).all()
                assert steps.max() <= 1.5 * one, f"{world.instrument_symbols[book]} at {lots} lots"


def needs(book: int, lots: int, profile: int, *tables: NDArray[np.void]) -> int:
    return int(requirement_of(book, lots, profile, *tables))


@pytest.mark.parametrize("name", declared("hedge"))
def test_a_perfect_hedge_needs_no_more_than_its_legs(name: str) -> None:
    world = resting(name)
    account = next(row for row in range(len(world.ledger.accounts)) if world.ledger.accounts["mode"][row] == PORTFOLIO)
    btc, books = world.asset("BTC"), range(len(world.instruments))
    perpetuals = [book for book in books if world.instruments["kind"][book] != SPOT]
    before = world.ledger.cash[account].copy(), world.ledger.positions[account].copy()

    def need(btc_quanta: int, lots: dict[int, int]) -> NDArray[np.int64]:
        world.ledger.cash[account] = 0
        world.ledger.cash[account, btc] = btc_quanta
        world.ledger.positions[account] = np.zeros((), world.ledger.positions.dtype)
        for book, held in lots.items():
            world.ledger.positions[account, book]["lots"] = held
        found = world.ledger.assess(world.instruments, world.assets, world.margin)[account, 2:]
        return np.asarray(found)

    one_btc = round(1.0 / float(world.assets["quantum"][btc]))
    lots = -round(1.0 / float(world.instruments["lot_size"][perpetuals[0]]))
    hedged, coin, short = need(one_btc, {perpetuals[0]: lots}), need(one_btc, {}), need(0, {perpetuals[0]: lots})
    assert (hedged <= coin + short).all()
    assert (hedged <= short).all(), "a hedge needs no more than what it hedges"
    assert (short > 0).all()
    pair, other = need(0, dict.fromkeys(perpetuals[:2], lots)), need(0, {perpetuals[1]: lots})
    assert (pair <= short + other + 2).all()
    world.ledger.cash[account], world.ledger.positions[account] = before


def test_the_page_lists_every_venue() -> None:
    _, begin, rest = PAGE.read_text(encoding="utf-8").partition(presets.BEGIN)
    table, end, _ = rest.partition(presets.END)
    assert begin
    assert end
    assert table.strip() == presets.markdown().strip(), "renew with python -m experiments.venues.presets"
