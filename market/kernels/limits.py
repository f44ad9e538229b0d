"""At what price a forced order may trade, and at what price it is settled with the account."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part
from market.kernels.jit import kernel
from market.kernels.margin import notional_of, requirement_of, value_of
from market.kernels.records import (
    ABSORBED,
    AT_BANKRUPTCY,
    AT_MARK,
    AT_ORACLE,
    AUCTION_FRACTION,
    AUCTIONS,
    BUY,
    BY_AUCTION,
    BY_HEALTH,
    FILLABLE,
    MAINTENANCE,
    NONE,
    POOLED,
    PORTFOLIO,
    PPM,
    ROOM,
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

LARGEST = (1 << 62) - 1


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
def asked_share(elapsed, policy):
    """What an auction asks after a time, as a share of the oracle price."""
    if policy.curve == TWO_SPEED:
        return two_speed_discount(elapsed, policy.top, policy.cut, policy.span, policy.slow)
    return auction_price(policy.curve, policy.top, elapsed, policy.span, policy.cut)


@kernel
def begin_auction(claim, clock, policy, instruments, assets, positions, cash):
    """Let prices begin to fall, each from the venue's price of its asset."""
    claim.opened = clock
    claim.main = NONE
    if policy.sizing == ROOM:
        claim.main = _most_of(claim.account, instruments, assets, positions, cash)
    if policy.alone:
        for asset in range(min(assets.shape[0], AUCTIONS)):
            claim.struck[asset] = float(assets[asset].price)


@kernel
def _most_of(account, instruments, assets, positions, cash):
    """Asset of the largest position; without positions, of which the account owns the most; NONE without either."""
    most, found = 0, NONE
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            value = notional_of(book, lots, instruments, assets)
            if value > most:
                most, found = value, instruments[book].base
    return found if found != NONE else largest_collateral(account, NONE, LARGEST, assets, cash)


@kernel
def largest_collateral(account, quote, below, assets, cash):
    """Asset other than `quote` of which the account owns the most value, but less than `below`; NONE if it has none."""
    best = NONE
    best_value = -1
    for asset in range(assets.shape[0]):
        if asset != quote and cash[account, asset] > 0:
            value = value_of(assets[asset], cash[account, asset])
            if best_value < value < below:
                best, best_value = asset, value
    return best


@kernel
def fee_on(claim, asset, policy):
    """ppm of the debt that a sale of an asset, a record, repays: the asset's own fee, or its category's, or the
    policy's."""
    if asset.category_fee >= 0 and claim.category != 0 and asset.category == claim.category:
        return asset.category_fee
    return asset.fee if asset.fee >= 0 else policy.fee


@kernel
def start_over(claim, clock, policy, instruments, assets, positions, cash):
    """Begin an auction again that took too long or fell too low, or whose account has come to be worth less than was
    paid in; note when an account has come to be worth less than nothing."""
    if policy.price_rule == BY_AUCTION:
        elapsed = (clock - claim.opened) * policy.round_seconds
        if needs_restart(asked_share(elapsed, policy), policy.top, elapsed, policy.longest, policy.lowest):
            begin_auction(claim, clock, policy, instruments, assets, positions, cash)
    if claim.net_equity >= 0:
        claim.insolvent = NONE
    elif claim.insolvent == NONE:
        claim.insolvent = clock
    if claim.reserved > 0 and claim.net_equity <= claim.reserved:
        claim.reserved = 0
        begin_auction(claim, clock, policy, instruments, assets, positions, cash)


@kernel
def _least_discount(claim, asset, policy):
    """AT_ORACLE: discount on collateral, a record, before it grows: its own, or its category's, or the policy's."""
    if asset.category_discount >= 0.0 and claim.category != 0 and asset.category == claim.category:
        return asset.category_discount
    return asset.discount if asset.discount >= 0.0 else policy.discount


@kernel
def discount_of(claim, clock, policy, at, owned, assets):
    """Share of the oracle price that whoever takes over gets; negative while an auction asks for more than it.

    `at` is the asset that is taken over or, where it is not `owned`, that a position tracks.
    """
    elapsed = (clock - claim.opened) * policy.round_seconds
    if policy.price_rule in (AT_ORACLE, ABSORBED):
        own = owned and policy.price_rule == AT_ORACLE
        least = _least_discount(claim, assets[at], policy) if own else policy.discount
        return growing_fee(least, policy.most_discount, elapsed, policy.grace, policy.growth)
    if policy.price_rule == BY_HEALTH:
        return health_discount(float(claim.excess + claim.owed), float(claim.owed), policy.most_discount)
    asked = asked_share(elapsed, policy)
    if policy.alone:
        asked *= claim.struck[at] / assets[at].price
    return 1.0 - asked


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
def _whole_ticks(price, side, instrument):
    """A price in whole ticks of the book, rounded for who takes over."""
    price = min(max(price, 1.0), float(instrument.n_levels - 2))
    return int(np.floor(price + 1e-9)) if side == BUY else int(np.ceil(price - 1e-9))


@kernel
def settle_at(book, price, side, instruments, limits):
    """Write the limits of an order that is settled at `price` whatever the book gives beyond it, fees taken off."""
    ticks = _whole_ticks(price, side, instruments[book])
    limits[book, 0] = _allowed(_after_fee(ticks, side, instruments[book].taker_fee), side, instruments[book])
    limits[book, 1] = ticks


@kernel
def write_limits(claim, clock, policy, instruments, assets, margin, positions, limits):
    """Fill `limits[n_instruments, 2]`, ticks: the worst price of a forced order in each book, and the price at which
    the account is settled whatever the book gives beyond it, 0 when it gets all of that.

    Positions, and collateral on the spot books. A rule that follows from the account's own positions (FILLABLE,
    AT_BANKRUPTCY) leaves collateral to the slippage limit. AT_BANKRUPTCY so leaves positions of an account worth less
    than nothing, which has no price at which it could pay. Where slices of the whole account are sold, the price is one
    of the slice, and its parts trade inside the slippage limit. A position that is closed against a pool has no limit:
    NONE. Uses the claim's figures.
    """
    rule = AT_MARK if policy.sizing == AUCTION_FRACTION else policy.price_rule
    own = rule in (FILLABLE, AT_BANKRUPTCY, POOLED)
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        lots = positions[claim.account, book].lots
        side = BUY if lots < 0 else SELL
        limits[book, 0] = mark_limit(side, policy, instrument)
        limits[book, 1] = 0
        if rule == AT_MARK or (lots == 0 and (own or instrument.kind != SPOT)):
            continue
        if rule == POOLED:
            limits[book, 0] = NONE
            continue
        if own:
            price = _own_price(claim, book, lots, policy, instruments, assets, margin)
        else:
            owned = instrument.kind == SPOT
            discount = discount_of(claim, clock, policy, instrument.base, owned, assets)
            price = price_with_fee(float(instrument.index), discount, 1.0 if side == BUY else -1.0)
        ticks = _whole_ticks(price, side, instrument)
        if policy.surplus != TO_ACCOUNT:
            limits[book, 1] = ticks
        if rule == AT_BANKRUPTCY and claim.net_equity < 0:
            continue
        if rule != FILLABLE:
            ticks = _after_fee(ticks, side, instrument.taker_fee)
        limits[book, 0] = _allowed(ticks, side, instrument)
