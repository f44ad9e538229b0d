"""People drawn as if all had isolated margin, with everything they own in one account: for comparing margin modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

import numpy as np

from agents.holdings import Holdings, draw_holdings
from agents.trader import Traders
from market.instruments import Instrument
from market.parameters import Share, parameters
from market.world import World


@parameters
class OneAccount(Traders):
    """The people of a population with `isolated_share` 1, with all that they own in one account each.

    Who they are, their positions, entry prices and equity are the same to the unit; only the accounts differ.
    """

    kind: Literal["one_account"] = "one_account"  # type: ignore[assignment]
    """Tells the kinds of population apart."""
    isolated_share: Share = 0.0
    """Nobody has isolated margin here."""

    def __post_init__(self) -> None:
        """Refuse isolated margin, beside what any population refuses."""
        super().__post_init__()
        if self.isolated_share > 0.0:
            raise ValueError(f"isolated_share: everybody has one account here; expected 0, got {self.isolated_share:g}")

    def holdings(self, world: World, instruments: Mapping[str, Instrument]) -> Holdings:
        """Drawn as with isolated margin, and put together."""
        own = {field.name: getattr(self, field.name) for field in fields(Traders) if field.name != "kind"}
        drawn = draw_holdings(Traders(**{**own, "isolated_share": 1.0}), world, instruments)
        return replace(drawn, isolated=np.zeros_like(drawn.isolated))
