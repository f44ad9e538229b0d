"""At what price a forced order may trade, and at what price it is settled with the account."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part
from market.kernels.jit import kernel
from market.kernels.margin import notional_of, requirement_of
from market.kernels.records import (
    AT_BANKRUPTCY,
    AT_MARK,
    AT_ORACLE,
    BUY,
    BY_AUCTION,
    BY_HEALTH,
    FILLABLE,
    MAINTENANCE,
    PORTFOLIO,
    PPM,
    SELL,
    SPOT,
    TO_ACCOUNT,
    TWO_SPEED,
)
from market.kernels.rules.bankruptcy import bankruptcy_quote, bankruptcy_rating, fillable_price
from market.kernels.rules.discounts import health_discount
from market.kernels.rules.dutch_auction import auction_price, needs_restart
from market.kernels.rules.fees import growing_fee, price_with_fee
from market.kernels.rules.portfolio_auction import two_speed_discount


@kernel
def _allowed(price, side, instrument):
    """The price inside the price band and the book."""
    if instrument.band_high > 0:
        price = min(price, instrument.band_high) if side == BUY else max(price, instrument.band_low)
    return min(max(price, 1), instrument.n_levels - 2)


@kernel
def mark_limit(side, policy, instrument):
    """The mark less or plus the slippage limit, inside the price band and the book."""
    room = part(instrument.mark, policy.slippage)
    return _allowed(instrument.mark + room if side == BUY else instrument.mark - room, side, instrument)


@kernel
def _curve(elapsed, policy):
    """What an auction asks after a time, as a share of the oracle price."""
    if policy.curve == TWO_SPEED:
        return two_speed_discount(elapsed, policy.top, policy.cut, policy.span, policy.slow)
    return auction_price(policy.curve, policy.top, elapsed, policy.span, policy.cut)


@kernel
def start_over(claim, clock, policy):
    """Begin an auction again that took too long or fell too low."""
    if policy.price_rule == BY_AUCTION:
        elapsed = (clock - claim.opened) * policy.round_seconds
        if needs_restart(_curve(elapsed, policy), policy.top, elapsed, policy.longest, policy.lowest):
            claim.opened = clock


@kernel
def discount_of(claim, clock, policy):
    """Share of the oracle price that whoever takes over gets; negative while an auction asks for more than it."""
    elapsed = (clock - claim.opened) * policy.round_seconds
    if policy.price_rule == AT_ORACLE:
        return growing_fee(policy.discount, policy.most_discount, elapsed, policy.grace, policy.growth)
    if policy.price_rule == BY_HEALTH:
        return health_discount(float(claim.excess + claim.owed), float(claim.owed), policy.most_discount)
    return 1.0 - _curve(elapsed, policy)


@kernel
def _own_price(claim, book, lots, policy, instruments, assets, margin):
    """FILLABLE and AT_BANKRUPTCY: price in ticks that the account's equity sets for a position."""
    mark = float(instruments[book].mark)
    notional = max(float(notional_of(book, lots, instruments, assets)), 1.0)
    required = float(claim.maintenance)
    if margin[0][claim.account] == PORTFOLIO:
        own = required * notional / max(float(claim.notional), 1.0)  # no position has a requirement of its own
    else:
        own = float(requirement_of(book, lots, MAINTENANCE, instruments, assets, margin[1]))
    side = 1.0 if lots > 0 else -1.0
    if policy.price_rule == FILLABLE:
        rating = bankruptcy_rating(float(claim.excess) + required, required, policy.adjustment)
        return fillable_price(side, mark, own / notional * mark, rating, policy.spread)
    return mark * bankruptcy_quote(side * notional, own, float(claim.net_equity), required, 0.0) * side / notional


@kernel
def _after_fee(price, side, fee):
    """Worst price in the book that, after the trading fee, is still worth `price`."""
    fee = max(fee, 0)
    return price * PPM // (PPM + fee) if side == BUY else -(price * PPM // (fee - PPM))


@kernel
def write_limits(claim, clock, policy, instruments, assets, margin, positions, limits):
    """Fill `limits[n_instruments, 2]`, ticks: the worst price of a forced order in each book, and the price at which
    the account is settled whatever the book gives beyond it, 0 when it gets all of that.

    Positions, and collateral on the spot books. A rule that follows from the account's own positions (FILLABLE,
    AT_BANKRUPTCY) leaves collateral to the slippage limit. AT_BANKRUPTCY so leaves positions of an account worth less
    than nothing, which has no price at which it could pay. Uses the claim's figures.
    """
    rule = policy.price_rule
    own = rule in (FILLABLE, AT_BANKRUPTCY)
    discount = 0.0
    if rule != AT_MARK and not own:
        discount = discount_of(claim, clock, policy)
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        lots = positions[claim.account, book].lots
        side = BUY if lots < 0 else SELL
        limits[book, 0] = mark_limit(side, policy, instrument)
        limits[book, 1] = 0
        if rule == AT_MARK or (lots == 0 and (own or instrument.kind != SPOT)):
            continue
        if own:
            price = _own_price(claim, book, lots, policy, instruments, assets, margin)
        else:
            price = price_with_fee(float(instrument.index), discount, 1.0 if side == BUY else -1.0)
        price = min(max(price, 1.0), float(instrument.n_levels - 2))
        ticks = int(np.floor(price + 1e-9)) if side == BUY else int(np.ceil(price - 1e-9))
        if policy.surplus != TO_ACCOUNT:
            limits[book, 1] = ticks
        if rule == AT_BANKRUPTCY and claim.net_equity < 0:
            continue
        if rule != FILLABLE:
            ticks = _after_fee(ticks, side, instrument.taker_fee)
        limits[book, 0] = _allowed(ticks, side, instrument)
