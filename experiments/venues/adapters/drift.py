"""Drift v2: weights by size, margin of an account, liquidation sizes and fees, shared losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.venues import engine
from experiments.venues.inputs import each, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.conversion import collateral_for_debt, debt_for_collateral
from market.kernels.rules.fees import (
    growing_fee,
    insurance_fee_on_exchange,
    insurance_fee_on_position,
    price_with_fee,
)
from market.kernels.rules.health import collateral_with_buffer, position_requirement, with_buffer
from market.kernels.rules.open_orders import worst_balance, worst_size
from market.kernels.rules.rounding import round_down
from market.kernels.rules.sizing import allowed_share, exchange_gain, position_gain, position_to_close
from market.kernels.rules.socialise import deposit_after_loss, loss_per_unit
from market.kernels.rules.solve import amount_to_target
from market.kernels.rules.valuation import asset_price, counted_profit, liability_price, signed_price
from market.kernels.rules.weights import (
    asset_weight,
    deposit_scaled,
    fill_weight,
    liability_weight,
    size_discount,
    size_premium,
)
from market.margin.requirement import NoSizeLaw, RequirementRule, RootPremium, Tier

_WEIGHT_STEP = 1e-4
_LOSS_STEP = 1e-6
_ORDER_CHARGE = 0.01
_PROFIT_CAP = 100.0
"""Units of quote of unrealised gain that count in the initial profile, per position."""
_SMALL = 50.0
"""A shortage below, or a position up to, this many units of quote is closed at once."""
_INSURANCE_PART = 0.95
_DUST = 1.0


def _profile(inputs: Mapping[str, Any]) -> str:
    profile = str(inputs.get("profile", "initial"))
    if profile not in ("initial", "fill", "maintenance"):
        raise ValueError(f"input profile is {profile!r}, none of initial, fill, maintenance")
    return profile


def _at_profile(profile: str, initial: float, maintenance: float) -> float:
    if profile == "fill":
        return float(fill_weight(initial, maintenance))
    return initial if profile == "initial" else maintenance


@adapter("drift_size_weight")
def drift_size_weight(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Weight of an asset, a debt or an unrealised profit by its size."""
    weight = _at_profile(
        _profile(inputs), number(inputs, "initial_weight", 0.0), number(inputs, "maintenance_weight", 0.0)
    )
    curves = {"asset": asset_weight, "liability": liability_weight}
    kind = inputs.get("kind", "asset")
    if kind not in curves:
        raise ValueError(f"input kind is {kind!r}, neither asset nor liability")
    size, factor = number(inputs, "size"), number(inputs, "imf_factor", 0.0)
    return {"weight": curves[kind](weight, size, factor, 0.0, 0.0, _WEIGHT_STEP)}


@adapter("drift_scaled_init_weight")
def drift_scaled_init_weight(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Initial asset weight where the venue holds much of the asset."""
    price = number(inputs, "price")
    highest = liability_price(price, number(inputs, "twap5", price))
    deposits = number(inputs, "deposits") * highest
    scaled = deposit_scaled(number(inputs, "initial_weight"), number(inputs, "start", 0.0), deposits)
    return {"weight": round_down(scaled, _WEIGHT_STEP)}


@dataclass(kw_only=True)
class _Sums:
    """What the positions of one account add up to."""

    requirement: float = 0.0
    liabilities: float = 0.0
    collateral: float = 0.0
    losses: float = 0.0

    def count(self, value: float) -> None:
        """Count money at face value: collateral when positive, else a requirement of as much."""
        if value < 0.0:
            self.require(-value, -value)
        else:
            self.collateral += value

    def require(self, requirement: float, liability: float) -> None:
        """Count a requirement and the value of the liability behind it."""
        self.requirement += requirement
        self.liabilities += liability


@adapter("drift_margin")
def drift_margin(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Margin requirement and collateral of an account or of one isolated position."""
    profile, strict = _profile(inputs), inputs.get("strict") is True
    own_ratio = number(inputs, "user_max_margin_ratio", 0.0) if profile == "initial" else 0.0
    spots = rows(inputs, "spots")
    quote_price = (1.0, 1.0, 1.0)
    sums = _Sums()
    for spot in spots:
        price = number(spot, "price")
        other = number(spot, "twap5", price) if strict else price
        prices = float(asset_price(price, other)), float(liability_price(price, other)), price
        if spot.get("is_quote") is True:
            quote_price = prices
            amount = number(spot, "amount", 0.0)
            sums.count(amount * signed_price(amount, *prices))
        else:
            _count_spot(sums, spot, prices, profile=profile, own_ratio=own_ratio)
    for perp in rows(inputs, "perps"):
        _count_perp(sums, perp, quote_price, profile=profile, own_ratio=own_ratio)
    buffer = number(inputs, "buffer", 0.0)
    return {
        "margin_requirement": sums.requirement,
        "total_collateral": sums.collateral,
        "margin_requirement_plus_buffer": with_buffer(sums.requirement, sums.liabilities, buffer),
        "total_collateral_plus_buffer": collateral_with_buffer(sums.collateral, sums.losses, buffer),
    }


def _count_spot(
    sums: _Sums, spot: Mapping[str, Any], prices: tuple[float, float, float], *, profile: str, own_ratio: float
) -> None:
    asset, liability = (
        _at_profile(profile, number(spot, f"initial_{side}_weight"), number(spot, f"maintenance_{side}_weight"))
        for side in ("asset", "liability")
    )
    value, weighted, money = worst_balance(
        number(spot, "amount", 0.0), abs(number(spot, "open_bids", 0.0)), abs(number(spot, "open_asks", 0.0)),
        *prices[:2], asset, liability, number(spot, "imf_factor", 0.0), _WEIGHT_STEP, own_ratio,
    )  # fmt: skip
    sums.require(number(spot, "open_orders", 0.0) * _ORDER_CHARGE, 0.0)
    if value < 0.0:
        sums.require(-weighted, -value)
    else:
        sums.collateral += weighted
    sums.count(money)


def _count_perp(
    sums: _Sums, perp: Mapping[str, Any], quote_price: tuple[float, float, float], *, profile: str, own_ratio: float
) -> None:
    price, factor = number(perp, "price"), number(perp, "imf_factor", 0.0)
    position = number(perp, "size")
    size = worst_size(position, abs(number(perp, "open_bids", 0.0)), abs(number(perp, "open_asks", 0.0)))
    base = _at_profile(profile, number(perp, "margin_ratio_initial"), number(perp, "margin_ratio_maintenance"))
    ratio = max(own_ratio, float(size_premium(base, size, factor, _WEIGHT_STEP)))
    notional = float(position_requirement(size, price, 1.0, quote_price[1], 0.0, 0.0))
    needed = notional * ratio
    if engine.holds((base, ratio)):
        by_size = ratio > own_ratio
        tier = Tier(initial=base if by_size else ratio, maintenance=base if by_size else ratio)
        rule = RequirementRule(tiers=(tier,), size=RootPremium(factor=factor) if by_size else NoSizeLaw())
        needed = engine.position(rule, notional=notional, size=size, initial=profile == "initial").needed
    sums.require(needed + number(perp, "open_orders", 0.0) * _ORDER_CHARGE, notional)
    profit = position * price + number(perp, "quote", 0.0)
    if profile == "maintenance":
        weight, cap = number(perp, "upnl_maintenance_weight", 1.0), np.inf
    else:
        weight = number(perp, "upnl_initial_weight", 1.0)
        weight = float(size_discount(weight, profit, number(perp, "upnl_imf_factor", 0.0), _WEIGHT_STEP))
        cap = _PROFIT_CAP if profile == "initial" else np.inf
    counted = float(counted_profit(profit, weight, signed_price(profit, *quote_price), cap))
    sums.collateral += counted
    sums.losses += min(counted, 0.0)


@adapter("drift_base_to_cover")
def drift_base_to_cover(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Units of a position whose closing covers a shortage; infinite when none do."""
    gain = position_gain(
        number(inputs, "oracle_price"), number(inputs, "quote_price", 1.0), number(inputs, "margin_ratio"),
        number(inputs, "liquidation_fee", 0.0), number(inputs, "if_liquidation_fee", 0.0),
    )  # fmt: skip
    return {"base": amount_to_target(number(inputs, "margin_shortage"), gain, np.inf)}


@adapter("drift_liab_to_cover")
def drift_liab_to_cover(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Units of a debt whose repayment covers a shortage; infinite when none do."""
    gain = exchange_gain(
        number(inputs, "liability_price"), number(inputs, "liability_weight"), number(inputs, "asset_weight"),
        number(inputs, "asset_multiplier", 1.0), number(inputs, "liability_multiplier", 1.0),
        number(inputs, "if_liquidation_fee", 0.0),
    )  # fmt: skip
    return {"liability": amount_to_target(number(inputs, "margin_shortage"), gain, np.inf)}


@adapter("drift_implied_liab")
def drift_implied_liab(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Debt that an amount of collateral repays."""
    given = each(inputs, "asset", "asset_price", "asset_multiplier", "liability_price", "liability_multiplier")
    return {"liability": debt_for_collateral(*given)}


@adapter("drift_implied_asset")
def drift_implied_asset(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Collateral that repays an amount of debt."""
    held = number(inputs, "asset_amount", np.inf)
    given = each(inputs, "liability", "liability_price", "liability_multiplier", "asset_price", "asset_multiplier")
    return {"asset": collateral_for_debt(*given, held, _DUST)}


@adapter("drift_socialise_perp")
def drift_socialise_perp(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Loss per unit of open interest."""
    return {"loss_per_base": loss_per_unit(*each(inputs, "loss", "oi_long", "oi_short"), _LOSS_STEP)}


@adapter("drift_socialise_spot")
def drift_socialise_spot(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A deposit after depositors bore a loss."""
    return {"deposit_after": deposit_after_loss(*each(inputs, "position", "loss", "total_deposits"))}


@adapter("drift_perp_if_fee")
def drift_perp_if_fee(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Insurance fund's fee on a closed position."""
    fee = insurance_fee_on_position(
        number(inputs, "margin_shortage"), abs(number(inputs, "base")),
        number(inputs, "oracle_price") * number(inputs, "quote_price", 1.0), number(inputs, "margin_ratio"),
        number(inputs, "liquidator_fee", 0.0), number(inputs, "max_if_fee"), _INSURANCE_PART,
    )  # fmt: skip
    return {"if_fee": fee}


@adapter("drift_spot_if_fee")
def drift_spot_if_fee(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Insurance fund's fee on a repaid debt."""
    fee = insurance_fee_on_exchange(
        number(inputs, "margin_shortage"), abs(number(inputs, "liability_amount")), number(inputs, "liability_price"),
        number(inputs, "asset_weight"), number(inputs, "asset_multiplier", 1.0), number(inputs, "liability_weight"),
        number(inputs, "liability_multiplier", 1.0), number(inputs, "max_if_fee"),
    )  # fmt: skip
    return {"if_fee": fee}


@adapter("drift_liq_fee")
def drift_liq_fee(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Liquidator's fee after a time without liquidation."""
    waited = number(inputs, "grace_slots", 1500.0), number(inputs, "increase_per_slot", 1e-6)
    return {"fee": growing_fee(*each(inputs, "base_fee", "max_fee", "slots_elapsed"), *waited)}


@adapter("drift_liquidate_perp")
def drift_liquidate_perp(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Balances after one liquidation of a position, its resting orders cancelled before."""
    base, quote, price = number(inputs, "base"), number(inputs, "quote"), number(inputs, "price")
    cash, quote_price = number(inputs, "usdc", 0.0), number(inputs, "quote_price", 1.0)
    side, size = (1.0 if base > 0.0 else -1.0), abs(base)
    buffer, fee = number(inputs, "buffer", 0.0), number(inputs, "liquidator_fee", 0.0)
    factor = number(inputs, "imf_factor", 0.0)
    ratio = float(size_premium(number(inputs, "margin_ratio_maintenance"), size, factor, _WEIGHT_STEP))
    profit = base * price + quote
    value = position_requirement(size, price, 1.0, quote_price, 0.0, 0.0)
    collateral = cash + counted_profit(profit, 1.0, quote_price, np.inf)
    needed = with_buffer(value * ratio, value, buffer)
    shortage = max(0.0, needed - collateral_with_buffer(collateral, min(profit, 0.0), buffer))
    insurance = insurance_fee_on_position(
        shortage, size, price * quote_price, ratio + buffer, fee, number(inputs, "max_if_fee", 0.0), _INSURANCE_PART
    )
    gain = position_gain(price, quote_price, ratio + buffer, fee, insurance)
    share = allowed_share(0.0, 1.0, number(inputs, "pct", 1.0), shortage, 0.0, _SMALL)
    closed = position_to_close(shortage, gain, share, size, value, _SMALL, number(inputs, "max_base", np.inf))
    traded = side * closed
    proceeds = traded * price_with_fee(price, fee, -side)
    charged = closed * price * insurance
    left = base - traded, quote + proceeds - charged
    after = position_requirement(left[0], price, 1.0, quote_price, 0.0, 0.0)
    worth = cash + counted_profit(left[0] * price + left[1], 1.0, quote_price, np.inf)
    return {
        "base": left[0],
        "quote": left[1],
        "liquidator_base": traded,
        "liquidator_quote": -proceeds,
        "if_fee": charged,
        "margin_ratio_after": worth / after if after > 0.0 else None,
    }
