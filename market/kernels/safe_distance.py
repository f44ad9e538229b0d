"""How far prices may move before an account can break: what the safe-distance filter (market/kernels/watch.py) asks.

Bounds on how fast margin excess changes, term by term, at the figures of market/kernels/margin.py.
"""

from __future__ import annotations

from market.kernels.arithmetic import part, part_up
from market.kernels.categories import favoured
from market.kernels.jit import inline, kernel
from market.kernels.margin import (
    counted_value,
    notional_of,
    required,
    settlement_profit,
    size_rate,
    tier_of,
    value_of,
)
from market.kernels.option_expiries import expiry_exposure, expiry_relief
from market.kernels.portfolio import portfolio_exposure, portfolio_needed
from market.kernels.records import MAINTENANCE, OPTION, PORTFOLIO, PPM


@inline
def _value_exposure(asset, within, value, weighted, tiers):
    """Bound on |change of weighted value| per unit of relative price move, USD quanta."""
    if value < 0 or asset.n_tiers == 0 or within:
        return float(abs(weighted))
    return _tiered_exposure(asset, value, tiers)


@kernel
def _tiered_exposure(asset, value, tiers):
    """The same where haircuts rise with size."""
    least = PPM
    for row in range(asset.first_tier, asset.first_tier + asset.n_tiers):
        least = min(least, tiers[row].maintenance)
    return float(value) * (PPM - least) / PPM


@kernel
def heaviest(asset):
    """Most that one more dollar of a settlement balance, counted at the venue's price, can weigh, ppm."""
    weight = max(PPM, asset.liability_weight)
    return part_up(weight, PPM + asset.above) if asset.above != 0 else weight


@kernel
def weight_spread(asset, tiers):
    """How far from one the weight of one more dollar of a settlement balance can be, as a share."""
    least = PPM - asset.haircut
    for row in range(asset.first_tier, asset.first_tier + asset.n_tiers):
        least = min(least, PPM - tiers[row].maintenance)
    if asset.size_factor > 0.0:
        least = 0
    return max(PPM - part(least, PPM - asset.below), heaviest(asset) - PPM) / PPM


@kernel
def _option_exposure(instrument, quote, notional, lots, reach, tiers):
    """The same of an option by itself."""
    exposure = abs(lots) * instrument.exposure * (1.0 + reach)
    if lots < 0:
        return exposure
    # Its value is equity at the settlement asset's weight, and what of it does not count is taken off in full.
    exposure *= instrument.long_weight / PPM + weight_spread(quote, tiers)
    if not quote.fixed:
        taken_off = notional * ((PPM - instrument.long_weight) / PPM)
        exposure += taken_off * (1.0 + reach)
    return exposure


@inline
def _position_exposure(instrument, quote, notional, lots, reach, tiers):
    """Bound on |change of equity - requirement| of one position per unit of relative price move, USD quanta."""
    if instrument.tiers_only and quote.fixed:
        rate = tiers[tier_of(instrument, int(notional * (1.0 + reach)) + 1, tiers)].maintenance
        # A debt created by the loss itself may weigh more than one for one.
        return notional * ((heaviest(quote) + rate) * (1.0 / PPM))
    return _exposure_beyond_tiers(instrument, quote, notional, lots, reach, tiers)


@kernel
def _exposure_beyond_tiers(instrument, quote, notional, lots, reach, tiers):
    """The same where size or the state of the market counts, or the price of the quote asset moves."""
    if instrument.kind == OPTION:
        return _option_exposure(instrument, quote, notional, lots, reach, tiers)
    # Where the quote asset's own price moves too, notional moves by the product of both.
    quote_reach = 0.0 if quote.fixed else reach
    highest = notional * (1.0 + reach) * (1.0 + quote_reach)
    rate = tiers[tier_of(instrument, int(highest) + 1, tiers)].maintenance
    steepest = size_rate(instrument, rate, instrument.maintenance_size_factor, abs(lots)) * (instrument.stress / PPM)
    weight = heaviest(quote) * (1.0 + quote_reach)
    if not quote.fixed:
        steepest *= 2.0 + quote_reach
    return notional * ((weight + steepest) / PPM)


@kernel
def _mark_rounding(instrument, lots, assets):
    """USD quanta by which an option's mark, which is rounded to ticks, can step at the least move of its forward."""
    return 2 * value_of(assets[instrument.quote], abs(lots) * instrument.tick_value)


@kernel
def safe_distance(account, instruments, assets, margin, positions, cash, reach):
    """Relative move that no price may make before the account's margin excess can turn negative.

    If every mark and collateral price, and what balances and debts count at beside it, stays within this fraction of
    its value now, excess stays >= 0. Holds for moves up to `reach` (the tier rates used are those at a notional
    `reach` higher). Negative: below maintenance now.
    """
    tiers = margin[1]
    margin_equity = slack = together = 0
    exposure = 0.0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
        if balance != 0:
            within = favoured(account, asset, MAINTENANCE, instruments, assets, positions, cash)
            value = value_of(assets[asset], balance)
            weighted = counted_value(assets[asset], within, MAINTENANCE, balance, value, tiers)
            margin_equity += weighted
            if not assets[asset].fixed:
                exposure += _value_exposure(assets[asset], within, value, weighted, tiers)
    in_portfolio = margin[0][account] == PORTFOLIO
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0 and not in_portfolio:
            instrument = instruments[book]
            notional = notional_of(book, lots, instruments, assets)
            margin_equity -= required(instrument, notional, lots, MAINTENANCE, tiers)
            exposure += _position_exposure(instrument, assets[instrument.quote], notional, lots, reach, tiers)
            if instrument.kind == OPTION:
                slack += _mark_rounding(instrument, lots, assets)
                together |= instrument.expiry_group
    if together:
        margin_equity += expiry_relief(account, MAINTENANCE, 0, 0, instruments, assets, positions)
        exposure += expiry_exposure(account, instruments, assets, positions)
    if in_portfolio:
        margin_equity -= portfolio_needed(account, MAINTENANCE, 0, 0, instruments, margin, positions, cash)
        exposure += portfolio_exposure(account, instruments, margin, positions, cash)
    if margin_equity < 0:
        return -1.0
    if exposure == 0.0:
        return 1e9
    # A few quanta of rounding in every term, and the last bits of the float division.
    return max(0.0, (margin_equity - 64 - slack) / exposure - 1e-9)
