"""Phases of a liquidation call: losing positions first, open profit settled, then the rest.

Bitcoin stays at 10,000, ether at 1,000; 10 % are needed, of what profit exceeds that a half counts under the target.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.margin.requirement import RequirementRule, Tier
from market.margin.rules import Margin
from market.sizing import CloseAll, ToTarget
from market.venue import Liquidation
from tests.engine_worlds import BTC, PERP, USD, USDC, Engine, changed, engine, plain_venue

ASSETS = {"USDC": USDC, "BTC": BTC, "ETH": changed(BTC, price_usd=1_000.0)}
BOOKS = {"BTC-PERP": PERP, "ETH-PERP": changed(PERP, base="ETH", lot_size=0.01)}
HALF = RequirementRule(tiers=(Tier(initial=0.1, maintenance=0.05),), profit_weight=0.5, profit_net=True)


def winner(
    cash: float, phases: tuple[str, ...], *, ether: int = 0, weight: RequirementRule = HALF, **rules: Any
) -> Engine:
    """Long a bitcoin bought at 5,000, `cash` beside it, and so many lots of ether bought at 1,100."""
    terms = {"sizing": ToTarget(target_profile="target"), "ordering": "largest_first", **rules}
    venue = plain_venue(margin=Margin(requirement={"default": weight}), phases=phases, **terms)
    made = engine(deposits=(cash,), venue=venue, assets=ASSETS, instruments=BOOKS)
    made.open(made.rows[0], 1_000, 5_000)
    if ether:
        made.open(made.rows[0], ether, 1_100, book=1)
    for book, price in enumerate((10_000, 1_000)):
        made.bids((price, 100_000), book=book)
    return made


def closed(made: Engine) -> list[tuple[int, int]]:
    """(book, lots) of every forced fill."""
    return [(int(event["book"]), int(event["lots"])) for event in made.events]


@pytest.mark.parametrize(
    ("phases", "fee", "lots", "earned"),
    [
        (("reduce",), 0.0, 834, 0),  # of 1,000: a lot brings its part of 1,000 and of 2,000
        (("settle_profit", "reduce"), 0.0, 501, 0),  # 4,000 settled bring 2,000, then a lot its part of 1,000
        (("settle_profit", "reduce"), 1_000.0, 901, 400),  # they bring 1,600, and the keeper 400
    ],
)
def test_settled_profit_spares_a_part_of_the_position(
    phases: tuple[str, ...], fee: float, lots: int, earned: int
) -> None:
    """Half a dollar below maintenance, 2,500.5 below the target, of which 2,000 is profit that does not count."""
    made = winner(-4_500.5, phases, settle_fee_bps=fee)
    row = made.rows[0]
    before = made.cash(made.keeper)
    assert made.assess(row)[:3] == (499.5 * USD, 499.5 * USD, 500 * USD)
    made.run(1)
    assert closed(made) == [(0, lots)]
    assert made.cash(made.keeper) - before == earned * USD
    assert made.assess(row)[1] == (499.5 - earned) * USD, "who settles is worth what he was, but for the fee"
    made.run(1)
    assert made.world.n_claims == 0
    made.check_books()


def test_losing_positions_go_first_whatever_their_size() -> None:
    """Ether: 5,000 at a loss of 500, against 10,000 of bitcoin at a gain."""
    cash = -4_000.0
    largest = winner(cash, ("reduce",), ether=500)
    losing = winner(cash, ("reduce_losing", "settle_profit", "reduce"), ether=500)
    for made, first in ((largest, 0), (losing, 1)):
        made.run(1)
        assert made.events["book"][0] == first
        made.check_books()
    assert closed(losing)[0] == (1, 500)


@pytest.mark.parametrize(
    ("phases", "sizing", "why"),
    [
        ((), ToTarget(target_profile="target"), "phases: expected"),
        (("reduce_losing",), CloseAll(), "phases: expected"),
        (("settle_profit", "reduce"), ToTarget(), "settle_profit"),
        (("settle_profit", "reduce"), CloseAll(), "settle_profit"),
    ],
)
def test_what_cannot_be_is_refused(phases: Any, sizing: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Liquidation(phases=phases, sizing=sizing)
