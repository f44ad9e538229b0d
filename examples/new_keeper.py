"""Keepers of one's own: what if only large accounts were worth anybody's while?

python examples/new_keeper.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.keeper import KeeperCohort, Keepers
from experiments import Scenario, simulate
from market.instruments import USD_QUANTA, Asset, Instrument
from market.parameters import Usd, parameters
from market.world import World


@parameters
class WholesaleKeepers(Keepers):
    """Keepers that leave small accounts alone."""

    least_notional_usd: Usd = 100_000.0
    """Smallest account they close."""

    def join(  # type: ignore[override]
        self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
    ) -> WholesaleCohort:
        """Open the accounts as all keepers do, and put a filter between them and the venue."""
        built_in = super().join(world, assets=assets, instruments=instruments)
        return WholesaleCohort(built_in, round(self.least_notional_usd * USD_QUANTA))


class WholesaleCohort:
    """Makes the built-in keepers' offers, less those for small accounts."""

    def __init__(self, built_in: KeeperCohort, least_notional: int) -> None:
        self._built_in, self._least = built_in, least_notional

    @property
    def records(self) -> NDArray[np.void]:
        """KEEPER[n], which the venue pays."""
        return self._built_in.records

    def bid(self, world: World, *, clock: int) -> int:
        """Write the offers into `world.bids`; return how many."""
        n = self._built_in.bid(world, clock=clock)
        kept = world.bids[:n][world.bids["notional"][:n] >= self._least]
        world.bids[: len(kept)] = kept
        return len(kept)


def main() -> None:
    """The same crash with either kind."""
    scenario = Scenario.load("flash-crash", overrides=["hours=0.45", "population.count=2500"])
    print(f"{'keepers':12}{'liquidations':>14}{'hours below maintenance':>26}{'bad debt, USD':>16}{'profit, USD':>14}")
    for name, keepers in (("built-in", Keepers()), ("wholesale", WholesaleKeepers())):
        chosen = replace(scenario, agents=replace(scenario.agents, keepers=keepers))
        kpis = simulate(chosen, seed=7, twin=False).kpis
        print(
            f"{name:12}{kpis['liquidation_count']:>14,}{kpis['time_under_water_account_seconds'] / 3600:>26,.1f}"
            f"{kpis['bad_debt_usd']:>16,.0f}{kpis['keeper_profit_usd']:>14,.0f}"
        )


if __name__ == "__main__":
    main()
