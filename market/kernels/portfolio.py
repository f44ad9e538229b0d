# ruff: noqa: ARG001, ARG005
"""Portfolio margin inside the engine: requirement of one account, and what a further position would add to it.

A world without portfolio accounts passes a `margin` tuple of two tables; the functions here are then compiled away.
With them it has, after (modes, tiers): books RISK_BOOK[n_instruments], groups RISK_GROUP, terms float64[2, n], rules
RISK_RULE[2] (maintenance, initial), unit float64[n + 3, n_instruments] of n scenarios, lots int64[n_instruments],
touched and work (scratch of market/kernels/rules/portfolio.py), n_strikes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import overload

from market.kernels.jit import kernel
from market.kernels.records import INITIAL, MAINTENANCE, PPM, SPOT
from market.kernels.rules.portfolio import gross_charges, portfolio_loss, portfolio_pnl, short_charges
from market.kernels.rules.risk_records import ALL_OFFSETS, DEBTS_OFFSET, LINEAR, NO_OFFSET
from market.kernels.rules.tail_risk import scenario_quantile, scenario_shortfall

PLAIN_TABLES = 2
"""Length of the `margin` tuple of a world without portfolio accounts."""


@kernel
def concentration_charge(lots, books, rule):
    """USD quanta added for positions whose value is beyond what a market takes: rate x the part above the start."""
    if rule.concentration_rate == 0.0:
        return 0.0
    total = 0.0
    for book in range(lots.shape[0]):
        value = abs(lots[book] * books[book].forward * books[book].per_lot)
        total += max(0.0, value - rule.concentration_start) * rule.concentration_rate
    return total


@kernel
def doubt_charges(lots, books):
    """USD quanta that doubtful prices add under initial margin."""
    total = 0.0
    for book in range(lots.shape[0]):
        total += abs(lots[book]) * books[book].doubt
    return total


@kernel
def _tail_loss(lots, unit, books, groups, terms, rule, touched, work):
    """Value at risk, or expected shortfall, of equally likely scenarios, USD quanta."""
    pnl = work[work.shape[0] - 1, : terms.shape[1]]  # the row of the strikes, which are summed later
    portfolio_pnl(lots, unit, books, groups, terms, touched, work, pnl)
    if rule.tail_mean != 0.0:
        return scenario_shortfall(pnl, rule.tail_confidence)
    return scenario_quantile(pnl, rule.tail_confidence)


@kernel
def scenario_loss(lots, unit, books, groups, terms, rule, touched, work):
    """The loss that the rule looks at: the worst of the scenarios, or a measure of the tail of a distribution."""
    if rule.tail_confidence > 0.0:
        return _tail_loss(lots, unit, books, groups, terms, rule, touched, work)
    return portfolio_loss(lots, unit, books, groups, terms, rule, touched, work)


@kernel
def _needed(profile, books, groups, terms, rules, unit, lots, touched, work, n_strikes):
    """USD quanta that the lots in `lots` need, rounded up."""
    rule = rules[0 if profile == MAINTENANCE else 1]
    needed = rule.factor * scenario_loss(lots, unit, books, groups, terms, rule, touched, work)
    needed += rule.linear_multiple * gross_charges(lots, books)
    needed += rule.short_multiple * short_charges(lots, books, n_strikes, work)
    needed += concentration_charge(lots, books, rule)
    return int(np.ceil(needed + doubt_charges(lots, books) if profile == INITIAL else needed))


@kernel
def load_lots(account, instruments, books, positions, cash, lots):
    """Write the account's lots into `lots`; a spot instrument's are those of its base asset, where they offset.

    What counts for nothing as collateral offsets nothing either; owed, it is a short position all the same.
    """
    for book in range(instruments.shape[0]):
        lots[book] = positions[account, book].lots
        if instruments[book].kind == SPOT and books[book].offset != NO_OFFSET:
            owned = cash[account, instruments[book].base]
            if books[book].offset == ALL_OFFSETS or owned < 0:
                lots[book] = owned // instruments[book].lot_quanta


def portfolio_needed(
    account: Any, profile: Any, book: Any, extra: Any, instruments: Any, margin: Any, positions: Any, cash: Any
) -> Any:
    """USD quanta that a portfolio account needs with `extra` signed lots of `book` beside what it holds."""
    raise NotImplementedError("compiled only")


@overload(portfolio_needed)
def _portfolio_needed(account, profile, book, extra, instruments, margin, positions, cash):  # type: ignore[no-untyped-def]
    if len(margin.types) == PLAIN_TABLES:
        return lambda account, profile, book, extra, instruments, margin, positions, cash: 0

    def needed(account, profile, book, extra, instruments, margin, positions, cash):  # type: ignore[no-untyped-def]
        _, _, books, groups, terms, rules, unit, lots, touched, work, n_strikes = margin
        load_lots(account, instruments, books, positions, cash, lots)
        lots[book] += extra
        return _needed(profile, books, groups, terms, rules, unit, lots, touched, work, n_strikes)

    return needed


def portfolio_exposure(account: Any, instruments: Any, margin: Any, positions: Any, cash: Any) -> Any:
    """Bound on |change of equity - requirement| of a portfolio account per unit of displacement, USD quanta.

    Of positions only; that of the collateral's own value is added elsewhere. Sum of |lots| x RISK_BOOK.exposure.
    """
    raise NotImplementedError("compiled only")


@overload(portfolio_exposure)
def _portfolio_exposure(account, instruments, margin, positions, cash):  # type: ignore[no-untyped-def]
    if len(margin.types) == PLAIN_TABLES:
        return lambda account, instruments, margin, positions, cash: 0.0

    def exposure(account, instruments, margin, positions, cash):  # type: ignore[no-untyped-def]
        _, _, books, _, _, _, _, lots, _, _, _ = margin
        load_lots(account, instruments, books, positions, cash, lots)
        total = 0.0
        for book in range(lots.shape[0]):
            total += abs(lots[book]) * books[book].exposure
        return total

    return exposure


@kernel
def load_risk_books(books, rule, short_rate, instruments, assets):
    """Take prices over into RISK_BOOK records: of linear instruments the mark, and USD quanta per lot and tick.

    Options have theirs from market/kernels/option_marks.py; `short_rate` of their notional is charged per short lot.
    Of spot instruments: whether what is owned of the base asset offsets, `rule` being a row of RISK_RULE.
    """
    for row in range(instruments.shape[0]):
        instrument = instruments[row]
        quote = assets[instrument.quote]
        book = books[row]
        if instrument.kind == SPOT and rule.spot_offset != 0.0:
            base = assets[instrument.base]
            book.offset = DEBTS_OFFSET if base.haircut >= PPM else ALL_OFFSETS
        if book.kind == LINEAR:
            book.forward = instrument.mark
            book.per_lot = instrument.tick_value * (quote.price * quote.multiplier / quote.divisor)
            book.gross_charge = book.gross_rate * book.forward * book.per_lot
        else:
            book.short_charge = short_rate * (book.fixed + book.forward) * book.per_lot
