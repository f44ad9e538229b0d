"""What an account is worth and what it must hold: the one assessment every rule uses.

Amounts are USD quanta. Every division rounds against the account: assets down, debts and requirements up.
"""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.jit import kernel
from market.kernels.records import PPM, SPOT


@kernel
def value_of(asset, amount):
    """USD quanta of `amount` quanta at the venue's price of the asset, before any haircut."""
    return multiply_divide(amount, asset.price * asset.multiplier, asset.divisor)


@kernel
def amount_of(asset, usd):
    """Quanta of the asset that `usd` USD quanta buy at the venue's price, rounded down."""
    return multiply_divide(usd, asset.divisor, asset.price * asset.multiplier)


@kernel
def weighted_value(asset, amount):
    """USD quanta that margin equity counts: a balance less its haircut, a debt times its liability weight."""
    value = value_of(asset, amount)
    if value >= 0:
        return part(value, PPM - asset.haircut)
    return part(value, asset.liability_weight)


@kernel
def notional_of(book, lots, instruments, assets):
    """USD quanta of |lots| x mark."""
    instrument = instruments[book]
    return value_of(assets[instrument.quote], abs(lots) * instrument.mark * instrument.tick_value)


@kernel
def tier_of(instrument, notional, tiers):
    """Row of the margin tier that holds at `notional`."""
    row = instrument.first_tier
    last = row + instrument.n_tiers - 1
    while row < last and tiers[row + 1].floor <= notional:
        row += 1
    return row


@kernel
def unrealised(account, book, instruments, positions):
    """Quote quanta of profit not yet realised at the mark, funding owed taken off."""
    instrument = instruments[book]
    position = positions[account, book]
    lots = position.lots
    owed = lots * (instrument.funding_index - position.funding_index)
    return lots * instrument.mark * instrument.tick_value - position.cost - owed


@kernel
def settlement_profit(account, asset, instruments, positions):
    """Unrealised profit of all positions quoted in `asset`, netted, in quanta of it."""
    total = 0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0 and instruments[book].quote == asset:
            total += unrealised(account, book, instruments, positions)
    return total


@kernel
def equities(account, instruments, assets, positions, cash):
    """(margin equity, net equity): collateral after and before haircut, both with unrealised profit netted in."""
    margin_equity = 0
    net_equity = 0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
        if balance != 0:
            margin_equity += weighted_value(assets[asset], balance)
            net_equity += value_of(assets[asset], balance)
    return margin_equity, net_equity


@kernel
def maintenance_of(account, instruments, assets, tiers, positions):
    """Maintenance margin: tiered rate x notional, summed over positions."""
    total = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            notional = notional_of(book, lots, instruments, assets)
            tier = tiers[tier_of(instruments[book], notional, tiers)]
            total += part_up(notional, tier.maintenance) - tier.maintenance_deduction
    return total


@kernel
def worst_lots(position, extra_bid, extra_ask):
    """Largest |position| that resting orders plus the given extra lots could lead to."""
    return max(abs(position.lots + position.open_bid + extra_bid), abs(position.lots - position.open_ask - extra_ask))


@kernel
def initial_of(account, instruments, assets, tiers, positions):
    """Initial margin over the worst case of resting orders: tiered rate x notional, summed over positions.

    A resting spot bid reserves what margin equity would lose by its fill: the price paid less the weighted value.
    """
    total = 0
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if instrument.kind == SPOT:
            lots = positions[account, book].open_bid
            if lots != 0:
                paid = value_of(assets[instrument.quote], lots * instrument.best_bid * instrument.tick_value)
                total += max(0, paid - weighted_value(assets[instrument.base], lots * instrument.lot_quanta))
            continue
        lots = worst_lots(positions[account, book], 0, 0)
        if lots != 0:
            total += initial_requirement(book, lots, instruments, assets, tiers)
    return total


@kernel
def initial_requirement(book, lots, instruments, assets, tiers):
    """Initial margin of |lots| of one instrument."""
    notional = notional_of(book, lots, instruments, assets)
    tier = tiers[tier_of(instruments[book], notional, tiers)]
    return part_up(notional, tier.initial) - tier.initial_deduction


@kernel
def maintenance_excess(account, instruments, assets, tiers, positions, cash):
    """Margin equity minus maintenance margin; below zero the account may be liquidated."""
    margin_equity, _ = equities(account, instruments, assets, positions, cash)
    return margin_equity - maintenance_of(account, instruments, assets, tiers, positions)


@kernel
def safe_distance(account, instruments, assets, tiers, positions, cash, reach):
    """Relative move that no price may make before the account's margin excess can turn negative.

    If every mark and collateral price stays within this fraction of its value now, excess stays >= 0. Holds for
    moves up to `reach` (the tier rates used are those at a notional `reach` higher). Negative: below maintenance now.
    """
    margin_equity = 0
    exposure = 0.0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
        if balance != 0:
            weighted = weighted_value(assets[asset], balance)
            margin_equity += weighted
            if not assets[asset].fixed:
                exposure += abs(weighted)
    maintenance = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            quote = assets[instruments[book].quote]
            notional = notional_of(book, lots, instruments, assets)
            tier = tiers[tier_of(instruments[book], notional, tiers)]
            maintenance += part_up(notional, tier.maintenance) - tier.maintenance_deduction
            # Where the quote asset's own price moves too, notional moves by the product of both.
            quote_reach = 0.0 if quote.fixed else reach
            highest = notional * (1.0 + reach) * (1.0 + quote_reach)
            steepest = tiers[tier_of(instruments[book], int(highest) + 1, tiers)].maintenance
            # A debt created by the loss itself may weigh more than one for one.
            weight = max(PPM, quote.liability_weight) * (1.0 + quote_reach)
            if not quote.fixed:
                steepest *= 2.0 + quote_reach
            exposure += notional * ((weight + steepest) / PPM)
    excess = margin_equity - maintenance
    if excess < 0:
        return -1.0
    if exposure == 0.0:
        return 1e9
    # A few quanta of rounding in every term, and the last bits of the float division.
    return max(0.0, (excess - 64) / exposure - 1e-9)


@kernel
def assess_all(accounts, instruments, assets, tiers, positions, cash, out):
    """Fill `out[n, 4]` with margin equity, net equity, maintenance and initial margin of every account."""
    for account in range(accounts.shape[0]):
        margin_equity, net_equity = equities(account, instruments, assets, positions, cash)
        out[account, 0] = margin_equity
        out[account, 1] = net_equity
        out[account, 2] = maintenance_of(account, instruments, assets, tiers, positions)
        out[account, 3] = initial_of(account, instruments, assets, tiers, positions)


@kernel
def _surplus_at(mark, account, book, maintained, instruments, assets, tiers, positions, cash):
    """Margin excess, or net equity when not `maintained`, with one instrument marked at `mark`, which stays there."""
    instruments[book].mark = mark
    if maintained:
        return maintenance_excess(account, instruments, assets, tiers, positions, cash)
    _, net_equity = equities(account, instruments, assets, positions, cash)
    return net_equity


@kernel
def mark_at_zero(account, book, maintained, instruments, assets, tiers, positions, cash):
    """(tick m, surplus at m, surplus at m + 1), of which one is below zero and the other not; (-1, 0, 0) if none is.

    The surplus is concave in the mark: equity bends down where a balance turns into a debt, maintenance bends up at
    tiers. So, on the side where the position loses, it changes sign once at most, and halving finds it. Marks from 0 to
    the top of the book are searched; `instruments` is a copy, its mark is moved.
    """
    now = instruments[book].mark
    losing = 0 if positions[account, book].lots > 0 else instruments[book].n_levels - 2
    gaining = instruments[book].n_levels - 2 - losing
    solvent = _surplus_at(now, account, book, maintained, instruments, assets, tiers, positions, cash) >= 0
    good, bad = (now, losing) if solvent else (gaining, now)
    end = bad if solvent else good
    there = _surplus_at(end, account, book, maintained, instruments, assets, tiers, positions, cash) >= 0
    if there == solvent:
        return -1, 0, 0
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if _surplus_at(middle, account, book, maintained, instruments, assets, tiers, positions, cash) >= 0:
            good = middle
        else:
            bad = middle
    low = min(good, bad)
    here = _surplus_at(low, account, book, maintained, instruments, assets, tiers, positions, cash)
    above = _surplus_at(low + 1, account, book, maintained, instruments, assets, tiers, positions, cash)
    return low, here, above
