"""A fire sale: banks that fall below a capital ratio sell, prices fall, and more of them do.

The overlapping-portfolio model of Farmer, Kleinnijenhuis, Nahai-Williamson and Wetzer (2020, Foundations of system-wide
financial stress tests, INET Oxford working paper 2020-14): behaviour by threshold after Cont and Schaanning (2017),
price impact after Cifuentes, Ferrucci and Shin (2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.network.inputs import Array, Matrix, matrix, number, vector
from experiments.network.price_impact import exponential
from market.errors import InputError


class Banks:
    """Balance sheets; prices are 1 at the start, so that holdings in USD are quantities too.

    `holdings` [n, m] USD of tradable assets, `cash`, `other_assets`, `debts` float64[n] USD. Equity is what is left.
    Raises InputError for anything negative, not finite or of another shape.
    """

    def __init__(self, *, holdings: Matrix, cash: ArrayLike, other_assets: ArrayLike, debts: ArrayLike) -> None:
        self.holdings: Array = matrix("holdings", holdings).toarray()
        n = len(self.holdings)
        self.cash = vector("cash", cash, n)
        self.other_assets = vector("other_assets", other_assets, n)
        self.debts = vector("debts", debts, n)


@dataclass(frozen=True, kw_only=True)
class CapitalRule:
    """Equity / assets at which a bank acts; shares, `least` <= `buffer` <= `target`."""

    least: float
    """Below it the bank defaults and sells all it holds in the next step."""
    buffer: float
    """Below it the bank pays debts and sells until the ratio is `target` again."""
    target: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.least <= self.buffer <= self.target < 1.0:
            raise InputError("capital ratios: must be 0 <= least <= buffer <= target < 1")


@dataclass(frozen=True, kw_only=True)
class FireSale:
    """What happened, step by step."""

    prices: Array
    """float64[steps + 1, m]: row 0 after the shock."""
    sold: Array
    """float64[steps, m]: quantity."""
    defaults: NDArray[np.int64]
    """int64[steps]: banks in default so far."""
    sold_share: float
    """Quantity sold of all that was held, in units of the first prices."""


def fire_sale(banks: Banks, rule: CapitalRule, *, shock: ArrayLike, impact_rate: ArrayLike, steps: int) -> FireSale:
    """Prices jump by `shock` float64[m] (-0.2: a fall by a fifth), then `steps` rounds of orders and sales.

    Each step the orders of the last one trade, half way through the fall that they make: price x exp(-`impact_rate` x
    share of all holdings that is sold), `impact_rate` float64[m]. Then banks below `least` default, those below
    `buffer` pay debts out of cash and order sales of what is missing, in proportion to what they hold.
    """
    quantity, cash, debts = banks.holdings.copy(), banks.cash.copy(), banks.debts.copy()
    n, m = quantity.shape
    jump = vector("shock", shock, m, signed=True)
    if (jump <= -1.0).any():
        raise InputError("shock: a price cannot fall by all it is worth")
    rates = vector("impact_rate", impact_rate, m)
    if number("steps", steps, low=1) != int(steps):
        raise InputError(f"steps: {steps!r} is not a whole number")
    supply = quantity.sum(axis=0)
    prices, sold = np.empty((steps + 1, m)), np.zeros((steps, m))
    prices[0] = 1.0 + jump
    alive, defaults = np.ones(n, np.bool_), np.zeros(steps, np.int64)
    orders = np.zeros((n, m))
    for step in range(steps):
        sold[step] = orders.sum(axis=0)
        share = np.divide(sold[step], supply, out=np.zeros(m), where=supply > 0.0)
        falls = np.array([exponential(part, rate) for part, rate in zip(share, rates, strict=True)])
        prices[step + 1] = prices[step] * (1.0 - falls)
        cash += orders @ (0.5 * (prices[step] + prices[step + 1]))
        quantity -= orders
        tradable = quantity @ prices[step + 1]
        assets = cash + tradable + banks.other_assets
        equity = assets - debts
        failed = alive & (equity < rule.least * assets)
        acting = alive & ~failed & (equity < rule.buffer * assets)
        alive &= ~failed
        defaults[step] = n - alive.sum()
        excess = np.where(acting, assets - equity / rule.target if rule.target > 0.0 else 0.0, 0.0)
        paid = np.minimum(np.minimum(excess, cash), debts)
        cash -= paid
        debts -= paid
        wanted = np.divide(excess - paid, tradable, out=np.zeros(n), where=tradable > 0.0)
        orders = quantity * np.where(failed, 1.0, np.minimum(wanted, 1.0))[:, None]
    held = supply.sum()
    sold_share = float(sold.sum() / held) if held > 0.0 else 0.0
    return FireSale(prices=prices, sold=sold, defaults=defaults, sold_share=sold_share)
