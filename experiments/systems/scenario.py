"""A scenario of several venues: what they share, and a table for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agents.collateral_sales import CollateralSales
from agents.cross_arbitrageur import CrossArbitrageurs
from agents.hedged_trader import HedgedTraders
from experiments import config, library
from experiments.config import Override
from experiments.interventions.kinds import AccountFails, Change, KeepersOut, MakersLeave, OracleOutage
from experiments.scenario import Agents, Population, RecordedPrices, Recording, Scenario
from experiments.toml_tree import suggest
from experiments.without import SystemWithout, Without
from market.bridges import Bridge
from market.claims import Claim
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.parameters import PositiveHours, PositiveSeconds, parameters
from market.pools import Pool
from market.reference import AnchoredPath, ModelPrices
from market.shocks import PriceShock, Shock
from market.venue import Venue

CrossAgent = Annotated[HedgedTraders | CrossArbitrageurs | CollateralSales, Field(discriminator="kind")]

VenueIntervention = Annotated[
    Change | OracleOutage | MakersLeave | KeepersOut | AccountFails, Field(discriminator="kind")
]


@parameters
class VenueScenario:
    """One venue of a system. `extends` names presets or venues whose tables are laid under it."""

    left_out_at_default = ("interventions",)

    summary: str = ""
    """What kind of venue it is, in one line."""
    settlement: tuple[str, ...] = ()
    """Assets it settles and lends in, the first its own money; left out: those that say so of themselves."""
    adapters: dict[str, Literal["market", "nominal"]] = field(default_factory=dict)
    """How its oracle prices a claim: at the market, or at what the claim's contract states; left out: at the market."""
    instruments: dict[str, Instrument] = field(default_factory=dict)
    """What is traded on its books."""
    pools: dict[str, Pool] = field(default_factory=dict)
    """Its automated market makers, by any name."""
    venue: Venue = Venue()
    """The rules."""
    population: Population | None = None
    """Accounts of people, generated or read from a file."""
    agents: Agents = Agents()
    """Everybody else who acts on this venue alone."""
    interventions: dict[str, VenueIntervention] = field(default_factory=dict)
    """What is done to this venue while it runs, and when, by any name."""


@parameters
class SystemScenario:
    """Several venues to simulate together."""

    resets = Scenario.resets
    left_out_at_default = ("interventions", "without")

    summary: str
    """What happens, in one line."""
    hours: PositiveHours = 1.0
    """Length of the simulated time."""
    tick_seconds: PositiveSeconds = 1.0
    """Length of a tick."""
    reference: Annotated[ModelPrices | AnchoredPath | RecordedPrices, Field(discriminator="kind")]
    """Prices of the outside world, but for those of claims."""
    assets: dict[str, Asset]
    """What accounts own, on whichever venue."""
    claims: dict[str, Claim] = field(default_factory=dict)
    """Assets that are claims on something else."""
    venues: dict[str, VenueScenario]
    """The venues, by any name."""
    bridge: Bridge = Bridge()
    """How assets move between them."""
    shocks: dict[str, Shock] = field(default_factory=dict)
    """What goes wrong, and when, by any name."""
    agents: dict[str, CrossAgent] = field(default_factory=dict)
    """Who acts on several venues, by any name."""
    recording: Recording = Recording()
    """What is kept of a run."""
    interventions: dict[str, PriceShock] = field(default_factory=dict)
    """Shocks to prices of the outside world while it runs, by any name: as `shocks`, but unknown when the system is
    built. What is done to one venue stands in its table."""
    without: SystemWithout = SystemWithout()
    """What is left out: the same system without somebody or something."""

    def __post_init__(self) -> None:
        if not self.venues:
            raise ValueError("venues: at least one is needed")
        problems = [*self._claims_that_lead_nowhere(), *self._venues_that_are_not()]
        problems += self._left_out_that_is_not()
        problems += [
            f"shocks.{name}.asset: no asset {shock.asset!r}{suggest(shock.asset, list(self.assets))}"
            for name, shock in self.shocks.items()
            if shock.asset not in self.assets
        ]
        problems += price_problems(self, self.interventions)
        if problems:
            raise ValueError("\n".join(problems))
        for name, own in self.venues.items():
            if own.interventions:
                try:
                    self.of_venue(name)
                except ValueError as error:
                    raise ValueError("\n".join(f"venues.{name}.{line}" for line in str(error).splitlines())) from None

    def _claims_that_lead_nowhere(self) -> list[str]:
        found, order = [], list(self.assets)
        for symbol, claim in self.claims.items():
            if symbol not in self.assets:
                found.append(f"claims.{symbol}: no asset {symbol!r}{suggest(symbol, order)}")
            elif claim.underlying not in self.assets:
                found.append(
                    f"claims.{symbol}.underlying: no asset {claim.underlying!r}{suggest(claim.underlying, order)}"
                )
            elif order.index(claim.underlying) >= order.index(symbol):
                found.append(f"assets.{symbol}: stands before {claim.underlying}, which it is a claim on; put it after")
        return found

    def _left_out_that_is_not(self) -> list[str]:
        names = list(self.venues)
        found = [
            f"without.venues: no venue {name!r}{suggest(name, names)}"
            for name in self.without.venues
            if name not in names
        ]
        if not set(names) - set(self.without.venues):
            found.append("without.venues: no venue is left")
        found += [
            f"without.assets: no asset {symbol!r}{suggest(symbol, list(self.assets))}"
            for symbol in self.without.assets
            if symbol not in self.assets
        ]
        return [*found, *self._accounts_that_are_not()]

    def _accounts_that_are_not(self) -> list[str]:
        found, names = [], list(self.venues)
        people = self.people() if any(":" not in text for text in self.without.accounts) else {}
        for text in self.without.accounts:
            venue, colon, _ = text.partition(":")
            if colon and venue not in names:
                found.append(f"without.accounts: expected VENUE:NAME, got {text!r}{suggest(venue, names)}")
            elif not colon and text not in people:
                near = suggest(text, list(people)) if people else ""
                near = near if "did you mean" in near else f"; venues are {', '.join(names)}"
                found.append(f"without.accounts: expected VENUE:NAME, got {text!r}{near}")
        return found

    def people(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Who acts on several venues -> (venue, account) of each of their accounts."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for name, agent in self.agents.items():
            found |= agent.people(name)
        return found

    def left_out_of(self, name: str) -> tuple[list[str], list[str]]:
        """(accounts of the venue itself, accounts there of those who act on several venues) that are left out."""
        if not self.without.accounts:
            return [], []
        people = self.people()
        owned = {account for accounts in people.values() for venue, account in accounts if venue == name}
        own: list[str] = []
        guests: list[str] = []
        for text in self.without.accounts:
            venue, colon, account = text.partition(":")
            if not colon:
                guests += [account for venue, account in people[text] if venue == name]
            elif venue == name:
                (guests if account in owned else own).append(account)
        return own, guests

    def _venues_that_are_not(self) -> list[str]:
        names = list(self.venues)
        said = [(f"claims.{symbol}.venue", claim.venue) for symbol, claim in self.claims.items() if claim.venue]
        said += [(f"shocks.{name}.venue", getattr(shock, "venue", "")) for name, shock in self.shocks.items()]
        said += [
            (f"agents.{name}.{key}", venue) for name, agent in self.agents.items() for key, venue in agent.places()
        ]
        return [f"{key}: no venue {name!r}{suggest(name, names)}" for key, name in said if name and name not in names]

    @property
    def ticks(self) -> int:
        """Length of the run in whole ticks."""
        return max(1, round(self.hours * 3600.0 / self.tick_seconds))

    def of_venue(self, name: str) -> Scenario:
        """One venue as a scenario of its own: shared parts beside its table."""
        own = self.venues[name]
        assets = self.assets
        if own.settlement:
            for symbol in own.settlement:
                if symbol not in assets:
                    raise InputError(f"venues.{name}.settlement: no asset {symbol!r}{suggest(symbol, list(assets))}")
            assets = {symbol: replace(asset, settlement=symbol in own.settlement) for symbol, asset in assets.items()}
        return Scenario(
            summary=own.summary or f"{name}: {self.summary}",
            hours=self.hours,
            tick_seconds=self.tick_seconds,
            reference=self.reference,
            assets=assets,
            instruments=own.instruments,
            pools=own.pools,
            venue=own.venue,
            population=own.population,
            agents=own.agents,
            recording=self.recording,
            interventions=dict(own.interventions),
            without=Without(
                accounts=tuple(self.left_out_of(name)[0]),
                oracle_errors=self.without.oracle_errors,
            ),
        )


def price_problems(scenario: SystemScenario, shocks: Mapping[str, PriceShock]) -> list[str]:
    """One line for each shock to a price that the running system could not have."""
    found = []
    for name, shock in shocks.items():
        if shock.asset not in scenario.assets:
            near = suggest(shock.asset, list(scenario.assets))
            found.append(f"interventions.{name}.asset: no asset {shock.asset!r}{near}")
        elif shock.at_seconds >= scenario.hours * 3600.0:
            ends = scenario.hours * 3600.0
            found.append(f"interventions.{name}.at_seconds: {shock.at_seconds:g} s, and the run ends at {ends:g} s")
        elif shock.factor > 1.0:
            found.append(
                f"interventions.{name}.factor: {shock.factor:g} is a rise, for which books are not built; at most 1, "
                "or [shocks], which they are built for"
            )
    return found


def load_system(name: str | Path, *, overrides: Sequence[str | Override] = ()) -> tuple[SystemScenario, dict[str, str]]:
    """A scenario of several venues, and where each of its values was written. Raises InputError."""
    return config.load(SystemScenario, library.find(name), overrides=overrides)
