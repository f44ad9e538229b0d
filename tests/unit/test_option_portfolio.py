"""Options under portfolio margin inside the engine: requirement by hand, refreshed as prices and time move."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.liquidation_map import stress
from market.kernels.records import PORTFOLIO
from market.kernels.rules.options import SECONDS_PER_YEAR, black_price
from market.margin.portfolio import ScenarioMargin, SpanArray
from tests.engine_worlds import USD, Engine, changed, engine
from tests.unit.test_expiry import BOOKS, FUT, PER_TICK, PERP, PUT, rising, venue

RULE = ScenarioMargin(
    volatilities=("none",), price_steps=1, price_range=0.1, maintenance_factor=0.8, linear_charge=0.02,
    linear_charge_initial=0.0, short_option_charge=0.01, short_option_charge_initial=0.005, spot_offset=False,
)  # fmt: skip


def world(*, rule: ScenarioMargin = RULE, prices: object = None) -> Engine:
    made = engine(deposits=[50_000.0, 50_000.0], venue=venue(), instruments=BOOKS, prices=prices)  # type: ignore[arg-type]
    made.world.ledger.accounts["mode"][made.rows] = PORTFOLIO
    made.world.use_portfolio_margin(rule)
    return made


def put_value(forward: float, seconds: float) -> float:
    """Of the 9,000 put in quote units per unit, `seconds` after the start."""
    years = (720.0 * 3600.0 - 4.0 * 2.0 / 3.0 - seconds) / SECONDS_PER_YEAR
    return float(black_price(False, forward, 9_000.0, 0.8 * math.sqrt(years)))


def needed(put_lots: int, perp_lots: int, *, forward: float = 10_000.0, seconds: float = 0.0, initial: bool) -> float:
    """USD quanta by the definition: factor x worst loss of +-10 %, plus charges."""
    now = put_value(forward, seconds)
    losses = [
        -put_lots * (put_value(forward * move, seconds) - now) - perp_lots * forward * (move - 1.0)
        for move in (0.9, 1.0, 1.1)
    ]
    short_rate = 0.015 if initial else 0.01
    charges = 0.02 * abs(perp_lots) * forward + short_rate * max(0, -put_lots) * forward
    return ((1.0 if initial else 0.8) * max(*losses, 0.0) + charges) * PER_TICK


@pytest.mark.parametrize(("put_lots", "perp_lots"), [(-20, 0), (20, 0), (-20, -4), (-20, 9), (30, 7)])
def test_the_worst_of_three_prices(put_lots: int, perp_lots: int) -> None:
    made = world()
    account, other = made.rows
    for book, lots in ((PUT, put_lots), (PERP, perp_lots)):
        made.open(account, lots, int(made.world.instruments["mark"][book]), book=book, against=other)
    _, _, maintenance, initial = made.assess(account)
    assert maintenance == pytest.approx(needed(put_lots, perp_lots, initial=False), abs=2)
    assert initial == pytest.approx(needed(put_lots, perp_lots, initial=True), abs=2)


def test_the_risk_array_of_span_moves_volatility_by_points() -> None:
    """Two scenarios decide: short puts lose most a third of the way down or more with 20 points more volatility."""
    rule = changed(RULE, scenarios="span", span=SpanArray(volatility_points=0.2, extreme_cover=0.3), linear_charge=0.0)
    made = world(rule=rule)
    account, other = made.rows
    made.open(account, -20, int(made.world.instruments["mark"][PUT]), book=PUT, against=other)
    root = math.sqrt((720.0 * 3600.0 - 4.0 * 2.0 / 3.0) / SECONDS_PER_YEAR)
    now = put_value(10_000.0, 0.0)
    worst = float(black_price(False, 9_000.0, 9_000.0, 1.0 * root)) - now
    extreme = 0.3 * (put_value(8_000.0, 0.0) - now)
    expected = 20.0 * (0.8 * max(worst, extreme) + 0.01 * 10_000.0) * PER_TICK
    assert worst > extreme > 0.0
    assert made.assess(account)[2] == pytest.approx(expected, abs=2)


def test_a_hedge_needs_no_more_than_its_legs() -> None:
    made = world(rule=ScenarioMargin(spot_offset=False))
    hedged, naked = made.rows
    mark = int(made.world.instruments["mark"][PUT])
    made.open(hedged, -20, mark, book=PUT)
    made.open(naked, -20, mark, book=PUT)
    alone = made.assess(hedged)[2]
    made.open(hedged, -5, 10_000, book=PERP)
    assert made.assess(hedged)[2] < alone == made.assess(naked)[2]


def test_it_follows_prices_and_time() -> None:
    made = world(prices=rising)
    account, other = made.rows
    made.open(account, -20, 100, book=PUT, against=other)
    made.run(6)
    assert made.assess(account)[2] == pytest.approx(needed(-20, 0, forward=10_500.0, seconds=5.0, initial=False), abs=2)


def test_the_filter_sees_every_account_with_options() -> None:
    """Prices fall: short puts break in the same tick whether everybody is assessed or only who is near."""

    def run(full: bool) -> list[tuple[int, int]]:
        made = world(prices=lambda tick: (1.0, 10_000.0 - 60.0 * tick))
        made.world.watch.full_assessment = full
        account, other = made.rows
        made.open(account, -60, int(made.world.instruments["mark"][PUT]), book=PUT, against=other)
        made.open(other, 3, 10_000, book=FUT)
        surplus = made.assess(account)[0] - made.assess(account)[2]
        made.world.ledger.deposit(account, 0, 4 * USD - surplus)
        made.run(9)
        made.check_books()
        breaches = made.world.breaches[: made.world.n_breaches]
        return [(int(row["tick"]), int(row["account"])) for row in breaches]

    filtered = run(False)
    assert filtered == run(True)
    assert 1 < filtered[0][0] < 8


def test_nothing_is_worked_out_twice() -> None:
    made = world()
    assert made.world.risk is not None
    unit = made.world.risk.unit
    before = unit.copy()
    unit[:] = np.nan
    made.world.follow()
    assert np.isnan(unit).all(), "no mark has moved"
    made.world.instruments["mark"][PERP] = 9_900
    made.world.follow()
    assert not np.isnan(unit).any()
    assert (unit[:, PUT] > before[:, PUT]).all()
    assert changed(RULE, price_steps=2) != RULE


def test_a_stress_map_leaves_the_world_as_it_was() -> None:
    """It looks at other prices through the same tables: marks, margins and scenario values come back."""
    made = world(prices=rising)
    account, other = made.rows
    made.open(account, -15_000, 100, book=PUT, against=other)
    made.run(2)
    before, instruments = made.assess(account), made.world.instruments.copy()
    (curve,) = stress(made.world)
    assert curve.accounts.max() == 1, "far enough down the puts break it"
    assert made.assess(account) == before
    np.testing.assert_array_equal(made.world.instruments, instruments)
