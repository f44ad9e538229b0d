"""Booking a whole population at once, through the ledger's own two functions."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.ledger import settle_trade, transfer
from market.kernels.margin import requirement_of, weighted_value
from market.kernels.records import INITIAL, OUTSIDE


@kernel
def deposit_all(accounts, assets, amounts, cash):
    """Bring `amounts[i]` quanta of `assets[i]` in from the outside world for `accounts[i]`."""
    for at in range(len(accounts)):
        transfer(cash, assets[at], OUTSIDE, accounts[at], amounts[at])


@kernel
def open_positions(accounts, books, lots, prices, instruments, positions, cash):
    """Give `accounts[i]` signed `lots[i]` of `books[i]` entered at `prices[i]` ticks; the outside world is opposite."""
    for at in range(len(accounts)):
        book = books[at]
        size = abs(lots[at])
        value = size * prices[at] * instruments[book].tick_value
        if lots[at] > 0:
            settle_trade(book, accounts[at], OUTSIDE, size, value, instruments, positions, cash)
        elif size > 0:
            settle_trade(book, OUTSIDE, accounts[at], size, value, instruments, positions, cash)


@kernel
def initial_requirements(book, lots, out, instruments, assets, tiers):
    """Fill `out[n]` with the initial margin, USD quanta, of positions of `lots[n]` in one instrument, each alone."""
    for at in range(len(lots)):
        out[at] = requirement_of(book, lots[at], INITIAL, instruments, assets, tiers)


@kernel
def initial_values(assets_held, within, amounts, out, assets, tiers):
    """Fill `out[n]` with what balances of `amounts[n]` quanta count for under initial margin, USD quanta; where
    `within[n]`, in their category of correlated assets."""
    for at in range(len(amounts)):
        out[at] = weighted_value(assets[assets_held[at]], within[at], INITIAL, amounts[at], tiers)
