"""One scenario three times: everybody with isolated, with cross and with portfolio margin.

The people are drawn once, as if all had isolated margin: who they are, their positions, entry prices and equity are the
same in all three worlds. Under cross and portfolio margin everything a person owns lies in one account instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from agents.one_account import OneAccount
from agents.trader import Traders
from experiments.build import build
from experiments.config import Override
from experiments.scenario import Scenario, load
from market.errors import InputError
from market.kernels.records import LIQUIDATABLE
from market.margin.portfolio import ScenarioMargin
from market.world import World

MODES = ("isolated", "cross", "portfolio")

DEFAULTS: dict[str, float] = {"population.hedged_share": 0.5, "population.outside_wealth": 0.0}
"""What holds in all three worlds unless somebody says otherwise."""
PORTFOLIO = "venue.margin.portfolio"
OFFSET = 0.5
"""Offset between underlyings where no portfolio rule is stated."""


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """The three scenarios, by mode, and what is assumed in them."""

    name: str
    """The scenario that they are made of."""
    scenarios: dict[str, Scenario]
    provenance: dict[str, str]
    assumptions: tuple[str, ...]


def worlds(name: str, *, venue: str | None, overrides: Sequence[str | Override]) -> Worlds:
    """The scenario `name` under each mode. Raises InputError when it cannot be loaded or has no made population."""
    plain, said = load(name, venue=venue, overrides=overrides)
    if not isinstance(plain.population, Traders):
        raise InputError(
            "population.kind: margin modes are compared on a generated population, not on accounts of a file"
        )
    added = [Override(tuple(key.split(".")), value, key) for key, value in DEFAULTS.items() if said[key] == "default"]
    base, provenance = load(name, venue=venue, overrides=[*added, *overrides])
    assert isinstance(base.population, Traders)
    people = base.population
    own = {field.name: getattr(people, field.name) for field in fields(people) if field.name != "kind"}
    together = OneAccount(**{**own, "isolated_share": 0.0})
    isolated = _with(base, Traders(**{**own, "isolated_share": 1.0}), "cross")
    cross = _with(base, together, "cross")
    stated = any(key.startswith(PORTFOLIO) and source != "default" for key, source in provenance.items())
    if not stated:
        margin = replace(base.venue.margin, portfolio=_like(cross))
        base = replace(base, venue=replace(base.venue, margin=margin))
    return Worlds(
        name=name,
        scenarios={"isolated": isolated, "cross": cross, "portfolio": _with(base, together, "portfolio")},
        provenance=provenance,
        assumptions=tuple(_assumptions(base, people, stated=stated)),
    )


def _with(base: Scenario, population: Traders, mode: str) -> Scenario:
    margin = replace(base.venue.margin, mode="portfolio" if mode == "portfolio" else "cross")
    return replace(base, population=population, venue=replace(base.venue, margin=margin))


def requirements(world: World) -> tuple[float, float, float]:
    """(initial margin, maintenance margin, notional) of all customers of a world, USD quanta."""
    customers = (world.ledger.accounts["flags"] & LIQUIDATABLE) != 0
    traders = np.array([role in ("trader", "wallet") for role in world.ledger.roles])
    chosen = customers[: len(traders)] & traders
    assessed = world.ledger.assess(world.instruments, world.assets, world.margin)[: len(traders)][chosen]
    lots = np.abs(world.ledger.positions["lots"][: len(traders)][chosen]).sum(axis=0)
    quote = world.assets[world.instruments["quote"]]
    unit = world.instruments["mark"] * world.instruments["tick_value"].astype(np.float64)
    value = unit * quote["price"] * quote["multiplier"] / quote["divisor"]
    return float(assessed[:, 3].sum()), float(assessed[:, 2].sum()), float((lots * value).sum())


def _like(cross: Scenario) -> ScenarioMargin:
    """Portfolio rules that ask of all positions, taken by themselves, what cross margin asks of them together."""
    initial, maintenance, notional = requirements(build(cross, seed=1).world)
    return replace(
        cross.venue.margin.portfolio,
        price_range=round(initial / notional, 4),
        volatilities=("none",),
        initial_factor=1.0,
        maintenance_factor=round(maintenance / initial, 4),
        offset_between_underlyings=OFFSET,
        linear_charge=0.0,
        linear_charge_initial=0.0,
    )


def _assumptions(base: Scenario, people: Traders, *, stated: bool) -> list[str]:
    rule = base.venue.margin.portfolio
    grid = f"±{rule.price_range:.2%}, {rule.offset_between_underlyings:.0%} offset between underlyings"
    own = (
        f"portfolio: the rules stated ({grid})"
        if stated
        else f"portfolio: none is stated, so scenarios of {grid}, maintenance {rule.maintenance_factor:.2f} of "
        "initial, the same for all underlyings: all positions, each by itself, then need as much in sum as under cross "
        "margin, those with low rates there more and those with high rates less"
    )
    return [
        f"{people.count:,} people, the same in all three: positions, entry prices, equity, all in settlement assets",
        f"{people.hedged_share:.0%} of them hold every second position the other way round (population.hedged_share)",
        f"isolated: an account for each position, and {people.wallet_share:.0%} of equity in a wallet to top up from; "
        "cross and portfolio: one account with everything",
        "nobody brings in money from outside"
        if people.outside_wealth == 0.0
        else f"outside money of {people.outside_wealth:g} × equity may come in, under cross and portfolio margin only",
        own,
        *(
            ["rates that move multiply what positions need by themselves; scenarios of portfolio margin stand still"]
            if base.venue.margin.rates.kind != "static"
            else []
        ),
        "positions of the start are those that isolated margin allows; initial margin gates every later order",
        "amplification compares each run with its own twin without liquidations",
    ]
