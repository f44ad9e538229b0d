"""How accounts that hold options are closed: their delta is hedged first, then their book is auctioned in slices.

Dealers bid for a slice: they take its positions at the marks and name what they want to be paid for it. The lowest ask
wins if the account, and the insurance fund behind it, can pay it. The auction ends when the account is back above
maintenance. What nobody takes stays with the account until the next tick, or, bankrupt, until deleveraging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from market.greeks import unit_greeks
from market.instruments import USD_QUANTA
from market.kernels.margin import amount_of, maintenance_excess, net_equity_of
from market.kernels.option_liquidation import hand_over_slice, hedge_delta
from market.kernels.records import INSURANCE_FUND, NONE, OPTION, TREASURY
from market.kernels.rules.greeks import DELTA, VEGA
from market.parameters import PositiveCount, parameters

if TYPE_CHECKING:
    from market.venue import Venue
    from market.world import World

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class OptionBidder(Protocol):
    """Somebody who takes option books over."""

    def asks(self, world: World, lots: Integers) -> tuple[Integers, Floats]:
        """(ledger rows, USD each wants for taking signed `lots` of every instrument at the marks); inf: no bid."""


@parameters
class OptionBooks:
    """How accounts that hold options are closed."""

    hedge_first: bool = True
    """Bring the account's delta to zero on the book of the hedge first, where that lowers what it needs."""
    slices: PositiveCount = 4
    """Equal parts in which a book is auctioned."""
    books_per_round: PositiveCount = 20
    """Accounts with options that are dealt with in one round."""


def close_option_books(world: World, venue: Venue, *, clock: int, round_: int, after: int) -> int:
    """One round for claims on accounts with options; return how many of them something was done for."""
    rule, market = venue.liquidation.option_books, world.options
    assert market is not None
    option = world.instruments["kind"] == OPTION
    claims = world.claims[: world.n_claims]
    held = (world.ledger.positions["lots"][claims["account"]][:, option] != 0).any(axis=1)
    due = np.flatnonzero(held & (claims["next_try"] <= clock))[: rule.books_per_round]
    served = 0
    for row in due.tolist():
        claim = claims[row]
        world.make_room(messages=4, events=(1 + rule.slices) * len(world.instruments), losses=0)
        world.books.cancel_account(int(claim["account"]))
        done = rule.hedge_first and _hedge(world, claim, round_=round_)
        done |= _auction(world, rule, claim, round_=round_)
        if done:
            served += 1
            world.follow()
        else:
            claim["next_try"] = after
    return served


def excess_of(world: World, account: int) -> int:
    """Margin excess now, USD quanta."""
    return int(
        maintenance_excess(
            account, world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash
        )
    )


def _hedge(world: World, claim: np.void, *, round_: int) -> bool:
    """Trade the hedges that bring delta to zero, underlying by underlying; whether anything was traded."""
    market = world.options
    assert market is not None
    account, scratch, traded = int(claim["account"]), world.scratch, False
    for underlying, book in enumerate(market.leads.tolist()):
        if book == NONE or excess_of(world, account) >= 0:
            continue
        unit = unit_greeks(market.books)[:, DELTA]
        expiry = world.instruments["expiry"]
        mine = (market.books["underlying"] == underlying) & ((expiry > world.seconds) | (expiry == 0.0))
        delta = float((world.ledger.positions["lots"][account] * unit)[mine].sum())
        lots = int(-delta / unit[book])
        value = hedge_delta(
            account, TREASURY, book, lots, world.tick, round_, int(claim["tick"]), world.policy, scratch["limits"],
            world.events, world.history.moved, scratch["message"], scratch["handle"], world.forced_fills,
            *world.books.arrays, world.ledger.cash, world.assets, world.margin, world.watch.touched,
            world.watch.touched_mark,
        )  # fmt: skip
        if value:
            traded = True
            world.follow()
    return traded


def _auction(world: World, rule: OptionBooks, claim: np.void, *, round_: int) -> bool:
    """Auction the account's positions slice by slice until it is cured; whether anything was sold."""
    market, account, sold = world.options, int(claim["account"]), False
    assert market is not None
    book = world.ledger.positions["lots"][account].astype(np.int64)
    option = world.instruments["kind"] == OPTION
    quote = int(world.instruments["quote"][np.flatnonzero((book != 0) & option)[0]])
    vega = unit_greeks(market.books)[:, VEGA] / USD_QUANTA
    for number in range(1, rule.slices + 1):
        if excess_of(world, account) >= 0:
            break
        left = world.ledger.positions["lots"][account].astype(np.int64)
        lots = left - book * (rule.slices - number) // rule.slices
        lots = np.where(np.sign(lots) == np.sign(left), lots, 0)
        if not lots.any():
            continue
        winner, paid = _best_ask(world, account, lots, quote)
        if winner == NONE:
            break
        hand_over_slice(
            account, winner, lots, quote, paid, world.tick, round_, int(claim["tick"]), world.events,
            world.instruments, world.ledger.positions, world.ledger.cash, world.books.counters, world.watch.touched,
            world.watch.touched_mark,
        )  # fmt: skip
        market.vega_bought -= np.bincount(
            market.books["underlying"], weights=np.where(option, lots * vega, 0.0), minlength=len(market.vega_bought)
        )
        sold = True
    return sold


def _best_ask(world: World, account: int, lots: Integers, quote: int) -> tuple[int, int]:
    """(ledger row, quote quanta) of the lowest ask that account and fund can pay; NONE when there is none."""
    market = world.options
    assert market is not None
    winner, least = NONE, np.inf
    for bidder in market.bidders:
        rows, asks = bidder.asks(world, lots)
        for row, ask in zip(rows.tolist(), asks.tolist(), strict=True):
            if ask < least and row != account:
                winner, least = row, ask
    if winner == NONE:
        return NONE, 0
    worth = net_equity_of(account, world.instruments, world.assets, world.ledger.positions, world.ledger.cash)
    asset = world.assets[quote]
    paid = int(amount_of(asset, round(least * USD_QUANTA)))
    fund = max(0, int(world.ledger.cash[INSURANCE_FUND, quote]))
    can_pay = int(amount_of(asset, int(worth))) + fund
    return (winner, paid) if paid <= can_pay else (NONE, 0)
