"""Money that an intervention brings to a venue or takes away: booked against the outside world, to the quantum."""

from __future__ import annotations

import numpy as np

from market.errors import InputError
from market.instruments import LARGEST_MONEY, USD_QUANTA
from market.world import World


def bring(world: World, account: int, asset: int, amount: int) -> int:
    """Bring quanta of an asset to an account; negative: take them, no more than its balance and, where deposits are
    lent, than is left of them. Return what was booked. Raises InputError for what 64 bits could not hold."""
    cash = world.ledger.cash
    if amount < 0:
        most = max(0, int(cash[account, asset]))
        if world.lending is not None:
            most = min(most, world.lending.liquidity(asset))
        amount = -min(-amount, most)
    else:
        record = world.assets[asset]
        supply = int(np.abs(cash[:, asset].astype(object)).sum()) + 2 * amount
        value = supply * int(record["price"]) * int(record["multiplier"]) // int(record["divisor"])
        if max(supply, value) > LARGEST_MONEY:
            raise InputError(f"{amount * float(record['quantum']):,.0f} {world.asset_symbols[asset]} more overflow")
    if amount:
        world.ledger.deposit(account, asset, amount)
        world.watch.invalidate()
    return amount


def bring_worth(world: World, account: int, asset: int, usd: float) -> tuple[int, float]:
    """As `bring`, what is worth so many USD at the venue's price; (quanta booked, USD they are worth)."""
    booked = bring(world, account, asset, world.quanta_worth(usd, asset))
    record = world.assets[asset]
    return booked, booked * int(record["price"]) * int(record["multiplier"]) / int(record["divisor"]) / USD_QUANTA
