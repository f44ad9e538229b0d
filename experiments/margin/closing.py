"""What a liquidation of the account would close first, and how much: the engine's own ranking and sizing.

It happens when all prices together have moved, the nearer way, to where the account breaks. Depth is what the
scenario's crowd and market makers put up around those prices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from experiments.liquidation_map import SETTLING_TICKS, moved
from experiments.margin.account import Account
from experiments.margin.explain import Explanation, Pot
from experiments.margin.setting import MODES, Setting, put
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.kernels.explain import first_call
from market.kernels.margin import notional_of
from market.kernels.records import CLAIM, NONE, OPTION
from market.simulation import run


@dataclass(frozen=True, kw_only=True)
class Closed:
    """One position in the order in which a call takes them."""

    instrument: str
    quantity: float
    """Units of the base asset that are closed, signed as they are traded: a sale is negative."""
    share: float
    """Part of the position."""
    notional_usd: float
    mark: float
    limit: float
    """The order fills no further than this; the oracle price where a pool takes the position."""


@dataclass(frozen=True, kw_only=True)
class FirstCall:
    """The first call of a liquidation."""

    pot: str
    """Which account: under isolated margin the position that breaks first."""
    move: float
    """Move of all prices at which it breaks, as a share; 0: it is below maintenance now."""
    excess_usd: float
    notional_usd: float
    """Of all its positions there."""
    closed: tuple[Closed, ...]
    """Empty for an account with options."""
    slices: int
    """Parts in which dealers are offered the book of an account with options, its delta hedged before where the rule
    says so; 0 without options."""


def first_calls(
    found: Explanation, setting: Setting, account: Account, scenario: Scenario
) -> dict[str, FirstCall | None]:
    """By mode; None where no move of all prices breaks the account."""
    at = {mode: _first_to_break(found.pots[mode]) for mode in MODES}
    return {
        mode: None if place is None else _call(*place, setting.rows[mode][place[0]], setting, found, account, scenario)
        for mode, place in at.items()
    }


def _first_to_break(pots: tuple[Pot, ...]) -> tuple[str, float] | None:
    """(name, signed move) of the nearest break."""
    places = [
        (abs(move), pot.name, sign * move)
        for pot in pots
        for sign, move in ((-1.0, pot.fall), (1.0, pot.rise))
        if move is not None
    ]
    return min(places)[1:] if places else None


def _call(
    name: str, move: float, row: int, setting: Setting, found: Explanation, account: Account, scenario: Scenario
) -> FirstCall:
    world = setting.world
    movable = np.flatnonzero((world.assets["is_settlement"] == 0) & (world.assets["fixed"] == 0))
    prices, assets = moved(world, movable, 1.0 + move)
    there = _settled(account, scenario, found, 1.0 + move)
    # Books and their best prices of there, marks and debts of the account's own world.
    instruments = there.world.instruments.copy()
    for field in ("mark", "funding_index"):
        instruments[field] = prices[field]
    option = prices["kind"] == OPTION
    instruments[option] = prices[option]
    claims, scratch = np.zeros(1, CLAIM), there.world.scratch
    n = first_call(
        row, claims, there.world.policy, scratch["limits"], there.world.windows, scratch["rank"], scratch["key"],
        scratch["amounts"], instruments, assets, world.margin, there.world.books.levels, there.world.books.occupied,
        world.ledger.positions, world.ledger.cash,
    )  # fmt: skip
    world.revalue()
    with_options = bool((world.ledger.positions[row]["lots"][option] != 0).any())
    closed = []
    for book, lots in zip(scratch["rank"][:n].tolist(), scratch["amounts"][:n].tolist(), strict=True):
        if lots == 0 or with_options:
            continue
        record, limit = instruments[book], int(scratch["limits"][book, 0])
        held = int(world.ledger.positions[row, book]["lots"])
        tick = float(record["tick_size"])
        closed.append(
            Closed(
                instrument=world.instrument_symbols[book],
                quantity=(-lots if held > 0 else lots) * float(record["lot_size"]),
                share=lots / abs(held),
                notional_usd=int(notional_of(book, lots, instruments, assets)) / USD_QUANTA,
                mark=int(record["mark"]) * tick,
                limit=(int(record["index"]) if limit == NONE else limit) * tick,
            )
        )
    return FirstCall(
        pot=name,
        move=move,
        excess_usd=int(claims[0]["excess"]) / USD_QUANTA,
        notional_usd=int(claims[0]["notional"]) / USD_QUANTA,
        closed=tuple(closed),
        slices=scenario.venue.liquidation.option_books.slices if with_options else 0,
    )


def _settled(account: Account, scenario: Scenario, found: Explanation, factor: float) -> Setting:
    """The world at other prices, after the crowd and the market makers have come."""
    settles = {name for name, asset in scenario.assets.items() if asset.settlement or asset.valuation == "one"}
    prices = {name: usd if name in settles else usd * factor for name, usd in found.prices_usd.items()}
    entries: dict[str, float | None] = dict(found.entries)
    there = put(replace(account, entries=entries, prices={}), scenario, prices)
    run(there.world, there.built.rules, there.built.cast, ticks=SETTLING_TICKS)
    return there
