"""Phase 5: insurance fund, auto-deleveraging, socialised loss, open deficit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.backstop import take_over
from market.kernels.records import NONE, PPM
from market.kernels.waterfall import deleverage, score_queue, settle_losses
from market.venue import Venue
from market.world import World


def absorb_losses(world: World, venue: Venue) -> None:
    """Let the waterfall pay for accounts closed out below zero and for bankrupt ones the fund cannot carry."""
    n_claims = world.n_claims
    if n_claims == 0 or not venue.liquidation.enabled:
        return
    if world.ownership is not None and world.ownership.rule.recourse > 0.0:
        world.ownership.take_recourse(world)
    if world.backstop != NONE:
        _take_over(world, venue)
    before = world.n_losses
    world.make_room(messages=0, events=0, losses=n_claims * (1 + len(world.assets)))
    common = (world.instruments, world.assets, world.ledger.positions, world.ledger.cash, world.ledger.accounts)
    verdicts = world.scratch["verdicts"]
    bankrupt = settle_losses(
        world.claims, world.tick, world.policy, world.losses, verdicts, world.books.counters, *common
    )
    if bankrupt and venue.waterfall.adl != "none":
        _deleverage_bankrupt(world, np.flatnonzero(verdicts[:n_claims] == 2))
    socialised = bool(world.losses["socialised"][before : world.n_losses].any())
    if socialised:
        world.watch.invalidate()
    world.history.after_losses(world, everybody=socialised)


def _take_over(world: World, venue: Venue) -> None:
    world.make_room(messages=0, events=world.n_claims * len(world.instruments), losses=0)
    below = round(venue.waterfall.backstop.below * PPM)
    take_over(
        world.claims, world.backstop, below, world.tick, world.events, *world.books.arrays, world.ledger.cash,
        world.assets, world.margin, world.watch.touched, world.watch.touched_mark,
    )  # fmt: skip


def adl_queue(world: World, book: int) -> NDArray[np.int64]:
    """Account rows that may be deleveraged on this instrument, first in the queue first; ties by row."""
    scores = np.empty(len(world.ledger.accounts))
    score_queue(
        book, int(world.policy["adl_rank"][0]), scores, world.instruments, world.assets, world.ledger.positions,
        world.ledger.cash, world.ledger.accounts,
    )  # fmt: skip
    order = np.argsort(-scores, kind="stable")
    return order[: np.count_nonzero(scores > -np.inf)]


def _deleverage_bankrupt(world: World, claims: NDArray[np.int64]) -> None:
    """Ranks are taken once per tick, as they stand when the first account is deleveraged."""
    n_instruments, n_accounts = len(world.instruments), len(world.ledger.accounts)
    queues = np.zeros((n_instruments, 2, n_accounts), np.int64)
    lengths, served = np.zeros((2, n_instruments, 2), np.int64)
    for book in range(n_instruments):
        queue = adl_queue(world, book)
        long = world.ledger.positions["lots"][queue, book] > 0
        for side, holders in enumerate((queue[long], queue[~long])):
            queues[book, side, : len(holders)], lengths[book, side] = holders, len(holders)
    takers, capacities, shares = np.zeros((3, n_accounts), np.int64)
    for row in claims:
        held = world.ledger.positions["lots"][world.claims[row]["account"]] != 0
        world.make_room(messages=0, events=int(lengths[held].sum()), losses=len(world.assets))
        deleverage(
            world.claims[row], world.tick, 0, queues, lengths, served, world.policy[0], takers, capacities, shares,
            world.events, world.losses, *world.books.arrays, world.ledger.cash, world.assets, world.watch.touched,
            world.watch.touched_mark,
        )  # fmt: skip
