"""People who hold options beside their leveraged positions: covered calls, short strangles, long puts.

They trade with dealers, who take the other side of everything (agents/dealer.py), and hold to expiry. What they need
for their options they bring along: the coins that cover calls, cash behind strangles, the premium of puts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agents.kernels.population import open_positions
from agents.population import Floats, Integers, deposit, quanta_of
from market.errors import InputError
from market.kernels.records import OPTION
from market.parameters import Ratio, Share, parameters
from market.world import World

if TYPE_CHECKING:
    from agents.holdings import Holdings

COVERED_CALL, STRANGLE, LONG_PUT = range(3)


@parameters
class OptionHolders:
    """Holders of options among the population with cross margin."""

    share: Share = 0.0
    """Part of the population that holds options on the base asset of its largest position, where there are any."""
    covered_call_share: Share = 0.4
    """Part of them who own coins and have sold calls on them."""
    strangle_share: Share = 0.4
    """Part of them who have sold a call and a put; the rest own puts."""
    size: Ratio = 1.0
    """Median notional of an option position, as a multiple of equity."""
    size_sigma: Ratio = 0.5
    """Spread of sizes: standard deviation of the logarithm."""
    strangle_collateral: Ratio = 0.4
    """Cash that stands behind a strangle, as a share of its notional."""

    def __post_init__(self) -> None:
        if self.covered_call_share + self.strangle_share > 1.0 + 1e-9:
            raise ValueError("covered_call_share and strangle_share add up to more than 1")


def book_options(holders: OptionHolders, holdings: Holdings, accounts: Integers, world: World) -> None:
    """Open the positions at the marks of now, with the outside world opposite until dealers take its place.

    Row i of every draw belongs to trader i. `accounts` int64[n] are the first accounts of the traders. InputError when
    there is no option that they could hold.
    """
    n = len(accounts)
    uniforms = world.streams.generator("population options").random((n, 4))
    sigma = holders.size_sigma * world.streams.generator("population option sizes").standard_normal(n)
    bases = world.instruments["base"][holdings.books[:, 0]].astype(np.int64)
    bounds = np.cumsum([holders.covered_call_share, holders.strangle_share])
    kinds = np.searchsorted(bounds, uniforms[:, 1], side="right")
    calls, puts = _chosen(world, bases, uniforms[:, 2], call=True), _chosen(world, bases, uniforms[:, 3], call=False)
    has = np.where(kinds == LONG_PUT, puts >= 0, calls >= 0) & ((kinds != STRANGLE) | (puts >= 0))
    if not has.any():
        raise InputError("population.options: there is no option that anybody could hold; see instruments")
    chosen = (uniforms[:, 0] < holders.share) & ~holdings.isolated & has
    notional = holders.size * holdings.equity * np.exp(sigma)
    for kind in (COVERED_CALL, STRANGLE, LONG_PUT):
        rows = np.flatnonzero(chosen & (kinds == kind))
        if kind != LONG_PUT:
            _open(world, accounts[rows], calls[rows], notional[rows], sign=-1)
        if kind != COVERED_CALL:
            _open(world, accounts[rows], puts[rows], notional[rows], sign=1 if kind == LONG_PUT else -1)
        _bring(
            holders,
            kind,
            world,
            accounts[rows],
            bases[rows],
            np.where(kind == LONG_PUT, puts, calls)[rows],
            notional[rows],
        )


def _chosen(world: World, bases: Integers, uniform: Floats, *, call: bool) -> Integers:
    """int64[n]: a call (put) on each base asset, every one as likely; -1 where there is none."""
    records = world.instruments
    fitting = (records["kind"] == OPTION) & ((records["is_call"] != 0) == call)
    found = np.full(len(bases), -1, np.int64)
    for base in np.unique(bases):
        books = np.flatnonzero(fitting & (records["base"] == base))
        mine = bases == base
        if len(books):
            found[mine] = books[np.minimum((uniform[mine] * len(books)).astype(np.int64), len(books) - 1)]
    return found


def _lots(world: World, books: Integers, notional: Floats) -> Integers:
    """int64[n]: whole lots worth at most `notional` USD of the underlying."""
    assets, records = world.assets, world.instruments[books]
    base = assets[records["base"]]
    price = base["price"] * base["price_tick"]
    return np.asarray(np.floor(notional / (price * records["lot_size"])).astype(np.int64))


def _open(world: World, accounts: Integers, books: Integers, notional: Floats, *, sign: int) -> None:
    lots = sign * _lots(world, books, notional)
    marks = world.instruments["mark"][books].astype(np.int64)
    columns = map(np.ascontiguousarray, (accounts, books, lots, marks))
    open_positions(*columns, world.instruments, world.ledger.positions, world.ledger.cash)


def _bring(
    holders: OptionHolders,
    kind: int,
    world: World,
    accounts: Integers,
    bases: Integers,
    books: Integers,
    notional: Floats,
) -> None:
    """Coins behind calls, cash behind strangles, the premium of puts."""
    quotes = world.instruments["quote"][books].astype(np.int64)
    if kind == COVERED_CALL:
        deposit(world, accounts=accounts, assets=bases, amounts=quanta_of(notional, bases, world))
    elif kind == STRANGLE:
        amounts = quanta_of(holders.strangle_collateral * notional, quotes, world)
        deposit(world, accounts=accounts, assets=quotes, amounts=amounts)
    else:
        values = world.instruments["mark"][books] * world.instruments["tick_value"][books]
        deposit(world, accounts=accounts, assets=quotes, amounts=_lots(world, books, notional) * values)
