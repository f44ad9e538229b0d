"""dYdX v4: margin, trigger, prices, sizes, order and deleveraging. Money in steps of a millionth, rates of a ppm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.venues import engine
from experiments.venues.inputs import column, each, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.account import is_below, net_value, notional_value, total_requirement
from market.kernels.rules.bankruptcy import bankruptcy_quote, bankruptcy_rating, fillable_price, fund_change
from market.kernels.rules.deleveraging import may_settle, offset_size
from market.kernels.rules.ordering import price_gap, rank_descending
from market.kernels.rules.portion import portion_to_close
from market.kernels.rules.rates import maintenance_rate, open_interest_rate, requirement
from market.margin.requirement import RequirementRule, Tier

QUOTE_STEP = 1e-6
RATE_STEP = 1e-6


@dataclass(kw_only=True)
class Account:
    """Cash and positions, one row per market."""

    cash: float
    markets: list[str]
    sizes: NDArray[np.float64]
    prices: NDArray[np.float64]
    initial_rates: NDArray[np.float64]
    maintenance_rates: NDArray[np.float64]

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> Account:
        """The account a case describes; without initial rates, only maintenance counts."""
        positions = rows(inputs, "positions")

        return cls(
            cash=number(inputs, "cash"),
            markets=[str(row.get("market")) for row in positions],
            sizes=column(positions, "size"),
            prices=column(positions, "price"),
            initial_rates=column(positions, "imf", 0.0),
            maintenance_rates=column(positions, "mmf"),
        )

    def row(self, market: Any) -> int:
        """Row of a market. ValueError when the account has no position there."""
        if market not in self.markets:
            raise ValueError(f"no position in {market}")
        return self.markets.index(market)

    def size(self, market: Any) -> float:
        """Signed size held; 0 without a position."""
        return float(self.sizes[self.markets.index(market)]) if market in self.markets else 0.0

    def after(self, market: Any, change: float, quote: float) -> Account:
        """The account once `quote` has come in for a change of size."""
        sizes = self.sizes.copy()
        sizes[self.row(market)] += change
        return Account(**{**vars(self), "cash": self.cash + quote, "sizes": sizes})

    @property
    def equity(self) -> float:
        """Net value at the oracle prices."""
        return float(net_value(self.cash, self.sizes, self.prices, QUOTE_STEP))

    @property
    def maintenance(self) -> float:
        """Maintenance margin."""
        return float(total_requirement(self.sizes, self.prices, self.maintenance_rates, QUOTE_STEP))

    @property
    def initial(self) -> float:
        """Initial margin."""
        rates = np.maximum(self.initial_rates, self.maintenance_rates)
        return float(total_requirement(self.sizes, self.prices, rates, QUOTE_STEP))


@adapter("dydx_margin")
def margin(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Margins of one position; open interest raises the initial rate only."""
    price, base = number(inputs, "price"), number(inputs, "initial_margin_fraction")
    notional = notional_value(number(inputs, "size"), price, QUOTE_STEP)
    upper = number(inputs, "oi_upper_cap", 0.0)
    interest = notional_value(number(inputs, "open_interest", 0.0), price, QUOTE_STEP)
    rate = float(open_interest_rate(base, interest, number(inputs, "oi_lower_cap", 0.0), upper, RATE_STEP))
    fraction = number(inputs, "maintenance_fraction")
    unscaled = _needed(notional, base, base)
    # Rounded twice: maintenance is a share of the initial margin, not of the notional.
    return {
        "initial_margin": _needed(notional, base, rate),
        "maintenance_margin": _needed(unscaled, fraction, fraction),
    }


def _needed(notional: float, base: float, rate: float) -> float:
    """Margin at a rate that open interest may have raised above its base."""
    if not engine.holds((base, rate)):
        return float(requirement(notional, rate, 0.0, QUOTE_STEP))
    rule = RequirementRule(tiers=(Tier(initial=base, maintenance=base),))
    return engine.position(rule, notional=float(notional), initial=True, crowding=rate, in_millionths=True).needed


@adapter("dydx_oimf")
def initial_rate(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Initial rate scaled by open interest."""
    caps = number(inputs, "oi_lower_cap", 0.0), number(inputs, "oi_upper_cap", 0.0)
    interest = number(inputs, "open_interest_notional", 0.0)
    return {"imf": open_interest_rate(number(inputs, "initial_margin_fraction"), interest, *caps, RATE_STEP)}


@adapter("dydx_mmf")
def maintenance(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Maintenance rate as a fraction of the initial one."""
    rates = number(inputs, "initial_margin_fraction"), number(inputs, "maintenance_fraction")
    return {"mmf": maintenance_rate(*rates, RATE_STEP)}


@adapter("dydx_liquidatable")
def liquidatable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the account may be liquidated."""
    account = Account.of(inputs)
    return {
        "liquidatable": bool(is_below(account.equity, account.maintenance, QUOTE_STEP)),
        "equity": account.equity,
        "maintenance_margin": account.maintenance,
        "initial_margin": account.initial,
    }


@adapter("dydx_bankruptcy")
def bankruptcy(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Quote at which a part is closed at the bankruptcy price."""
    return {"quote": _bankruptcy_quote(Account.of(inputs), inputs.get("market"), number(inputs, "delta"))}


@adapter("dydx_fillable")
def fillable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Limit price of the liquidation order."""
    account = Account.of(inputs)
    row = account.row(inputs.get("market"))
    size, price = float(account.sizes[row]), float(account.prices[row])
    own = requirement(notional_value(size, price, QUOTE_STEP), account.maintenance_rates[row], 0.0, QUOTE_STEP)
    rating = bankruptcy_rating(account.equity, account.maintenance, number(inputs, "bankruptcy_adjustment"))
    return {"price": fillable_price(size, price, own, rating, number(inputs, "spread_to_mm_ratio"))}


@adapter("dydx_insurance")
def insurance(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the fund gets or pays by a fill."""
    account, market = Account.of(inputs), inputs.get("market")
    change = -np.sign(account.size(market)) * abs(number(inputs, "fill_size"))
    received = -notional_value(change, number(inputs, "fill_price"), QUOTE_STEP)
    owed = _bankruptcy_quote(account, market, float(change))
    return {"insurance_delta": fund_change(received, owed, number(inputs, "max_liquidation_fee"), QUOTE_STEP)}


@adapter("dydx_liq_size")
def size_to_close(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Change of size that one liquidation may make."""
    size, price, step = each(inputs, "size", "price", "step")
    portion, least = number(inputs, "max_position_portion", 1.0), number(inputs, "min_position_notional", 0.0)
    most = number(inputs, "subaccount_max_notional", np.inf)
    return {"delta": portion_to_close(size, price, portion, least, most, step, QUOTE_STEP)}


@adapter("dydx_liq_order")
def order(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Who is liquidated first; a tie beyond gap and notional, a hash at the venue, goes by name here."""
    oracle = number(inputs, "oracle_price")
    waiting = sorted(rows(inputs, "orders"), key=lambda row: str(row.get("id")))
    gaps = np.array([price_gap(number(row, "fillable_price"), oracle) for row in waiting], np.float64)
    notionals = np.array([notional_value(abs(number(row, "size")), oracle, QUOTE_STEP) for row in waiting], np.float64)
    ranked = np.zeros(len(waiting), np.int64)
    rank_descending(gaps, notionals, ranked)
    return {"order": [waiting[row].get("id") for row in ranked]}


@adapter("dydx_deleverage")
def deleverage(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Counterparties in the order given take what they can at the bankruptcy price of the account."""
    market, wanted = inputs.get("market"), number(inputs, "delta")
    liquidated, left, allowed = Account.of(inputs["liquidated"]), wanted, False
    offsetting = {str(row.get("id")): Account.of(row) for row in rows(inputs, "offsetting")}
    for name, before in offsetting.items():
        change = offset_size(left, before.size(market))
        if change == 0.0 or abs(change) > abs(liquidated.size(market)) or change * liquidated.size(market) >= 0.0:
            continue
        quote = _bankruptcy_quote(liquidated, market, change)
        after = before.after(market, -change, -quote)
        figures = after.equity, after.initial, after.maintenance, before.equity, before.maintenance
        if not may_settle(*figures, QUOTE_STEP):
            continue
        offsetting[name], liquidated = after, liquidated.after(market, change, quote)
        left, allowed = left - change, True
    return {
        "allowed": allowed,
        "liquidated_cash": liquidated.cash,
        "offsetting_cash": {name: account.cash for name, account in offsetting.items()},
        "remaining": left,
    }


def _bankruptcy_quote(account: Account, market: Any, change: float) -> float:
    """Quote for closing `-change` of a position. ValueError when the change does not close it, or more than it."""
    row = account.row(market)
    if account.sizes[row] * change >= 0.0 or abs(change) > abs(account.sizes[row]) * (1 + 1e-12):
        raise ValueError(f"a change of {change:g} does not close part of {account.sizes[row]:g}")
    rest = account.after(market, change, 0.0)
    value = account.equity - rest.equity
    released = account.maintenance - rest.maintenance
    return float(bankruptcy_quote(value, released, account.equity, account.maintenance, QUOTE_STEP))
