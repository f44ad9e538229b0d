"""What may be done to a running world at a set time, as data: the tables `[interventions.NAME]` of a scenario.

What means the same elsewhere is the same class: a fall or a depeg is a `PriceShock` (market/shocks.py), and an outage
does what a scheduled fault of oracles or keepers does (agents/oracle.py, agents/keeper.py).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from market.parameters import PositiveSeconds, Seconds, Share, parameters
from market.shocks import PriceShock as PriceShock

Value = Annotated[bool | float | str, Field(json_schema_extra={"unit": "that of the setting"})]


@parameters
class Change:
    """A setting has another value from now on, as if somebody had decided so."""

    kind: Literal["set"] = "set"
    """Tells the kinds of interventions apart."""
    at_seconds: Seconds
    """When; it acts at the start of the first tick that begins then or later."""
    path: str
    """Which setting, as `--set` names it; one of those that a running world can follow (docs/app.md)."""
    value: Value
    """What it becomes."""


@parameters
class OracleOutage:
    """Sources of oracles fall silent: the venue goes on with the last price it has."""

    kind: Literal["oracle_outage"] = "oracle_outage"
    """Tells the kinds of interventions apart."""
    at_seconds: Seconds
    """When it begins."""
    lasts_seconds: PositiveSeconds = 300.0
    """How long it lasts."""
    asset: str | None = None
    """Asset whose sources fail; all of them when left out."""
    fault: Literal["outage", "stale"] = "outage"
    """No answer, or the last answer repeated."""


@parameters
class MakersLeave:
    """Market makers withdraw their quotes and stay away."""

    kind: Literal["maker_leaves"] = "maker_leaves"
    """Tells the kinds of interventions apart."""
    at_seconds: Seconds
    """When they leave."""
    lasts_seconds: PositiveSeconds | None = None
    """How long they stay away; for good when left out."""
    instrument: str | None = None
    """Book that they leave; all of them when left out."""
    share: Share = 1.0
    """Part of the makers of each book that leaves, the first ones first."""


@parameters
class KeepersOut:
    """Keepers are offline for a time."""

    kind: Literal["keeper_outage"] = "keeper_outage"
    """Tells the kinds of interventions apart."""
    at_seconds: Seconds
    """When it begins."""
    lasts_seconds: PositiveSeconds = 300.0
    """How long it lasts."""
    share: Share = 1.0
    """Part of the keepers that it hits, the fastest first."""


@parameters
class AccountFails:
    """An account loses its collateral to the outside world, as in a theft or a loss elsewhere, and must be closed."""

    kind: Literal["account_fails"] = "account_fails"
    """Tells the kinds of interventions apart."""
    at_seconds: Seconds
    """When."""
    account: str | None = None
    """Name of the account; the one with the largest notional, or largest debts without positions, when left out."""
    left: Share = 0.5
    """Margin equity that it is left with, as a share of its maintenance margin. It keeps more where that is all it can
    lose: what its positions have earned is no collateral."""


Intervention = Annotated[
    PriceShock | Change | OracleOutage | MakersLeave | KeepersOut | AccountFails, Field(discriminator="kind")
]


def told(what: PriceShock | Change | OracleOutage | MakersLeave | KeepersOut | AccountFails) -> str:
    """What it is, in a few words: for logs and notes."""
    if isinstance(what, PriceShock):
        stays = "" if what.stays_seconds is None else f", undone after {what.stays_seconds:g} s"
        slowly = f" over {what.over_seconds:g} s" if what.over_seconds else ""
        return f"{what.asset} moves by {100.0 * (what.factor - 1.0):+.4g} %{slowly}{stays}"
    if isinstance(what, Change):
        shown = f"{what.value:g}" if isinstance(what.value, float) else str(what.value).lower()
        return f"{what.path} = {shown}"
    if isinstance(what, AccountFails):
        return f"{what.account or 'the largest account'} loses its collateral"
    lasts = "for good" if what.lasts_seconds is None else f"for {what.lasts_seconds:g} s"
    if isinstance(what, OracleOutage):
        return f"sources of {what.asset or 'all oracles'} fail {lasts} ({what.fault})"
    if isinstance(what, MakersLeave):
        part = "" if what.share == 1.0 else f"{100.0 * what.share:g} % of the "
        return f"{part}market makers leave {what.instrument or 'all books'} {lasts}"
    return f"{100.0 * what.share:g} % of the keepers are offline {lasts}"
