"""Accounts taken over whole: by a protocol's reserves, or by a pool of depositors."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def absorbed(balance, price, collateral):
    """(base balance after, deficit borne by reserves) of an account absorbed with all its collateral.

    `collateral` is its value at liquidation factors, in money; `balance` in units of the base. What it does not cover
    becomes the protocol's loss; the account ends at 0. Source: Compound III absorb (compound-finance/comet@d5a30b0a).
    """
    after = balance + collateral / price
    return max(0.0, after), max(0.0, -after)


@kernel
def pool_offset(pool, debt, collateral):
    """(debt cancelled, collateral handed over) by a stability pool: all, or as far as the pool reaches.

    Source: Liquity-type stability pool, docs of Yeti Finance.
    """
    cancelled = min(debt, pool)
    return cancelled, collateral * cancelled / debt if debt > 0.0 else 0.0


@kernel
def pool_share(amount, deposit, pool):
    """A depositor's part of an amount that a pool pays or gets."""
    return amount * deposit / pool if pool > 0.0 else 0.0
