"""How much of a position one liquidation may close: a portion, a floor in notional, a cap per account and block."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_down


@kernel
def portion_to_close(size, price, portion, least_notional, most_notional, size_step, money_step):
    """Signed change of size that closes at most max(portion of the notional, least) and at most `most_notional`.

    The whole position when it is within that or one size step at most; otherwise rounded down to a size step, and one
    step at least. dydxprotocol/v4-chain@84d4664b x/clob/keeper/liquidations.go `GetLiquidatablePositionSizeDelta`.
    """
    held = abs(size)
    notional = round_down(held * price, money_step)
    allowed = max(round_down(notional * portion, money_step), min(least_notional, notional))
    allowed = min(allowed, most_notional)
    if notional <= allowed + 0.5 * money_step or held <= size_step:
        return -size
    lots = min(max(round_down(allowed / price, size_step), size_step), held)
    return -lots if size > 0.0 else lots
