"""Implied-volatility surface: its shape, no static arbitrage, against QuantLib's SVI, and how it moves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.options import black_price
from market.kernels.rules.surface import money_variance, move_surface, surface_vol
from market.surface import ImpliedSurface

modest = settings(deadline=None, derandomize=True, max_examples=40)
HOUR, DAY, YEAR = 1 / 8760, 1 / 365, 1.0
SURFACES = st.builds(
    lambda short, long, rho, share: ImpliedSurface(
        short_volatility=short, long_volatility=long, correlation=rho, curvature=share * 2.0 / (1.0 + abs(rho))
    ),
    st.floats(0.2, 2.0),
    st.floats(0.2, 2.0),
    st.floats(-0.9, 0.9),
    st.floats(0.05, 0.999),
)


def vols(surface: Any, years: float, moneyness: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([surface_vol(surface, 100.0, 100.0 * math.exp(k), years) for k in moneyness])


def call_prices(surface: Any, years: float, strikes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    root = math.sqrt(years)
    return np.array([black_price(True, 100.0, k, surface_vol(surface, 100.0, k, years) * root) for k in strikes])


@modest
@given(parameters=SURFACES, level=st.floats(-1.0, 1.0), days=st.floats(1.0, 400.0))
def test_no_static_arbitrage(parameters: ImpliedSurface, level: float, days: float) -> None:
    surface = parameters.record()[0]
    surface["level"] = level
    deviation = math.sqrt(money_variance(surface, days * DAY))
    strikes = 100.0 * np.exp(np.linspace(-6.0, 6.0, 61) * deviation)
    prices = call_prices(surface, days * DAY, strikes)
    slopes = np.diff(prices) / np.diff(strikes)
    assert (slopes <= 1e-9).all()
    assert (slopes >= -1.0 - 1e-9).all()
    assert (np.diff(slopes) >= -1e-9).all()  # a butterfly has no negative price
    grid = np.linspace(-1.5, 1.5, 21)
    nearer, later = vols(surface, days * DAY, grid), vols(surface, days * 1.1 * DAY, grid)
    assert (nearer**2 <= later**2 * 1.1 * (1 + 1e-9)).all()  # total variance rises with time: no calendar arbitrage


@modest
@given(parameters=SURFACES, gap=st.floats(-0.25, 0.25))
def test_a_small_gap_leaves_butterflies_almost_free_of_arbitrage(parameters: ImpliedSurface, gap: float) -> None:
    surface, days = parameters.record()[0], 30.0
    deviation = math.sqrt(money_variance(surface, days * DAY))
    surface["gap"] = gap * deviation
    strikes = 100.0 * np.exp(np.linspace(-4.0, 4.0, 41) * deviation)
    prices = call_prices(surface, days * DAY, strikes)
    butterflies = np.diff(np.diff(prices) / np.diff(strikes))
    assert (butterflies >= -0.02).all()


@modest
@given(parameters=SURFACES, days=st.floats(1.0, 400.0), moneyness=st.floats(-1.0, 1.0))
def test_smile_against_quantlib(parameters: ImpliedSurface, days: float, moneyness: float) -> None:
    quantlib = pytest.importorskip("QuantLib", reason="QuantLib is absent; install the dev extra")
    surface, years = parameters.record()[0], days * DAY
    t, rho = money_variance(surface, years), parameters.correlation
    bend = parameters.curvature / math.sqrt(t * (1.0 + t))
    raw = [t / 2 * (1 - rho**2), t * bend / 2, math.sqrt(1 - rho**2) / bend, rho, -rho / bend]
    section = quantlib.SviSmileSection(years, 100.0, raw)
    strike = 100.0 * math.exp(moneyness)
    assert surface_vol(surface, 100.0, strike, years) == pytest.approx(section.volatility(strike), rel=1e-9)


def test_term_structure_runs_from_short_to_long() -> None:
    surface = ImpliedSurface(short_volatility=0.9, long_volatility=0.5, reversion_per_year=4.0).record()[0]
    money = [math.sqrt(money_variance(surface, years) / years) for years in (HOUR, 0.1, 1.0, 1000.0)]
    assert money[0] == pytest.approx(0.9, rel=1e-3)
    assert money == sorted(money, reverse=True)
    assert money[-1] == pytest.approx(0.5, rel=1e-3)


def test_falling_prices_and_forced_buying_raise_volatility_which_fades() -> None:
    parameters = ImpliedSurface(spot_beta=-1.5, vol_move_per_million_vega=0.02, half_life_seconds=3600.0)
    surface = parameters.record()[0]
    before = surface_vol(surface, 100.0, 100.0, DAY)
    move_surface(surface, -0.1, 5e6, 0.0)
    # 15 % from the price, 10 % from the flow.
    assert surface["level"] == pytest.approx(0.25)
    assert surface_vol(surface, 90.0, 90.0, HOUR) > before * 1.2
    move_surface(surface, 0.0, 0.0, 3600.0)
    assert surface["level"] == pytest.approx(0.125)
    move_surface(surface, -10.0, 0.0, 0.0)
    assert surface["level"] == pytest.approx(math.log(4.0))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_sticky_strikes_and_sticky_moneyness(share: float) -> None:
    surface = ImpliedSurface(sticky_strike_share=share, spot_beta=0.0, correlation=-0.5).record()[0]
    before = surface_vol(surface, 100.0, 90.0, 30 * DAY)
    move_surface(surface, math.log(0.9), 0.0, 0.0)
    same_strike = surface_vol(surface, 90.0, 90.0, 30 * DAY)
    same_moneyness = surface_vol(surface, 90.0, 81.0, 30 * DAY)
    assert (same_strike if share else same_moneyness) == pytest.approx(before, rel=1e-12)
    assert (same_moneyness if share else same_strike) != pytest.approx(before, rel=1e-3)


def test_a_smile_with_arbitrage_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 2"):
        ImpliedSurface(curvature=1.9, correlation=-0.5)
    with pytest.raises(ValueError, match="above 0"):
        ImpliedSurface(short_volatility=0.0)
