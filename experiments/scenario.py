"""A scenario: everything a run needs but the seed, as one parameter object read from TOML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from agents.arbitrageur import Arbitrageurs
from agents.attacker import Attacker
from agents.background import BackgroundFlow
from agents.borrower import Borrowers
from agents.dealer import Dealers
from agents.depositor import Depositors
from agents.execution import LargeOrder
from agents.keeper import Keepers
from agents.liquidity_provider import LiquidityProviders
from agents.market_maker import MarketMakers
from agents.one_account import OneAccount
from agents.oracle import Oracles
from agents.pool_arbitrageur import PoolArbitrageurs
from agents.pool_flow import PoolFlow
from agents.trader import Traders
from experiments import config, library
from experiments.config import Layer, Override
from experiments.interventions.kinds import Intervention
from experiments.toml_tree import Reset
from experiments.without import Without
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.parameters import PositiveHours, PositiveSeconds, Share, parameters
from market.pools import Pool
from market.reference import AnchoredPath, ModelPrices
from market.venue import Venue


@parameters
class RecordedPrices:
    """Reference prices replayed from a table; `market.reference.replay` fills them in to ticks."""

    kind: Literal["replay"] = "replay"
    """Tells the classes of reference prices apart."""
    file: str
    """CSV or Parquet table with columns ts, symbol, open, high, low, close."""
    start: str | None = None
    """First instant, UTC; the table's first bar when left out."""
    correlation: Share | None = None
    """Correlation of any two bridges within a bar; estimated from the table when left out."""


@parameters
class AccountsFile:
    """A real book of accounts instead of a generated population."""

    kind: Literal["file"] = "file"
    """Tells the kinds of population apart."""
    file: str
    """CSV or Parquet table with columns account, asset|instrument, quantity[, entry_price]."""


@parameters
class Agents:
    """Who acts beside the traders."""

    background: BackgroundFlow = BackgroundFlow()
    """Zero-intelligence order flow."""
    market_makers: MarketMakers = MarketMakers()
    """Inventory-aware ladders that withdraw under stress."""
    arbitrageurs: Arbitrageurs = Arbitrageurs()
    """Pull books towards the reference."""
    keepers: Keepers = Keepers()
    """Compete to close claims."""
    oracles: Oracles = Oracles()
    """Publish the prices the venue values assets at."""
    dealers: Dealers = Dealers()
    """Stand opposite the holders of options and hedge."""
    depositors: Depositors = Depositors()
    """Supply what a lending market lends, and may run."""
    pool_flow: PoolFlow = PoolFlow()
    """Customers of the pools; nobody where there are none."""
    pool_arbitrageurs: PoolArbitrageurs = PoolArbitrageurs()
    """Pull pools towards the reference."""
    liquidity_providers: LiquidityProviders = LiquidityProviders()
    """When those who fill the pools withdraw."""
    large_orders: dict[str, LargeOrder] = field(default_factory=dict)
    """Traders with one large order each, by any name: a what-if."""
    attackers: dict[str, Attacker] = field(default_factory=dict)
    """Those who push prices to earn from what follows, by any name: a what-if."""


@parameters
class Recording:
    """What is kept of a run; recording changes no result."""

    # As for interventions: nobody's hash changes.
    left_out_at_default = ("no_snapshots", "utilisation")

    sample_seconds: PositiveSeconds = 10.0
    """Interval between samples of book depth, open interest and the fund."""
    margin_seconds: PositiveSeconds = 120.0
    """Interval between samples of the margin-ratio distribution."""
    no_snapshots: bool = False
    """Leave out the ladders, margin ratios and accounts at risk that `cascade replay` shows."""
    utilisation: Share = 0.5
    """Share of what initial margin allows that customers use in the figure capital_relevered_ratio."""


Population = Annotated[Traders | OneAccount | Borrowers | AccountsFile, Field(discriminator="kind")]

VENUE_TABLES = (("venue",), ("agents", "oracles"))
"""What the file of a venue may hold: its rules, and where its prices come from."""

GIVE_WAY = tuple(
    ("venue", *rest.split("."))
    for rest in ("about", "margin", "mark", "funding", "liquidation.sizing", "liquidation.price")
)
"""What of a scenario's rules gives way as a whole to a venue that has the same: the rest would mix two venues."""


@parameters
class Scenario:
    """A world to simulate."""

    # Such prices already contain their crash, and what it owed to the venues of the day: impact that was written for
    # another reference does not count on top of them. Whoever wants it says so in the same layer or a later one.
    resets = (
        Reset(
            rule=("reference",),
            kinds=("anchors", "replay"),
            path=("assets", "*", "permanent_impact_bps_per_million_usd"),
        ),
    )

    # A scenario without interventions has the hash, and is stored under the key, that it had before there were any.
    left_out_at_default = ("interventions", "without")

    summary: str
    """What happens, in one line."""
    hours: PositiveHours = 1.0
    """Length of the simulated time."""
    tick_seconds: PositiveSeconds = 1.0
    """Length of a tick."""
    reference: Annotated[ModelPrices | AnchoredPath | RecordedPrices, Field(discriminator="kind")]
    """Prices of the outside world."""
    assets: dict[str, Asset]
    """What accounts own; the first settlement asset is the venue's own money."""
    instruments: dict[str, Instrument]
    """What is traded."""
    pools: dict[str, Pool] = field(default_factory=dict)
    """Automated market makers, by any name."""
    venue: Venue = Venue()
    """The rules."""
    population: Population | None = Traders()
    """Leveraged accounts, generated or read from a file, or borrowers; none on a venue that only agents trade on."""
    agents: Agents = Agents()
    """Everybody else."""
    recording: Recording = Recording()
    """What is kept of a run."""
    interventions: dict[str, Intervention] = field(default_factory=dict)
    """What is done to the running world, and when, by any name."""
    without: Without = Without()
    """What is left out: the same world without somebody or something."""

    def __post_init__(self) -> None:
        if self.interventions:
            from experiments.interventions.check import problems  # here, because it reads scenarios itself

            if found := problems(self, self.interventions):
                raise ValueError("\n".join(found))

    @property
    def ticks(self) -> int:
        """Length of the run in whole ticks."""
        return max(1, round(self.hours * 3600.0 / self.tick_seconds))

    @classmethod
    def load(
        cls, name: str | Path, *, venue: str | Path | None = None, overrides: Sequence[str | Override] = ()
    ) -> Scenario:
        """Read an embedded scenario by name or a TOML file by path.

        `venue` names an embedded venue or a TOML file, whose rules are laid over the scenario's; `overrides` are
        "key.path=value" texts. Raises InputError with one line for every problem.
        """
        scenario, _ = load(name, venue=venue, overrides=overrides)
        return scenario


def load(
    name: str | Path, *, venue: str | Path | None = None, overrides: Sequence[str | Override] = ()
) -> tuple[Scenario, dict[str, str]]:
    """A scenario as `Scenario.load` reads it, and where each of its values was written."""
    if library.has_venues(library.find(name)):
        raise InputError(f"{name}: has several venues; this needs a scenario of one (see `cascade scenarios`)")
    layers = () if venue is None else (Layer(file=library.find_venue(venue), holds=VENUE_TABLES, replaces=GIVE_WAY),)
    return config.load(Scenario, library.find(name), layers=layers, overrides=overrides)
