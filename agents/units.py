"""Between the engine's integers and the numbers people write: coins, quote units, USD."""

from __future__ import annotations

import math

from market.instruments import USD_QUANTA
from market.world import World


class Units:
    """The sizes of ticks, lots and quanta of a world, by row. They never change during a run."""

    def __init__(self, world: World) -> None:
        assets, instruments = world.assets, world.instruments
        per_usd = assets["multiplier"] / assets["divisor"] / USD_QUANTA
        self.quantum = [_decimal(quantum) for quantum in (per_usd / assets["price_tick"]).tolist()]
        """Units of an asset per quantum."""
        self.price_tick_usd: list[float] = assets["price_tick"].tolist()
        """USD per tick of an asset's price."""
        self.tick_size: list[float] = instruments["tick_size"].tolist()
        """Quote units per base unit and tick of an instrument's price."""
        quotes: list[int] = instruments["quote"].tolist()
        values: list[int] = instruments["tick_value"].tolist()
        self.lot_size = [
            _decimal(value * self.quantum[quote] / tick)
            for value, quote, tick in zip(values, quotes, self.tick_size, strict=True)
        ]
        """Base units per lot."""

    def lots(self, size: float, book: int) -> int:
        """Whole lots in a size of base units, rounded towards zero; a size written in decimals counts as exact."""
        lots = math.floor(abs(size) / self.lot_size[book] + 1e-6)
        return lots if size > 0.0 else -lots

    def price_ticks(self, price: float, book: int, *, up: bool) -> int:
        """A price in quote units as ticks, rounded up or down; a price written in decimals counts as exact."""
        ticks = price / self.tick_size[book]
        return math.ceil(ticks - 1e-6) if up else math.floor(ticks + 1e-6)


def _decimal(value: float) -> float:
    """The short decimal number that the scenario gave, free of the rounding of the way back to it."""
    return float(f"{value:.12g}")
