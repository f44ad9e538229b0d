"""Mango v4: health by profile, liquidation of tokens with tokens, liquidation of perpetual positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.venues.inputs import column, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.fees import price_with_fee
from market.kernels.rules.health import health, reserved_health, weighted_balance
from market.kernels.rules.open_orders import worst_position_value
from market.kernels.rules.sizing import debt_to_repay, exchange_gain
from market.kernels.rules.staged_reduction import reduce_and_settle
from market.kernels.rules.valuation import asset_price, counted_profit, liability_price
from market.kernels.rules.weights import borrow_scaled, deposit_scaled

_WEIGHTS_OF = {"init": "init", "liq_end": "init", "maint": "maint"}
_NAMES = {"initial": "init", "liquidation_end": "liq_end", "liquidationend": "liq_end", "maintenance": "maint"}
"""Other names of the profiles."""
_NATIVE_SLACK = 0.5
"""Half a unit of the chain's own smallest amount; the cases are in these units."""


@adapter("mango_health")
def mango_health(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Health of one account under one profile."""
    given = str(inputs.get("profile") or "init").lower()
    profile = _NAMES.get(given, given)
    if profile not in _WEIGHTS_OF:
        raise ValueError(f"input profile is {profile!r}, none of {', '.join(_WEIGHTS_OF)}")
    tokens = rows(inputs, "tokens")
    row_of = {str(token["asset"]): row for row, token in enumerate(tokens)}
    balances = column(tokens, "balance")
    for perp in rows(inputs, "perps"):
        balances[row_of[str(perp["settle"])]] += _perp_balance(perp, profile)
    prices = [_prices(token, profile) for token in tokens]
    weights = [_token_weights(token, profile) for token in tokens]
    low, high = (np.array([price[side] for price in prices], np.float64) for side in (0, 1))
    asset_values, liability_values = (
        np.array([price[side] * weight[side] for price, weight in zip(prices, weights, strict=True)], np.float64)
        for side in (0, 1)
    )
    orders = rows(inputs, "spot_orders")
    reserved = reserved_health(
        balances, asset_values, liability_values, low, high,
        _token_rows(orders, "base", row_of), _token_rows(orders, "quote", row_of),
        column(orders, "reserved_base", 0.0), column(orders, "reserved_quote", 0.0),
        column(orders, "lowest_ask_price", 0.0), column(orders, "highest_bid_price", 0.0),
    )  # fmt: skip
    return {"health": health(balances, asset_values, liability_values) + reserved}


def _prices(row: Mapping[str, Any], profile: str) -> tuple[float, float]:
    """Asset and liability price; only the initial profile looks at the stable price."""
    oracle = number(row, "oracle_price")
    stable = number(row, "stable_price", oracle) if profile == "init" else oracle
    return asset_price(oracle, stable), liability_price(oracle, stable)


def _token_weights(token: Mapping[str, Any], profile: str) -> tuple[float, float]:
    name = _WEIGHTS_OF[profile]
    asset, liability = number(token, f"{name}_asset_weight"), number(token, f"{name}_liab_weight")
    if profile != "init":
        return asset, liability
    price = _prices(token, profile)[1]
    held = number(token, "bank_deposits", 0.0) + number(token, "bank_potential_order_tokens", 0.0)
    owed = number(token, "bank_borrows", 0.0)
    return (
        deposit_scaled(asset, number(token, "deposit_weight_scale_start_quote", 0.0), held * price),
        borrow_scaled(liability, number(token, "borrow_weight_scale_start_quote", 0.0), owed * price),
    )


def _perp_balance(perp: Mapping[str, Any], profile: str) -> float:
    """What a perpetual adds to the balance of its settlement token."""
    name = _WEIGHTS_OF[profile]
    value = worst_position_value(
        number(perp, "base"), number(perp, "bids_base", 0.0), number(perp, "asks_base", 0.0), *_prices(perp, profile),
        number(perp, f"{name}_base_asset_weight"), number(perp, f"{name}_base_liab_weight"),
    )  # fmt: skip
    weight = number(perp, f"{name}_overall_asset_weight", 1.0)
    return float(counted_profit(number(perp, "quote") + value, weight, 1.0, np.inf))


def _token_rows(orders: list[Mapping[str, Any]], key: str, row_of: Mapping[str, int]) -> NDArray[np.int64]:
    return np.array([row_of[str(order[key])] for order in orders], np.int64)


@adapter("mango_token_liq")
def mango_token_liq(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Debt repaid and collateral handed over in one liquidation of a token with a token."""
    asset, liab = inputs["asset"], inputs["liab"]
    overall = number(inputs, "perp_overall_asset_weight", 1.0)
    held, owed = number(asset, "balance"), number(liab, "balance")
    counted_held, counted_owed = (
        balance + counted_profit(number(side, "perp_pnl", 0.0), overall, 1.0, np.inf)
        for balance, side in ((held, asset), (owed, liab))
    )
    if held <= 0.0 or owed >= 0.0 or counted_held <= 0.0 or counted_owed >= 0.0:
        return {"allowed": False}
    price, debt_price = number(asset, "price"), number(liab, "price")
    to_liquidator, all_fees = (
        price_with_fee(price_with_fee(1.0, fee(liab), 1.0), fee(asset), 1.0) for fee in (_liquidator_fee, _all_fees)
    )
    asset_weight, liability_weight = number(asset, "init_asset_weight"), number(liab, "init_liab_weight")

    def health_at(held: float, owed: float) -> float:
        # Of both balances the signs are known, so one value per unit each is enough.
        values = price * asset_weight, debt_price * liability_weight
        return number(inputs, "other_health", 0.0) + sum(float(weighted_balance(one, *values)) for one in (held, owed))

    unit_cost = debt_price * all_fees / price
    gain = exchange_gain(debt_price, liability_weight, asset_weight, all_fees, 1.0, 0.0)
    repaid = debt_to_repay(
        health_at(counted_held, counted_owed), gain, -owed, -counted_owed, held, counted_held, unit_cost,
        number(inputs, "max_liab_transfer", np.inf),
    )  # fmt: skip
    return {
        "allowed": True,
        "asset_balance": held - repaid * unit_cost,
        "liab_balance": owed + repaid,
        "liab_transfer": repaid,
        "asset_to_liquidator": repaid * debt_price * to_liquidator / price,
        "asset_from_account": repaid * unit_cost,
        "liq_end_health": health_at(counted_held - repaid * unit_cost, counted_owed + repaid),
    }


def _liquidator_fee(side: Mapping[str, Any]) -> float:
    return number(side, "liq_fee", 0.0)


def _all_fees(side: Mapping[str, Any]) -> float:
    return number(side, "liq_fee", 0.0) + number(side, "platform_fee", 0.0)


@adapter("mango_perp_liq")
def mango_perp_liq(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Balances after one liquidation of a perpetual's base position or positive profit."""
    price, lot, base = number(inputs, "price"), number(inputs, "lot", 1.0), number(inputs, "base")
    quote, spot = number(inputs, "quote"), number(inputs, "spot")
    side = 1.0 if base > 0.0 else -1.0
    weights = number(inputs, "init_base_asset_weight"), number(inputs, "init_base_liab_weight")
    fee = number(inputs, "base_liquidation_fee", 0.0) + number(inputs, "platform_liquidation_fee", 0.0)
    received = price_with_fee(price, fee, -side)
    paid = price_with_fee(1.0, number(inputs, "positive_pnl_liquidation_fee", 0.0), -1.0)
    closed, taken = reduce_and_settle(
        quote + worst_position_value(base, 0.0, 0.0, price, price, *weights),
        spot,
        number(inputs, "other_health", 0.0),
        min(abs(base), abs(number(inputs, "max_base", np.inf))) / lot,
        number(inputs, "max_pnl", np.inf),
        side * lot * (received - price * weights[0 if side > 0.0 else 1]),
        number(inputs, "init_overall_asset_weight"),
        paid,
        _NATIVE_SLACK,
        number(inputs, "settle_price", 1.0) * number(inputs, "settle_init_asset_weight", 1.0),
        number(inputs, "settle_price", 1.0) * number(inputs, "settle_init_liab_weight", 1.0),
    )
    return {
        "spot": spot + taken * paid,
        "base": base - side * closed * lot,
        "quote": quote + side * closed * lot * received - taken,
    }
