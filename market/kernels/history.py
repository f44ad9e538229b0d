"""What accounts held when: every change of a position or balance, noticed at the next look of the liquidation engine.

A *look* is a moment at which claims may open: at the start of each round, and, while there are claims, after the last
one and after losses have been absorbed. `looks` int64[n, LOOK_COLUMNS + n_instruments] has one row for each: tick,
round, kind, 1 + the number of forced orders when the books last moved the marks of this tick (0: they have not), the
number of the margin rules in force, then the marks.

`held` int64[n_accounts, 3 n_instruments + n_assets + 1] is what every account held at the last look: lots, cost and
funding index by instrument, balances, and 1 + the number of its newest change. What was held before a change goes into
the ring of CHANGE records.
"""

from __future__ import annotations

from market.kernels.jit import inline, kernel
from market.kernels.records import (
    BREACH_COUNT,
    CHANGE_COUNT,
    LIQUIDATABLE,
    LOOK_COUNT,
    REMARKED,
    RULES_VERSION,
    TOUCHED_COUNT,
)

LOOK_TICK, LOOK_ROUND, LOOK_KIND, LOOK_REMARKED, LOOK_RULES = range(5)
LOOK_COLUMNS = 5

AT_TRADING, AT_ROUND, AT_LOSSES = range(3)
"""Kinds of look, by the phase whose changes it notices."""


@inline
def _note(account, slot, lots, cost, funding_index, held, ring, counters):
    newest = held.shape[1] - 1
    change = ring[counters[CHANGE_COUNT] % ring.shape[0]]
    change.look = counters[LOOK_COUNT]
    change.owner = account
    change.slot = slot
    change.lots = lots
    change.cost = cost
    change.funding_index = funding_index
    change.previous = held[account, newest]
    counters[CHANGE_COUNT] += 1
    held[account, newest] = counters[CHANGE_COUNT]


@kernel
def note_account(account, held, ring, counters, positions, cash):
    """Compare what the account holds with what it held; put what was before into the ring."""
    n_books = positions.shape[1]
    for book in range(n_books):
        position = positions[account, book]
        at = 3 * book
        lots, cost, funding_index = held[account, at], held[account, at + 1], held[account, at + 2]
        if position.lots != lots or position.cost != cost or position.funding_index != funding_index:
            _note(account, book, lots, cost, funding_index, held, ring, counters)
            held[account, at] = position.lots
            held[account, at + 1] = position.cost
            held[account, at + 2] = position.funding_index
    for asset in range(cash.shape[1]):
        at = 3 * n_books + asset
        if cash[account, asset] != held[account, at]:
            _note(account, n_books + asset, held[account, at], 0, 0, held, ring, counters)
            held[account, at] = cash[account, asset]


@inline
def _holds_the_same(account, held, positions, cash):
    """Whether nothing has changed; without a branch per figure, as it is asked of everybody."""
    n_books = positions.shape[1]
    differs = 0
    for book in range(n_books):
        position = positions[account, book]
        differs |= position.lots ^ held[account, 3 * book]
        differs |= position.cost ^ held[account, 3 * book + 1]
        differs |= position.funding_index ^ held[account, 3 * book + 2]
    for asset in range(cash.shape[1]):
        differs |= cash[account, asset] ^ held[account, 3 * n_books + asset]
    return differs == 0


@kernel
def _take_all(held, positions, cash):
    """The first look: nothing has changed yet."""
    n_books = positions.shape[1]
    for account in range(positions.shape[0]):
        for book in range(n_books):
            position = positions[account, book]
            held[account, 3 * book] = position.lots
            held[account, 3 * book + 1] = position.cost
            held[account, 3 * book + 2] = position.funding_index
        for asset in range(cash.shape[1]):
            held[account, 3 * n_books + asset] = cash[account, asset]


@kernel
def note_look(
    tick, round_, kind, everybody, looks, held, ring, touched, counters, accounts, instruments, positions, cash
):
    """Note the marks of now and the changes of all customers who were touched; of `everybody` when that may miss some.

    `looks` has room. The marks of a tick begin without the books of that tick.
    """
    if round_ == 0 and kind == AT_TRADING:
        counters[REMARKED] = 0
    at = counters[LOOK_COUNT]
    if at == 0:
        _take_all(held, positions, cash)
    elif everybody:
        for account in range(accounts.shape[0]):
            if accounts[account].flags & LIQUIDATABLE and not _holds_the_same(account, held, positions, cash):
                note_account(account, held, ring, counters, positions, cash)
    else:
        for place in range(counters[TOUCHED_COUNT]):
            if accounts[touched[place]].flags & LIQUIDATABLE:
                note_account(touched[place], held, ring, counters, positions, cash)
    looks[at, LOOK_TICK] = tick
    looks[at, LOOK_ROUND] = round_
    looks[at, LOOK_KIND] = kind
    looks[at, LOOK_REMARKED] = counters[REMARKED]
    looks[at, LOOK_RULES] = counters[RULES_VERSION]
    for book in range(instruments.shape[0]):
        looks[at, LOOK_COLUMNS + book] = instruments[book].mark
    counters[LOOK_COUNT] = at + 1


@kernel
def note_breach(account, breach_held, breach_look, held, ring, counters, positions, cash):
    """Keep what the account held when its claim, the newest row of the breach log, opened."""
    # Somebody may have changed a balance without saying so; an account that breaks is looked at in any case.
    counters[LOOK_COUNT] -= 1
    note_account(account, held, ring, counters, positions, cash)
    counters[LOOK_COUNT] += 1
    row = counters[BREACH_COUNT] - 1
    for column in range(held.shape[1]):
        breach_held[row, column] = held[account, column]
    breach_look[row, 0] = counters[LOOK_COUNT] - 1
    breach_look[row, 1] = 0


@kernel
def keep_changes(first, reach, breaches, breach_held, breach_look, looks, ring, kept, n_kept, counters):
    """Copy the changes of `reach` ticks before every breach from `first` on out of the ring; return how many are kept.

    Newest first, `owner` the row of the breach. `breach_look[row, 1]` becomes the first look at which what the account
    held is known. A number beyond `len(kept)` says how much room is needed; call again with more.
    """
    oldest = max(0, counters[CHANGE_COUNT] - ring.shape[0])
    known = ring[oldest % ring.shape[0]].look if oldest > 0 else 0
    at = n_kept
    for row in range(first, counters[BREACH_COUNT]):
        since = breaches[row].tick - reach
        number = breach_held[row, breach_held.shape[1] - 1]
        breach_look[row, 1] = known
        while number > oldest:
            change = ring[(number - 1) % ring.shape[0]]
            if looks[change.look, LOOK_TICK] < since:
                break
            if at < kept.shape[0]:
                kept[at] = change
                kept[at].owner = row
            at += 1
            number = change.previous
        if number == 0:
            breach_look[row, 1] = 0
        elif number > oldest:
            # The first change beyond the reach: what was held before it is not asked for.
            breach_look[row, 1] = max(known, ring[(number - 1) % ring.shape[0]].look)
    return at
