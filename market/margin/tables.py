"""A venue's margin rules as the integers that kernels read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from market.errors import InputError
from market.instruments import LARGEST_MONEY, USD_QUANTA, Asset, Instrument, tier_records, tier_rows
from market.kernels.records import PPM, TIER
from market.margin.collateral import CollateralRule
from market.margin.requirement import RequirementRule
from market.margin.rules import Margin


def write_margin_rules(
    margin: Margin,
    assets: Mapping[str, Asset],
    instruments: Mapping[str, Instrument],
    *,
    asset_records: NDArray[np.void],
    instrument_records: NDArray[np.void],
) -> NDArray[np.void]:
    """Write the rules into ASSET and INSTRUMENT records; return TIER[n], the tiers of instruments, then of assets.

    Raises InputError for a rule that the engine cannot hold.
    """
    tiers = [tuple(int(value) for value in row) for row in tier_records(instruments).tolist()]
    for record, (symbol, instrument) in zip(instrument_records, instruments.items(), strict=True):
        needed = margin.requirement_of(symbol, instrument.base)
        if needed is not None and instrument.kind != "spot":
            record["first_tier"], record["n_tiers"] = len(tiers), len(needed.tiers)
            tiers.extend(tier_rows([(tier.floor_usd, tier.initial, tier.maintenance) for tier in needed.tiers]))
            _write_requirement(record, needed, instrument, assets[instrument.quote])
    for record, (symbol, asset) in zip(asset_records, assets.items(), strict=True):
        counted = margin.collateral_of(symbol)
        if counted is not None:
            if counted.size_factor and asset.settlement:
                raise InputError(
                    f"venue.margin.collateral.{symbol}: size_factor is for assets that are not settlement assets"
                )
            record["first_tier"], record["n_tiers"] = len(tiers), len(counted.tiers)
            tiers.extend(_haircut_rows(counted, asset))
            _write_collateral(record, counted, asset)
        record["haircut_only"] &= margin.slow_price_seconds == 0.0
    return np.array(tiers, TIER)


def _write_requirement(record: np.void, rule: RequirementRule, instrument: Instrument, quote: Asset) -> None:
    lot = instrument.lot_size
    extras = (rule.slope_per_unit, rule.root_factor, rule.minimum_usd, rule.open_interest_upper_usd)
    record["tiers_only"] = not any(extras)
    record["damping"] = round(rule.damping * PPM)
    record["size_slope"] = rule.slope_per_unit * lot * PPM
    record["size_root"] = rule.root_factor * lot**0.5 * PPM
    record["minimum"] = round(rule.minimum_usd * USD_QUANTA)
    record["profit_weight"] = round(rule.profit_weight * PPM)
    if rule.profit_cap_usd is not None:
        record["profit_cap"] = min(LARGEST_MONEY, round(rule.profit_cap_usd / quote.quantum))


def _either(initial: float | None, maintenance: float) -> float:
    return maintenance if initial is None else initial


def _write_collateral(record: np.void, rule: CollateralRule, asset: Asset) -> None:
    record["haircut"] = round(rule.haircut * PPM)
    record["initial_haircut"] = round(_either(rule.initial_haircut, rule.haircut) * PPM)
    record["liability_weight"] = round(rule.liability_weight * PPM)
    record["initial_liability_weight"] = round(_either(rule.initial_liability_weight, rule.liability_weight) * PPM)
    record["size_root"] = rule.size_factor * asset.quantum**0.5
    record["tiers_by_amount"] = rule.tier_unit == "asset"
    extras = (rule.tiers, rule.size_factor, rule.deposits_start_usd, rule.borrows_start_usd)
    same = all(record[name] == record[f"initial_{name}"] for name in ("haircut", "liability_weight"))
    record["haircut_only"] = same and not any(extras)


def _haircut_rows(rule: CollateralRule, asset: Asset) -> list[tuple[int, ...]]:
    floor_quanta = round(1 / asset.quantum) if rule.tier_unit == "asset" else USD_QUANTA
    tiers = [(tier.floor, _either(tier.initial_haircut, tier.haircut), tier.haircut) for tier in rule.tiers]
    return tier_rows(tiers, floor_quanta=floor_quanta)
