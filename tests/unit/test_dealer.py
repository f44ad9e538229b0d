"""Dealers: they stand opposite every holder, begin hedged, and their hedging feeds back as theory says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agents.dealer import DealerCohort, Dealers
from agents.option_holder import OptionHolders
from agents.population import Integers
from agents.trader import Traders
from market.greeks import unit_greeks
from market.instruments import Instrument
from market.kernels.records import OPTION, OUTSIDE, REST_OF_MARKET
from market.kernels.rules.greeks import GAMMA
from market.simulation import run
from tests.engine_worlds import INSTRUMENTS, USD, Engine, changed, engine
from tests.unit.test_expiry import BOOKS, PER_TICK, PERP, PUT, venue

LOTS = 4_000
LATE = {
    **INSTRUMENTS,
    "PUT": changed(BOOKS["PUT"], strike=10_000.0),
}
ONLY_PUT = 2


def hedging_world(sign: int, feedback: float, *, hedges: bool = True) -> tuple[Engine, float]:
    """One dealer `sign` x LOTS puts; the price falls by 1 %; (world, impact x gamma) with `feedback` that product."""
    fall = math.exp(-0.01)
    made = engine(
        deposits=[], venue=venue(), instruments=LATE, extra_accounts=1,
        prices=lambda tick: (1.0, 10_000.0 if tick < 3 else 10_000.0 * fall),
    )  # fmt: skip
    world = made.world
    gamma = float(unit_greeks(world.options.books)[ONLY_PUT, GAMMA]) / USD * LOTS  # type: ignore[union-attr]
    # Log move of the price per quote quantum: feedback / gamma per USD.
    world.impact_per_quanta[PERP] = feedback / gamma / USD
    made.world.ledger.open_position(OUTSIDE, ONLY_PUT, sign * LOTS, 100, world.instruments, against=REST_OF_MARKET)
    made.bids(*((price, 10_000_000) for price in range(9_000, 10_000, 10)))
    made.asks(*((price, 10_000_000) for price in range(10_001, 11_000, 10)))
    how = {"hedge_seconds": 1.0, "least_share": 0.0} if hedges else {"hedge_seconds": 1e9, "band": 1.0}
    rules = Dealers(count=1, capital_usd=1e9, slippage_bps=2_000.0, **how)
    cohort = rules.join(world, assets=made.assets, instruments=made.instruments)
    made.cast = type(made.cast)(oracles=made.cast.oracles, cohorts=(cohort,), keepers=made.cast.keepers)
    world.size_inboxes(1 + cohort.most_messages)
    return made, gamma


@pytest.mark.parametrize(("sign", "feedback"), [(-1, 0.2), (-1, 0.4), (1, 0.4)])
def test_gamma_feedback_in_closed_form(sign: int, feedback: float) -> None:
    """Each move m makes a dealer trade -gamma x m USD, which moves the price by impact x that: a geometric series.

    The whole move is that of the outside world / (1 - impact x |gamma|) for a dealer who is short, / (1 + ...) for one
    who is long. With large permanent impact the answer would have drift of gamma in it; a fall of 1 % has little.
    """
    made, _ = hedging_world(sign, feedback)
    made.run(40)
    fall = math.log(int(made.world.instruments["mark"][PERP]) / 10_000.0)
    assert fall == pytest.approx(-0.01 / (1.0 + sign * feedback), rel=0.03)
    still, _ = hedging_world(sign, feedback, hedges=False)
    still.run(40)
    assert math.log(int(still.world.instruments["mark"][PERP]) / 10_000.0) == pytest.approx(-0.01, rel=0.01)
    made.check_books()


def test_a_dealer_is_hedged_after_every_look() -> None:
    made, gamma = hedging_world(-1, 1e-9)
    cohort = made.cast.cohorts[0]
    assert isinstance(cohort, DealerCohort)
    lot_usd = 10_000 * PER_TICK / USD
    for _ in range(6):
        made.run()
        net, stands_for = cohort.deltas(made.world)
        assert stands_for[0, 0] == pytest.approx(LOTS * 10.0, rel=0.02)
        if made.world.tick > 4:  # hedged on the prices of the tick, marked at the same
            assert abs(net[0, 0]) <= 2.0 * lot_usd
    assert gamma * 0.01 > 20.0 * lot_usd, "there was something to hedge"


def joined(holders: OptionHolders, dealers: Dealers, *, seed: int = 1) -> tuple[Engine, Integers]:
    population = Traders(count=300, options=holders, isolated_share=0.2)
    needed = population.accounts_needed(instruments=BOOKS) + dealers.count
    made = engine(venue=venue(), instruments=BOOKS, extra_accounts=needed, seed=seed)
    for member in (population, dealers):
        member.join(made.world, assets=made.assets, instruments=made.instruments)
    made.world.size_inboxes(4_000)
    return made, made.world.ledger.positions["lots"]


def test_every_option_has_a_dealer_opposite_and_nobody_breaks_at_the_start() -> None:
    made, lots = joined(OptionHolders(share=0.5), Dealers(count=3))
    world = made.world
    roles = np.array(world.ledger.roles)
    option = world.instruments["kind"] == OPTION
    rows = np.flatnonzero(roles == "dealer")
    assert not lots[OUTSIDE, option].any()
    assert not lots[REST_OF_MARKET, option].any()
    held = lots[: len(roles)][roles == "trader"]
    np.testing.assert_array_equal(lots[rows][:, option].sum(axis=0), -held[:, option].sum(axis=0))
    assert (lots[rows][:, option] != 0).all(axis=0).any(), "shared out"
    assert (held[:, option] < 0).any()
    assert (held[:, PUT] > 0).any()
    made.check_books()
    margin, _, _, initial = world.ledger.assess(world.instruments, world.assets, world.margin).T
    assert (margin[: len(roles)] >= initial[: len(roles)])[roles == "trader"].all()


def test_options_change_nobody_elses_positions_and_without_dealers_the_rest_of_the_market_is_opposite() -> None:
    with_options, lots = joined(OptionHolders(share=0.5), Dealers())
    _, plain = joined(OptionHolders(), Dealers())
    option = with_options.world.instruments["kind"] == OPTION
    np.testing.assert_array_equal(lots[:, ~option], plain[:, ~option])
    assert lots[REST_OF_MARKET, option].any()
    assert not plain[:, option].any()
    with_options.check_books()
    run(with_options.world, with_options.rules, with_options.cast, ticks=3)
    with_options.check_books()


def test_a_covered_call_is_covered() -> None:
    made, lots = joined(
        OptionHolders(share=1.0, covered_call_share=1.0, strangle_share=0.0, size=3.0), Dealers(count=1)
    )
    world = made.world
    calls = [book for book, item in enumerate(BOOKS.values()) if item.kind == "option" and item.option == "call"]
    writers = np.flatnonzero(
        (lots[:, calls] < 0).any(axis=1) & (np.array([*world.ledger.roles, *[""] * 10_000])[: len(lots)] == "trader")
    )
    assert len(writers) > 100
    owned = world.ledger.cash[writers, 1] * 1e-8
    sold = -lots[writers][:, calls].sum(axis=1) * 0.001
    assert (owned >= sold - 1e-6).all()


def test_an_option_without_holders_who_could_trade_it_is_an_error() -> None:
    books = {
        **INSTRUMENTS,
        "CALL": Instrument(kind="option", base="BTC", tick_size=1.0, lot_size=0.001, strike=1e4, expiry_hours=1.0),
    }
    population = Traders(count=10, options=OptionHolders(share=1.0, covered_call_share=0.0, strangle_share=0.0))
    made = engine(venue=venue(), instruments=books, extra_accounts=40)
    with pytest.raises(Exception, match="there is no option that anybody could hold"):
        population.join(made.world, assets=made.assets, instruments=made.instruments)
