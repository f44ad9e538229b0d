"""Liquidation and bankruptcy prices in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.venues.inputs import direction, each, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.account import unrealised_profit
from market.kernels.rules.liquidation_price import (
    initial_at_entry,
    inverse_liquidation_price,
    linear_liquidation_price,
)
from market.kernels.rules.rates import requirement


@adapter("binance_liq_price")
def cross(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A position with a tier rate and deduction beside others that stay at their marks."""
    surplus = number(inputs, "wallet_balance")
    for other in rows(inputs, "other_positions"):
        size, mark = _size(other), number(other, "mark_price")
        surplus += unrealised_profit(size, number(other, "entry_price"), mark)
        surplus -= requirement(size * mark, number(other, "mmr"), number(other, "maint_amount", 0.0), 0.0)
    position = inputs["position"]
    surplus += number(position, "maint_amount", 0.0)
    entry, rate = number(position, "entry_price"), number(position, "mmr")
    return {"liquidation_price": linear_liquidation_price(surplus, _size(position), entry, rate)}


@adapter("linear_liq_price_taker_fee")
def with_taker_fee(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An isolated position whose closing fee counts with its maintenance margin."""
    rate = number(inputs, "mmr") + number(inputs, "taker_fee", 0.0)
    entry = number(inputs, "entry_price")
    return {"liquidation_price": linear_liquidation_price(number(inputs, "margin"), _size(inputs), entry, rate)}


@adapter("bybit_linear_liq")
def margin_at_entry(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An isolated position with both margins fixed at the entry price."""
    size, entry = _size(inputs), number(inputs, "entry_price")
    initial = initial_at_entry(size, entry, number(inputs, "leverage"))
    maintenance = requirement(size * entry, number(inputs, "mmr"), number(inputs, "mm_deduction", 0.0), 0.0)
    surplus = initial - maintenance + number(inputs, "extra_margin", 0.0)
    return {
        "initial_margin": initial,
        "maintenance_margin": maintenance,
        "liquidation_price": linear_liquidation_price(surplus, size, entry, 0.0),
    }


@adapter("dydx_liq_price")
def at_the_mark(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A position given by the account's equity at the mark."""
    equity, size, price = each(inputs, "equity", "size", "price")
    return {"liquidation_price": linear_liquidation_price(equity, size, price, number(inputs, "mmf"))}


@adapter("inverse_epp")
def inverse(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An inverse contract on margin in the base coin."""
    contracts = _signed(inputs, "contracts")
    margin, entry = number(inputs, "margin"), number(inputs, "entry_price")
    return {
        "liquidation_price": inverse_liquidation_price(margin, contracts, entry, number(inputs, "mmr")),
        "bankruptcy_price": inverse_liquidation_price(margin, contracts, entry, 0.0),
    }


@adapter("inverse_bankruptcy")
def inverse_by_leverage(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """An inverse contract on its initial margin, per contract."""
    contracts, entry = direction(inputs), number(inputs, "entry_price")
    margin = initial_at_entry(contracts, 1.0 / entry, number(inputs, "leverage"))
    return {"bankruptcy_price": inverse_liquidation_price(margin, contracts, entry, 0.0)}


def _size(inputs: Mapping[str, Any]) -> float:
    return _signed(inputs, "size")


def _signed(inputs: Mapping[str, Any], key: str) -> float:
    """Size with the sign of the side, or as it stands where no side is given."""
    size = number(inputs, key)
    return size if inputs.get("side") is None else direction(inputs) * abs(size)
