"""From a scenario of several venues and a seed to a system ready for its first step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.claim_oracle import ClaimOracle
from experiments.build import Built, Guests, WholePath, build_venue, check_length, reference_of, streams_of
from experiments.interventions.kinds import told
from experiments.scenario import Scenario
from experiments.systems.interventions import interventions
from experiments.systems.scenario import SystemScenario
from experiments.systems.without import reduced, retire_guests, still_assets
from market.bridges import Bridges
from market.claims import Claims
from market.errors import InputError
from market.outside import Outside
from market.shocks import PriceShock
from market.streams import Streams
from market.system import Member, System


@dataclass(frozen=True, kw_only=True)
class BuiltSystem:
    """A system ready for its first step, and each of its venues as a run of one venue has it."""

    system: System
    venues: dict[str, Built]
    scenarios: dict[str, Scenario]
    cohorts: dict[str, Any]
    """The agents of several venues, by their names in the scenario."""
    prices: dict[str, PriceShock]
    """What is done to the outside world while it runs."""
    notes: tuple[str, ...]


def build_system(scenario: SystemScenario, *, seed: int) -> BuiltSystem:
    """Make the system. Raises InputError when it cannot be built."""
    scenario = reduced(scenario)
    check_length(scenario)
    notes: list[str] = []
    streams = streams_of(seed)
    symbols = list(scenario.assets)
    path, highest = reference_of(_without_claims(scenario), streams, notes)
    claims = Claims(scenario.claims, symbols=symbols)
    outside = Outside(
        WholePath(path, {**scenario.assets, **_priced(scenario)}, still=still_assets(scenario, path.symbols)),
        symbols=symbols,
        shocks=[shock for shock in scenario.shocks.values() if isinstance(shock, PriceShock)],
        underlying={symbol: claim.underlying for symbol, claim in scenario.claims.items()},
        rates=claims.nominal,
        tick_seconds=scenario.tick_seconds,
    )
    highest = _highest(scenario, highest)
    scenarios = {name: scenario.of_venue(name) for name in scenario.venues}
    venues = {
        name: _venue(
            own, name=name, scenario=scenario, outside=outside, claims=claims, highest=highest, streams=streams
        )
        for name, own in scenarios.items()
    }
    system = System(
        members=_members(scenario, venues, claims, symbols),
        outside=outside,
        bridges=Bridges(scenario.bridge, n_assets=len(symbols), tick_seconds=scenario.tick_seconds),
        claims=claims,
        interventions=interventions(scenario, {name: one.world for name, one in venues.items()}, claims),
    )
    notes += _timed(scenario.interventions)
    for name, built in venues.items():
        told_of = (*_timed(scenario.venues[name].interventions), *built.notes)
        notes += [f"{name}: {note}" for note in told_of]
    claims.back(system)
    cohorts = {name: agent.join(system, name=name, streams=streams) for name, agent in scenario.agents.items()}
    system.cohorts = tuple(cohorts.values())
    notes += retire_guests(scenario, system, cohorts)
    return BuiltSystem(
        system=system, venues=venues, scenarios=scenarios, cohorts=cohorts, prices=dict(scenario.interventions),
        notes=tuple(notes),
    )  # fmt: skip


def _timed(interventions: Mapping[str, Any]) -> list[str]:
    """What is done to the running system, in order of time."""
    timed = sorted(interventions.values(), key=lambda what: what.at_seconds)
    return [f"at {what.at_seconds:g} s: {told(what)}" for what in timed]


def _venue(
    own: Scenario,
    *,
    name: str,
    scenario: SystemScenario,
    outside: Outside,
    claims: Claims,
    highest: Mapping[str, float],
    streams: Streams,
) -> Built:
    """The world of one venue, its reference and its impact shared with all others."""
    guests = Guests(
        accounts=claims.accounts_needed(name)
        + sum(agent.accounts_needed(name) for agent in scenario.agents.values())
        + sum(getattr(shock, "venue", None) == name for shock in scenario.shocks.values()),
        messages=sum(agent.messages_needed(name) for agent in scenario.agents.values()),
    )
    try:
        built = build_venue(
            own, streams=streams.within(name), reference=outside, highest=highest, notes=[], guests=guests
        )
    except OverflowError as error:
        raise InputError(f"venues.{name}: a value is too large for the engine's integers ({error})") from None
    except InputError as error:
        raise InputError("\n".join(f"venues.{name}.{line}" for line in str(error).splitlines())) from None
    built.world.impact = outside.impact
    return built


def _members(
    scenario: SystemScenario, venues: Mapping[str, Built], claims: Claims, symbols: list[str]
) -> dict[str, Member]:
    members = {}
    for name, built in venues.items():
        nominal = [symbol for symbol, how in scenario.venues[name].adapters.items() if how == "nominal"]
        for symbol in scenario.venues[name].adapters:
            if symbol not in scenario.claims:
                raise InputError(
                    f"venues.{name}.adapters.{symbol}: is no claim; claims are {', '.join(scenario.claims)}"
                )
        cast = built.cast
        if nominal:
            rows = np.array([symbols.index(symbol) for symbol in nominal])
            under = np.array([symbols.index(scenario.claims[symbol].underlying) for symbol in nominal])
            cast = replace(cast, oracles=(*cast.oracles, ClaimOracle(rows, under, claims.nominal)))
        members[name] = Member(name=name, world=built.world, rules=built.rules, cast=cast)
    return members


def _priced(scenario: SystemScenario) -> dict[str, Any]:
    """Claims as assets of a constant price, which the outside world then works out itself."""
    return {symbol: replace(scenario.assets[symbol], price_usd=1.0) for symbol in scenario.claims}


def _without_claims(scenario: SystemScenario) -> SystemScenario:
    """The scenario as a reference model sees it: claims have no path of their own."""
    return replace(scenario, assets={**scenario.assets, **_priced(scenario)})


def _highest(scenario: SystemScenario, highest: Mapping[str, float]) -> dict[str, float]:
    """Highest price of every asset: of a claim, its underlying's; shocks that raise a price count."""
    found = dict(highest)
    for symbol, claim in scenario.claims.items():
        found[symbol] = found[claim.underlying] * max(1.0, getattr(claim, "exchange_rate", 1.0)) * 1.5
    for shock in scenario.shocks.values():
        if isinstance(shock, PriceShock):
            found[shock.asset] *= max(1.0, shock.factor)
    return found
