"""What is owned and what is traded: assets, instruments, margin tiers, and their translation into records.

Decimal numbers of the scenario become integers here, exactly: a tick times a lot must be a whole number of quanta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.errors import InputError
from market.kernels.records import ASSET, CLOSED, FUTURE, INSTRUMENT, NONE, OPTION, PERPETUAL, PPM, SPOT, TIER
from market.margin.requirement import Tier as Tier
from market.margin.requirement import check_tiers
from market.parameters import PositiveAmount, PositiveHours, PositiveUsd, Share, SignedBps, parameters

USD_QUANTA = 1_000_000
"""USD quanta per dollar: margin figures are counted in millionths of a dollar."""

LARGEST_MONEY = 1 << 60
"""Bound on any single amount in quanta; sums of a few stay inside 64 bits."""
FEWEST_TICKS = 10
"""A price of fewer ticks could not move."""
MOST_LEVELS = 1 << 24
"""Largest number of price levels of one book."""

KINDS = {"spot": SPOT, "perpetual": PERPETUAL, "future": FUTURE, "option": OPTION}

Number = TypeVar("Number", int, float)


@parameters
class Asset:
    """Something accounts own."""

    price_usd: PositiveUsd | None = None
    """Constant reference price of an asset that the reference model leaves out; 1 when valued at one dollar."""
    price_tick_usd: PositiveUsd = 0.01
    """Step in which the venue values it."""
    quantum: PositiveAmount = 1e-8
    """Smallest amount the ledger keeps, in units of the asset."""
    settlement: bool = False
    """Whether instruments are quoted, margined and settled in it."""
    valuation: Literal["one", "oracle"] = "oracle"
    """How the venue values it: always one dollar, or by the oracle."""
    haircut: Share = 0.0
    """Discount on a positive balance's value in margin equity."""
    liability_weight: Annotated[float, Field(ge=1.0, le=3.0, json_schema_extra={"unit": "x"})] = 1.0
    """Factor on a negative balance's value in margin equity."""
    permanent_impact_bps_per_million_usd: Annotated[
        float, Field(ge=0.0, le=1_000.0, json_schema_extra={"unit": "bps per million USD"})
    ] = 0.0
    """Move of the reference price per million USD of net signed aggressive flow on this venue; 0: a small venue."""


@parameters
class Instrument:
    """Something accounts trade: on an order book, or, options, with dealers."""

    kind: Literal["perpetual", "spot", "future", "option"] = "perpetual"
    """Perpetual or dated future (both linear), spot, or European option."""
    base: str
    """Asset that is traded or tracked."""
    quote: str = "USDC"
    """Settlement asset of prices, fees and profits."""
    tick_size: PositiveAmount
    """Price step, in units of the quote asset."""
    lot_size: PositiveAmount
    """Size step, in units of the base asset."""
    maker_fee_bps: SignedBps = 1.0
    """Fee of the resting side; negative is a rebate."""
    taker_fee_bps: SignedBps = 4.0
    """Fee of the aggressive side."""
    tiers: tuple[Tier, ...] = (Tier(),)
    """Margin tiers in rising order of floor; the first floor is 0. Perpetuals only."""
    expiry_hours: PositiveHours | None = None
    """Futures and options: when it is settled in cash, from the start of the run."""
    option: Literal["call", "put"] = "call"
    """Options: right to buy or to sell."""
    strike: PositiveAmount | None = None
    """Options: strike price, in units of the quote asset."""
    forward: str | None = None
    """Options: instrument whose mark is the forward; left out, the perpetual of the same base and quote."""
    price_ceiling: Annotated[float, Field(ge=1.5, le=100.0, json_schema_extra={"unit": "x"})] = 3.0
    """Highest price the book can hold, as a multiple of the highest reference price it must carry."""


def _exact(value: float) -> Fraction:
    """The decimal number that was written, not its nearest binary one."""
    return Fraction(repr(value))


def quanta(amount: float, asset: Asset) -> int:
    """Nearest whole number of quanta."""
    return round(_exact(amount) / _exact(asset.quantum))


def asset_records(assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> NDArray[np.void]:
    """ASSET[n] in the order of the mapping."""
    records = np.zeros(len(assets), ASSET)
    for row, (symbol, asset) in enumerate(assets.items()):
        record = records[row]
        scale = _exact(asset.quantum) * _exact(asset.price_tick_usd) * USD_QUANTA
        if scale.numerator != 1 and scale.denominator != 1:
            raise InputError(
                f"assets.{symbol}: quantum x price_tick_usd x 1,000,000 is {scale}; it must be a whole number or one "
                "over a whole number (powers of ten always are)"
            )
        price = asset.price_usd or 1.0
        record["price_tick"] = asset.price_tick_usd
        record["price"] = record["reference"] = max(1, round(_exact(price) / _exact(asset.price_tick_usd)))
        record["multiplier"], record["divisor"] = scale.numerator, scale.denominator
        record["haircut"] = record["initial_haircut"] = round(asset.haircut * PPM)
        record["liability_weight"] = record["initial_liability_weight"] = round(asset.liability_weight * PPM)
        record["haircut_only"] = 1
        record["quantum"] = asset.quantum
        record["deposit_scale"] = record["borrow_scale"] = PPM
        for name in ("discount", "category_discount", "fee", "category_fee", "room", "least"):
            record[name] = -1
        record["is_settlement"] = asset.settlement
        record["fixed"] = asset.valuation == "one"
        record["spot_book"] = NONE
    symbols = list(assets)
    for book, instrument in enumerate(instruments.values()):
        base = symbols.index(instrument.base)
        if instrument.kind == "spot" and records[base]["spot_book"] == NONE:
            records[base]["spot_book"] = book
    return records


def next_deduction(deduction: Number, *, floor: Number, rate: Number, before: Number) -> Number:
    """Deduction of a tier, `deduction` and `before` being that and the rate of the tier below.

    With it, requirement = rate x notional - deduction is continuous at the floor and marginal in the rates. Exact in
    integers and fractions. Binance USDS-M and COIN-M, Bybit, OKX, Hyperliquid.
    """
    return deduction + floor * (rate - before)


def tier_deductions(floors: Sequence[Number], rates: Sequence[Number]) -> list[Number]:
    """Deductions of all tiers in rising order of floor; the first is 0, in the unit of the floors."""
    found = [0 * floors[0]] if len(floors) else []
    for tier in range(1, len(floors)):
        found.append(next_deduction(found[-1], floor=floors[tier], rate=rates[tier], before=rates[tier - 1]))
    return found


def tier_records(instruments: Mapping[str, Instrument]) -> NDArray[np.void]:
    """TIER[sum of tiers], instrument by instrument; deductions make every requirement continuous in notional."""
    rows: list[tuple[int, ...]] = []
    for symbol, instrument in instruments.items():
        if instrument.kind in ("perpetual", "future") and not instrument.tiers:
            raise InputError(f"instruments.{symbol}.tiers: is empty; a {instrument.kind} needs one tier at least")
        try:
            check_tiers(instrument.tiers)
        except ValueError as error:
            raise InputError(f"instruments.{symbol}.{error}") from None
        rows.extend(tier_rows([(tier.floor_usd, tier.initial, tier.maintenance) for tier in instrument.tiers]))
    return np.array(rows, TIER)


def tier_rows(tiers: Sequence[tuple[float, float, float]], *, floor_quanta: int = USD_QUANTA) -> list[tuple[int, ...]]:
    """Rows of TIER from (floor, initial rate, maintenance rate); a floor of 1 is `floor_quanta` quanta."""
    floors = [round(_exact(floor) * floor_quanta) for floor, _, _ in tiers]
    initial = [round(rate * PPM) for _, rate, _ in tiers]
    maintenance = [round(rate * PPM) for _, _, rate in tiers]
    deductions = ([ppm // PPM for ppm in tier_deductions(floors, rates)] for rates in (initial, maintenance))
    return list(zip(floors, initial, maintenance, *deductions, strict=True))


def with_book(instruments: Mapping[str, Instrument]) -> list[tuple[int, str, Instrument]]:
    """(row, symbol, instrument) of all that trade on an order book: all but options."""
    return [(row, name, item) for row, (name, item) in enumerate(instruments.items()) if item.kind != "option"]


def _check_terms(symbol: str, instrument: Instrument) -> None:
    """What expires has an expiry, and only an option has a strike and a forward."""
    expires, is_option = instrument.kind in ("future", "option"), instrument.kind == "option"
    for name, given, wanted in (
        ("expiry_hours", instrument.expiry_hours, expires),
        ("strike", instrument.strike, is_option),
    ):
        if wanted != (given is not None):
            state = "needs" if wanted else "has no"
            article = "an" if is_option else "a"
            raise InputError(f"instruments.{symbol}.{name}: {article} {instrument.kind} {state} {name}")
    if instrument.forward is not None and not is_option:
        raise InputError(f"instruments.{symbol}.forward: a {instrument.kind} has no forward")


def _forward_row(symbol: str, option: Instrument, instruments: Mapping[str, Instrument]) -> int:
    """Row of the instrument whose mark is the option's forward."""
    fitting = {
        name: row
        for row, (name, item) in enumerate(instruments.items())
        if (item.base, item.quote) == (option.base, option.quote) and _outlives(item, option)
    }
    named = option.forward or next((name for name in fitting if instruments[name].kind == "perpetual"), None)
    if named not in fitting:
        choice = ", ".join(fitting) or "there is none"
        raise InputError(
            f"instruments.{symbol}.forward: expected a perpetual, or a future that expires no earlier, of "
            f"{option.base} in {option.quote}: {choice}"
        )
    return fitting[named]


def _outlives(item: Instrument, option: Instrument) -> bool:
    """Whether it is linear and trades until the option expires."""
    return item.kind == "perpetual" or (
        item.kind == "future" and (item.expiry_hours or 0.0) >= (option.expiry_hours or 0.0)
    )


def instrument_records(
    assets: Mapping[str, Asset], instruments: Mapping[str, Instrument], highest_usd: Mapping[str, float]
) -> NDArray[np.void]:
    """INSTRUMENT[n]; `highest_usd` is the highest reference price each asset can reach, which sizes the books."""
    symbols = list(assets)
    records = np.zeros(len(instruments), INSTRUMENT)
    level_base = first_tier = 0
    for row, (symbol, instrument) in enumerate(instruments.items()):
        for role in (instrument.base, instrument.quote):
            if role not in assets:
                raise InputError(f"instruments.{symbol}: no asset {role!r}; assets are {', '.join(symbols)}")
        base, quote = assets[instrument.base], assets[instrument.quote]
        if not quote.settlement:
            raise InputError(f"instruments.{symbol}: quote asset {instrument.quote} is not a settlement asset")
        tick_value = _exact(instrument.tick_size) * _exact(instrument.lot_size) / _exact(quote.quantum)
        lot_quanta = _exact(instrument.lot_size) / _exact(base.quantum)
        if tick_value.denominator != 1 or (instrument.kind == "spot" and lot_quanta.denominator != 1):
            raise InputError(
                f"instruments.{symbol}: tick_size x lot_size must be a whole number of {instrument.quote} quanta "
                f"({quote.quantum:g}), and lot_size one of {instrument.base} quanta ({base.quantum:g})"
            )
        _check_terms(symbol, instrument)
        price = highest_usd[instrument.base]
        if instrument.kind != "option" and price < FEWEST_TICKS * instrument.tick_size:
            raise InputError(
                f"instruments.{symbol}: tick_size {instrument.tick_size:g} is too coarse for a price of {price:g}; "
                f"at most {price / FEWEST_TICKS:g}"
            )
        highest = price * instrument.price_ceiling / instrument.tick_size if instrument.kind != "option" else 0.0
        if highest > MOST_LEVELS:
            raise InputError(f"instruments.{symbol}: {highest:,.0f} price levels; a coarser tick_size keeps it usable")
        record = records[row]
        record["kind"] = KINDS[instrument.kind]
        record["expiry"] = (instrument.expiry_hours or 0.0) * 3600.0
        if instrument.kind == "option":
            record["forward"] = _forward_row(symbol, instrument, instruments)
            record["strike"], record["is_call"] = instrument.strike, instrument.option == "call"
            record["halted"] = CLOSED
        record["base"], record["quote"] = symbols.index(instrument.base), symbols.index(instrument.quote)
        record["first_tier"], record["n_tiers"] = first_tier, len(instrument.tiers)
        record["n_levels"] = -(-int(highest + 2) // 64) * 64
        record["level_base"] = level_base
        record["tick_value"] = tick_value.numerator
        record["lot_quanta"] = lot_quanta.numerator if instrument.kind == "spot" else 0
        record["maker_fee"] = round(instrument.maker_fee_bps * PPM / 10_000)
        record["taker_fee"] = round(instrument.taker_fee_bps * PPM / 10_000)
        record["tick_size"] = instrument.tick_size
        record["best_ask"] = record["n_levels"] - 1
        record["tiers_only"] = instrument.kind != "option"
        record["lot_size"] = instrument.lot_size
        record["stress"] = record["profit_weight"] = PPM
        record["profit_cap"] = LARGEST_MONEY
        level_base += int(record["n_levels"])
        first_tier += len(instrument.tiers)
    return records
