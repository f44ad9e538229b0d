"""The margin rules of a venue: collateral and requirements by symbol, in the place of what the scenario says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeVar

from market.margin.collateral import CategoryRule, CollateralRule
from market.margin.contingency import Contingency
from market.margin.dynamics import HaircutDynamics, RateDynamics, StaticHaircuts, StaticRates
from market.margin.option_expiries import ExpiryRule
from market.margin.options import OptionRequirement
from market.margin.ownership import SubAccounts
from market.margin.portfolio import ScenarioMargin
from market.margin.requirement import RequirementRule
from market.margin.valuation import PriceRule, VenuePrices
from market.parameters import PositiveSeconds, Seconds, parameters

Rule = TypeVar("Rule")

ANY = "default"
"""Key of the rule for every symbol that has none of its own."""
SETTLEMENT = "settlement"
"""Key of the rule for settlement assets that have none of their own."""


@parameters
class Margin:
    """How a venue values accounts and what it asks of them."""

    # Scenarios without them keep their hashes, and runs that are stored their keys.
    left_out_at_default = ("expiries", "contingency")

    mode: Literal["cross", "portfolio"] = "cross"
    """Margin mode of accounts that choose none: requirements summed by position, or the worst of scenarios."""
    collateral: dict[str, CollateralRule] = field(default_factory=dict)
    """Haircuts and liability weights by asset; "settlement" is for settlement assets and "default" for all others. They
    replace those of the assets table."""
    categories: dict[str, CategoryRule] = field(default_factory=dict)
    """Correlated assets by name of their category: other weights for accounts that owe nothing outside it."""
    requirement: dict[str, RequirementRule] = field(default_factory=dict)
    """Margin rates by instrument or by its base asset; "default" is for all others. They replace instruments' tiers."""
    options: dict[str, OptionRequirement] = field(default_factory=dict)
    """What options need by themselves, by instrument or base asset; "default" is for all others."""
    expiries: dict[str, ExpiryRule] = field(default_factory=dict)
    """Whether options of one expiry stand together, by base asset; "default" is for all others. Alone when left out."""
    contingency: Contingency = Contingency()
    """What positions need beyond that while a price is doubtful or the settlement asset has lost its peg."""
    portfolio: ScenarioMargin = ScenarioMargin()
    """Scenarios and charges of accounts in portfolio mode."""
    sub_accounts: SubAccounts = SubAccounts()
    """What the accounts of one owner may do for one another."""
    haircuts: HaircutDynamics = StaticHaircuts()
    """Whether haircuts follow the market."""
    rates: RateDynamics = StaticRates()
    """Whether margin requirements follow the market."""
    prices: PriceRule = VenuePrices()
    """What balances and debts count at beside the venue's price: bid and ask, or the confidence of the oracle."""
    slow_price_seconds: Seconds = 0.0
    """Averaging time of a slower price: under initial margin balances count at the lower of the two, debts at the
    higher (Drift v2, Mango v4); 0: none."""
    update_seconds: PositiveSeconds = 60.0
    """How often initial rates by open interest, and weights by deposits or borrowing, are worked out afresh."""

    def __post_init__(self) -> None:
        members = [symbol for rule in self.categories.values() for symbol in rule.assets]
        twice = sorted({symbol for symbol in members if members.count(symbol) > 1})
        if twice:
            raise ValueError(f"categories: {', '.join(twice)} in more than one; an asset is in one category at most")

    def collateral_of(self, symbol: str, *, settlement: bool) -> CollateralRule | None:
        """The rule for an asset, a settlement asset or not; None when the asset's own haircut holds."""
        return chosen(self.collateral, symbol, *([SETTLEMENT] if settlement else []))

    def requirement_of(self, symbol: str, base: str) -> RequirementRule | None:
        """The rule for an instrument; None when its own tiers hold."""
        return chosen(self.requirement, symbol, base)


def chosen(rules: Mapping[str, Rule], *symbols: str) -> Rule | None:
    """The rule of the first symbol that has one, else that for every symbol; None when there is neither."""
    return next((rules[symbol] for symbol in (*symbols, ANY) if symbol in rules), None)
