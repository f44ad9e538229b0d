"""Leveraged holders: stop orders, margin calls, top-ups, rebalancing and trend following, for those who wake up."""

from __future__ import annotations

import numpy as np

from agents.kernels.draws import seed_of, uniform
from agents.kernels.orders import poisson, put_order
from market.kernels.arithmetic import multiply_divide
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import equities, maintenance_of, notional_of
from market.kernels.records import BUY, IOC, MAINTENANCE, MARKET, NONE, OUTSIDE, PERPETUAL, REDUCE_ONLY, SELL
from market.kernels.trading import touch

HOLD, TARGET_LEVERAGE, TREND, STOP_LOSS = range(4)
"""Behaviours."""

TRADER = np.dtype(
    [
        ("account", "<i8"),
        ("payer", "<i8"),  # account that top-ups come from: OUTSIDE, or the owner's wallet
        ("behaviour", "<i8"),
        ("book", "<i8"),  # instrument a trend follower trades
        ("quote", "<i8"),  # asset of top-ups
        ("due", "<i8"),  # tick of the top-up under way; NONE
        ("queued", "<i8"),  # a place in the queue of top-ups: it holds a row of this table
        ("guide", "<i8"),  # first row whose `upto` exceeds row / n
        ("stopped", "<i8"),  # bit b: the stop order on instrument b has fired
        ("wealth", "<i8"),  # quanta of `quote` left outside
        ("leverage", "<f8"),  # what it aims at
        ("upto", "<f8"),  # attention of the rows up to and including this one, as a share of all
    ]
)

STOP = np.dtype([("price", "<i8"), ("trader", "<i8")])
"""A stop order: mark in ticks that fires it, row of its trader."""

RULES = np.dtype(
    [
        ("delay", "<i8"),  # ticks from the decision to top up to the arrival of the money
        ("most_wakes", "<i8"),  # that fit into the messages
        ("wakes", "<f8"),  # traders that look at their account in a calm tick
        ("alarm_from", "<f8"),
        ("alarm", "<f8"),  # extra attention per unit of |mark / slow average - 1| beyond alarm_from
        ("most_alarm", "<f8"),
        ("weight", "<f8"),  # of the newest mark in the slow average
        ("called", "<f8"),  # margin ratio of a margin call
        ("restored", "<f8"),  # margin ratio that a top-up aims at
        ("top_up", "<f8"),  # chances of either answer to a margin call
        ("reduce", "<f8"),
        ("reduced", "<f8"),  # share of the largest position that is closed
        ("band", "<f8"),
        ("threshold", "<f8"),
        ("pace", "<f8"),
        ("slippage", "<f8"),
    ]
)

QUEUE_FIRST, QUEUE_LENGTH, QUEUE_DUE, STOP_GROUPS = 0, 1, 2, 3
"""Slots of `state`. QUEUE_DUE: top-ups at the head of the queue that could arrive now if they may.

From STOP_GROUPS on, per instrument, longs' stops before shorts': the next one, their end.
"""


@kernel
def _close(messages, count, account, book, lots, positions):
    """Send a market order that closes up to `lots` of a position."""
    held = positions[account, book].lots
    side = SELL if held > 0 else BUY
    return put_order(messages, count, MARKET, book, side, 0, min(lots, abs(held)), account, REDUCE_ONLY, 0)


@kernel
def _take(messages, count, account, book, lots, slippage, instruments):
    """Send an immediate-or-cancel order for signed `lots`, at most `slippage` from the mark."""
    instrument = instruments[book]
    side = BUY if lots > 0 else SELL
    price = int(instrument.mark * (1.0 + slippage if lots > 0 else 1.0 - slippage))
    price = min(max(price, 1), instrument.n_levels - 2)
    return put_order(messages, count, IOC, book, side, price, abs(lots), account, 0, 0)


@kernel
def _largest(account, instruments, assets, positions):
    """(notional of all positions in USD quanta, instrument of the largest one; NONE without positions)."""
    total = 0
    most = 0
    largest = NONE
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            notional = notional_of(book, lots, instruments, assets)
            total += notional
            if notional > most or largest == NONE:
                most, largest = notional, book
    return total, largest


@kernel
def _funds(trader, cash):
    """Quanta that a top-up can take."""
    if trader.payer == OUTSIDE:
        return trader.wealth
    return max(cash[trader.payer, trader.quote], 0)


@kernel
def _top_up(trader, rule, instruments, assets, margin, positions, cash, touched, touched_mark, counters):
    """Bring in what lifts the margin ratio back, as far as the owner's means go; nothing if cured or insolvent."""
    account = trader.account
    margin_equity, net_equity = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
    maintenance = maintenance_of(account, instruments, assets, margin, positions, cash)
    missing = int(np.ceil(maintenance / rule.restored)) - margin_equity
    if net_equity <= 0 or missing <= 0 or maintenance == 0:
        return
    asset = assets[trader.quote]
    amount = min(multiply_divide(missing, asset.divisor, asset.price * asset.multiplier) + 1, _funds(trader, cash))
    transfer(cash, trader.quote, trader.payer, account, amount)
    touch(account, touched, touched_mark, counters)
    if trader.payer == OUTSIDE:
        trader.wealth -= amount
    else:
        touch(trader.payer, touched, touched_mark, counters)


@kernel
def _pay_top_ups(
    tick, most, rule, traders, state, instruments, assets, margin, positions, cash, touched, touched_mark, counters
):
    """Carry out top-ups that have arrived, at most so many; the delay is one for all, so they queue in that order."""
    n = traders.shape[0]
    while state[QUEUE_DUE] < state[QUEUE_LENGTH]:
        if traders[traders[(state[QUEUE_FIRST] + state[QUEUE_DUE]) % n].queued].due > tick:
            break
        state[QUEUE_DUE] += 1
    for _ in range(min(most, state[QUEUE_DUE])):
        trader = traders[traders[state[QUEUE_FIRST]].queued]
        trader.due = NONE
        state[QUEUE_FIRST] = (state[QUEUE_FIRST] + 1) % n
        state[QUEUE_LENGTH] -= 1
        state[QUEUE_DUE] -= 1
        _top_up(trader, rule, instruments, assets, margin, positions, cash, touched, touched_mark, counters)


@kernel
def _fire_stops(messages, count, traders, stops, state, instruments, positions):
    """Send a closing order for every stop that the mark has reached; a calm tick looks at the nearest ones only."""
    for book in range(instruments.shape[0]):
        mark = instruments[book].mark
        for shorts in range(2):
            slot = STOP_GROUPS + 4 * book + 2 * shorts
            while state[slot] < state[slot + 1]:
                stop = stops[state[slot]]
                if (mark < stop.price) if shorts else (mark > stop.price):
                    break
                state[slot] += 1
                trader = traders[stop.trader]
                held = positions[trader.account, book].lots
                if held != 0 and (held < 0) == (shorts == 1):
                    trader.stopped |= 1 << book
                    count = _close(messages, count, trader.account, book, abs(held), positions)
    return count


@kernel
def _follow(rule, slow, instruments):
    """Move the slow averages of the marks; return how many times the calm attention people pay."""
    largest = 0.0
    for book in range(instruments.shape[0]):
        if instruments[book].kind == PERPETUAL:
            slow[book] += rule.weight * (instruments[book].mark - slow[book])
            largest = max(largest, abs(instruments[book].mark / slow[book] - 1.0))
    return min(1.0 + rule.alarm * max(largest - rule.alarm_from, 0.0), rule.most_alarm)


@kernel
def _answer_call(tick, k, coin, messages, count, rule, traders, state, largest, positions, cash):
    """Answer a margin call: send for money, or close part of the largest position, or do nothing."""
    trader = traders[k]
    if trader.due != NONE:
        return count
    if coin < rule.top_up and _funds(trader, cash) > 0:
        trader.due = tick + rule.delay
        traders[(state[QUEUE_FIRST] + state[QUEUE_LENGTH]) % traders.shape[0]].queued = k
        state[QUEUE_LENGTH] += 1
        return count
    if coin < rule.top_up + rule.reduce:
        lots = int(np.ceil(rule.reduced * abs(positions[trader.account, largest].lots)))
        return _close(messages, count, trader.account, largest, lots, positions)
    return count


@kernel
def _hold_leverage(messages, count, rule, trader, notional, largest, net_equity, instruments, assets, positions):
    """Bring leverage back to its target when it has left the band, through the largest position."""
    aim = trader.leverage * net_equity
    if abs(notional - aim) <= rule.band * aim:
        return count
    lots = int(abs(notional - aim) / max(notional_of(largest, 1, instruments, assets), 1))
    if lots == 0:
        return count
    if notional > aim:
        return _close(messages, count, trader.account, largest, lots, positions)
    signed = lots if positions[trader.account, largest].lots > 0 else -lots
    return _take(messages, count, trader.account, largest, signed, rule.slippage, instruments)


@kernel
def _follow_trend(messages, count, rule, trader, net_equity, slow, instruments, assets, positions):
    """Go part of the way towards a position in the direction the mark has moved from its slow average."""
    book = trader.book
    signal = instruments[book].mark / slow[book] - 1.0
    if abs(signal) < rule.threshold or net_equity <= 0:
        return count
    aim = trader.leverage * net_equity / max(notional_of(book, 1, instruments, assets), 1)
    held = positions[trader.account, book].lots
    lots = int(rule.pace * ((aim if signal > 0 else -aim) - held))
    if lots == 0:
        return count
    if held != 0 and (lots > 0) != (held > 0) and abs(lots) <= abs(held):
        return _close(messages, count, trader.account, book, abs(lots), positions)
    return _take(messages, count, trader.account, book, lots, rule.slippage, instruments)


@kernel
def _close_stopped(messages, count, trader, instruments, positions):
    """Send once more for what a fired stop left open because the book was empty."""
    for book in range(instruments.shape[0]):
        held = positions[trader.account, book].lots
        if held != 0 and trader.stopped & (1 << book):
            return _close(messages, count, trader.account, book, abs(held), positions)
    return count


@kernel
def _wake(
    tick, k, coin, messages, count, rule, traders, state, slow, instruments, assets, margin, positions, cash, accounts
):
    """One trader looks at the account: a margin call comes first, then what its behaviour asks for."""
    trader = traders[k]
    account = trader.account
    if accounts[account].claim:
        return count
    notional, largest = _largest(account, instruments, assets, positions)
    if largest == NONE and trader.behaviour != TREND:
        return count
    margin_equity, net_equity = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
    maintenance = maintenance_of(account, instruments, assets, margin, positions, cash)
    if largest != NONE and maintenance > rule.called * margin_equity:
        return _answer_call(tick, k, coin, messages, count, rule, traders, state, largest, positions, cash)
    if trader.behaviour == TARGET_LEVERAGE:
        return _hold_leverage(
            messages, count, rule, trader, notional, largest, net_equity, instruments, assets, positions
        )
    if trader.behaviour == TREND:
        return _follow_trend(messages, count, rule, trader, net_equity, slow, instruments, assets, positions)
    if trader.stopped != 0:
        return _close_stopped(messages, count, trader, instruments, positions)
    return count


@kernel
def _choose(woken, count, seed, traders, positions, cash, accounts):
    """Write who wakes into `woken[:count]`; return a sum that has no meaning.

    Their rows lie anywhere in memory. Looking at all of them before anybody acts lets the processor fetch them at the
    same time; the sum keeps the compiler from leaving the looks out.
    """
    n = traders.shape[0]
    for number in range(count):
        drawn = uniform(seed, 2 * number)
        k = traders[int(drawn * n)].guide
        while traders[k].upto <= drawn and k < n - 1:
            k += 1
        woken[number] = k
    seen = 0
    for number in range(count):
        account = traders[woken[number]].account
        seen += accounts[account].claim + cash[account, 0]
        for book in range(0, positions.shape[1], 2):
            seen += positions[account, book].lots
    return seen


@kernel
def decide(
    tick, row, messages, count, most_top_ups, rules, woken, traders, stops, state, slow, instruments, assets, margin,
    positions, cash, accounts, counters, touched, touched_mark,
):  # fmt: skip
    """Everything the cohort does in a tick; return the new number of messages.

    `row` float64[2]: one draw for the number of traders that wake, and the salt of the tick's other draws. Who wakes
    is drawn in proportion to attention, so each trader's wake-ups are a Poisson process of its own. `woken`
    int64[most_wakes + 1] is working space.
    """
    rule = rules[0]
    _pay_top_ups(
        tick, most_top_ups, rule, traders, state, instruments, assets, margin, positions, cash, touched, touched_mark,
        counters,
    )  # fmt: skip
    attention = _follow(rule, slow, instruments)
    count = _fire_stops(messages, count, traders, stops, state, instruments, positions)
    seed = seed_of(row[1])
    wakes = poisson(row[0], rule.wakes * attention, rule.most_wakes)
    woken[rule.most_wakes] = _choose(woken, wakes, seed, traders, positions, cash, accounts)
    for number in range(wakes):
        coin = uniform(seed, 2 * number + 1)
        count = _wake(
            tick, woken[number], coin, messages, count, rule, traders, state, slow, instruments, assets, margin,
            positions, cash, accounts,
        )  # fmt: skip
    return count
