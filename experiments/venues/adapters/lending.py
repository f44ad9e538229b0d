"""Lending: Aave v3, Compound III, Morpho Blue, stability pools, borrowing against collateral on Hyperliquid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.venues.inputs import column, each, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.absorb import absorbed, pool_offset, pool_share
from market.kernels.rules.close_factor import leaves_dust, repayable_debt, seizure
from market.kernels.rules.collateral import borrowable
from market.kernels.rules.discounts import incentive_factor, store_price
from market.kernels.rules.health import health_factor, owes_too_much, weighted_collateral


def _ones(found: list[Mapping[str, Any]]) -> NDArray[np.float64]:
    return np.ones(len(found), np.float64)


@adapter("aave_hf")
def aave_hf(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Health factor; infinite without debt."""
    collaterals, debts = rows(inputs, "collaterals"), rows(inputs, "debts")
    collateral = weighted_collateral(
        column(collaterals, "value"), _ones(collaterals), column(collaterals, "liquidation_threshold")
    )
    debt = weighted_collateral(column(debts, "value"), _ones(debts), _ones(debts))
    return {"health_factor": health_factor(collateral, debt)}


@adapter("aave_max_liquidatable")
def aave_max_liquidatable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Debt of one reserve that one liquidation may repay."""
    debt = number(inputs, "reserve_debt_value")
    repayable = repayable_debt(
        number(inputs, "health_factor"), number(inputs, "reserve_collateral_value", np.inf), debt,
        number(inputs, "total_debt_value", debt), number(inputs, "close_factor", 0.5),
        number(inputs, "hf_threshold", 0.95), number(inputs, "min_base", 0.0), inputs.get("per_reserve") is True,
    )  # fmt: skip
    return {"max_debt_to_cover": repayable}


@adapter("aave_dust_rule")
def aave_dust_rule(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a liquidation leaves nothing, or enough, behind."""
    given = each(inputs, "debt_value", "collateral_value", "repay_value", "seize_value", "min_leftover")
    return {"allowed": not leaves_dust(*given)}


@adapter("aave_seize")
def aave_seize(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Debt repaid and collateral seized when a liquidator repays as much as the close factor allows."""
    debt = number(inputs, "total_debt_value")
    debt_price, price = number(inputs, "debt_price", 1.0), number(inputs, "collateral_price", 1.0)
    held = number(inputs, "collateral_balance")
    # The cases give neither a health factor nor thresholds: the account is one that the close factor holds for.
    repayable = repayable_debt(0.99, held * price, debt, debt, number(inputs, "close_factor", 0.5), 0.0, 0.0, False)
    repaid, seized, protocol = seizure(
        min(repayable / debt_price, number(inputs, "debt_to_cover", np.inf)), debt_price, price, held,
        number(inputs, "liquidation_bonus", 0.0), number(inputs, "protocol_fee", 0.0),
    )  # fmt: skip
    return {
        "debt_repaid": repaid,
        "collateral_seized": seized,
        "protocol_fee_amount": protocol,
        "collateral_to_liquidator": seized - protocol,
    }


def _owes_too_much(inputs: Mapping[str, Any], factor: str) -> bool:
    collaterals = rows(inputs, "collaterals")
    collateral = weighted_collateral(
        column(collaterals, "amount"), column(collaterals, "price"), column(collaterals, factor)
    )
    return bool(owes_too_much(number(inputs, "base_balance"), number(inputs, "base_price", 1.0), collateral))


@adapter("comet_liquidatable")
def comet_liquidatable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whether an account may be absorbed."""
    return {"liquidatable": _owes_too_much(inputs, "factor")}


@adapter("comet_collateralized")
def comet_collateralized(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Whether an account may borrow what it has borrowed."""
    return {"collateralized": not _owes_too_much(inputs, "factor")}


@adapter("comet_quote")
def comet_quote(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Collateral that an amount of the base buys from the protocol."""
    paid = number(inputs, "base_amount") * number(inputs, "base_price", 1.0)
    price = store_price(
        number(inputs, "asset_price"), number(inputs, "liquidation_factor"), number(inputs, "store_front_price_factor")
    )
    return {"collateral": paid / price}


@adapter("comet_absorb")
def comet_absorb(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Base balance of an account after it was absorbed, as it is where it may not be."""
    balance, price = number(inputs, "base_balance"), number(inputs, "base_price", 1.0)
    collaterals = rows(inputs, "collaterals")
    if not _owes_too_much(inputs, "liquidate_factor"):
        return {"liquidatable": False, "base_balance_after": balance, "deficit": 0.0}
    value = weighted_collateral(
        column(collaterals, "amount"), column(collaterals, "price"), column(collaterals, "liquidation_factor")
    )
    after, deficit = absorbed(balance, price, value)
    return {"liquidatable": True, "base_balance_after": after, "deficit": deficit}


@adapter("morpho_lif")
def morpho_lif(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Liquidation incentive factor."""
    return {
        "lif": incentive_factor(number(inputs, "lltv"), number(inputs, "cursor", 0.3), number(inputs, "max_lif", 1.15))
    }


@adapter("stability_pool")
def stability_pool(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A depositor's balance and gain after the pool took over one debt."""
    pool, deposit, price = number(inputs, "pool"), number(inputs, "deposit"), number(inputs, "price")
    debt, collateral = number(inputs, "debt"), number(inputs, "collateral")
    cancelled, received = pool_offset(pool, debt, collateral)
    paid, gain = pool_share(cancelled, deposit, pool), pool_share(received, deposit, pool)
    return {
        "deposit_after": deposit - paid,
        "collateral_gain": gain,
        "collateral_value": gain * price,
        "net_gain": gain * price - paid,
        "collateral_ratio": health_factor(collateral * price, debt),
    }


@adapter("ltv_borrow")
def ltv_borrow(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What may be borrowed against a balance."""
    return {"borrowable": borrowable(number(inputs, "amount"), number(inputs, "price"), number(inputs, "ltv"))}
