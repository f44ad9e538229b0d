"""Sale of a slice of a whole account: a keeper takes a share of everything at the price asked and sells it on at once.

The account ends with exactly what the auction's price leaves it; the keeper gets or bears the rest of what the books
and the outside world give.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part, part_up
from market.kernels.collateral import sell_outside
from market.kernels.forced import forced_order, slippage_of
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import amount_of, net_equity_of, notional_of, value_of
from market.kernels.records import BUY, FORCED_COLLATERAL, FORCED_POSITION, INSURANCE_FUND, NONE, PPM, SELL
from market.kernels.slices import largest_share, slice_price, slice_worth, start_fee
from market.kernels.trading import touch

_SMALLEST = 3
"""A keeper may take half, a quarter or an eighth of the largest slice where that earns more."""


@kernel
def _sold_on_book(asset, amount, instruments, assets):
    """Whether so much of a coin is sold on its spot book rather than outside."""
    book = assets[asset].spot_book
    return book != NONE and amount >= instruments[book].lot_quanta


@kernel
def _cost(account, ppm, policy, limits, instruments, assets, levels, occupied, positions, cash):
    """(share that the books take of a slice of `ppm`, USD quanta of slippage, fees and conversion it would cost).

    A share of 0: a book is halted or gives nothing.
    """
    taken, cost = 1.0, 0
    for book in range(instruments.shape[0]):
        lots = abs(positions[account, book].lots)
        if lots == 0:
            continue
        if instruments[book].halted:
            return 0.0, 0
        wanted = part_up(lots, ppm)
        filled, lost, _ = slippage_of(account, book, wanted, limits, instruments, levels, occupied, positions, assets)
        taken = min(taken, filled / lots if filled < wanted else 1.0)
        cost += lost + part_up(notional_of(book, filled, instruments, assets), max(instruments[book].taker_fee, 0))
    for asset in range(assets.shape[0]):
        if assets[asset].is_settlement or cash[account, asset] <= 0:
            continue
        amount = part(cash[account, asset], ppm)
        book = assets[asset].spot_book
        if not _sold_on_book(asset, amount, instruments, assets):
            cost += part_up(value_of(assets[asset], amount), policy.conversion)
            continue
        if instruments[book].halted:
            return 0.0, 0
        wanted = amount // instruments[book].lot_quanta
        filled, lost, _ = slippage_of(account, book, wanted, limits, instruments, levels, occupied, positions, assets)
        taken = min(taken, filled / wanted * ppm / PPM if filled < wanted else 1.0)
        cost += lost + part_up(notional_of(book, filled, instruments, assets), max(instruments[book].taker_fee, 0))
    return taken, cost


@kernel
def best_slice(claim, clock, policy, limits, instruments, assets, levels, occupied, positions, cash):
    """(ppm of the account, USD quanta) of the slice that earns a keeper most, reckoned against the books.

    The largest that auction and books allow, or a half, a quarter or an eighth of it; (0, 0) when none pays.
    """
    account = claim.account
    best, most = 0, 0
    largest = int(np.ceil(largest_share(claim, clock, policy) * PPM - 1e-6))
    taken, _ = _cost(account, largest, policy, limits, instruments, assets, levels, occupied, positions, cash)
    largest = min(largest, int(taken * PPM))
    for halving in range(_SMALLEST + 1):
        ppm = largest >> halving
        if ppm == 0:
            break
        taken, cost = _cost(account, ppm, policy, limits, instruments, assets, levels, occupied, positions, cash)
        share = ppm / PPM
        gain = int(slice_worth(claim, share) - slice_price(claim, share, clock, policy)) - cost
        if taken * PPM >= ppm and gain > most:
            best, most = ppm, gain
    return best, most


@kernel
def _settled_in(account, instruments, assets, positions, cash):
    """Settlement asset in which the slice is paid: that of a position, else one that is owed, else the first."""
    found = NONE
    for asset in range(assets.shape[0]):
        if assets[asset].is_settlement and (found == NONE or cash[account, asset] < 0):
            found = asset
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0:
            return instruments[book].quote
    return found


@kernel
def _sell_parts(
    claim, keeper, ppm, quote, tick, round_, limits, policy, events, moved, message, handle, fills, orders, free,
    levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
):  # fmt: skip
    """Sell `ppm` of every position and coin; return (USD quanta that was sold, USD quanta that was there)."""
    account = claim.account
    sold, there = 0, 0
    for book in range(instruments.shape[0]):
        held = positions[account, book].lots
        if held == 0:
            continue
        there += notional_of(book, held, instruments, assets)
        forced_order(
            account, keeper, book, SELL if held > 0 else BUY, part_up(abs(held), ppm), limits, FORCED_POSITION, tick,
            round_, claim.tick, policy, events, moved, message, handle, fills, orders, free, levels, occupied,
            instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
        )  # fmt: skip
        sold += notional_of(book, held - positions[account, book].lots, instruments, assets)
    for asset in range(assets.shape[0]):
        held = cash[account, asset]
        if assets[asset].is_settlement or held <= 0:
            continue
        there += value_of(assets[asset], held)
        amount = part(held, ppm)
        book = assets[asset].spot_book
        if not _sold_on_book(asset, amount, instruments, assets):
            sell_outside(account, asset, quote, amount, policy, assets, cash)
        else:
            lots = amount // instruments[book].lot_quanta
            forced_order(
                account, keeper, book, SELL, lots, limits, FORCED_COLLATERAL, tick, round_, claim.tick, policy, events,
                moved, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
                accounts, cash, assets, touched, touched_mark,
            )  # fmt: skip
            left = cash[account, asset]
            if ppm == PPM and 0 < left < instruments[book].lot_quanta:
                sell_outside(account, asset, quote, left, policy, assets, cash)
        sold += value_of(assets[asset], held - cash[account, asset])
    return sold, there


@kernel
def sell_slice(
    claim, keeper, tick, round_, clock, policy, limits, events, moved, message, handle, fills, orders, free,
    levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
):  # fmt: skip
    """Sell the slice that pays the keeper best; return the settlement asset it is paid in, NONE when none pays.

    Uses the claim's figures; with the first slice the fund gets its fee.
    """
    account = claim.account
    ppm, gain = best_slice(claim, clock, policy, limits, instruments, assets, levels, occupied, positions, cash)
    if gain <= 0:
        return NONE
    quote = _settled_in(account, instruments, assets, positions, cash)
    if claim.partial == NONE:
        fee = start_fee(claim, policy)
        transfer(cash, quote, account, INSURANCE_FUND, amount_of(assets[quote], fee))
        claim.excess -= fee
        claim.net_equity -= fee
    claim.partial = clock
    before = net_equity_of(account, instruments, assets, positions, cash)
    sold, there = _sell_parts(
        claim, keeper, ppm, quote, tick, round_, limits, policy, events, moved, message, handle, fills, orders,
        free, levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
    )  # fmt: skip
    if sold == 0:
        return NONE
    share = min(ppm / PPM, sold / max(there, 1))  # a throttle may have cut an order
    price = slice_price(claim, share, clock, policy)
    kept = before - int(slice_worth(claim, share) - price)
    beyond = net_equity_of(account, instruments, assets, positions, cash) - kept
    transfer(cash, quote, account, keeper, amount_of(assets[quote], beyond))
    claim.reserved += int(max(price, 0.0))
    touch(account, touched, touched_mark, counters)
    touch(keeper, touched, touched_mark, counters)
    return quote
