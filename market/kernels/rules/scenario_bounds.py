"""How much one lot can change an account's margin excess while price, volatility and time stay within a box.

Write x for the relative move of the underlying's price, v for the relative move of implied volatility, h for the time
passed. The excess counts E = V(x, v, h) - factor x loss - charges, and the loss is a minimum over scenarios s of
weight_s x sum over expiries of [ D(V_s) - V ], the basis contingency among them. Three facts give a bound that adds up
over lots, whatever else the account holds:

1. A minimum (or maximum, or a mixture of both as `offset` makes) of functions moves no more than the one that moves
   most. So the bound of a lot is the largest over scenarios of |dE_s|; lots add by the triangle inequality.
2. D(V) = V x long discount above zero and V x short discount below is Lipschitz with the larger discount, and -|y| with
   1. So, f the factor, w the weight, A_0 and A_s bounds of |dV| now and under the scenario, d the larger discount:
   |dE_s| <= |1 - f w| A_0 + f w d A_s, and A_0 + f w (d A_s + A_0) for an adverse scenario or the basis rows.
   LINEAR: |1 + f w (move_s - 1)| x price.
3. The undiscounted value is a function of forward F and deviation s = vol x sqrt(years): |dV/dF| <= N(d1) for a call,
   N(-d1) for a put, |dV/ds| = F n(d1). Over the box d1 is largest at the largest F (for a call), smallest at the
   smallest, and in s at an end of its range or, on one side of the strike, at sqrt(2 |log(F / K)|). Volatility and time
   act through s alone, except for discount factors, whose change times the largest value is added. Shocks that grow as
   time runs out are monotone between 30 days and their floor, so their total variation is read off these points.

A smile that is turned about the forward adds vega x slope of the smile to the price column. Charges per lot move with
the price. The box: prices within +-reach, volatility within +-vol_reach, both relative, and `seconds` of time; the
bound of a move inside it is column PRICE x |x| + column VOL x |v| + column TIME, USD quanta per |lot|.
"""

from __future__ import annotations

import math

from market.kernels.jit import kernel
from market.kernels.rules.expiry_discounts import long_discount, short_discount
from market.kernels.rules.options import (
    NORMAL_PEAK,
    SECONDS_PER_DAY,
    SECONDS_PER_YEAR,
    black_price,
    normal_cdf,
    normal_density,
)
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
from market.kernels.rules.scenario_units import option_move
from market.kernels.rules.vol_shocks import skew_cap, skew_width, term_power_shock

PRICE, VOL, TIME = range(3)


@kernel
def highest_d1(forward, strike, least, most):
    """Largest d1 for a deviation within [least, most]."""
    log = math.log(forward / strike)
    if log > 0.0:
        return math.inf if least <= 0.0 else max(log / least + 0.5 * least, log / most + 0.5 * most)
    if most <= 0.0:
        return -math.inf if log < 0.0 else 0.0
    return log / most + 0.5 * most


@kernel
def lowest_d1(forward, strike, least, most):
    """Smallest d1 for a deviation within [least, most]."""
    log = math.log(forward / strike)
    if log > 0.0:
        if most <= 0.0:
            return math.inf
        at = min(max(math.sqrt(2.0 * log), least), most)
        return log / at + 0.5 * at
    if least <= 0.0:
        return -math.inf if log < 0.0 else 0.0
    return log / least + 0.5 * least


@kernel
def _grown_root(days, vol_rule, rule):
    """Square root of the years left x growth of the volatility shock at that time."""
    shock = rule.vol_up if vol_rule == VOL_UP else rule.vol_down
    growth = term_power_shock(shock, days, rule.floor_days, rule.short_power, rule.long_power)
    return growth * math.sqrt(days * SECONDS_PER_DAY / SECONDS_PER_YEAR)


@kernel
def _grown_range(from_days, to_days, vol_rule, rule):
    """(least, largest, total variation) of the grown root while the time left falls from `from_days` to `to_days`."""
    last = _grown_root(from_days, vol_rule, rule)
    low = high = last
    variation = 0.0
    # Monotone between these times: one step past 30 days, 30 days, the floor, and the end.
    high_kink = max(30.0, rule.floor_days)
    low_kink = min(30.0, rule.floor_days)
    for step in range(5):
        if step == 0:
            days = high_kink
        elif step == 1:
            days = 30.000001
        elif step == 2:
            days = 30.0
        elif step == 3:
            days = low_kink
        else:
            days = to_days
        if to_days <= days <= from_days:
            now = _grown_root(days, vol_rule, rule)
            variation += abs(now - last)
            low, high, last = min(low, now), max(high, now), now
    return low, high, variation


@kernel
def _smile_change(vol_rule, early, late, rule):
    """(largest relative move of the smile, its slope in log-moneyness, its change over time) while years fall."""
    turned = vol_rule == SKEW_LINEAR
    base, slope = (rule.skew_cap, rule.skew_slope) if turned else (rule.wings_cap, rule.wings_slope)
    one, two = skew_cap(base, slope, early), skew_cap(base, slope, late)
    cap = max(one, two)
    wide = skew_width(rule.least_width, rule.width_scale, rule.width_vol, rule.width_slope, early)
    narrow = skew_width(rule.least_width, rule.width_scale, rule.width_vol, rule.width_slope, late)
    narrowest = min(wide, narrow)
    if min(one, two) < 0.0 or narrowest <= 0.0 or (rule.width_slope > 0.0 and rule.width_vol < 0.0):
        return cap, math.inf, math.inf
    root, gone = math.sqrt(early), math.sqrt(early) - math.sqrt(late)
    widening = rule.width_scale * (abs(rule.width_vol) * gone + abs(rule.width_slope) * (early - late))
    widest = max(rule.least_width, rule.width_scale * root * (abs(rule.width_vol) + abs(rule.width_slope) * root))
    turning = min(1.0, widest * widening / (narrowest * narrowest))
    return cap, cap / narrowest, abs(one - two) + cap * turning


@kernel
def _deviations(vol_rule, vol_move, vol, vol_reach, early, late, rule):
    """What the deviation does in the box: (least, largest, slope in vol, change over time, slope in log-moneyness)."""
    low_vol, high_vol = vol * (1.0 - vol_reach), vol * (1.0 + vol_reach)
    root, end = math.sqrt(early), math.sqrt(late)
    gone = root - end
    if vol_rule in (VOL_UP, VOL_DOWN):
        days = SECONDS_PER_YEAR / SECONDS_PER_DAY
        low, high, variation = _grown_range(early * days, late * days, vol_rule, rule)
        if vol_rule == VOL_UP:
            least = max(low_vol * (end + low), rule.least_vol * end)
            most = max(high_vol * (root + high), rule.least_vol * root)
            return least, most, root + high, max(high_vol * (gone + variation), rule.least_vol * gone), 0.0
        slope = max(0.0, root - low)
        return low_vol * max(0.0, end - high), high_vol * slope, slope, high_vol * (gone + variation), 0.0
    if vol_rule in (SKEW_LINEAR, SKEW_WINGS):
        cap, slope, change = _smile_change(vol_rule, early, late, rule)
        least, most = low_vol * end * max(0.0, 1.0 - cap), high_vol * root * (1.0 + cap)
        return least, most, root * (1.0 + cap), high_vol * (gone * (1.0 + cap) + root * change), high_vol * root * slope
    if vol_rule == VOL_FACTOR:
        factor = max(0.0, 1.0 + vol_move)
        return low_vol * factor * end, high_vol * factor * root, factor * root, high_vol * factor * gone, 0.0
    if vol_rule == VOL_POINTS:
        low, high = max(0.0, low_vol + vol_move), max(0.0, high_vol + vol_move)
        return low * end, high * root, root, high * gone, 0.0
    return low_vol * end, high_vol * root, root, high_vol * gone, 0.0


@kernel
def _value_bounds(book, move, vol_rule, vol_move, reach, vol_reach, early, late, rule):
    """Bounds of the undiscounted value under one scenario: (dV/dx, dV/dv, change over time, largest value)."""
    least, most, vol_slope, change, tilt = _deviations(vol_rule, vol_move, book.vol, vol_reach, early, late, rule)
    low, high = book.fixed + book.forward * move * (1.0 - reach), book.fixed + book.forward * move * (1.0 + reach)
    largest = black_price(book.kind == CALL, high if book.kind == CALL else low, book.strike, most)
    delta, peak = 1.0, NORMAL_PEAK
    if low > 0.0 and book.strike > 0.0:
        top, bottom = highest_d1(high, book.strike, least, most), lowest_d1(low, book.strike, least, most)
        delta = normal_cdf(top) if book.kind == CALL else normal_cdf(-bottom)
        if bottom > 0.0:
            peak = normal_density(bottom)
        elif top < 0.0:
            peak = normal_density(top)
    price = delta * book.forward * move
    if peak == 0.0:
        return price, 0.0, 0.0, largest
    if tilt > 0.0:
        # log(strike / forward) moves by at most forward part x move / forward per unit of x.
        price += high * peak * tilt * (book.forward * move / low if low > 0.0 else math.inf)
    return price, high * peak * vol_slope * book.vol, high * peak * change, largest


@kernel
def _option_bounds(row, book, rule, scenarios, moves, reach, vol_reach, seconds, out):
    early = max(book.seconds, 0.0) / SECONDS_PER_YEAR
    late = max(book.seconds - seconds, 0.0) / SECONDS_PER_YEAR
    rate = max(book.rate, 0.0)
    # Discount factors rise as time passes; those of the rule are monotone, as rates and add-ons are not below zero.
    early_paid, paid = math.exp(-rate * early), math.exp(-rate * late)
    long_now = long_discount(rule.long_static, early, rate, rule.long_factor, rule.long_add)
    long_then = long_discount(rule.long_static, late, rate, rule.long_factor, rule.long_add)
    short_now = short_discount(rule.short_static, early, rate, rule.short_factor, rule.short_add)
    short_then = short_discount(rule.short_static, late, rate, rule.short_factor, rule.short_add)
    largest = max(max(long_now, long_then), max(short_now, short_then))
    changed = max(abs(long_now - long_then), abs(short_now - short_then))
    price0, vol0, time0, value0 = _value_bounds(book, 1.0, 0, 0.0, reach, vol_reach, early, late, rule)
    time0 += value0 * (1.0 - early_paid / paid)
    price, vol, time = price0, vol0, time0
    for scenario in range(scenarios.shape[0] + 2):
        at_basis = scenario >= scenarios.shape[0]
        if at_basis:
            move = rule.basis_up if scenario == scenarios.shape[0] else rule.basis_down
            factor = max(0.0, rule.basis_add + rule.basis_per_year * early)
            dprice, dvol, dtime, value = _value_bounds(book, move, 0, 0.0, reach, vol_reach, early, late, rule)
            dtime += value * (1.0 - early_paid / paid)
            weight = rule.factor * factor
            own, other = 1.0 + weight, weight
            dtime += (value + value0) * (abs(rule.basis_per_year) * (early - late) / factor if factor > 0.0 else 0.0)
        else:
            shock = scenarios[scenario]
            dprice, dvol, dtime, value = _value_bounds(
                book,
                option_move(shock.vol_rule, moves[scenario, book.underlying]),
                shock.vol_rule,
                shock.vol_move,
                reach,
                vol_reach,
                early,
                late,
                rule,
            )
            dtime += value * (1.0 - early_paid / paid)
            weight = rule.factor * shock.weight
            own = 1.0 + weight if shock.adverse != 0 else abs(1.0 - weight)
            other = weight * largest
            dtime += value * (changed / largest if largest > 0.0 else 0.0)
        price = max(price, own * price0 + other * dprice)
        vol = max(vol, own * vol0 + other * dvol)
        time = max(time, own * time0 + other * dtime)
    scale = book.per_lot * paid
    out[row, PRICE] = scale * price + abs(book.gross_charge) + abs(book.short_charge)
    out[row, VOL] = scale * vol
    out[row, TIME] = scale * time


@kernel
def change_bounds(books, rule, scenarios, moves, reach, vol_reach, seconds, out):
    """Fill `out[n_books, 3]` with the bounds of one lot of each instrument, as the head of this file derives them.

    `books` RISK_BOOK, `rule` a row of RISK_RULE, `scenarios` SCENARIO and `moves[n_scenarios, n_underlyings]`; 0 <=
    reach < 1, 0 <= vol_reach < 1, seconds >= 0. Columns: USD quanta per |lot| and unit of relative price move, per unit
    of relative move of volatility, and in all for the time. Not for an option that expires within `seconds` and after.
    """
    for row in range(books.shape[0]):
        book = books[row]
        if book.kind != LINEAR:
            _option_bounds(row, book, rule, scenarios, moves, reach, vol_reach, seconds, out)
            continue
        price = 1.0
        for scenario in range(scenarios.shape[0]):
            weight = rule.factor * scenarios[scenario].weight
            price = max(price, abs(1.0 + weight * (moves[scenario, book.underlying] - 1.0)))
        out[row, PRICE] = price * abs(book.per_lot * book.forward) + abs(book.gross_charge)
        out[row, VOL] = 0.0
        out[row, TIME] = 0.0
