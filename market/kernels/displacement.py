# ruff: noqa: ARG001, ARG005
"""How far everything that portfolio margin reads has moved since a ring of the safe-distance filter was measured.

The excess of a portfolio account is E = equity - factor x loss - charges, and the loss is a minimum over scenarios (or
a mean of the lowest few, or a mixture of minima) of sums over its lots. Such a function moves no more than the sum that
moves most, and sums move no more than their parts. So |change of E| is at most the sum over instruments of |lots| x
change of one lot, where the change of one lot is the largest over scenarios s of, m being its marked value, u_s its
value under the scenario, u its value now, w the weight and d the larger discount factor of its expiry,

    |dm - factor w du| + factor w (d |du_s| + |dd| u_s),    in an adverse scenario |dm| + factor w (... + |du|),

and charges on top. These are differences of the very tables that assessments read: prices, surfaces, time to expiry,
settlement averages, discounts, funding and the quote asset are all in them, small moves and jumps alike.

A change is counted in units of RISK_BOOK.exposure: what a relative move of one, of the price and of volatility, would
change, from market/kernels/rules/scenario_bounds.py. That yardstick only has to keep its length between two measures
of everybody; how long it is decides how often accounts are looked at, never whether one is missed.

`kept` is empty in a world without portfolio accounts. Else it is: scenarios SCENARIO, moves float64[n_scenarios,
n_underlyings], bounds float64[n_instruments, 3] (scratch), and the tables as they were at each ring's last measure,
their first axis RINGS: units float64[.., n_instruments, n_scenarios + 3], books RISK_BOOK, groups RISK_GROUP.
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from market.kernels.jit import kernel
from market.kernels.portfolio import PLAIN_TABLES
from market.kernels.records import SPOT
from market.kernels.rules.risk_records import LINEAR
from market.kernels.rules.scenario_bounds import PRICE, VOL, change_bounds
from market.kernels.safe_distance import weight_spread

YARDSTICK_REACH = 0.06
"""Moves of price and volatility over which the yardstick is taken: as far as the outermost ring lasts."""
LEAST_SHARE, MOST_SHARE = 0.01, 4.0
"""The yardstick of a lot stays between these shares of its value."""


@kernel
def set_exposures(kept, instruments, assets, margin):
    """Take the yardstick at the prices of now: `exposure` of every RISK_BOOK, USD quanta of excess per |lot|, >= 0."""
    _, tiers, books, _, terms, rules, unit, _, _, _, _ = margin
    scenarios, moves, bounds, _, _, _ = kept
    rule = rules[0]
    change_bounds(books, rule, scenarios, moves, YARDSTICK_REACH, YARDSTICK_REACH, 0.0, bounds)
    for row in range(books.shape[0]):
        book = books[row]
        quote = assets[instruments[row].quote]
        value = abs((book.fixed + book.forward) * book.per_lot)
        if instruments[row].kind == SPOT:  # what the coins themselves are worth moves with their asset
            most = 0.0
            for scenario in range(terms.shape[1]):
                most = max(most, abs(rule.factor * terms[0, scenario] * unit[scenario, row]))
        else:
            most = bounds[row, PRICE] + bounds[row, VOL] + weight_spread(quote, tiers) * value
        most += rule.concentration_rate * value
        if not most <= MOST_SHARE * value:  # a bound may be infinite
            most = MOST_SHARE * value
        # Where the quote asset moves as well, value is the product of both.
        book.exposure = max(most, LEAST_SHARE * value) * (1.0 if quote.fixed else 2.2)


@kernel
def _linear_change(row, own, rule, terms, unit, then):
    """`then` are the instrument's kept unit values."""
    most = abs(own)
    for scenario in range(terms.shape[1]):
        most = max(most, abs(own + rule.factor * terms[0, scenario] * (unit[scenario, row] - then[scenario])))
    return most


@kernel
def _option_change(row, own, group, before, rule, terms, unit, then):
    """`group` is RISK_GROUP of its expiry now, `before` the kept one."""
    n = terms.shape[1]
    value = unit[n + 2, row] - then[n + 2]
    discount = max(group.long_discount, group.short_discount)
    turned = max(abs(group.long_discount - before.long_discount), abs(group.short_discount - before.short_discount))
    by_basis = max(abs(unit[n, row] - then[n]), abs(unit[n + 1, row] - then[n + 1])) + abs(value)
    spread = max(then[n], then[n + 1]) + then[n + 2]
    most = abs(own) + rule.factor * (
        abs(group.basis_factor) * by_basis + abs(group.basis_factor - before.basis_factor) * spread
    )
    for scenario in range(n):
        weight = rule.factor * terms[0, scenario]
        moved = weight * (discount * abs(unit[scenario, row] - then[scenario]) + turned * then[scenario])
        if terms[1, scenario] != 0.0:
            most = max(most, abs(own) + weight * abs(value) + moved)
        else:
            most = max(most, abs(own - weight * value) + moved)
    return most


@kernel
def largest_displacement(ring, kept, before, instruments, assets, margin):
    """Largest change of one lot since ring `ring` was measured, in units of its exposure.

    `before` INSTRUMENT[RINGS, n_instruments] are the instruments as they were then.
    """
    _, tiers, books, groups, terms, rules, unit, _, _, _, _ = margin
    _, _, _, units, kept_books, kept_groups = kept
    rule = rules[0]
    largest = 0.0
    for row in range(books.shape[0]):
        instrument, then = instruments[row], before[ring, row]
        now, was = books[row], kept_books[ring, row]
        quote = assets[instrument.quote]
        own = 0.0
        if instrument.kind != SPOT:
            paid = instrument.tick_value * (instrument.mark - then.mark) - instrument.funding_index + then.funding_index
            own = paid * (quote.price * quote.multiplier / quote.divisor)
        if now.kind == LINEAR:
            change = _linear_change(row, own, rule, terms, unit, units[ring, row])
        else:
            group = now.group
            change = _option_change(
                row, own, groups[group], kept_groups[ring, group], rule, terms, unit, units[ring, row]
            )
        change += weight_spread(quote, tiers) * abs(own)
        change += rule.linear_multiple * abs(now.gross_charge - was.gross_charge)
        change += rule.short_multiple * abs(now.short_charge - was.short_charge)
        change += rule.concentration_rate * abs(now.forward * now.per_lot - was.forward * was.per_lot)
        if change > 0.0:
            largest = max(largest, change / now.exposure)
    return largest


@kernel
def _keep(ring, kept, margin):
    _, _, books, groups, _, _, unit, _, _, _, _ = margin
    _, _, _, units, kept_books, kept_groups = kept
    for row in range(books.shape[0]):
        kept_books[ring, row] = books[row]
        for scenario in range(unit.shape[0]):
            units[ring, row, scenario] = unit[scenario, row]
    for row in range(groups.shape[0]):
        kept_groups[ring, row] = groups[row]


def portfolio_displacement(ring: Any, kept: Any, before: Any, instruments: Any, assets: Any, margin: Any) -> Any:
    """`largest_displacement` in a world with portfolio accounts, else 0."""
    raise NotImplementedError("compiled only")


@overload(portfolio_displacement)
def _portfolio_displacement(ring, kept, before, instruments, assets, margin):  # type: ignore[no-untyped-def]
    if len(margin.types) == PLAIN_TABLES:
        return lambda ring, kept, before, instruments, assets, margin: 0.0
    return lambda ring, kept, before, instruments, assets, margin: largest_displacement(
        ring, kept, before, instruments, assets, margin
    )


def keep_tables(ring: Any, kept: Any, margin: Any) -> Any:
    """Keep the tables of now as those that ring `ring` was measured with."""
    raise NotImplementedError("compiled only")


@overload(keep_tables)
def _keep_tables(ring, kept, margin):  # type: ignore[no-untyped-def]
    if len(margin.types) == PLAIN_TABLES:
        return lambda ring, kept, margin: None
    return lambda ring, kept, margin: _keep(ring, kept, margin)


def renew_exposures(kept: Any, instruments: Any, assets: Any, margin: Any) -> Any:
    """Take a new yardstick at the prices of now; everybody has to be measured with it."""
    raise NotImplementedError("compiled only")


@overload(renew_exposures)
def _renew_exposures(kept, instruments, assets, margin):  # type: ignore[no-untyped-def]
    if len(margin.types) == PLAIN_TABLES:
        return lambda kept, instruments, assets, margin: None
    return lambda kept, instruments, assets, margin: set_exposures(kept, instruments, assets, margin)
