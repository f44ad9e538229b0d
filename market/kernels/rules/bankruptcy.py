"""What closing part of an account may cost: bankruptcy value, fillable price, fee or fund payment.

Equity and requirements are the whole account's, before the close. dydxprotocol/v4-chain@84d4664b
x/clob/keeper/liquidations.go.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_down


@kernel
def bankruptcy_quote(value, released, equity, required, step):
    """Quote received (+, a sale) or paid (-, a purchase) when a close takes its share of the equity and no more.

    `value` is what is closed at the oracle price, signed as it is held; `released` is the maintenance margin it frees
    of the `required` total, and that share of the equity goes with it. With equity below 0 the share makes the price
    better than the oracle's. Rounded up to `step`, so that a fill at this value never needs the fund.
    """
    share = equity * released / required if required > 0.0 else 0.0
    return value - round_down(share, step)


@kernel
def bankruptcy_rating(equity, required, adjustment):
    """How near an account is to bankruptcy, 0 at maintenance to 1: adjustment x (1 - equity / requirement), clamped."""
    if required <= 0.0:
        return 0.0
    return min(max(adjustment * (1.0 - equity / required), 0.0), 1.0)


@kernel
def fillable_price(size, price, own, rating, spread):
    """Limit price of a liquidation order: the oracle price less rating x spread x maintenance margin per unit.

    `own` is the maintenance margin of the position, `size` its signed size; below the oracle price for longs, above it
    for shorts. nan without a position.
    """
    return price - rating * spread * own / size


@kernel
def fund_change(received, bankruptcy, most, step):
    """What the insurance fund gains (+, the fee) or pays (-) by a fill worth `received` against the bankruptcy quote.

    Both are signed as in `bankruptcy_quote`. What is left above bankruptcy goes to the fund up to the share `most` of
    the fill, rounded down to `step`; what is missing comes from it.
    """
    left = received - bankruptcy
    if left <= 0.0:
        return left
    return min(round_down(most * abs(received), step), left)
