"""Margin rules that move: what they are worked out from, when, and how much margin they call by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.instruments import USD_QUANTA, tier_rows
from market.kernels.book import sweep
from market.kernels.records import LIQUIDATABLE, NONE, PPM, SELL, SPOT
from market.kernels.rules.rates import open_interest_rate
from market.kernels.rules.weights import borrow_scaled, deposit_scaled
from market.margin.bands import Bands
from market.margin.contingency import Contingencies
from market.margin.dynamics import (
    YEAR_SECONDS,
    LiquidityHaircuts,
    OpenInterestRates,
    RampedHaircuts,
    StaticHaircuts,
    StaticRates,
    VolatilityHaircuts,
    VolatilityRates,
    limited,
)
from market.margin.rules import Margin
from market.margin.valuation import VenuePrices

if TYPE_CHECKING:
    from market.world import World

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MarginCall:
    """What one update of the rules did, all prices and positions as they stood."""

    tick: int
    called_usd: float
    """Fall of margin excess, summed over the customers whose excess fell."""
    released_usd: float
    """Rise of margin excess, summed over the customers whose excess rose."""
    broken: int
    """Customers above maintenance before and below it after."""


class MarginSchedule:
    """Keeps haircuts, rates and weights of a world up to date; `calls` is the record of what the rules called."""

    def __init__(self, margin: Margin, world: World, *, bases: dict[int, float]) -> None:
        self.margin = margin
        self._rules = (margin.haircuts, margin.rates)
        self.calls: list[MarginCall] = []
        self._base_haircut = world.assets[["haircut", "initial_haircut"]].copy()
        self._ladders = bases
        self._slow = np.zeros(len(world.assets))
        self._seen = np.zeros(len(world.assets))
        self._variance = np.zeros((2, len(world.assets)))
        self.bands = None if isinstance(margin.prices, VenuePrices) else Bands(margin.prices, world)
        """How far from the venue's prices balances and debts count; None where they count at these."""
        self.contingencies = None
        """What positions need while prices are doubtful; None where nothing is charged."""
        if margin.contingency:
            factor = margin.portfolio.initial_factor
            self.contingencies = Contingencies(margin.contingency, world, initial_factor=factor)

    def update(self, world: World) -> None:
        """Take in the prices of this tick, and move what it is time to move."""
        self._observe(world)
        if self.margin.slow_price_seconds > 0.0:
            self._follow(world)
        if self.bands is not None:
            self.bands.update(world)
        if self.contingencies is not None:
            self.contingencies.update(world)
        due = [rule for rule in self._rules if world.tick > 0 and _every(world, rule.update_seconds)]
        if due:
            before = self._excess(world)
            for rule in due:
                self._move(world, rule)
            if world.risk is not None:
                world.risk.refresh(world.instruments, world.assets)  # a coin may have ceased to count, or begun to
            world.watch.invalidate()
            world.history.note_rules(world)
            self._note(world, before)
        if _every(world, self.margin.update_seconds):
            self._weigh(world)

    def costs(self) -> dict[str, float | int]:
        """What haircuts and rates that move have called so far, by name; every name ends in its unit. Empty without."""
        if isinstance(self.margin.haircuts, StaticHaircuts) and isinstance(self.margin.rates, StaticRates):
            return {}
        called = [call.called_usd for call in self.calls]
        return {
            "margin_called_by_rules_usd": sum(called),
            "margin_called_by_rules_at_once_usd": max(called, default=0.0),
            "margin_released_by_rules_usd": sum(call.released_usd for call in self.calls),
            "broken_by_rules_account_count": sum(call.broken for call in self.calls),
        }

    def _observe(self, world: World) -> None:
        """Add the squared log return of this tick to the realised variance of the rules that look at one."""
        if all(rule.halflife_seconds == math.inf for rule in self._rules):
            return
        price = world.assets["price"] * world.assets["price_tick"]
        if world.tick > 0:
            squared = np.log(price / self._seen) ** 2 * (YEAR_SECONDS / world.tick_seconds)
            for row, rule in enumerate(self._rules):
                weight = 1.0 - 0.5 ** (world.tick_seconds / rule.halflife_seconds)
                self._variance[row] += weight * (squared - self._variance[row])
        self._seen = price

    def _volatility(self, world: World, row: int, asset: int) -> float:
        """Annual realised volatility; what has been seen of it, while the half-life is longer than the run so far."""
        seen = 1.0 - 0.5 ** (world.seconds / self._rules[row].halflife_seconds)
        return math.sqrt(self._variance[row, asset] / max(seen, 1e-12)) if world.tick > 0 else 0.0

    def _follow(self, world: World) -> None:
        """Move the slower price of every asset towards the price of now."""
        price = world.assets["price"].astype(np.float64)
        weight = -math.expm1(-world.tick_seconds / self.margin.slow_price_seconds) if world.tick > 0 else 1.0
        self._slow += weight * (price - self._slow)
        world.assets["slow_price"] = np.where(world.assets["fixed"], 0, np.maximum(np.rint(self._slow), 1))

    def _move(self, world: World, rule: object) -> None:
        if isinstance(rule, VolatilityHaircuts):
            self._move_haircuts(world, rule)
        elif isinstance(rule, LiquidityHaircuts):
            self._move_ladders(world, rule)
        elif isinstance(rule, RampedHaircuts):
            self._ramp_haircuts(world, rule)
        elif isinstance(rule, VolatilityRates | OpenInterestRates):
            self._move_rates(world, rule)

    def _move_haircuts(self, world: World, rule: VolatilityHaircuts) -> None:
        for asset in np.flatnonzero(world.assets["fixed"] == 0):
            aim = rule.aim(volatility=self._volatility(world, 0, int(asset)))
            record = world.assets[asset]
            for name in ("haircut", "initial_haircut"):
                base = int(self._base_haircut[name][asset]) / PPM
                moved = limited(int(record[name]) / PPM, max(aim, base), rise=rule.rise_limit, fall=rule.fall_limit)
                record[name] = round(moved * PPM)

    def _ramp_haircuts(self, world: World, rule: RampedHaircuts) -> None:
        if world.seconds < rule.start_seconds:
            return
        for symbol, to in rule.to.items():
            asset = world.asset(symbol)
            base = int(self._base_haircut["haircut"][asset]) / PPM
            initial = int(self._base_haircut["initial_haircut"][asset])
            world.assets["haircut"][asset] = round(rule.aim(base=base, to=to, seconds=world.seconds) * PPM)
            world.assets["initial_haircut"][asset] = max(initial, round(to * PPM))

    def _move_ladders(self, world: World, rule: LiquidityHaircuts) -> None:
        for asset, base in self._ladders.items():
            record = world.assets[asset]
            first, count = int(record["first_tier"]), int(record["n_tiers"])
            tiers = world.tiers[first : first + count]
            losses = sale_losses(world, asset, rule.sizes_usd, unsold=rule.unsold)
            rates: list[float] = []
            for tier, slippage in zip(tiers, losses, strict=True):
                before = int(tier["maintenance"]) / PPM
                aim = rule.aim(base=base, slippage=slippage)
                moved = limited(before, aim, rise=rule.rise_limit, fall=rule.fall_limit)
                rates.append(max(moved, rates[-1] if rates else 0.0))
            floors = (0.0, *rule.sizes_usd)
            tiers[:] = np.array(tier_rows([(f, r, r) for f, r in zip(floors, rates, strict=True)]), tiers.dtype)

    def _move_rates(self, world: World, rule: VolatilityRates | OpenInterestRates) -> None:
        interest = open_interest_usd(world)
        for book, record in enumerate(world.instruments):
            if record["kind"] == SPOT:
                continue
            volatility = self._volatility(world, 1, int(record["base"]))
            aim = rule.aim(volatility=volatility, open_interest_usd=float(interest[book]))
            moved = limited(int(record["stress"]) / PPM, aim, rise=rule.rise_limit, fall=rule.fall_limit)
            record["stress"] = round(moved * PPM)

    def _weigh(self, world: World) -> None:
        """Initial rates by open interest, weights by what the venue holds and has lent of each asset."""
        interest = open_interest_usd(world)
        for book, symbol in enumerate(world.instrument_symbols):
            record = world.instruments[book]
            needed = self.margin.requirement_of(symbol, world.asset_symbols[int(record["base"])])
            if needed is not None and needed.open_interest_lower_usd and needed.open_interest_upper_usd:
                lower, upper = needed.open_interest_lower_usd, needed.open_interest_upper_usd
                rate = open_interest_rate(needed.tiers[0].initial, float(interest[book]), lower, upper, 1e-6)
                record["crowding"] = round(rate * PPM)
        customers = (world.ledger.accounts["flags"] & LIQUIDATABLE) != 0
        for asset, symbol in enumerate(world.asset_symbols):
            record = world.assets[asset]
            counted = self.margin.collateral_of(symbol, settlement=bool(record["is_settlement"]))
            if counted is None or not (counted.deposits_start_usd or counted.borrows_start_usd):
                continue
            cash = world.ledger.cash[customers, asset] * float(record["quantum"])
            price = float(record["price"] * record["price_tick"])
            held, owed = cash[cash > 0].sum() * price, -cash[cash < 0].sum() * price
            record["deposit_scale"] = int(PPM * deposit_scaled(1.0, counted.deposits_start_usd or 0.0, held))
            record["borrow_scale"] = math.ceil(PPM * borrow_scaled(1.0, counted.borrows_start_usd or 0.0, owed))

    def _excess(self, world: World) -> NDArray[np.int64]:
        figures = world.ledger.assess(world.instruments, world.assets, world.margin)
        customers = (world.ledger.accounts["flags"] & LIQUIDATABLE) != 0
        return np.asarray((figures[:, 0] - figures[:, 2])[customers])

    def _note(self, world: World, before: NDArray[np.int64]) -> None:
        after = self._excess(world)
        change = after - before
        self.calls.append(
            MarginCall(
                tick=world.tick,
                called_usd=-int(change[change < 0].sum()) / USD_QUANTA,
                released_usd=int(change[change > 0].sum()) / USD_QUANTA,
                broken=int(((before >= 0) & (after < 0)).sum()),
            )
        )


def _every(world: World, seconds: float) -> bool:
    """Whether a multiple of `seconds` falls into this tick."""
    now, before = world.seconds, world.seconds - world.tick_seconds
    return math.floor(now / seconds + 1e-9) > math.floor(before / seconds + 1e-9)


def open_interest_usd(world: World) -> Floats:
    """float64[n_instruments]: notional of all long positions at the mark, USD."""
    lots = world.ledger.positions["lots"]
    long = np.where(lots > 0, lots, 0).sum(axis=0)
    quote = world.assets[world.instruments["quote"]]
    unit = world.instruments["mark"] * world.instruments["tick_value"].astype(np.float64)
    value = unit * quote["price"] * quote["multiplier"] / quote["divisor"]
    return np.asarray(long * value / USD_QUANTA, np.float64)


def sale_losses(world: World, asset: int, sizes_usd: tuple[float, ...], *, unsold: float) -> list[float]:
    """Share lost by each part of a sale into the asset's spot book: up to the first size, between sizes, beyond.

    Against the venue's price; what the book cannot take loses `unsold`. The part beyond the last size is taken to
    lose what the book asks for as much again.
    """
    record = world.assets[asset]
    book = int(record["spot_book"])
    sizes = (*sizes_usd, 2.0 * sizes_usd[-1])
    if book == NONE:
        return [unsold] * len(sizes)
    price = float(record["price"] * record["price_tick"])
    instrument = world.instruments[book]
    index = float(instrument["index"])
    unit = float(instrument["lot_size"])
    proceeds, losses = 0.0, []
    sold = 0.0
    for size in sizes:
        lots = max(1, round(size / (price * unit)))
        filled, paid, _ = sweep(book, SELL, lots, 0, world.books.levels, world.books.occupied, world.instruments)
        worth = (float(paid) + (lots - filled) * index * (1.0 - unsold)) / index
        losses.append(min(max(1.0 - (worth - proceeds) / max(lots - sold, 1e-9), 0.0), unsold))
        proceeds, sold = worth, float(lots)
    return losses


def margin_schedule(margin: Margin, world: World) -> MarginSchedule | None:
    """The schedule of a venue's margin rules; None when nothing moves. Sets the figures of the start."""
    moving = not isinstance(margin.haircuts, StaticHaircuts) or not isinstance(margin.rates, StaticRates)
    scaled = any(rule.deposits_start_usd or rule.borrows_start_usd for rule in margin.collateral.values())
    crowded = any(rule.open_interest_upper_usd for rule in margin.requirement.values())
    apart = margin.slow_price_seconds > 0.0 or not isinstance(margin.prices, VenuePrices)
    if not (moving or scaled or crowded or apart or margin.contingency):
        return None
    bases: dict[int, float] = {}
    if isinstance(margin.haircuts, LiquidityHaircuts):
        rows = np.flatnonzero((world.assets["spot_book"] != NONE) & (world.assets["n_tiers"] > 0))
        bases = {int(row): int(world.tiers[world.assets["first_tier"][row]]["maintenance"]) / PPM for row in rows}
    return MarginSchedule(margin, world, bases=bases)
