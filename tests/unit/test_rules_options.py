"""Black-76: by hand, in its limits, and against QuantLib."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.options import black_greeks, black_price, normal_cdf

PRICES = st.floats(1.0, 1e5)
RATIOS = st.floats(0.2, 5.0)
VOLS = st.floats(0.05, 3.0)
YEARS = st.floats(1e-4, 3.0)
modest = settings(deadline=None, derandomize=True, max_examples=60)


def test_at_the_money_by_hand() -> None:
    # Forward and strike 100, deviation 0.2: 100 x (2 x Phi(0.1) - 1) = 7.965567455...
    assert black_price(True, 100.0, 100.0, 0.2) == pytest.approx(100.0 * math.erf(0.1 / math.sqrt(2.0)), rel=1e-14)


def test_far_tail_keeps_its_digits() -> None:
    # Phi(-10) = 7.61985302416e-24, far below the rounding of 1 - Phi(10).
    assert normal_cdf(-10.0) == pytest.approx(7.61985302416e-24, rel=1e-10)
    assert black_price(True, 100.0, 1000.0, 0.25) > 0.0


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize(
    ("forward", "strike", "deviation"), [(120.0, 100.0, 0.0), (80.0, 100.0, 0.0), (120.0, 0.0, 0.3), (0.0, 100.0, 0.3)]
)
def test_without_uncertainty_it_is_worth_its_payoff(
    is_call: bool, forward: float, strike: float, deviation: float
) -> None:
    payoff = max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)
    assert black_price(is_call, forward, strike, deviation) == payoff
    greeks = black_greeks(is_call, forward, strike, deviation, 1.0, 0.0)
    assert greeks[0] == payoff
    assert greeks[2:4] == (0.0, 0.0)


@modest
@given(forward=PRICES, ratio=RATIOS, deviation=st.floats(0.001, 4.0))
def test_bounds_and_parity(forward: float, ratio: float, deviation: float) -> None:
    strike = forward * ratio
    call, put = black_price(True, forward, strike, deviation), black_price(False, forward, strike, deviation)
    assert call - put == pytest.approx(forward - strike, abs=1e-11 * forward)
    assert max(forward - strike, 0.0) <= call <= forward * (1 + 1e-12)
    assert max(strike - forward, 0.0) <= put <= strike * (1 + 1e-12)
    assert black_price(True, forward, strike, deviation * 1.01) >= call - 1e-12 * forward


@modest
@given(is_call=st.booleans(), forward=PRICES, ratio=RATIOS, vol=VOLS, years=YEARS, rate=st.floats(-0.05, 0.3))
def test_against_quantlib(is_call: bool, forward: float, ratio: float, vol: float, years: float, rate: float) -> None:
    quantlib = pytest.importorskip("QuantLib", reason="QuantLib is absent; install the dev extra")
    strike, discount = forward * ratio, math.exp(-rate * years)
    kind = quantlib.Option.Call if is_call else quantlib.Option.Put
    payoff = quantlib.PlainVanillaPayoff(kind, strike)
    other = quantlib.BlackCalculator(payoff, forward, vol * math.sqrt(years), discount)
    price, delta, gamma, vega, theta = black_greeks(is_call, forward, strike, vol, years, rate)
    assert discount * black_price(is_call, forward, strike, vol * math.sqrt(years)) == pytest.approx(price, rel=1e-14)
    assert price == pytest.approx(other.value(), rel=1e-9, abs=1e-12 * forward)
    assert delta == pytest.approx(other.deltaForward(), rel=1e-9, abs=1e-12)
    assert gamma == pytest.approx(other.gammaForward(), rel=1e-9, abs=1e-12 / forward)
    assert vega == pytest.approx(other.vega(years), rel=1e-9, abs=1e-11 * forward)
    # QuantLib holds the spot: with a spot equal to the forward only the discounting differs from holding the forward.
    assert theta == pytest.approx(
        _quantlib_theta(quantlib, is_call, forward, strike, vol, years, rate), rel=1e-6, abs=1e-6 * forward
    )


@modest
@given(
    is_call=st.booleans(),
    spot=PRICES,
    ratio=RATIOS,
    vol=VOLS,
    days=st.integers(1, 1000),
    rate=st.floats(0.0, 0.2),
    dividend=st.floats(0.0, 0.1),
)
def test_black_scholes_is_black_on_the_forward(
    is_call: bool, spot: float, ratio: float, vol: float, days: int, rate: float, dividend: float
) -> None:
    quantlib = pytest.importorskip("QuantLib", reason="QuantLib is absent; install the dev extra")
    today, counter, years, strike = quantlib.Date(2, 1, 2026), quantlib.Actual365Fixed(), days / 365, spot * ratio
    quantlib.Settings.instance().evaluationDate = today

    def flat(level: float) -> object:
        return quantlib.YieldTermStructureHandle(quantlib.FlatForward(today, level, counter))

    process = quantlib.BlackScholesMertonProcess(
        quantlib.QuoteHandle(quantlib.SimpleQuote(spot)),
        flat(dividend),
        flat(rate),
        quantlib.BlackVolTermStructureHandle(quantlib.BlackConstantVol(today, quantlib.NullCalendar(), vol, counter)),
    )
    payoff = quantlib.PlainVanillaPayoff(quantlib.Option.Call if is_call else quantlib.Option.Put, strike)
    other = quantlib.VanillaOption(payoff, quantlib.EuropeanExercise(today + days))
    other.setPricingEngine(quantlib.AnalyticEuropeanEngine(process))
    growth = math.exp((rate - dividend) * years)
    price, delta, gamma, vega, _ = black_greeks(is_call, spot * growth, strike, vol, years, rate)
    assert price == pytest.approx(other.NPV(), rel=1e-9, abs=1e-11 * spot)
    assert delta * growth == pytest.approx(other.delta(), rel=1e-9, abs=1e-11)
    assert gamma * growth**2 == pytest.approx(other.gamma(), rel=1e-9, abs=1e-11 / spot)
    assert vega == pytest.approx(other.vega(), rel=1e-9, abs=1e-11 * spot)


def _quantlib_theta(
    quantlib: object, is_call: bool, forward: float, strike: float, vol: float, years: float, rate: float
) -> float:
    """Central difference of QuantLib's Black formula in time, the forward held."""
    kind = quantlib.Option.Call if is_call else quantlib.Option.Put  # type: ignore[attr-defined]
    step = years * 1e-4

    def value(left: float) -> float:
        deviation, discount = vol * math.sqrt(left), math.exp(-rate * left)
        return float(quantlib.blackFormula(kind, strike, forward, deviation, discount))  # type: ignore[attr-defined]

    return (value(years - step) - value(years + step)) / (2 * step)
