"""Balance of one underlying under standard margin: what its parts add to or take from an account's free margin.

Derive Standard Manager (derivexyz/v2-core@7736900d, StandardManager.sol). Requirements are positive amounts.
"""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def linear_requirement(size, price, rate):
    """|size| x price x rate."""
    return abs(size) * price * rate


@kernel
def collateral_margin(notional, factor, scale):
    """Value of collateral that counts: notional x factor x scale; the scale is below 1 for initial margin only."""
    return notional * factor * scale


@kernel
def depeg_charge(shorts, position, spot, multiplier):
    """(short options + |perpetual|) x spot x multiplier: longs in options owe nothing more when the coin depegs."""
    return (shorts + abs(position)) * spot * multiplier


@kernel
def market_balance(collateral, profit, linear, options, doubt, depeg):
    """Free margin of one underlying: collateral and unsettled profit less the requirements and charges."""
    return collateral + profit - linear - options - doubt - depeg
