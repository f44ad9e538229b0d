"""Shocks of a scenario that act on the running system: exploits and freezes of lending markets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.build import Built
from experiments.systems.scenario import SystemScenario
from market.shocks import Intervention


def interventions(scenario: SystemScenario, venues: Mapping[str, Built]) -> Sequence[Intervention]:
    """Those of the scenario, in its order."""
    del scenario, venues
    return ()
