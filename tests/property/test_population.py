"""Whatever its parameters, a generated population is solvent, matched, paid for, and the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.trader import TraderCohort, Traders
from market.instruments import Asset, Instrument, Tier
from market.kernels.records import OUTSIDE, REST_OF_MARKET, SYSTEM_ACCOUNTS
from market.world import World
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world

shares = st.floats(0.0, 1.0)

populations = st.builds(
    Traders,
    count=st.integers(1, 120),
    equity_usd=st.floats(1.0, 1e6),
    equity_sigma=st.floats(0.0, 3.0),
    tail_share=st.floats(0.0, 0.5),
    tail_exponent=st.floats(0.5, 4.0),
    leverage=st.floats(0.0, 200.0),
    leverage_sigma=st.floats(0.0, 2.0),
    share_long=shares,
    instruments_held=st.sampled_from([(1.0,), (0.5, 0.5), (0.2, 0.2, 0.6), (0.0, 0.0, 0.0, 1.0)]),
    collateral_users=shares,
    collateral_share=shares,
    isolated_share=shares,
    wallet_share=shares,
    entry_spread=st.floats(0.0, 0.5),
    target_leverage_share=st.just(0.2),
    trend_share=st.just(0.2),
    stop_loss_share=st.floats(0.0, 0.6),
    stop_distance=st.floats(0.0, 5.0),
)

STEEP = (
    Tier(floor_usd=0.0, initial=0.02, maintenance=0.01),
    Tier(floor_usd=50_000.0, initial=0.5, maintenance=0.05),
    Tier(floor_usd=900_000.0, initial=1.0, maintenance=0.5),
)

TWO_QUOTES = {
    **ASSETS,
    "USDT": Asset(
        price_usd=0.97, price_tick_usd=0.0001, quantum=1e-6, settlement=True, haircut=0.02, liability_weight=1.1
    ),
}
MIXED = {
    **INSTRUMENTS,
    "ETH-PERP": Instrument(base="ETH", quote="USDT", tick_size=0.1, lot_size=0.001, tiers=STEEP),
}


def populate(parameters: Traders, *, seed: int = 1, mixed: bool = False) -> tuple[World, TraderCohort]:
    assets, instruments = (TWO_QUOTES, MIXED) if mixed else (ASSETS, INSTRUMENTS)
    needed = parameters.accounts_needed(instruments=instruments)
    world = make_world(n_accounts=needed, seed=seed, assets=assets, instruments=instruments)
    return world, parameters.join(world, assets=assets, instruments=instruments)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(parameters=populations, seed=st.integers(0, 5), mixed=st.booleans())
def test_everybody_starts_within_initial_margin_and_everything_is_matched(
    parameters: Traders, seed: int, mixed: bool
) -> None:
    world, cohort = populate(parameters, seed=seed, mixed=mixed)
    ledger = world.ledger
    assert len(ledger.names) == len(ledger.accounts)
    margin_equity, net_equity, maintenance, initial = ledger.assess(world.instruments, world.assets, world.margin).T
    customers = slice(SYSTEM_ACCOUNTS, None)
    assert (initial[customers] <= margin_equity[customers]).all()
    assert (maintenance[customers] <= margin_equity[customers]).all()
    assert (net_equity[customers] >= 0).all()
    assert (ledger.cash[customers] >= 0).all()
    assert (ledger.positions["lots"].sum(axis=0) == 0).all()
    assert not ledger.positions["lots"][OUTSIDE].any()
    assert initial[REST_OF_MARKET] <= margin_equity[REST_OF_MARKET]
    assert ledger.conservation_error() == 0
    assert ledger.clearing_error(world.instruments) == 0
    accounts = cohort.traders["account"]
    assert len(set(accounts.tolist())) == len(accounts)
    alone = ledger.accounts["only_instrument"] >= 0
    for book in range(len(world.instruments)):
        elsewhere = alone & (ledger.accounts["only_instrument"] != book)
        assert not ledger.positions["lots"][elsewhere, book].any()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(parameters=populations, seed=st.integers(0, 5))
def test_same_seed_same_people_and_more_people_leave_the_first_as_they_were(parameters: Traders, seed: int) -> None:
    world, cohort = populate(parameters, seed=seed)
    again, same = populate(parameters, seed=seed)
    larger, _ = populate(replace(parameters, count=parameters.count + 7), seed=seed)
    customers = slice(SYSTEM_ACCOUNTS, len(world.ledger.names))
    assert np.array_equal(world.ledger.cash, again.ledger.cash)
    assert np.array_equal(world.ledger.positions, again.ledger.positions)
    assert cohort.traders.tobytes() == same.traders.tobytes()
    assert cohort.stops.tobytes() == same.stops.tobytes()
    assert world.ledger.names[customers] == larger.ledger.names[customers]
    assert np.array_equal(world.ledger.cash[customers], larger.ledger.cash[customers])
    assert np.array_equal(world.ledger.positions[customers], larger.ledger.positions[customers])


def test_a_large_population_looks_like_its_parameters() -> None:
    """Medians and shares within four standard errors; a different seed gives other people."""
    parameters = Traders(count=4_000, tail_share=0.05, tail_exponent=1.2, largest_equity_usd=1e12)
    world, cohort = populate(parameters)
    other, _ = populate(parameters, seed=2)
    assert not np.array_equal(world.ledger.cash, other.ledger.cash)
    ledger, traders = world.ledger, cohort.traders
    owners = ledger.accounts["owner"]
    _, net_equity, _, _ = ledger.assess(world.instruments, world.assets, world.margin).T
    of_owner = np.bincount(owners, net_equity)[SYSTEM_ACCOUNTS:]
    equity = np.sort(of_owner[of_owner > 0]) / 1e6
    assert len(equity) == 4_000
    assert abs(np.log(np.median(equity) / 2_000.0)) < 4 * 1.5 * 1.2533 / np.sqrt(4_000)
    top = equity[-200:]
    hill = 1.0 / np.mean(np.log(top[1:] / top[0]))
    assert abs(hill - 1.2) < 4 * 1.2 / np.sqrt(199)
    cross = ledger.accounts["only_instrument"][traders["account"]] < 0
    leverage = traders["leverage"][cross]
    assert abs(np.log(np.median(leverage) / 5.0)) < 0.08  # a few are held down by initial margin
    lots = ledger.positions["lots"][traders["account"]]
    long = (lots > 0).any(axis=1)[(lots != 0).any(axis=1)]
    assert abs(long.mean() - 0.6) < 4 * 0.5 / np.sqrt(4_000)
    isolated = sum(role == "wallet" for role in ledger.roles)
    assert isolated == round(0.2 * 4_000)
    kinds = np.bincount(traders["behaviour"], minlength=4) / len(traders)
    assert np.abs(kinds - [0.55, 0.1, 0.15, 0.2]).max() < 0.04
    with_coins = (ledger.cash[traders["account"][cross], 1:] > 0).any(axis=1).mean()
    assert abs(with_coins - 0.35) < 0.04
    held = (lots[cross] != 0).sum(axis=1)
    assert np.abs(np.bincount(held, minlength=4)[1:] / len(held) - [0.7, 0.2, 0.1]).max() < 0.03
