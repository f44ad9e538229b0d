"""What an account is worth and what it must hold: the one assessment every rule uses.

`excess = equity(profile) - requirement(profile)`, with the profiles MAINTENANCE, TARGET and INITIAL. Amounts are USD
quanta. Every division rounds against the account: assets down, debts and requirements up.

`margin` is a tuple: (modes int32[n_accounts], tiers TIER[n]) and, with portfolio margin, the tables that
market/kernels/portfolio.py names.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.categories import favoured
from market.kernels.jit import inline, kernel
from market.kernels.option_expiries import expiry_relief, option_needed
from market.kernels.portfolio import portfolio_needed
from market.kernels.records import (
    INITIAL,
    LINEAR_IN_SIZE,
    MAINTENANCE,
    OPTION,
    PORTFOLIO,
    PPM,
    ROOT_OF_SIZE,
    ROOT_PREMIUM,
    SPOT,
    TARGET,
)
from market.kernels.rules.rates import linear_size_rate, root_size_rate
from market.kernels.rules.weights import size_discount, size_premium

WEIGHT_STEP = 1e-4
"""What weights by size are rounded to (Drift v2)."""


@kernel
def ceil_ppm(rate):
    """A rate or weight as ppm, rounded up; what is less than a millionth of a ppm above a whole one counts as it."""
    return int(np.ceil(rate * PPM - 1e-6))


@kernel
def value_of(asset, amount):
    """USD quanta of `amount` quanta at the venue's price of the asset, before any haircut."""
    factor = asset.price * asset.multiplier
    if factor == asset.divisor:
        return amount  # a dollar that is counted in USD quanta: most of all calls
    return multiply_divide(amount, factor, asset.divisor)


@kernel
def amount_of(asset, usd):
    """Quanta of the asset that `usd` USD quanta buy at the venue's price, rounded down."""
    return multiply_divide(usd, asset.divisor, asset.price * asset.multiplier)


@kernel
def _slow_value(asset, amount):
    """USD quanta of `amount` at the worse, for the account, of the venue's price and its slower one."""
    price = min(asset.price, asset.slow_price) if amount > 0 else max(asset.price, asset.slow_price)
    return multiply_divide(amount, price * asset.multiplier, asset.divisor)


@kernel
def worse_value(asset, profile, amount, value):
    """USD quanta of `amount`, worth `value` at the venue's price, at the worst price that counts under a profile."""
    if profile == INITIAL:
        worst = _slow_value(asset, amount) if asset.slow_price > 0 else value
        away = -asset.initial_below if amount > 0 else asset.initial_above
    else:
        worst = value
        away = -asset.below if amount > 0 else asset.above
    return min(worst, part(value, PPM + away)) if away != 0 else worst


@kernel
def tier_at(first, count, size, tiers):
    """Row of the tier, of `count` rows from `first`, that holds at `size`."""
    row = first
    last = first + count - 1
    while row < last and tiers[row + 1].floor <= size:
        row += 1
    return row


@kernel
def _tiered_haircut(asset, profile, amount, value, tiers):
    """USD quanta of a positive balance left after haircuts that rise with its size, each on the part in its tier."""
    # `value` is that of the whole at the price that counts; by amount, what is left is priced after the haircut.
    size = amount if asset.tiers_by_amount else value
    tier = tiers[tier_at(asset.first_tier, asset.n_tiers, size, tiers)]
    if profile == MAINTENANCE:
        left = size - (part_up(size, tier.maintenance) - tier.maintenance_deduction)
    else:
        left = size - (part_up(size, tier.initial) - tier.initial_deduction)
    return worse_value(asset, profile, left, value_of(asset, left)) if asset.tiers_by_amount else left


@kernel
def _balance_value(asset, within, profile, amount, value, tiers):
    """USD quanta that a positive balance worth `value` counts for, `within` its category or not."""
    value = worse_value(asset, profile, amount, value)
    if within:
        haircut = asset.category_haircut if profile == MAINTENANCE else asset.initial_category_haircut
        counted = part(value, PPM - haircut)
    elif asset.n_tiers > 0:
        counted = _tiered_haircut(asset, profile, amount, value, tiers)
    elif profile == MAINTENANCE:
        counted = part(value, PPM - asset.haircut)
    else:
        counted = part(value, PPM - asset.initial_haircut)
    if asset.size_factor > 0.0:
        weight = size_discount(1.0, amount * asset.quantum, asset.size_factor, WEIGHT_STEP)
        counted = min(counted, part(value, int(weight * PPM + 0.5)))
    return part(counted, asset.deposit_scale) if profile == INITIAL else counted


@kernel
def _debt_value(asset, within, profile, amount, value):
    """USD quanta, negative, that a debt worth `value` takes off, `within` its category or not."""
    weight = asset.liability_weight if profile == MAINTENANCE else asset.initial_liability_weight
    if within:
        weight = asset.category_liability_weight
        if profile != MAINTENANCE:
            weight = asset.initial_category_liability_weight
    value = worse_value(asset, profile, amount, value)
    if asset.size_factor > 0.0:
        weight = ceil_ppm(size_premium(weight / PPM, -amount * asset.quantum, asset.size_factor, WEIGHT_STEP))
    if profile == INITIAL:
        weight = part_up(weight, asset.borrow_scale)
    return part(value, weight)


@kernel
def weighted_value(asset, within, profile, amount, tiers):
    """USD quanta that margin equity counts: a balance less its haircut, a debt times its liability weight.

    `within`: at the weights of the asset's category (`favoured`).
    """
    return counted_value(asset, within, profile, amount, value_of(asset, amount), tiers)


@inline
def counted_value(asset, within, profile, amount, value, tiers):
    """What margin equity counts of `amount` quanta worth `value` before any haircut."""
    if asset.haircut_only:
        return part(value, PPM - asset.haircut if amount >= 0 else asset.liability_weight)
    if amount >= 0:
        return _balance_value(asset, within, profile, amount, value, tiers)
    return _debt_value(asset, within, profile, amount, value)


@kernel
def notional_of(book, lots, instruments, assets):
    """USD quanta of |lots| x mark."""
    instrument = instruments[book]
    return value_of(assets[instrument.quote], abs(lots) * instrument.mark * instrument.tick_value)


@kernel
def tier_of(instrument, notional, tiers):
    """Row of the margin tier that holds at `notional`."""
    return tier_at(instrument.first_tier, instrument.n_tiers, notional, tiers)


@kernel
def size_rate(instrument, rate, factor, lots):
    """ppm of notional for a position of `lots` >= 0 whose tier says `rate`; `factor` is that of the law of size."""
    size = lots * instrument.lot_size
    sized = rate / PPM
    if instrument.size_law == LINEAR_IN_SIZE:
        sized = linear_size_rate(sized, factor, size)
    elif instrument.size_law == ROOT_OF_SIZE:
        sized = root_size_rate(sized, factor, size)
    elif instrument.size_law == ROOT_PREMIUM:
        sized = size_premium(sized, size, factor, WEIGHT_STEP)
    return min(max(ceil_ppm(sized), rate), PPM)


@kernel
def _beyond_tiers(instrument, tier, notional, lots, profile):
    """What a position needs where its size, open interest, the state of the market or a least amount count."""
    if instrument.kind == OPTION:
        charged = -lots * instrument.contingency if lots < 0 and profile == INITIAL else 0
        return option_needed(instrument, notional, lots, profile) + charged
    lots = abs(lots)
    if profile == MAINTENANCE:
        rate = size_rate(instrument, tier.maintenance, instrument.maintenance_size_factor, lots)
        needed = part_up(notional, rate) - tier.maintenance_deduction
    else:
        rate = size_rate(instrument, tier.initial, instrument.size_factor, lots)
        needed = part_up(notional, rate) - tier.initial_deduction
    if profile == INITIAL and instrument.crowding > 0:
        needed = max(needed, part_up(notional, instrument.crowding))
    if instrument.stress != PPM:
        needed = min(part_up(needed, instrument.stress), max(notional, needed))
    needed = max(needed, instrument.minimum)
    return needed + part_up(notional, instrument.contingency) if profile == INITIAL else needed


@inline
def requirement_of(book, lots, profile, instruments, assets, tiers):
    """USD quanta of margin that `lots` of one instrument need under a profile, taken by themselves."""
    return required(instruments[book], notional_of(book, lots, instruments, assets), lots, profile, tiers)


@inline
def required(instrument, notional, lots, profile, tiers):
    """The same for a notional that is known."""
    tier = tiers[tier_of(instrument, notional, tiers)]
    if not instrument.tiers_only:
        return _beyond_tiers(instrument, tier, notional, lots, profile)
    if profile == MAINTENANCE:
        return part_up(notional, tier.maintenance) - tier.maintenance_deduction
    return part_up(notional, tier.initial) - tier.initial_deduction


@inline
def unrealised(account, book, instruments, positions):
    """Quote quanta of profit not yet realised at the mark, funding owed taken off."""
    instrument = instruments[book]
    position = positions[account, book]
    lots = position.lots
    owed = lots * (instrument.funding_index - position.funding_index)
    return lots * instrument.mark * instrument.tick_value - position.cost - owed


@inline
def settlement_profit(account, asset, instruments, positions):
    """Unrealised profit of all positions quoted in `asset`, netted, in quanta of it."""
    total = 0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0 and instruments[book].quote == asset:
            total += unrealised(account, book, instruments, positions)
    return total


@kernel
def market_gain(account, book, profile, instruments, assets, tiers, positions):
    """Quote quanta by which a position's open profit exceeds what it needs by itself under a profile."""
    instrument = instruments[book]
    needed = requirement_of(book, positions[account, book].lots, profile, instruments, assets, tiers)
    return unrealised(account, book, instruments, positions) + amount_of(assets[instrument.quote], -needed)


@kernel
def partly_counted(account, book, profile, instruments, assets, tiers, positions):
    """Quote quanta of a position's open profit of which a weight or a cap takes off; 0 for a loss."""
    if instruments[book].profit_net:
        return max(market_gain(account, book, profile, instruments, assets, tiers, positions), 0)
    return max(unrealised(account, book, instruments, positions), 0)


@kernel
def uncounted_of(account, book, profile, instruments, assets, tiers, positions):
    """Quote quanta of one position's open profit that do not count under the initial and target profiles."""
    profit = partly_counted(account, book, profile, instruments, assets, tiers, positions)
    return profit - min(part(profit, instruments[book].profit_weight), instruments[book].profit_cap)


@kernel
def uncounted_profit(account, asset, profile, instruments, assets, tiers, positions):
    """Quanta of `asset` of open profits that do not count under such a profile, position by position."""
    left_out = 0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0 and instruments[book].quote == asset:
            left_out += uncounted_of(account, book, profile, instruments, assets, tiers, positions)
    return left_out


@inline
def equities(account, profile, instruments, assets, margin, positions, cash):
    """(margin equity under a profile, net equity): collateral after and before haircut, both with unrealised profit.

    Profits and losses of all positions settled in an asset are netted into its balance before it is weighted.
    """
    tiers = margin[1]
    margin_equity = 0
    net_equity = 0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        counted = balance
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
            counted = balance
            if profile != MAINTENANCE:
                counted -= uncounted_profit(account, asset, profile, instruments, assets, tiers, positions)
        if balance == 0 and counted == 0:
            continue
        value = value_of(assets[asset], balance)
        net_equity += value
        if counted != balance:
            value = value_of(assets[asset], counted)
        within = favoured(account, asset, profile, instruments, assets, positions, cash)
        margin_equity += counted_value(assets[asset], within, profile, counted, value, tiers)
    return margin_equity, net_equity


@kernel
def net_equity_of(account, instruments, assets, positions, cash):
    """What the account is worth without any haircut, USD quanta; below zero it is bankrupt."""
    total = 0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
        if balance != 0:
            total += value_of(assets[asset], balance)
    return total


@inline
def maintenance_of(account, instruments, assets, margin, positions, cash):
    """Maintenance margin, USD quanta: of all positions by themselves, or of the portfolio they are."""
    modes, tiers = margin[0], margin[1]
    if modes[account] == PORTFOLIO:
        return portfolio_needed(account, MAINTENANCE, 0, 0, instruments, margin, positions, cash)
    total = together = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            total += requirement_of(book, lots, MAINTENANCE, instruments, assets, tiers)
            if not instruments[book].tiers_only:
                together |= instruments[book].expiry_group
    if together:
        total -= expiry_relief(account, MAINTENANCE, 0, 0, instruments, assets, positions)
    return total


@kernel
def worst_lots(position, extra_bid, extra_ask):
    """Largest |position| that resting orders plus the given extra lots could lead to."""
    return max(abs(position.lots + position.open_bid + extra_bid), abs(position.lots - position.open_ask - extra_ask))


@kernel
def unordered_requirement(account, instruments, margin, positions, cash):
    """Initial margin that `ordered_requirement` counts from: of a portfolio account without its orders; else 0."""
    if margin[0][account] != PORTFOLIO:
        return 0
    return portfolio_needed(account, INITIAL, 0, 0, instruments, margin, positions, cash)


@kernel
def ordered_requirement(account, book, bid, ask, now, instruments, assets, margin, positions, cash):
    """Initial margin of one book with all its resting orders and so many further lots on either side, USD quanta.

    Under portfolio margin: what the worse of all bids or all asks being filled would add to `now`, which is what the
    account needs without orders.
    """
    position = positions[account, book]
    if margin[0][account] != PORTFOLIO:
        lots = worst_lots(position, bid, ask)
        return requirement_of(book, lots, INITIAL, instruments, assets, margin[1]) if lots != 0 else 0
    added = 0
    for lots in (position.open_bid + bid, -position.open_ask - ask):
        if lots != 0:
            needed = portfolio_needed(account, INITIAL, book, lots, instruments, margin, positions, cash)
            added = max(added, needed - now)
    return added


@inline
def initial_of(account, instruments, assets, margin, positions, cash):
    """Initial margin over the worst case of resting orders, summed over positions, USD quanta.

    A resting spot bid reserves what margin equity would lose by its fill: the price paid less the weighted value.
    """
    total = now = unordered_requirement(account, instruments, margin, positions, cash)
    together = 0
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if instrument.kind == SPOT:
            lots = positions[account, book].open_bid
            if lots != 0:
                paid = value_of(assets[instrument.quote], lots * instrument.best_bid * instrument.tick_value)
                within = favoured(account, instrument.base, INITIAL, instruments, assets, positions, cash)
                amount = lots * instrument.lot_quanta
                bought = weighted_value(assets[instrument.base], within, INITIAL, amount, margin[1])
                total += max(0, paid - bought)
            continue
        if margin[0][account] == PORTFOLIO:
            total += ordered_requirement(account, book, 0, 0, now, instruments, assets, margin, positions, cash)
            continue
        # Nothing rests for an option, and its sign counts.
        lots = positions[account, book].lots
        if instrument.kind != OPTION:
            lots = worst_lots(positions[account, book], 0, 0)
        if lots != 0:
            total += requirement_of(book, lots, INITIAL, instruments, assets, margin[1])
            together |= instrument.expiry_group
    if together:
        total -= expiry_relief(account, INITIAL, 0, 0, instruments, assets, positions)
    return total


@kernel
def relief_of(account, book, lots, instruments, assets, margin, positions, cash):
    """USD quanta by which maintenance margin falls when `lots` (signed as held) of a position are closed."""
    if margin[0][account] == PORTFOLIO:
        now = portfolio_needed(account, MAINTENANCE, 0, 0, instruments, margin, positions, cash)
        return now - portfolio_needed(account, MAINTENANCE, book, -lots, instruments, margin, positions, cash)
    held = positions[account, book].lots
    needed = requirement_of(book, held, MAINTENANCE, instruments, assets, margin[1])
    if instruments[book].expiry_group:
        needed -= expiry_relief(account, MAINTENANCE, 0, 0, instruments, assets, positions)
        needed += expiry_relief(account, MAINTENANCE, book, -lots, instruments, assets, positions)
    if held == lots:
        return needed
    return needed - requirement_of(book, held - lots, MAINTENANCE, instruments, assets, margin[1])


@kernel
def maintenance_excess(account, instruments, assets, margin, positions, cash):
    """Margin equity minus maintenance margin; below zero the account may be liquidated."""
    margin_equity, _ = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
    return margin_equity - maintenance_of(account, instruments, assets, margin, positions, cash)


@kernel
def initial_excess(account, instruments, assets, margin, positions, cash):
    """Margin equity under the initial profile minus initial margin: what new orders may still use."""
    margin_equity, _ = equities(account, INITIAL, instruments, assets, margin, positions, cash)
    return margin_equity - initial_of(account, instruments, assets, margin, positions, cash)


@kernel
def target_excess(account, instruments, assets, margin, positions, cash):
    """Margin equity minus requirement under the target profile: at or above zero a liquidation may stop."""
    margin_equity, _ = equities(account, TARGET, instruments, assets, margin, positions, cash)
    if margin[0][account] == PORTFOLIO:
        return margin_equity - portfolio_needed(account, TARGET, 0, 0, instruments, margin, positions, cash)
    together = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            margin_equity -= requirement_of(book, lots, TARGET, instruments, assets, margin[1])
            together |= instruments[book].expiry_group
    if together:
        margin_equity += expiry_relief(account, TARGET, 0, 0, instruments, assets, positions)
    return margin_equity


@kernel
def lost_with_category(account, instruments, assets, margin, positions, cash):
    """USD quanta by which margin equity under the initial profile falls when an account leaves its category."""
    lost = 0
    for asset in range(assets.shape[0]):
        if favoured(account, asset, INITIAL, instruments, assets, positions, cash):
            # It has no positions, so balances are all there is.
            balance = cash[account, asset]
            lost += weighted_value(assets[asset], True, INITIAL, balance, margin[1])
            lost -= weighted_value(assets[asset], False, INITIAL, balance, margin[1])
    return lost


@kernel
def assess_all(accounts, instruments, assets, margin, positions, cash, out):
    """Fill `out[n, 4]` with margin equity, net equity, maintenance and initial margin of every account.

    Under the initial profile margin equity may count less; what is missing there is added to the initial margin, so
    that column 0 less column 3 is what new orders may use.
    """
    for account in range(accounts.shape[0]):
        margin_equity, net_equity = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
        out[account, 0] = margin_equity
        out[account, 1] = net_equity
        out[account, 2] = maintenance_of(account, instruments, assets, margin, positions, cash)
        out[account, 3] = margin_equity - initial_excess(account, instruments, assets, margin, positions, cash)


@kernel
def _surplus_at(mark, account, book, maintained, instruments, assets, margin, positions, cash):
    """Margin excess, or net equity when not `maintained`, with one instrument marked at `mark`, which stays there."""
    instruments[book].mark = mark
    if maintained:
        return maintenance_excess(account, instruments, assets, margin, positions, cash)
    return net_equity_of(account, instruments, assets, positions, cash)


@kernel
def mark_at_zero(account, book, maintained, instruments, assets, margin, positions, cash):
    """(tick m, surplus at m, surplus at m + 1), of which one is below zero and the other not; (-1, 0, 0) if none is.

    The surplus is concave in the mark: equity bends down where a balance turns into a debt, maintenance bends up at
    tiers. So, on the side where the position loses, it changes sign once at most, and halving finds it. Marks from 0 to
    the top of the book are searched; `instruments` is a copy, its mark is moved.
    """
    now = instruments[book].mark
    losing = 0 if positions[account, book].lots > 0 else instruments[book].n_levels - 2
    gaining = instruments[book].n_levels - 2 - losing
    solvent = _surplus_at(now, account, book, maintained, instruments, assets, margin, positions, cash) >= 0
    good, bad = (now, losing) if solvent else (gaining, now)
    end = bad if solvent else good
    there = _surplus_at(end, account, book, maintained, instruments, assets, margin, positions, cash) >= 0
    if there == solvent:
        return -1, 0, 0
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if _surplus_at(middle, account, book, maintained, instruments, assets, margin, positions, cash) >= 0:
            good = middle
        else:
            bad = middle
    low = min(good, bad)
    here = _surplus_at(low, account, book, maintained, instruments, assets, margin, positions, cash)
    above = _surplus_at(low + 1, account, book, maintained, instruments, assets, margin, positions, cash)
    return low, here, above
