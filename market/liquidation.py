"""Phase 4, the cascade: rounds of assess, claims, competing keepers, forced trades, new marks.

A round takes `Venue.round_seconds`; what its block space cannot hold waits for the next. Reference and index stand
still within a tick: only the book's part of the mark moves between rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from market.kernels.history import AT_ROUND, AT_TRADING
from market.kernels.liquidation import find_claims, serve
from market.kernels.records import BY_SEIZURE
from market.kernels.seizure import serve_seizures
from market.kernels.watch import RINGS, watch
from market.option_liquidation import close_option_books
from market.trading import move_reference
from market.venue import Venue
from market.world import World

if TYPE_CHECKING:
    from market.simulation import Keepers


def rounds_of(world: World, venue: Venue) -> range:
    """Rounds that begin in this tick, counted from the beginning of the run."""
    length, seconds, tick = venue.round_seconds, world.tick_seconds, world.tick
    return range(int(tick * seconds / length + 1e-9), int((tick + 1) * seconds / length + 1e-9))


def liquidate(world: World, venue: Venue, keepers: Sequence[Keepers]) -> None:
    """Serve claims round by round until none is left, nobody bids, or the tick is over.

    Shared blocks are made whether there are claims or not; in a tick without a block claims open all the same.
    """
    rounds, chain, calls = rounds_of(world, venue), world.congestion, 0
    if chain is not None and not rounds:
        open_claims(world, round_=0, clock=rounds.start)
    for clock in rounds:
        if chain is not None:
            chain.open(world, round_=clock - rounds.start)
        calls = close_claims(world, venue, keepers, clock=clock, rounds=rounds)
        if world.reserves is not None and venue.liquidation.enabled:
            calls += world.reserves.sell(world, keepers, clock=clock, round_=clock - rounds.start)
        if chain is not None:
            chain.seal()
        elif calls == 0:
            break
    if calls:
        world.history.after_round(world, round_=len(rounds))
    move_reference(world)


def close_claims(world: World, venue: Venue, keepers: Sequence[Keepers], *, clock: int, rounds: range) -> int:
    """One round: open claims, and let keepers close what they win and breakers allow; return the calls that did."""
    round_ = clock - rounds.start
    claims = open_claims(world, round_=round_, clock=clock)
    if claims and world.ownership is not None and world.ownership.rule.transfers == "automatic":
        claims = world.ownership.cure(world)
    if claims == 0 or not venue.liquidation.enabled:
        return 0
    if world.breakers is not None and world.breakers.hold(world) == world.n_claims:
        return 0
    served = 0
    if world.options is not None:
        served = close_option_books(world, venue, clock=clock, round_=round_, after=rounds.stop)
    capacity = room = int(world.policy["capacity"][0])
    if world.reserves is not None:
        room -= world.reserves.absorb(world, clock=clock, round_=round_, room=room)
    for cohort in keepers:
        room -= serve_round(world, cohort, room=room, round_=round_, clock=clock, after=rounds.stop)
        world.follow()
    return served + capacity - room


def open_claims(world: World, *, round_: int, clock: int) -> int:
    """Assess whoever the safe-distance filter cannot rule out; return the number of open claims."""
    state = world.watch
    world.make_room_for_breaches()
    history = world.history
    common = (world.ledger.accounts, world.instruments, world.assets, world.margin, world.ledger.positions)
    if state.full_assessment:
        members, count = state.everybody, len(state.everybody)
        history.look(world, round_=round_, kind=AT_ROUND if round_ else AT_TRADING, everybody=True)
    else:
        history.room_for_look(world)
        count = watch(
            state.members, state.counts, state.depth, state.base, state.kept, state.touched, state.touched_mark,
            world.tick, round_, history.looks, history.held, history.ring, world.books.counters, *common,
            world.ledger.cash,
        )  # fmt: skip
        if count == 0 and world.n_claims == 0:
            return 0
        members = state.members[RINGS]
    found: int = find_claims(
        members, count, world.claims, world.tick, round_, clock, world.policy, world.breaches, history.breach_held,
        history.breach_look, history.held, history.ring, world.books.counters, *common, world.ledger.cash,
        state.touched, state.touched_mark,
    )  # fmt: skip
    if found:
        history.keep(world)
    return found


def serve_round(world: World, keepers: Keepers, *, room: int, round_: int, clock: int, after: int) -> int:
    """One cohort's auction for `room` calls and the forced trades; return how many calls closed something.

    Several cohorts of keepers are asked in their order, each for what room the ones before it left.
    """
    n_bids = keepers.bid(world, clock=clock)
    if n_bids == 0:
        return 0
    if world.policy["route"][0] == BY_SEIZURE:
        return _serve_seizures(world, keepers, n_bids=n_bids, room=room, round_=round_, clock=clock, after=after)
    orders = room * (len(world.instruments) + 2 * len(world.assets))
    world.make_room(messages=orders, events=orders, losses=0)
    scratch = world.scratch
    served: int = serve(
        world.claims, world.bids, n_bids, room, world.blocks, keepers.records, world.tick, round_, clock, after,
        world.policy, scratch["limits"], world.windows, world.events, scratch["rank"], scratch["key"],
        scratch["amounts"], world.history.moved, scratch["message"], scratch["handle"], world.forced_fills,
        *world.books.arrays, world.ledger.cash, world.assets, world.margin, world.watch.touched,
        world.watch.touched_mark, world.pool_arrays,
    )  # fmt: skip
    return served


def _serve_seizures(
    world: World, keepers: Keepers, *, n_bids: int, room: int, round_: int, clock: int, after: int
) -> int:
    """The same where keepers take collateral themselves: every asset may be seized for every debt."""
    world.make_room(messages=0, events=room * len(world.assets) ** 2, losses=0)
    served: int = serve_seizures(
        world.claims, world.bids, n_bids, room, world.blocks, keepers.records, world.tick, round_, clock, after,
        world.policy, world.events, *world.books.arrays, world.ledger.cash, world.assets, world.margin,
        world.watch.touched, world.watch.touched_mark,
    )  # fmt: skip
    return served
