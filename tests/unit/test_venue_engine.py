"""One position and one balance through the engine's records: what the adapters of venues' cases rely on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.venues import engine
from market.kernels.rules.collateral import tiered_value
from market.kernels.rules.rates import requirement
from market.kernels.rules.weights import size_premium
from market.margin.collateral import CollateralRule, HaircutTier
from market.margin.requirement import LinearSize, RequirementRule, RootPremium, Tier

TIERS = RequirementRule(
    tiers=(
        Tier(initial=0.01, maintenance=0.004),
        Tier(floor_usd=50e3, initial=0.02, maintenance=0.005),
        Tier(floor_usd=1.2e9, initial=1.0, maintenance=0.5),
    )
)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(notional=st.floats(0.0, 1e11))
def test_tiers_are_marginal(notional: float) -> None:
    found = engine.position(TIERS, notional=notional, initial=False)
    below = min(notional, 50e3) * 0.004 + max(0.0, min(notional, 1.2e9) - 50e3) * 0.005
    expected = below + max(0.0, notional - 1.2e9) * 0.5
    assert found.needed == pytest.approx(expected, rel=1e-11, abs=1e-9)
    assert found.tier == (notional >= 50e3) + (notional >= 1.2e9)


def test_amounts_come_back_to_the_last_digits() -> None:
    assert engine.position(TIERS, notional=170.3, initial=False).needed == pytest.approx(0.6812, abs=1e-12)
    assert engine.position(TIERS, notional=-170.3, initial=True).needed == pytest.approx(1.703, abs=1e-12)
    rounded = engine.position(TIERS, notional=0.000_123, initial=False, in_millionths=True)
    assert rounded.needed == 1e-6, "a millionth, rounded up as in a run"


def test_open_interest_and_size_raise_the_rate() -> None:
    assert engine.position(TIERS, notional=1_000.0, initial=True, crowding=0.6).needed == pytest.approx(600.0)
    assert engine.position(TIERS, notional=1_000.0, initial=False, crowding=0.6).needed == pytest.approx(4.0)
    rule = RequirementRule(tiers=(Tier(initial=0.1, maintenance=0.05),), size=RootPremium(factor=0.001))
    for size in (0.0, 1.0, 6.147, 10_000.0):
        found = engine.position(rule, notional=153_688.5, size=-size, initial=False).needed
        ratio = float(size_premium(0.05, size, 0.001, 1e-4))
        assert found == pytest.approx(float(requirement(153_688.5, ratio, 0.0, 0.0)), rel=1e-12)


def test_maintenance_may_have_a_slope_of_its_own() -> None:
    """Synthetix: initial = minimum + ratio x size / skew scale, maintenance = scalar x initial; ppm rounded up."""
    law = LinearSize(factor=1.54 / 12_500, maintenance_factor=0.28 * 1.54 / 12_500)
    rule = RequirementRule(tiers=(Tier(initial=0.02, maintenance=0.0056),), size=law, minimum_usd=15.0)

    def needed(chosen: RequirementRule, *, initial: bool, size: float = 10.0) -> float:
        return engine.position(chosen, notional=60_000.0 * size, size=size, initial=initial).needed

    assert needed(rule, initial=True) == pytest.approx(600_000 * 0.021232, abs=1e-6)
    assert needed(rule, initial=False) == pytest.approx(600_000 * 0.005945, abs=1e-6)
    assert needed(rule, initial=False, size=0.001) == pytest.approx(15.0)
    assert needed(replace(rule, size=LinearSize(factor=0.001)), initial=False) == pytest.approx(600_000 * 0.0156)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(amount=st.floats(-1e6, 1e6), price=st.sampled_from([1.0, 0.000_123, 20_000.0, 2681.60298]), money=st.booleans())
def test_haircuts_by_size(amount: float, price: float, money: bool) -> None:
    ends = np.array([10.0, 50.0, 1e5]) if not money else np.array([1e3, 1e6, 1e12])
    ratios = np.array([0.975, 0.9, 0.0])
    steps = zip([0.0, *ends.tolist()[:2]], ratios.tolist(), strict=True)
    tiers = tuple(HaircutTier(floor=floor, haircut=1.0 - ratio) for floor, ratio in steps)
    found = engine.balance(
        CollateralRule(tiers=tiers, tier_unit="usd" if money else "asset"), amount=amount, price=price
    )
    assert found == pytest.approx(float(tiered_value(amount, price, ends, ratios, money)), rel=1e-10, abs=1e-9)


def test_what_the_engine_holds_exactly() -> None:
    assert engine.holds((0.0, 0.0065, 0.2 * 0.6, 1.0))
    assert not engine.holds((1 / 3,))
    assert not engine.holds((1.5,))
    assert not engine.holds((-0.1,))
