"""A venue's margin rules as the integers that kernels read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from market.errors import InputError
from market.instruments import LARGEST_MONEY, USD_QUANTA, Asset, Instrument, tier_records, tier_rows
from market.kernels.records import NONE, PPM, TIER
from market.margin.collateral import CategoryRule, CollateralRule
from market.margin.dynamics import LiquidityHaircuts, RampedHaircuts, StaticHaircuts, StaticRates
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
    if isinstance(margin.haircuts, RampedHaircuts):
        for symbol in margin.haircuts.to:
            if symbol not in assets:
                raise InputError(f"venue.margin.haircuts.to.{symbol}: no such asset; expected {', '.join(assets)}")
    tiers = [tuple(int(value) for value in row) for row in tier_records(instruments).tolist()]
    for record, (symbol, instrument) in zip(instrument_records, instruments.items(), strict=True):
        needed = margin.requirement_of(symbol, instrument.base)
        if needed is not None and instrument.kind not in ("spot", "option"):
            record["first_tier"], record["n_tiers"] = len(tiers), len(needed.tiers)
            tiers.extend(tier_rows([(tier.floor_usd, tier.initial, tier.maintenance) for tier in needed.tiers]))
            _write_requirement(record, needed, assets[instrument.quote])
        record["tiers_only"] &= isinstance(margin.rates, StaticRates) and not margin.contingency
    for record, (symbol, asset) in zip(asset_records, assets.items(), strict=True):
        _check_collateral(margin, symbol, asset)
        counted = margin.collateral_of(symbol, settlement=asset.settlement)
        if counted is not None:
            _write_collateral(record, counted)
        rows = _haircut_rows(margin, counted, record, asset)
        record["first_tier"], record["n_tiers"] = len(tiers), len(rows)
        tiers.extend(rows)
        ramped = isinstance(margin.haircuts, RampedHaircuts) and symbol in margin.haircuts.to
        apart = margin.prices.kind != "venue" and not record["fixed"]
        record["haircut_only"] &= not (rows or ramped or apart or margin.slow_price_seconds > 0.0)
    for number, category in enumerate(margin.categories.values(), start=1):
        for record, symbol in zip(asset_records, assets, strict=True):
            if symbol in category.assets:
                _write_category(record, category, number)
    return np.array(tiers, TIER)


def _write_requirement(record: np.void, rule: RequirementRule, quote: Asset) -> None:
    record["tiers_only"] = not any((rule.size.code, rule.minimum_usd, rule.open_interest_upper_usd))
    record["size_law"], record["size_factor"] = rule.size.code, rule.size.factor
    record["maintenance_size_factor"] = _either(rule.size.maintenance_factor, rule.size.factor)
    record["minimum"] = round(rule.minimum_usd * USD_QUANTA)
    record["profit_weight"] = round(rule.profit_weight * PPM)
    record["profit_net"] = rule.profit_net
    if rule.profit_cap_usd is not None:
        record["profit_cap"] = min(LARGEST_MONEY, round(rule.profit_cap_usd / quote.quantum))


def _write_category(record: np.void, rule: CategoryRule, number: int) -> None:
    record["category"], record["haircut_only"] = number, 0
    record["category_haircut"] = round(rule.haircut * PPM)
    record["initial_category_haircut"] = round(_either(rule.initial_haircut, rule.haircut) * PPM)
    for name, bps in (("discount", rule.discount_bps), ("fee", rule.liquidation_fee_bps)):
        if bps is not None:
            record[f"category_{name}"] = bps / 10_000 if name == "discount" else round(bps * 100)
    chosen = (rule.liability_weight, rule.initial_liability_weight or rule.liability_weight)
    for profile, weight in zip(("", "initial_"), chosen, strict=True):
        own = int(record[f"{profile}liability_weight"])
        record[f"{profile}category_liability_weight"] = own if weight is None else round(weight * PPM)


def _either(initial: float | None, maintenance: float) -> float:
    return maintenance if initial is None else initial


def _write_collateral(record: np.void, rule: CollateralRule) -> None:
    # By size: the least of them; a coin counts for nothing where that is 1.
    record["haircut"] = round(min([tier.haircut for tier in rule.tiers], default=rule.haircut) * PPM)
    initial = [_either(tier.initial_haircut, tier.haircut) for tier in rule.tiers]
    record["initial_haircut"] = round(min(initial, default=_either(rule.initial_haircut, rule.haircut)) * PPM)
    for name, bps in (("discount", rule.discount_bps), ("fee", rule.liquidation_fee_bps)):
        if bps is not None:
            record[name] = bps / 10_000 if name == "discount" else round(bps * 100)
    record["liability_weight"] = round(rule.liability_weight * PPM)
    record["initial_liability_weight"] = round(_either(rule.initial_liability_weight, rule.liability_weight) * PPM)
    record["size_factor"] = rule.size_factor
    record["tiers_by_amount"] = rule.tier_unit == "asset"
    extras = (rule.tiers, rule.size_factor, rule.deposits_start_usd, rule.borrows_start_usd)
    same = all(record[name] == record[f"initial_{name}"] for name in ("haircut", "liability_weight"))
    record["haircut_only"] = same and not any(extras)


def _haircut_rows(margin: Margin, rule: CollateralRule | None, record: np.void, asset: Asset) -> list[tuple[int, ...]]:
    """Rows of TIER: the rule's haircuts by size, or the rungs of a ladder that follows the book."""
    if isinstance(margin.haircuts, LiquidityHaircuts) and record["spot_book"] != NONE:
        share = int(record["haircut"]) / PPM
        return tier_rows([(size, share, share) for size in (0.0, *margin.haircuts.sizes_usd)])
    if rule is None:
        return []
    floor_quanta = round(1 / asset.quantum) if rule.tier_unit == "asset" else USD_QUANTA
    tiers = [(tier.floor, _either(tier.initial_haircut, tier.haircut), tier.haircut) for tier in rule.tiers]
    return tier_rows(tiers, floor_quanta=floor_quanta)


def _check_collateral(margin: Margin, symbol: str, asset: Asset) -> None:
    rule = margin.collateral_of(symbol, settlement=asset.settlement)
    if rule is None:
        return
    where = f"venue.margin.collateral.{symbol}"
    if rule.size_factor and asset.settlement:
        raise InputError(f"{where}.size_factor: {symbol} is a settlement asset; expected 0")
    if rule.tiers and not isinstance(margin.haircuts, StaticHaircuts):
        raise InputError(
            f"{where}.tiers: haircuts by size cannot be combined with venue.margin.haircuts of kind "
            f'"{margin.haircuts.kind}"; leave one of them out'
        )
