"""Capital efficiency: whose money counts, and what customers hold once they have re-levered."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.build import build
from experiments.capital import customers, held_notional, relevered_notional
from experiments.run import opening_of
from experiments.scenario import Scenario
from market.world import World

SMALL = ("population.count=200", "population.equity_usd=50000", "hours=0.01")


def world(*overrides: str) -> World:
    return build(Scenario.load("flash-crash", overrides=[*SMALL, *overrides]), seed=2).world


def test_the_money_of_makers_is_nobodys_collateral() -> None:
    usual, rich = world(), world("agents.market_makers.default.capital_usd=9e7")
    equity = [opening_of(one).assessment[:, 1] for one in (usual, rich)]
    assert equity[1].sum() > 2.0 * equity[0].sum()
    own = [found[customers(one)].sum() for found, one in zip(equity, (usual, rich), strict=True)]
    assert own[0] == own[1] > 0
    assert held_notional(usual) == held_notional(rich)
    assert relevered_notional(usual, utilisation=0.5) == relevered_notional(rich, utilisation=0.5)


def test_re_levering_uses_the_stated_share_and_leaves_the_world_alone() -> None:
    one = world()
    before = one.ledger.positions.copy()
    opening = opening_of(one)
    chosen = customers(one) & (opening.assessment[:, 3] > 0)
    rate = opening.assessment[chosen, 3].sum() / held_notional(one)
    equity = opening.assessment[chosen, 0].sum()
    half, all_of_it = (relevered_notional(one, utilisation=share) for share in (0.5, 1.0))
    assert half == pytest.approx(0.5 * equity / rate, rel=0.15)
    assert all_of_it == pytest.approx(2.0 * half, rel=0.01)
    assert np.array_equal(one.ledger.positions, before)


def test_rules_that_ask_for_more_carry_less() -> None:
    usual = relevered_notional(world(), utilisation=0.5)
    haircut = relevered_notional(world("assets.ETH.haircut=0.6"), utilisation=0.5)
    tiers = "[{floor_usd=0, initial=0.03, maintenance=0.01}, {floor_usd=1e5, initial=0.2, maintenance=0.1}]"
    tiered = relevered_notional(world(f"instruments.ETH-PERP.tiers={tiers}"), utilisation=0.5)
    assert haircut < 0.99 * usual
    assert tiered < 0.9 * usual
