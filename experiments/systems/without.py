"""The system that is left when venues, shocks and errors of oracles are taken out of a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.collateral_sales import CollateralSales
from experiments.removal import take_out
from experiments.systems.scenario import CrossAgent, SystemScenario
from market.claims import Claim, StakedToken
from market.errors import InputError
from market.shocks import Freeze, Shock
from market.system import System


def reduced(scenario: SystemScenario) -> SystemScenario:
    """The scenario that is simulated: without the venues, shocks and adapters that `scenario.without` takes out.

    Shocks to an asset that is left out are put off until after the end, so that they keep their accounts. Claims on a
    venue that is left out become claims on the underlying itself. Raises InputError where what is left is no system.
    """
    left_out = scenario.without
    shocks = {name: _put_off(shock, scenario.hours) if shock.asset in left_out.assets else shock
              for name, shock in scenario.shocks.items()}  # fmt: skip
    venues = {
        name: replace(own, adapters={}) if left_out.oracle_errors else own
        for name, own in scenario.venues.items()
        if name not in left_out.venues
    }
    prices = {name: shock for name, shock in scenario.interventions.items() if shock.asset not in left_out.assets}
    agents = {name: _left(agent, left_out.venues) for name, agent in scenario.agents.items()}
    return replace(
        scenario,
        venues=venues,
        claims={symbol: _honoured(claim, left_out.venues) for symbol, claim in scenario.claims.items()},
        shocks={name: shock for name, shock in shocks.items() if getattr(shock, "venue", "") not in left_out.venues},
        agents={name: agent for name, agent in agents.items() if agent is not None},
        interventions=prices,
        without=replace(left_out, venues=(), accounts=_elsewhere(scenario, agents)),
    )


def retire_guests(scenario: SystemScenario, system: System, cohorts: Mapping[str, Any]) -> list[str]:
    """Leave those out who act on several venues, once they have joined; return a line on each. Raises InputError."""
    notes: list[str] = []
    for venue, member in system.members.items():
        _, guests = scenario.left_out_of(venue)
        notes += [f"{venue}: {note}" for note in take_out(member.world, member.cast, guests)]
    gone = {text.rpartition(":")[2] for text in scenario.without.accounts}
    for name, agent in scenario.agents.items():
        for person, accounts in agent.people(name).items():
            if gone & {person, *(account for _, account in accounts)}:
                cohorts[name].retire()
                notes += [] if accounts else [f"without {person}: keepers and loopers sell to the outside world"]
    return notes


def still_assets(scenario: SystemScenario, moving: Sequence[str]) -> list[str]:
    """Those of the assets left out that have a path of their own. Raises InputError for one that nothing moves."""
    shocked = {shock.asset for shock in scenario.shocks.values()}
    for symbol in scenario.without.assets:
        if symbol not in moving and symbol not in shocked:
            raise InputError(f"without.assets: {symbol} neither moves by itself nor by a shock")
    return [symbol for symbol in scenario.without.assets if symbol in moving]


def _put_off(shock: Shock, hours: float) -> Shock:
    after = 2.0 * 3600.0 * hours
    if isinstance(shock, Freeze):
        return replace(shock, start_seconds=after, end_seconds=2.0 * after)
    return replace(shock, at_seconds=after)


def _honoured(claim: Claim, gone: Sequence[str]) -> Claim:
    return StakedToken(underlying=claim.underlying) if claim.venue in gone else claim


def _left(agent: CrossAgent, gone: Sequence[str]) -> CrossAgent | None:
    """The agent without the routes that lead to venues that are gone; None where it cannot act without them."""
    if isinstance(agent, CollateralSales) and agent.venue not in gone:
        return replace(agent, routes=tuple(route for route in agent.routes if route.venue not in gone))
    return None if any(venue in gone for _, venue in agent.places()) else agent


def _elsewhere(scenario: SystemScenario, agents: Mapping[str, CrossAgent | None]) -> tuple[str, ...]:
    """Accounts left out that are not gone with their venue or their agent."""
    left_out = scenario.without
    if not left_out.venues:
        return left_out.accounts
    people = {person for name, agent in agents.items() if agent is not None for person in agent.people(name)}
    kept = []
    for text in left_out.accounts:
        venue, colon, _ = text.partition(":")
        if (venue not in left_out.venues) if colon else (text in people):
            kept.append(text)
    return tuple(kept)
