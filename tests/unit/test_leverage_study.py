"""The fund market: clearing, default and revival, and what leverage does."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.statistics.tails import excess_kurtosis, hill
from experiments.studies.leverage import FundMarket, Market, simulate
from market.streams import Streams


def test_price_clears_the_market_and_wealth_is_accounted_for() -> None:
    market = Market(FundMarket(), replications=8)
    generator = Streams(1).generator("test")
    for _ in range(300):
        shares, wealth = market.shares.copy(), market.wealth + market.inflow
        before, away = market.price, market.away.copy()
        market.step(generator.standard_normal(8))
        rules, price = market.parameters, market.price
        steady = (away == 0) & (market.away == 0)
        np.testing.assert_allclose(
            market.wealth[steady], (wealth + shares * (price - before)[:, None])[steady], rtol=1e-12
        )
        noise = np.exp(market.log_noise) * rules.value * rules.shares / price
        settled = steady.all(axis=1)
        np.testing.assert_allclose((noise + market.shares.sum(axis=1))[settled], rules.shares, rtol=1e-6)
        leverage = market.shares * price[:, None] / np.where(market.wealth > 0.0, market.wealth, 1.0)
        assert leverage.max() <= rules.largest_leverage * (1.0 + 1e-12)
        assert leverage.min() >= 0.0


def test_ruined_fund_is_replaced_after_its_time() -> None:
    rules = FundMarket(funds=2, revival_steps=5)
    market = Market(rules, replications=1)
    market.wealth[0, 0] = 0.19
    market.step(np.zeros(1))
    assert (market.defaults, market.wealth[0, 0], market.away[0].tolist()) == (1, 0.0, [5, 0])
    for left in (4, 3, 2, 1):
        market.step(np.zeros(1))
        assert market.away[0, 0] == left
        assert market.wealth[0, 0] == 0.0
    market.step(np.zeros(1))
    assert market.wealth[0, 0] == rules.first_wealth
    assert market.defaults == 1


def test_leverage_lowers_volatility_and_fattens_tails() -> None:
    """Over ten seeds: volatility 0.033 to 0.034 and 0.029 to 0.032, exponents above 8 and below 5.4."""
    careful, bold = (
        simulate(FundMarket(largest_leverage=leverage), replications=40, steps=500, burn_in=500)
        for leverage in (1.0, 7.5)
    )
    assert bold.volatility < careful.volatility
    assert bold.loss_tail(0.005) < 6.0 < careful.loss_tail(0.005)
    assert bold.excess_kurtosis > 2.0 > careful.excess_kurtosis
    assert careful.defaults_per_fund_per_1000 == 0.0 < bold.defaults_per_fund_per_1000


def test_figures_of_known_laws() -> None:
    generator = Streams(2).generator("test")
    assert hill(generator.pareto(3.0, 200_000) + 1.0, share=0.01) == pytest.approx(3.0, abs=0.25)
    assert excess_kurtosis(generator.laplace(size=400_000)) == pytest.approx(3.0, abs=0.2)
    noise = generator.standard_normal(200_000)
    with pytest.raises(ValueError, match="ten are needed"):
        hill(noise, share=1e-5)
    with pytest.raises(ValueError, match="down to zero"):
        hill(noise, share=0.9)
