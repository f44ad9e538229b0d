"""One position or one balance in the engine's own records, assessed by the kernels that assess accounts in a run.

The engine counts money in whole millionths, rates in parts per million. Amounts are scaled up as far as its integers
reach, so that what comes back is good to the last digits of a case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from market.instruments import USD_QUANTA, Asset, Instrument, asset_records, instrument_records
from market.kernels.margin import requirement_of, tier_at, weighted_value
from market.kernels.records import INITIAL, MAINTENANCE, PPM
from market.margin.collateral import CollateralRule
from market.margin.requirement import RequirementRule
from market.margin.rules import Margin
from market.margin.tables import write_margin_rules

_MOST = 1e17
"""Quanta that amounts are scaled up to: products with rates and sums of them fit 64 bits."""
_MONEY = Asset(settlement=True, valuation="one", quantum=1e-6, price_tick_usd=1.0)
_MARKET = Instrument(base="COIN", quote="USD", tick_size=1.0, lot_size=1e-6)
"""A lot at a mark of one tick is worth one quantum."""


def holds(rates: Iterable[float]) -> bool:
    """Whether the engine holds these rates and weights exactly: whole parts per million from 0 to 1."""
    return all(0.0 <= rate <= 1.0 and abs(rate * PPM - round(rate * PPM)) < 1e-6 for rate in rates)


@dataclass(frozen=True, kw_only=True)
class Position:
    """What one position needs under a rule."""

    tier: int
    """Number of the tier that holds, from 0."""
    needed: float


def position(
    rule: RequirementRule,
    *,
    notional: float,
    size: float = 0.0,
    initial: bool,
    crowding: float = 0.0,
    in_millionths: bool = False,
) -> Position:
    """Margin of a position of |notional| and |size| units; `crowding` is the initial rate that open interest asks for.

    `in_millionths` leaves the scale of amounts as it is in a run, for venues that round as the engine does.
    """
    notional = abs(notional)
    reached = [tier for tier in rule.tiers if tier.floor_usd <= notional]
    scale = 1.0 if in_millionths else _scale(notional)
    tiers = tuple(replace(tier, floor_usd=tier.floor_usd * scale) for tier in reached)
    margin = Margin(requirement={"default": replace(rule, tiers=tiers, minimum_usd=rule.minimum_usd * scale)})
    assets, instruments, table = _tables(margin, {"USD": _MONEY, "COIN": Asset()}, {"COIN-PERP": _MARKET})
    lots = round(notional * scale * USD_QUANTA)
    instruments["mark"], instruments["crowding"] = 1, round(crowding * PPM)
    instruments["tiers_only"] &= crowding == 0.0
    instruments["lot_size"] = abs(size) / lots if lots else 0.0
    first, profile = int(instruments["first_tier"][0]), INITIAL if initial else MAINTENANCE
    return Position(
        tier=int(tier_at(first, len(tiers), lots, table)) - first,
        needed=int(requirement_of(0, lots, profile, instruments, assets, table)) / USD_QUANTA / scale,
    )


def balance(rule: CollateralRule, *, amount: float, price: float) -> float:
    """What a balance of `amount` units at `price` counts for under the maintenance profile."""
    size = amount if rule.tier_unit == "asset" else amount * price
    scale = _scale(max(abs(amount), abs(amount) * price))
    tiers = tuple(replace(tier, floor=tier.floor * scale) for tier in rule.tiers if tier.floor <= max(size, 0.0))
    decimals = max(0, -int(Decimal(repr(price)).as_tuple().exponent))
    coin = Asset(price_usd=price, price_tick_usd=10.0**-decimals, quantum=1e-6)
    margin = Margin(collateral={"COIN": replace(rule, tiers=tiers)})
    assets, _, table = _tables(margin, {"USD": _MONEY, "COIN": coin}, {})
    quanta = round(amount * scale * USD_QUANTA)
    return int(weighted_value(assets[1], False, MAINTENANCE, quanta, table)) / USD_QUANTA / scale


def _scale(amount: float) -> float:
    """Power of ten that brings the amount near `_MOST` quanta."""
    return float(10.0 ** floor(log10(_MOST / (max(amount, 1.0) * USD_QUANTA))))


def _tables(
    margin: Margin, assets: dict[str, Asset], instruments: dict[str, Instrument]
) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.void]]:
    """(ASSET[n], INSTRUMENT[n], TIER[n]) as a world is built with them."""
    owned = asset_records(assets, instruments)
    traded = instrument_records(assets, instruments, {"COIN": 1e3})
    return (
        owned,
        traded,
        write_margin_rules(margin, assets, instruments, asset_records=owned, instrument_records=traded),
    )
