"""Health: weighted assets less weighted liabilities, summed over an account; an account below zero may be acted on.

Arrays are float64[n tokens] unless said otherwise; a `value` is price x weight per unit.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.open_orders import last_addition, reserved_as_base, reserved_as_quote
from market.kernels.rules.rounding import falls_short


@kernel
def weighted_balance(balance, asset_value, liability_value):
    """Health of one balance: what is owned at the asset's value, what is owed at the liability's."""
    return balance * (liability_value if balance < 0.0 else asset_value)


@kernel
def health(balances, asset_values, liability_values):
    """Sum of weighted balances."""
    total = 0.0
    for token in range(balances.shape[0]):
        total += weighted_balance(balances[token], asset_values[token], liability_values[token])
    return total


@kernel
def reserved_health(
    balances, asset_values, liability_values, low, high, bases, quotes, in_base, in_quote, lowest_asks, highest_bids
):
    """Health that funds reserved in resting spot orders add, each market at its worse outcome.

    For every market the smaller of "all reserved as base" and "all reserved as quote", each as the last addition to the
    balance and everything that all markets could add to that token. `low` and `high` are the prices of assets and
    liabilities; `bases` and `quotes` int64[m] are rows of the tokens, the rest float64[m], extreme prices 0 if unknown.
    Source: Mango v4 compute_serum3_reservations (blockworks-foundation/mango-v4@1303a4a1 health/cache.rs).
    """
    reached = balances.copy()
    as_base = np.empty(bases.shape[0])
    as_quote = np.empty(bases.shape[0])
    for market in range(bases.shape[0]):
        base, quote = bases[market], quotes[market]
        as_base[market] = reserved_as_base(
            in_base[market], in_quote[market], low[quote], high[base], highest_bids[market]
        )
        as_quote[market] = reserved_as_quote(
            in_base[market], in_quote[market], high[quote], low[base], lowest_asks[market]
        )
        reached[base] += as_base[market]
        reached[quote] += as_quote[market]
    total = 0.0
    for market in range(bases.shape[0]):
        base, quote = bases[market], quotes[market]
        total += min(
            last_addition(reached[base], as_base[market], asset_values[base], liability_values[base]),
            last_addition(reached[quote], as_quote[market], asset_values[quote], liability_values[quote]),
        )
    return total


@kernel
def weighted_collateral(amounts, prices, weights):
    """Sum of amount x price x weight."""
    total = 0.0
    for token in range(amounts.shape[0]):
        total += amounts[token] * prices[token] * weights[token]
    return total


@kernel
def health_factor(collateral, debt):
    """Weighted collateral per unit of debt value, infinite without debt; below 1 the account may be liquidated.

    Source: Aave v3 GenericLogic (aave/aave-v3-core@782f5191).
    """
    return collateral / debt if debt > 0.0 else np.inf


@kernel
def base_excess(balance, price, collateral):
    """Weighted collateral less a debt in the base asset, in money; a positive base balance adds, collateral unweighted.

    Source: Compound III isLiquidatable, isBorrowCollateralized (compound-finance/comet@d5a30b0a): without a debt
    nothing is asked, below zero no borrowing (borrow factors) or liquidation (liquidation factors).
    """
    return balance * price + collateral


@kernel
def owes_too_much(balance, price, collateral):
    """Whether a debt in the base asset exceeds its weighted collateral; nobody who owes nothing does."""
    return balance < 0.0 and falls_short(base_excess(balance, price, collateral), 0.0, balance * price)


@kernel
def with_buffer(requirement, liability_value, buffer):
    """Requirement a started liquidation must reach: the requirement and a share of the value of liabilities.

    Source: Drift v2 MarginCalculation (drift-labs/protocol-v2@0ae3e3b1).
    """
    return requirement + buffer * liability_value


@kernel
def collateral_with_buffer(collateral, losses, buffer):
    """Collateral beside such a requirement: less a share of `losses`, which are not positive. Source: Drift v2."""
    return collateral + buffer * losses


@kernel
def position_requirement(size, price, ratio, quote_price, orders, charge):
    """Margin of a position: |size| x price x ratio in quote at `quote_price`, and `charge` per resting order."""
    return abs(size) * price * quote_price * ratio + orders * charge
