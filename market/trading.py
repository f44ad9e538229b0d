"""Phase 3: messages are arranged, gated, matched and settled, then swaps; net flow moves the reference for good."""

from __future__ import annotations

from market.kernels.trading import arrange, permanent_impact
from market.kernels.trading import trade as trade_kernel
from market.world import Inbox, World


def trade(world: World, inbox: Inbox) -> None:
    """Carry out the tick's messages: cancels first, then in drawn order (market/kernels/trading.py)."""
    world.make_room(messages=inbox.count, events=0, losses=0)
    world.history.room_for_tick(world.tick)
    salt = world.arrival_salt.row(world.tick)[0]
    keys, arrival = world.scratch["keys"], world.scratch["arrival"]
    arrange(inbox.messages, inbox.count, salt, keys, arrival)
    count = inbox.count if world.breakers is None else world.breakers.restrict(world, inbox)
    world.n_fills = trade_kernel(
        inbox.messages,
        arrival,
        count,
        inbox.handles,
        world.fills,
        *world.books.arrays,
        world.ledger.cash,
        world.assets,
        world.margin,
        world.watch.touched,
        world.watch.touched_mark,
        world.tick,
        world.history.rule,
        world.history.moved,
        world.history.closed,
    )
    if world.pools is not None:
        world.pools.carry_out(world, salt)


def move_reference(world: World) -> None:
    """Add this tick's net aggressive flow, forced or voluntary, to the permanent displacement of the reference."""
    permanent_impact(world.instruments, world.impact_per_quanta, world.impact)
    if world.pools is not None:
        world.pools.move_reference(world)
