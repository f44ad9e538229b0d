"""Dutch auctions of collateral: price curves, when to start over, how much is put up, what a bid gets.

Source: Maker Liquidations 2.0, makerdao/dss@fa4f6630 (abaci.sol, clip.sol, dog.sol). Times in seconds.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import falls_short, round_down

LINEAR, STAIR_STEP, EXPONENTIAL = 0, 1, 2


@kernel
def auction_price(kind, top, elapsed, span, cut):
    """Price a time after the start, from `top` down.

    LINEAR: to 0 over `span`. STAIR_STEP: times `cut` every `span`. EXPONENTIAL: times `cut` every second. Never
    negative and never rising.
    """
    if kind == LINEAR:
        return top * max(0.0, 1.0 - elapsed / span) if span > 0.0 else 0.0
    steps = round_down(elapsed / span, 1.0) if kind == STAIR_STEP else elapsed
    return top * cut**steps


@kernel
def starting_price(price, markup):
    """Where an auction starts: oracle price x markup."""
    return price * markup


@kernel
def needs_restart(price, top, elapsed, longest, lowest):
    """Whether an auction has run longer than `longest` or its price is below `lowest` of the start."""
    return elapsed > longest or falls_short(price, lowest * top, top)


@kernel
def keeper_reward(flat, share, debt):
    """What who starts an auction gets: a flat amount and a share of the debt."""
    return flat + share * debt


@kernel
def auctioned_debt(debt, unit, penalty, room, smallest):
    """Units of debt put up for auction, -1.0 when none may be.

    One unit owes `unit` money and must raise `penalty` times it; `room` is what auctions may yet raise, `smallest` the
    least debt in money that may stand alone. As much as there is room for; all of it when less than `smallest` would
    remain; none when the part itself is smaller than that.
    """
    if room <= 0.0:
        return -1.0
    part = min(debt, room / (unit * penalty))
    if part >= debt or (debt - part) * unit < smallest:
        return debt
    return part if part * unit >= smallest else -1.0


@kernel
def bid_taken(debt, lot, price, wanted, smallest):
    """(collateral bought, money paid) by a bid for up to `wanted` units; (-1.0, 0.0) when it is refused.

    Never more than the debt is paid. A bid that would leave collateral and less than `smallest` of debt is cut so that
    `smallest` remains, and refused where the debt is no larger than that.
    """
    bought = min(lot, wanted)
    paid = bought * price
    if paid > debt:
        return debt / price, debt
    if paid < debt and bought < lot and debt - paid < smallest:
        if debt <= smallest:
            return -1.0, 0.0
        paid = debt - smallest
        bought = paid / price
    return bought, paid
