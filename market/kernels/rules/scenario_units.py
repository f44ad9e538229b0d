"""Unit tables of portfolio margin: what one lot of each instrument is worth, or gains, under each scenario.

Computed once per change of prices; an account is then a sum of lots x unit.
"""

from __future__ import annotations

import math

from market.kernels.jit import kernel
from market.kernels.rules.expiry_discounts import long_discount, short_discount
from market.kernels.rules.options import SECONDS_PER_DAY, SECONDS_PER_YEAR, black_price
from market.kernels.rules.risk_records import (
    CALL,
    LINEAR,
    SKEW_LINEAR,
    SKEW_WINGS,
    VOL_DOWN,
    VOL_FACTOR,
    VOL_POINTS,
    VOL_UP,
)
from market.kernels.rules.vol_shocks import (
    shocked_down,
    shocked_up,
    skew_cap,
    skew_multiplier,
    skew_width,
    term_power_shock,
)


@kernel
def expiry_groups(books, rule, groups):
    """Fill `groups` (RISK_GROUP, one per expiry) with the discounts and basis factor of the time left."""
    for row in range(books.shape[0]):
        book = books[row]
        if book.kind == LINEAR:
            continue
        years = max(book.seconds, 0.0) / SECONDS_PER_YEAR
        group = groups[book.group]
        group.underlying = book.underlying
        group.long_discount = long_discount(rule.long_static, years, book.rate, rule.long_factor, rule.long_add)
        group.short_discount = short_discount(rule.short_static, years, book.rate, rule.short_factor, rule.short_add)
        group.basis_factor = rule.basis_add + rule.basis_per_year * years


@kernel
def scenario_vol(vol_rule, vol_move, vol, up, down, moneyness, years, rule):
    """Implied volatility under a scenario; `up` and `down` are the rule's shocks for the time left."""
    if vol_rule == VOL_UP:
        return shocked_up(vol, up, rule.least_vol)
    if vol_rule == VOL_DOWN:
        return shocked_down(vol, down)
    if vol_rule == VOL_FACTOR:
        return shocked_up(vol, vol_move, 0.0)
    if vol_rule == VOL_POINTS:
        return max(vol + vol_move, 0.0)
    if vol_rule in (SKEW_LINEAR, SKEW_WINGS):
        turned = vol_rule == SKEW_LINEAR
        cap = (
            skew_cap(rule.skew_cap, rule.skew_slope, years)
            if turned
            else (skew_cap(rule.wings_cap, rule.wings_slope, years))
        )
        width = skew_width(rule.least_width, rule.width_scale, rule.width_vol, rule.width_slope, years)
        return vol * skew_multiplier(moneyness if turned else abs(moneyness), cap, width)
    return vol


@kernel
def option_move(vol_rule, move):
    """What a scenario multiplies the forward of options by: a scenario of the smile leaves it where it is.

    Linear instruments still move with the price (Derive PMRM_2, getScenarioPnL).
    """
    return 1.0 if vol_rule in (SKEW_LINEAR, SKEW_WINGS) else move


@kernel
def scenario_units(books, rule, scenarios, moves, unit):
    """Fill `unit[n_scenarios + 3, n_books]`, USD quanta per lot.

    LINEAR: the gain when the price is multiplied by `moves[scenario, underlying]`, zero in the extra rows. Options: the
    discounted Black-76 value under the scenario; then, volatility as it is, at the rule's two basis moves of the
    forward, and now. `books` are RISK_BOOK, `scenarios` SCENARIO, `rule` a row of RISK_RULE.
    """
    n_scenarios = scenarios.shape[0]
    for row in range(books.shape[0]):
        book = books[row]
        if book.kind == LINEAR:
            for scenario in range(n_scenarios):
                unit[scenario, row] = book.per_lot * book.forward * (moves[scenario, book.underlying] - 1.0)
            for extra in range(3):
                unit[n_scenarios + extra, row] = 0.0
            continue
        _option_units(row, book, rule, scenarios, moves, unit)


@kernel
def _option_units(row, book, rule, scenarios, moves, unit):
    n_scenarios = scenarios.shape[0]
    is_call = book.kind == CALL
    seconds = max(book.seconds, 0.0)
    years = seconds / SECONDS_PER_YEAR
    root = math.sqrt(years)
    scale = book.per_lot * math.exp(-max(book.rate, 0.0) * years)
    days = seconds / SECONDS_PER_DAY
    up = term_power_shock(rule.vol_up, days, rule.floor_days, rule.short_power, rule.long_power)
    down = term_power_shock(rule.vol_down, days, rule.floor_days, rule.short_power, rule.long_power)
    for scenario in range(n_scenarios):
        shock = scenarios[scenario]
        forward = book.fixed + book.forward * option_move(shock.vol_rule, moves[scenario, book.underlying])
        moneyness = 0.0
        if (shock.vol_rule == SKEW_LINEAR or shock.vol_rule == SKEW_WINGS) and forward > 0.0 and book.strike > 0.0:
            moneyness = math.log(book.strike / forward)
        vol = scenario_vol(shock.vol_rule, shock.vol_move, book.vol, up, down, moneyness, years, rule)
        unit[scenario, row] = scale * black_price(is_call, forward, book.strike, vol * root)
    deviation = book.vol * root
    for extra in range(3):
        move = 1.0 if extra == 2 else (rule.basis_up if extra == 0 else rule.basis_down)
        forward = book.fixed + book.forward * move
        unit[n_scenarios + extra, row] = scale * black_price(is_call, forward, book.strike, deviation)
