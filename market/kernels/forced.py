"""One forced order: its limit, its execution, its record, and the fee on what it closed."""

from __future__ import annotations

from market.kernels.arithmetic import part, part_up
from market.kernels.book import submit, sweep
from market.kernels.jit import kernel
from market.kernels.ledger import settle_fill, transfer
from market.kernels.margin import amount_of, net_equity_of, value_of
from market.kernels.marks import mark_of
from market.kernels.moves import MARKED, take_move
from market.kernels.records import (
    BUY,
    EVENT_COUNT,
    FEE_WITHIN_EQUITY,
    FORCED,
    INSURANCE_FUND,
    IOC,
    NONE,
    SELL,
    THROTTLE_ROOM,
    THROTTLED,
    TO_KEEPER,
)
from market.kernels.trading import touch


@kernel
def _within_throttle(lots, price, instrument, assets, counters):
    """Lots that what is left of the throttle allows at `price` or better."""
    each = max(value_of(assets[instrument.quote], price * instrument.tick_value), 1)
    return min(lots, counters[THROTTLE_ROOM] // each)


@kernel
def _use_throttle(value, cut, quote, assets, counters):
    """Take `value` quote quanta off the room; what an order that was cut to the room leaves over is given up."""
    left = counters[THROTTLE_ROOM] - value_of(assets[quote], value)
    counters[THROTTLE_ROOM] = 0 if cut else max(left, 0)


@kernel
def slippage_of(account, book, lots, limits, instruments, levels, occupied, positions, assets):
    """(fillable lots, USD quanta lost against the mark, USD quanta gained by who takes them over) of closing `lots` of
    a position, or of selling collateral, on the book as it stands, under `limits` (market/kernels/limits.py); a pool
    takes all, at about the index."""
    instrument = instruments[book]
    side = BUY if positions[account, book].lots < 0 else SELL
    sign = 1 - 2 * (side == BUY)
    if limits[book, 0] == NONE:
        away = max((instrument.mark - instrument.index) * sign, 0)
        return lots, value_of(assets[instrument.quote], lots * away * instrument.tick_value), 0
    filled, paid, _ = sweep(book, side, lots, limits[book, 0], levels, occupied, instruments)
    beyond = 0
    if limits[book, 1] > 0:
        beyond = max((paid - filled * limits[book, 1]) * sign, 0)
    gap = (filled * instrument.mark - paid) * sign + beyond
    quote = assets[instrument.quote]
    return (
        filled,
        value_of(quote, max(gap, 0) * instrument.tick_value),
        value_of(quote, beyond * instrument.tick_value),
    )


@kernel
def _touch_price(book, side, instruments):
    """Best price on the side an order of `side` takes from; 0 when there is none."""
    instrument = instruments[book]
    if side == SELL:
        return instrument.best_bid
    return instrument.best_ask if instrument.best_ask < instrument.n_levels - 1 else 0


@kernel
def _hand_over(account, keeper, book, side, lots, value, fees, settled, surplus, instruments, cash):
    """Settle an order with the account at the price `settled`; return the quote quanta that it got or paid.

    What the book gave beyond that, trading fees taken off, goes to keeper or fund. A keeper sold on what it had taken
    over, so it bears the quanta that rounding may leave missing; the fund is only given what is there.
    """
    own = lots * settled * instruments[book].tick_value
    beyond = value - own - fees if side == SELL else own - value - fees
    if surplus == TO_KEEPER:
        transfer(cash, instruments[book].quote, account, keeper, beyond)
        return own
    if beyond < 0:
        return value
    transfer(cash, instruments[book].quote, account, INSURANCE_FUND, beyond)
    return own


@kernel
def forced_order(
    account, keeper, book, side, lots, limits, kind, tick, round_, claim_tick, policy, events, moved,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, touched, touched_mark,
):  # fmt: skip
    """Send one immediate-or-cancel order inside the account's limit, settle it, write its event; return quote quanta.

    They are what the account gets or pays. Nothing trades on a halted book, and no more than a throttle has left.

    `moved` (market/kernels/moves.py) holds the mark that the rule gave for each book before this round's next forced
    order, and the prices that it reads; the order's own move is the change since, orders that its account cancelled
    before it included, so the moves of a round add up to that of the mark.
    """
    limit = limits[book, 0]
    if instruments[book].halted:
        return 0
    wanted = lots
    if counters[THROTTLED]:
        lots = _within_throttle(lots, max(limit, instruments[book].mark), instruments[book], assets, counters)
        if lots == 0:
            counters[THROTTLE_ROOM] = 0
            return 0
    order = message[0]
    order.op = IOC
    order.book = book
    order.side = side
    order.price = limit
    order.lots = lots
    order.account = account
    order.flags = FORCED
    order.tag = counters[EVENT_COUNT]
    order.target = 0
    before = _touch_price(book, side, instruments)
    n_fills = submit(
        0, message, handle, fills, 0, orders, free, levels, occupied, instruments, counters, positions, accounts
    )
    filled = 0
    value = 0
    fees = 0
    for at in range(n_fills):
        fill = fills[at]
        settle_fill(fill, instruments, positions, cash)
        touch(fill.maker, touched, touched_mark, counters)
        filled += fill.lots
        worth = fill.lots * fill.price * instruments[book].tick_value
        value += worth
        fees += part_up(worth, instruments[book].taker_fee)
    if filled == 0:
        return 0
    if counters[THROTTLED]:
        _use_throttle(value, filled == lots < wanted, instruments[book].quote, assets, counters)
    touch(account, touched, touched_mark, counters)
    instruments[book].forced_flow += filled * (1 - 2 * side)
    event = events[counters[EVENT_COUNT]]
    counters[EVENT_COUNT] += 1
    event.tick = tick
    event.round = round_
    event.account = account
    event.keeper = keeper
    event.book = book
    event.side = side
    event.kind = kind
    event.claim_tick = claim_tick
    event.lots = filled
    event.value = value
    event.loss = 0
    event.mark = instruments[book].mark
    event.touch_before = before
    after = _touch_price(book, side, instruments)
    event.touch_after = after if after > 0 else fills[n_fills - 1].price
    mark = mark_of(instruments[book], policy.mark_rule)
    event.mark_move = mark - moved[book, MARKED]
    moved[book, MARKED] = mark
    event.slow_move, event.own_move = take_move(book, policy.mark_rule, moved, instruments)
    if limits[book, 1] > 0:
        return _hand_over(
            account, keeper, book, side, filled, value, fees, limits[book, 1], policy.surplus, instruments, cash
        )
    return value


@kernel
def charge_fee(
    account, keeper, quote, fee, policy, instruments, assets, positions, cash, touched, touched_mark, counters
):
    """Split a fee, cut to what the account is still worth, between keeper and fund; return the keeper's USD quanta."""
    if policy.fee_cap == FEE_WITHIN_EQUITY:
        net_equity = net_equity_of(account, instruments, assets, positions, cash)
        fee = min(fee, amount_of(assets[quote], max(net_equity, 0)))
    reward = part(fee, policy.keeper_share)
    transfer(cash, quote, account, keeper, reward)
    transfer(cash, quote, account, INSURANCE_FUND, fee - reward)
    touch(account, touched, touched_mark, counters)
    touch(keeper, touched, touched_mark, counters)
    return value_of(assets[quote], reward)


@kernel
def note_exchange(
    account, keeper, asset, quote, amount, received, kind, tick, round_, claim_tick, events, assets, counters,
):  # fmt: skip
    """Write the event of collateral that became another asset without a book: `amount` and `received` in quanta."""
    event = events[counters[EVENT_COUNT]]
    counters[EVENT_COUNT] += 1
    event.tick = tick
    event.round = round_
    event.account = account
    event.keeper = keeper
    event.book = NONE
    event.side = SELL
    event.kind = kind
    event.claim_tick = claim_tick
    event.lots = amount
    event.value = received
    event.mark = assets[asset].price
    event.seized = asset
    event.repaid = quote
