"""Arbitrageurs: hedge what they hold outside, then take what the book offers too cheap or bids too dear."""

from __future__ import annotations

import numpy as np

from agents.kernels.orders import put_order, usd_per_tick
from agents.kernels.references import reference_seen, remember_references
from market.kernels.book import sweep
from market.kernels.jit import kernel
from market.kernels.ledger import settle_trade
from market.kernels.margin import unrealised
from market.kernels.records import BUY, IOC, NO_IMPACT, OUTSIDE, SELL, SPOT, f8, i4, i8
from market.kernels.trading import touch

ARBITRAGEUR = np.dtype(
    [
        ("account", i4),
        ("book", i4),
        ("latency", i4),  # ticks
        ("pace", i4),  # ticks between two orders
        ("initial_base", i8),  # spot: base quanta it started with and calls no inventory
        ("threshold", f8),  # fraction of the reference
        ("hedge_cost", f8),  # fraction of the reference
        ("hedge_usd", f8),  # per tick
        ("order_usd", f8),  # largest order
        ("inventory_limit", f8),  # USD of inventory per USD of equity
    ]
)


@kernel
def _inventory(arbitrageur, instrument, positions, cash):
    """Signed lots to be hedged; a spot remainder of less than a lot is left."""
    if instrument.kind == SPOT:
        return (cash[arbitrageur.account, instrument.base] - arbitrageur.initial_base) // instrument.lot_quanta
    return positions[arbitrageur.account, arbitrageur.book].lots


@kernel
def hedge(arbitrageur, unit, instruments, positions, cash, touched, touched_mark, counters):
    """Pass inventory to the outside world at the reference price less the cost, rounded against the arbitrageur."""
    instrument = instruments[arbitrageur.book]
    held = _inventory(arbitrageur, instrument, positions, cash)
    if held == 0:
        return
    price = float(instrument.reference)
    lots = min(abs(held), int(arbitrageur.hedge_usd / (price * unit)))
    if lots == 0:
        return
    if held > 0:
        buyer, seller = OUTSIDE, arbitrageur.account
        hedged_at = int(np.floor(price * (1.0 - arbitrageur.hedge_cost)))
    else:
        buyer, seller = arbitrageur.account, OUTSIDE
        hedged_at = int(np.ceil(price * (1.0 + arbitrageur.hedge_cost)))
    value = lots * hedged_at * instrument.tick_value
    settle_trade(arbitrageur.book, buyer, seller, lots, value, instruments, positions, cash)
    touch(arbitrageur.account, touched, touched_mark, counters)


@kernel
def _equity(arbitrageur, held, unit, instruments, assets, positions, cash):
    """USD that its inventory limit is a multiple of: settlement balance, open profit, spot inventory."""
    instrument = instruments[arbitrageur.book]
    quote = assets[instrument.quote]
    balance = cash[arbitrageur.account, instrument.quote]
    if instrument.kind != SPOT:
        balance += unrealised(arbitrageur.account, arbitrageur.book, instruments, positions)
        held = 0
    return balance * (quote.reference * quote.multiplier / quote.divisor) * 1e-6 + held * instrument.reference * unit


@kernel
def _largest(arbitrageur, side, held, price, unit, instruments, assets, positions, cash):
    """Most lots it may buy or sell now: order size, inventory limit and, on a spot book, what it owns."""
    instrument = instruments[arbitrageur.book]
    equity = _equity(arbitrageur, held, unit, instruments, assets, positions, cash)
    limit = int(max(equity, 0.0) * arbitrageur.inventory_limit / (price * unit))
    most = min(int(arbitrageur.order_usd / (price * unit)), limit - held * (1 - 2 * side))
    if instrument.kind == SPOT:
        if side == BUY:
            most = min(most, int(0.99 * cash[arbitrageur.account, instrument.quote] / (price * instrument.tick_value)))
        else:
            most = min(most, cash[arbitrageur.account, instrument.base] // instrument.lot_quanta)
    return max(most, 0)


@kernel
def decide(
    messages,
    n,
    arbitrageurs,
    ring,
    known,
    tick,
    levels,
    occupied,
    instruments,
    counters,
    positions,
    accounts,
    cash,
    assets,
    touched,
    touched_mark,
):
    """Hedge, then append at most one order per arbitrageur; return (messages now in use, known rows of `ring`).

    `ring` int64[ticks, n_instruments]: past references, of which `known` rows are filled.
    """
    known = remember_references(tick, instruments, ring, known)
    for at in range(arbitrageurs.shape[0]):
        arbitrageur = arbitrageurs[at]
        if accounts[arbitrageur.account].claim != 0:
            continue
        book = arbitrageur.book
        instrument = instruments[book]
        unit = usd_per_tick(instrument, assets)
        hedge(arbitrageur, unit, instruments, positions, cash, touched, touched_mark, counters)
        if tick % arbitrageur.pace != 0:
            continue
        seen = float(reference_seen(tick, arbitrageur.latency, book, ring, known))
        highest = int(np.floor(seen * (1.0 - arbitrageur.threshold)))
        lowest = int(np.ceil(seen * (1.0 + arbitrageur.threshold)))
        if instrument.best_ask <= highest:
            side, price = BUY, highest
        elif instrument.best_bid >= lowest:
            side, price = SELL, lowest
        else:
            continue
        held = _inventory(arbitrageur, instrument, positions, cash)
        most = _largest(arbitrageur, side, held, seen, unit, instruments, assets, positions, cash)
        lots, _, _ = sweep(book, side, most, price, levels, occupied, instruments)
        if lots > 0 and 0 < price < instrument.n_levels - 1:
            n = put_order(messages, n, IOC, book, side, price, lots, arbitrageur.account, NO_IMPACT, 0)
    return n, known
