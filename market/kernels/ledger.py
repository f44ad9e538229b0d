"""The two functions that change balances: `transfer` and `settle_trade`.

Every amount has a payer and a payee, so the sum of `cash` over all accounts is constant per asset. Profits of
derivative positions are realised against the clearing account, which therefore always holds minus the sum of the
cost of all open positions, corrected by funding that has accrued but is not settled yet.
"""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part_up
from market.kernels.jit import kernel
from market.kernels.records import BUY, CLEARING, OPTION, SPOT, TREASURY


@kernel
def transfer(cash, asset, payer, payee, amount):
    """Move `amount` quanta of `asset`; a negative amount moves the other way."""
    cash[payer, asset] -= amount
    cash[payee, asset] += amount


@kernel
def settle_funding(account, book, instruments, positions, cash):
    """Pay what the position owes since funding was last settled; longs pay when the index has risen."""
    index = instruments[book].funding_index
    position = positions[account, book]
    owed = position.lots * (index - position.funding_index)
    position.funding_index = index
    if owed != 0:
        transfer(cash, instruments[book].quote, account, CLEARING, owed)


@kernel
def change_position(position, lots, value):
    """Add signed `lots` bought for signed `value` quote quanta; return the profit realised on what that closed.

    The cost of a partly closed position is split by floor division; the rounding stays between realised and
    unrealised profit of the same account.
    """
    held = position.lots
    position.lots = held + lots
    if held == 0 or (held > 0) == (lots > 0):
        position.cost += value
        return 0
    closed = min(abs(held), abs(lots))
    closed_value = multiply_divide(value, closed, abs(lots))
    closed_cost = multiply_divide(position.cost, closed, abs(held))
    position.cost += value - closed_value - closed_cost
    return -(closed_value + closed_cost)


@kernel
def settle_trade(book, buyer, seller, lots, value, instruments, positions, cash):
    """`buyer` gets `lots` of the instrument from `seller` for `value` quote quanta; fees are charged elsewhere.

    The premium of an option is paid at once and its cost stays 0: its unrealised profit is its market value.
    """
    instrument = instruments[book]
    if instrument.kind == SPOT:
        transfer(cash, instrument.base, seller, buyer, lots * instrument.lot_quanta)
        transfer(cash, instrument.quote, buyer, seller, value)
        return
    if instrument.kind == OPTION:
        transfer(cash, instrument.quote, buyer, seller, value)
        value = 0
    settle_funding(buyer, book, instruments, positions, cash)
    settle_funding(seller, book, instruments, positions, cash)
    profit = change_position(positions[buyer, book], lots, value)
    transfer(cash, instrument.quote, CLEARING, buyer, profit)
    profit = change_position(positions[seller, book], -lots, -value)
    transfer(cash, instrument.quote, CLEARING, seller, profit)


@kernel
def settle_fill(fill, instruments, positions, cash):
    """Settle one book fill: the trade, then both fees to the treasury, each rounded up against its payer."""
    instrument = instruments[fill.book]
    value = fill.lots * fill.price * instrument.tick_value
    if fill.side == BUY:
        settle_trade(fill.book, fill.taker, fill.maker, fill.lots, value, instruments, positions, cash)
    else:
        settle_trade(fill.book, fill.maker, fill.taker, fill.lots, value, instruments, positions, cash)
    transfer(cash, instrument.quote, fill.taker, TREASURY, part_up(value, instrument.taker_fee))
    transfer(cash, instrument.quote, fill.maker, TREASURY, part_up(value, instrument.maker_fee))
