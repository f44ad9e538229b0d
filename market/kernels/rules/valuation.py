"""Which price a balance is counted at, and how much of an unrealised profit counts."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def asset_price(oracle, reference):
    """Price of what is owned where two prices are known: the lower one (stable price, 5-minute average).

    Source: Mango v4 health/cache.rs (blockworks-foundation/mango-v4@1303a4a1), Drift v2 strict prices.
    """
    return min(oracle, reference)


@kernel
def liability_price(oracle, reference):
    """Price of what is owed where two prices are known: the higher one."""
    return max(oracle, reference)


@kernel
def bid_rate(index, buffer):
    """Rate a positive balance is counted at: index (1 - buffer). Source: Binance multi-assets mode, help page."""
    return index * (1.0 - buffer)


@kernel
def ask_rate(index, buffer):
    """Rate a negative balance is counted at: index (1 + buffer). Source: Binance multi-assets mode, help page."""
    return index * (1.0 + buffer)


@kernel
def signed_price(amount, low, high, plain):
    """Price by sign: `low` for what is owned, `high` for what is owed, `plain` for nothing."""
    if amount > 0.0:
        return low
    return high if amount < 0.0 else plain


@kernel
def counted_profit(profit, weight, price, cap):
    """Unrealised profit as collateral: a gain times its weight and at most `cap`, a loss in full; both at `price`.

    Source: Drift v2 math/margin.rs (drift-labs/protocol-v2@0ae3e3b1); its initial profile caps at 100 units of quote.
    """
    if profit > 0.0:
        return min(profit * weight * price, cap)
    return profit * price


@kernel
def pool_capped_profit(profit, pool_profit, pool_value, most):
    """A trader's gain where the pool owes all traders of the side at most `most` x its value: paid pro rata.

    `pool_profit` is what the side has gained in all, `most` 0 means no cap. Losses are not capped. Source: GMX v2,
    PositionUtils.getPositionPnlUsd (gmx-io/gmx-synthetics@a5c0c883).
    """
    if profit <= 0.0 or most <= 0.0 or pool_profit <= 0.0:
        return profit
    capped = most * pool_value
    return profit if capped >= pool_profit else profit * capped / pool_profit
