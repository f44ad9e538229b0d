"""Capital efficiency: what positions a dollar of the customers' own money carries under the rules of a venue.

Only customers count, on both sides: makers, keepers and other professionals bring money that no trader's margin needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.instruments import USD_QUANTA
from market.kernels.records import OPTION, SYSTEM
from market.world import World

if TYPE_CHECKING:
    from experiments.measures import Kpis
    from experiments.run import Trace

PROFESSIONALS = (
    "market_maker", "arbitrageur", "keeper", "dealer", "depositor", "large_order", "attacker", "strategy",
    "pool_arbitrageur", "liquidity_provider", "backstop", "pool", "pool_trader", "receipts",
)  # fmt: skip
"""Who is no customer with a position of its own."""
STEPS = 6
"""In which positions are scaled at most: tiers make margin grow faster than they do."""
NEAR = 1e-3
"""How near to what they want to use customers have to come, all together."""


def customers(world: World) -> NDArray[np.bool_]:
    """bool[n_accounts]: accounts of people."""
    found = world.ledger.accounts["flags"] & SYSTEM == 0
    professional = np.array([role in PROFESSIONALS for role in world.ledger.roles], np.bool_)
    found[: len(professional)] &= ~professional
    return np.asarray(found)


def held_notional(world: World) -> float:
    """Notional of customers' positions at the marks, options left out, USD quanta."""
    return _notional(world, world.ledger.positions["lots"][customers(world)])


def _notional(world: World, lots: NDArray[np.int64]) -> float:
    quote = world.assets[world.instruments["quote"]]
    unit = (
        world.instruments["mark"]
        * world.instruments["tick_value"]
        * (quote["price"] * quote["multiplier"] / quote["divisor"])
    )
    held = np.abs(np.where(world.instruments["kind"] == OPTION, 0, lots)).sum(axis=0)
    return float((held * unit).sum())


def relevered_notional(world: World, *, utilisation: float) -> float:
    """Notional, USD quanta, if everybody scaled all positions of an account alike until they used `utilisation` of what
    initial margin allows it; `world` is left as it was. Tiers, offsets and rounding to lots count."""
    ledger = world.ledger
    held = ledger.positions["lots"].copy()
    start = ledger.assess(world.instruments, world.assets, world.margin)
    chosen = customers(world) & (start[:, 3] > 0) & (start[:, 0] > 0)
    target = utilisation * start[chosen, 0]
    scale = np.ones(int(chosen.sum()))
    initial = start[chosen, 3]
    try:
        for _ in range(STEPS):
            scale *= np.where(initial > 0, target / np.maximum(initial, 1), 1.0)
            ledger.positions["lots"][chosen] = np.rint(held[chosen] * scale[:, None])
            initial = ledger.assess(world.instruments, world.assets, world.margin)[chosen, 3]
            if abs(initial.sum() - target.sum()) <= NEAR * target.sum():
                break
        lots = ledger.positions["lots"][chosen]
        return _notional(world, lots)
    finally:
        ledger.positions["lots"] = held


def capital_kpis(trace: Trace) -> Kpis:
    """Per dollar of customers' net equity at the start: the notional that their margin equity supports at initial
    margin with positions as they are, the notional they hold, and what they would hold if everybody re-levered."""
    world, opening = trace.built.world, trace.opening
    chosen = customers(world)
    before = opening.assessment[chosen]
    initial, equity, net = before[:, 3].sum(), before[:, 0].sum(), before[:, 1].sum()
    held = opening.held_usd * USD_QUANTA
    made: Kpis = {"capital_efficiency_ratio": None, "capital_used_ratio": None, "capital_relevered_ratio": None}
    if initial > 0 and net > 0 and held > 0.0:
        made["capital_efficiency_ratio"] = float(equity / (initial / held) / net)
        made["capital_used_ratio"] = float(held / net)
        if opening.relevered_usd is not None:
            made["capital_relevered_ratio"] = opening.relevered_usd * USD_QUANTA / float(net)
    return made
