"""What can be wrong with interventions before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.interventions.kinds import Change, Intervention, MakersLeave, OracleOutage, PriceShock
from experiments.interventions.live import refusal
from experiments.interventions.values import with_value
from experiments.toml_tree import suggest
from market.errors import InputError

if TYPE_CHECKING:
    from experiments.scenario import Scenario


def problems(scenario: Scenario, interventions: Mapping[str, Intervention]) -> list[str]:
    """One line for each intervention that the scenario, without any of its own, could not have."""
    bare = replace(scenario, interventions={})
    found = []
    for name, what in sorted(interventions.items(), key=lambda entry: entry[1].at_seconds):
        try:
            bare = _checked(bare, what)
        except InputError as error:
            found.append(f"interventions.{name}.{error}")
    return found


def _checked(scenario: Scenario, what: Intervention) -> Scenario:
    """The scenario after it. Raises InputError."""
    assets, instruments = list(scenario.assets), list(scenario.instruments)
    if what.at_seconds >= scenario.hours * 3600.0:
        raise InputError(f"at_seconds: {what.at_seconds:g} s, and the run ends at {scenario.hours * 3600.0:g} s")
    if isinstance(what, Change):
        after = with_value(scenario, what.path, what.value)
        if why := refusal(scenario, what.path):
            raise InputError(f"path: {what.path} {why}")
        return after
    if isinstance(what, PriceShock):
        if what.asset not in assets:
            raise InputError(f"asset: no asset {what.asset!r}{suggest(what.asset, assets)}")
        room = min((item.price_ceiling for item in scenario.instruments.values() if item.base == what.asset), default=3)
        if what.factor > room:
            raise InputError(f"factor: {what.factor:g} is more than the books can hold; at most {room:g}")
    if isinstance(what, OracleOutage) and what.asset is not None:
        moving = [symbol for symbol in assets if scenario.assets[symbol].valuation == "oracle"]
        if what.asset not in moving:
            raise InputError(f"asset: no oracle prices {what.asset!r}{suggest(what.asset, moving)}")
    if isinstance(what, MakersLeave) and what.instrument is not None and what.instrument not in instruments:
        raise InputError(f"instrument: no instrument {what.instrument!r}{suggest(what.instrument, instruments)}")
    return scenario
