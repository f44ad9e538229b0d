"""The interest curve against published ones."""

from __future__ import annotations

import pytest

from market.kernels.rules.interest import kinked_rate, supply_rate
from market.lending import Reserve


@pytest.mark.parametrize(
    ("utilisation", "rate"),
    # Aave v3 on Ethereum at its launch, USDC: optimal 0.9, base 0, slopes 0.04 and 0.60.
    [(0.0, 0.0), (0.45, 0.02), (0.9, 0.04), (0.95, 0.34), (1.0, 0.64)],
)
def test_aave(utilisation: float, rate: float) -> None:
    assert kinked_rate(utilisation, 0.0, 0.04, 0.60, 0.9) == pytest.approx(rate, abs=1e-12)
    assert Reserve(slope_below=0.04, slope_above=0.60, optimal=0.9).rate(utilisation) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("utilisation", [0.0, 0.3, 0.8, 0.81, 0.9, 1.0])
def test_compound_states_the_same_curve_by_slopes(utilisation: float) -> None:
    """Compound v3, cUSDCv3 on Ethereum: kink 0.8, base 0.015, slopes 0.035 and 0.25 per unit of utilisation."""
    base, low, high, kink = 0.015, 0.035, 0.25, 0.8
    stated = base + low * min(utilisation, kink) + high * max(0.0, utilisation - kink)
    assert kinked_rate(utilisation, base, low * kink, high * (1.0 - kink), kink) == pytest.approx(stated, abs=1e-12)


def test_a_kink_at_one_has_no_second_slope() -> None:
    assert kinked_rate(1.0, 0.01, 0.04, 5.0, 1.0) == pytest.approx(0.05)


def test_depositors_earn_what_debtors_pay_less_the_reserve() -> None:
    assert supply_rate(0.04, 0.9, 0.1) == pytest.approx(0.0324)
