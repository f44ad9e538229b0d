"""Repayment in parts: how much of a debt one liquidation may repay, what it seizes, what it may not leave behind.

Money is one unit of value throughout. Source: Aave v3 LiquidationLogic (aave-dao/aave-v3-origin@fd1fbd91, v3.3 and
before).
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import falls_short


@kernel
def repayable_debt(health_factor, collateral, debt, total_debt, close_factor, full_below, smallest, per_reserve):
    """Debt of one asset that may be repaid at once; 0 for a healthy account.

    All of it when the health factor is at most `full_below`. Before v3.3 (`per_reserve`) else the close factor's share
    of this debt. Since, all of it too when this debt or this collateral is worth less than `smallest`, else at most the
    close factor's share of the account's `total_debt`.
    """
    if health_factor >= 1.0:
        return 0.0
    if health_factor <= full_below:
        return debt
    if per_reserve:
        return close_factor * debt
    if debt < smallest or collateral < smallest:
        return debt
    return min(debt, close_factor * total_debt)


@kernel
def leaves_dust(debt, collateral, repaid, seized, smallest):
    """Whether debt and collateral both remain and either is worth less than `smallest`: such a call is refused."""
    debt_left = debt - repaid
    collateral_left = collateral - seized
    if debt_left <= 1e-12 * debt or collateral_left <= 1e-12 * collateral:
        return False
    return falls_short(debt_left, smallest, debt) or falls_short(collateral_left, smallest, collateral)


@kernel
def seizure(debt, debt_price, price, held, bonus, protocol_share):
    """(debt repaid, collateral seized, part of it for the protocol), all in units of their assets.

    Collateral worth the debt and a bonus on it; where less is `held`, all of it for a debt smaller in proportion. The
    protocol gets a share of the bonus.
    """
    seized = debt * debt_price / price * (1.0 + bonus)
    repaid = debt
    if seized > held:
        seized = held
        repaid = held * price / debt_price / (1.0 + bonus)
    return repaid, seized, protocol_share * (seized - seized / (1.0 + bonus))
