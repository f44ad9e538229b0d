"""What positions need beyond their rates while a price is doubtful, or the coin they settle in has lost its peg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.instruments import USD_QUANTA
from market.kernels.records import OPTION, PPM, SPOT
from market.kernels.rules.contingencies import depeg_factor, doubt_charge
from market.parameters import Ratio, Share, parameters

if TYPE_CHECKING:
    from market.world import World

Floats = NDArray[np.float64]


@parameters
class Contingency:
    """Charges under initial margin, as shares of notional at the index (Derive).

    Of perpetuals, futures and short options; under portfolio margin of long options too. Nothing by default.
    """

    doubt: Ratio = 0.0
    """So many times the confidence of the oracle's price, relative to it ..."""
    wider_than: Share = 0.0
    """... where that is wider than this share of the price."""
    peg: Ratio = 0.0
    """So many times what the settlement asset is short of ..."""
    peg_below_usd: Ratio = 0.99
    """... this price, in USD. Under portfolio margin it adds to the factor of initial margin."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.doubt > 0.0 or self.peg > 0.0


class Contingencies:
    """Keeps the charges in the records up to date: once a tick, when prices have moved."""

    def __init__(self, rule: Contingency, world: World, *, initial_factor: float) -> None:
        """`initial_factor`: that of portfolio margin, to which a lost peg adds."""
        self._rule, self._factor = rule, initial_factor
        self.update(world)

    def update(self, world: World) -> None:
        """Take over confidence and prices as they stand."""
        records, assets = world.instruments, world.assets
        doubt = np.array([self._doubt(float(wide) / PPM) for wide in assets["confidence"]])[records["base"]]
        lost = np.array([self._lost(asset) for asset in assets])[records["quote"]]
        price = assets["price"] * assets["price_tick"]
        lots_usd = records["lot_size"] * price[records["base"]] * USD_QUANTA
        option, traded = records["kind"] == OPTION, records["kind"] != SPOT
        charge = np.where(option, (doubt + lost) * lots_usd, (doubt + lost) * PPM)
        records["contingency"] = np.where(traded, np.ceil(charge - 1e-6), 0.0).astype(np.int64)
        if world.risk is not None:
            world.risk.books["doubt"] = np.where(traded, doubt * lots_usd, 0.0)
            world.risk.rules["factor"][1] = self._factor + float(lost[traded].max(initial=0.0))

    def _doubt(self, wide: float) -> float:
        return float(doubt_charge(1.0 - wide, 1.0 - self._rule.wider_than, self._rule.doubt, 1.0))

    def _lost(self, asset: np.void) -> float:
        # A venue that values its coin at one dollar hears of the peg all the same.
        price = float(asset["reference"] * asset["price_tick"])
        return float(depeg_factor(price, self._rule.peg_below_usd, self._rule.peg))
