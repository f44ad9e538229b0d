"""Slow twin of the assessment: exact fractions, one rounding per stated division, nothing shared with the kernels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

PPM = 1_000_000
SPOT, OPTION = 0, 3


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What an account is worth and needs, USD quanta."""

    margin_equity: int
    net_equity: int
    maintenance: int
    initial: int

    @property
    def excess(self) -> int:
        """Margin equity less maintenance margin."""
        return self.margin_equity - self.maintenance


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything an assessment reads, as plain records."""

    instruments: list[dict[str, Any]]
    assets: list[dict[str, Any]]
    tiers: list[dict[str, Any]]
    positions: list[list[dict[str, Any]]]
    cash: list[list[int]]

    @classmethod
    def of(cls, world: Any) -> State:
        """Copy the state of a world."""
        return cls(
            instruments=_records(world.instruments),
            assets=_records(world.assets),
            tiers=_records(world.tiers),
            positions=[_records(row) for row in world.ledger.positions],
            cash=world.ledger.cash.tolist(),
        )


def _records(array: NDArray[np.void]) -> list[dict[str, Any]]:
    return [{name: row[name].item() for name in array.dtype.names or ()} for row in array]


def _value(state: State, asset: int, amount: int) -> int:
    """Rounded down: assets less, debts more."""
    record = state.assets[asset]
    return floor(Fraction(amount * record["price"] * record["multiplier"], record["divisor"]))


MAINTENANCE, INITIAL = "maintenance", "initial"


def _tier(tiers: list[dict[str, Any]], size: int) -> dict[str, Any]:
    return [tier for tier in tiers if tier["floor"] <= size][-1]


def _rows(state: State, record: dict[str, Any]) -> list[dict[str, Any]]:
    return state.tiers[record["first_tier"] : record["first_tier"] + record["n_tiers"]]


def _in_category(state: State, account: int, asset: int, profile: str) -> bool:
    """All debts in the asset's category, at least one, nothing that is or could become another."""
    category = state.assets[asset]["category"]
    debts = {
        state.assets[other]["category"] for other, amount in enumerate(state.cash[account]) if amount < 0
    }  # fmt: skip
    if category == 0 or debts != {category}:
        return False
    for book in _derivatives(state):
        place = state.positions[account][book]
        if place["lots"] or (profile == INITIAL and (place["open_bid"] or place["open_ask"])):
            return False
    return True


def _weighted(state: State, account: int, asset: int, amount: int, profile: str) -> int:
    """What a balance counts for: the worse price, haircuts by size, square-root weights, the venue-wide scale."""
    record = state.assets[asset]
    price = record["price"]
    if profile == INITIAL and record["slow_price"]:
        price = min(price, record["slow_price"]) if amount > 0 else max(price, record["slow_price"])

    prefix = "" if profile == MAINTENANCE else "initial_"
    away = -record[f"{prefix}below"] if amount > 0 else record[f"{prefix}above"]

    def worth(quanta: int) -> int:
        plain, slow = (
            floor(Fraction(quanta * at * record["multiplier"], record["divisor"])) for at in (record["price"], price)
        )
        return min(slow, floor(Fraction(plain * (PPM + away), PPM)))

    value = worth(amount)
    within = _in_category(state, account, asset, profile)
    if within:
        prefix += "category_"
    size = abs(amount) * record["quantum"]
    if amount < 0:
        weight = record[f"{prefix}liability_weight"]
        if record["size_factor"]:
            premium = _to_step(0.8 * (weight / PPM) + record["size_factor"] * sqrt(size))
            weight = ceil(max(weight / PPM, premium) * PPM - 1e-6)
        if profile == INITIAL:
            weight = ceil(Fraction(weight * record["borrow_scale"], PPM))
        return floor(Fraction(value * weight, PPM))
    if record["n_tiers"] and not within:
        measure = amount if record["tiers_by_amount"] else value
        tier = _tier(_rows(state, record), measure)
        counted = measure - (ceil(Fraction(measure * tier[profile], PPM)) - int(tier[f"{profile}_deduction"]))
        if record["tiers_by_amount"]:
            counted = worth(counted)
    else:
        counted = floor(Fraction(value * (PPM - record[f"{prefix}haircut"]), PPM))
    if record["size_factor"]:
        discount = min(1.0, _to_step(1.1 / (1.0 + record["size_factor"] * sqrt(size))))
        counted = min(counted, floor(Fraction(value * int(discount * PPM + 0.5), PPM)))
    return floor(Fraction(counted * record["deposit_scale"], PPM)) if profile == INITIAL else counted


def _to_step(value: float) -> float:
    """Drift's rounding of weights, down to a ten-thousandth."""
    return floor(value / 1e-4 + 1e-9) * 1e-4


def _requirement(state: State, book: int, lots: int, kind: str) -> int:
    """The sum over tiers of rate x the part of notional inside, the whole rounded up as the engine rounds it.

    The engine takes rate x notional less a deduction: the same but for the rounding of the deduction.
    """
    instrument = state.instruments[book]
    notional = _value(state, instrument["quote"], abs(lots) * instrument["mark"] * instrument["tick_value"])
    if instrument["kind"] == OPTION:
        if lots > 0:
            return ceil(Fraction(notional * (PPM - instrument["long_weight"]), PPM))
        return -lots * int(instrument[f"short_{kind}"] + (instrument["contingency"] if kind == INITIAL else 0))
    held = _tier(_rows(state, instrument), notional)
    size = abs(lots) * instrument["lot_size"]
    factor = instrument["size_factor" if kind == INITIAL else "maintenance_size_factor"]
    rate = held[kind] / PPM
    by_size = {
        0: rate,
        1: rate + factor * size,
        2: max(rate, factor * sqrt(size)),
        3: max(rate, _to_step(0.8 * rate + factor * sqrt(size))),
    }[instrument["size_law"]]
    ppm = min(max(ceil(by_size * PPM - 1e-6), held[kind]), PPM) if instrument["size_law"] else held[kind]
    needed = ceil(Fraction(notional * ppm, PPM)) - int(held[f"{kind}_deduction"])
    if kind == INITIAL and instrument["crowding"]:
        needed = max(needed, ceil(Fraction(notional * instrument["crowding"], PPM)))
    if instrument["stress"] != PPM:
        needed = min(ceil(Fraction(needed * instrument["stress"], PPM)), max(notional, needed))
    needed = max(needed, int(instrument["minimum"]))
    return needed + (ceil(Fraction(notional * instrument["contingency"], PPM)) if kind == INITIAL else 0)


def _short_of_expiries(state: State, account: int, kind: str) -> int:
    """What options of one expiry need less together: their largest loss at expiry in the place of one by one."""
    groups: dict[int, list[int]] = {}
    for book in _derivatives(state):
        instrument = state.instruments[book]
        if instrument["kind"] == OPTION and instrument["expiry_group"] and state.positions[account][book]["lots"]:
            groups.setdefault(instrument["expiry_group"], []).append(book)
    return sum(_relief(state, account, books, kind) for books in groups.values())


def _relief(state: State, account: int, books: list[int], kind: str) -> int:
    alone, value, calls, ends = 0, 0, Fraction(0), {Fraction(0)}
    sized: list[tuple[Fraction, Fraction, int]] = []
    for book in books:
        instrument, lots = state.instruments[book], state.positions[account][book]["lots"]
        quote = state.assets[instrument["quote"]]
        mark = _value(state, instrument["quote"], abs(lots) * instrument["mark"] * instrument["tick_value"])
        charged = -lots * instrument["contingency"] if lots < 0 and kind == INITIAL else 0
        alone += _requirement(state, book, lots, kind) - charged
        value += mark if lots > 0 else -mark
        unit = Fraction(instrument["tick_value"] * quote["price"] * quote["multiplier"], quote["divisor"])
        size = lots * unit / Fraction(instrument["tick_size"])
        calls += size if instrument["is_call"] else 0
        sized.append((size, Fraction(instrument["strike"]), instrument["is_call"]))
        ends.add(Fraction(instrument["strike"]))
    none = Fraction(0)
    payoffs = [sum((size * max(at - k if call else k - at, none) for size, k, call in sized), none) for at in ends]
    first = state.instruments[books[0]]
    forward = Fraction(first["forward_price"]) * Fraction(first["tick_size"])
    loss = -min(none, *payoffs) + max(none, -calls) * forward * Fraction(first[f"unpaired_{kind}"])
    return min(max(0, floor(alone - value - loss)), alone)


def marginal_requirement(state: State, book: int, lots: int, kind: str) -> Fraction:
    """The requirement without any rounding, tier by tier."""
    instrument = state.instruments[book]
    notional = _value(state, instrument["quote"], abs(lots) * instrument["mark"] * instrument["tick_value"])
    first = instrument["first_tier"]
    tiers = state.tiers[first : first + instrument["n_tiers"]]
    ends = [tier["floor"] for tier in tiers[1:]] + [notional]
    total = Fraction(0)
    for tier, end in zip(tiers, ends, strict=True):
        inside = max(0, min(notional, max(end, tier["floor"])) - tier["floor"])
        total += Fraction(inside * tier[kind], PPM)
    return total


def _uncounted(state: State, book: int, lots: int, profit: int) -> int:
    """Quote quanta of a profit that do not count under initial margin."""
    instrument = state.instruments[book]
    quote = state.assets[instrument["quote"]]
    if instrument["profit_net"]:
        needed = _requirement(state, book, lots, INITIAL)
        profit += floor(Fraction(-needed * quote["divisor"], quote["price"] * quote["multiplier"]))
    most = min(floor(Fraction(profit * instrument["profit_weight"], PPM)), instrument["profit_cap"])
    return max(profit - most, 0) if profit > 0 else 0


def _derivatives(state: State) -> Iterable[int]:
    return (book for book, instrument in enumerate(state.instruments) if instrument["kind"] != SPOT)


def assess(state: State, account: int) -> Figures:
    """All four figures of one account in cross margin.

    The initial figure has in it what margin equity counts less under the initial profile.
    """
    balances = list(state.cash[account])
    counted = list(balances)
    maintenance = initial = 0
    for book in _derivatives(state):
        instrument, position = state.instruments[book], state.positions[account][book]
        lots = position["lots"]
        if lots:
            funding = lots * (instrument["funding_index"] - position["funding_index"])
            profit = lots * instrument["mark"] * instrument["tick_value"] - position["cost"] - funding
            balances[instrument["quote"]] += profit
            counted[instrument["quote"]] += profit - _uncounted(state, book, lots, profit)
            maintenance += _requirement(state, book, lots, MAINTENANCE)
        worst = max(abs(lots + position["open_bid"]), abs(lots - position["open_ask"]))
        if instrument["kind"] == OPTION:
            worst = lots
        if worst:
            initial += _requirement(state, book, worst, INITIAL)
    maintenance -= _short_of_expiries(state, account, MAINTENANCE)
    initial -= _short_of_expiries(state, account, INITIAL)
    for book, instrument in enumerate(state.instruments):
        bid = state.positions[account][book]["open_bid"]
        if instrument["kind"] == 0 and bid:
            paid = _value(state, instrument["quote"], bid * instrument["best_bid"] * instrument["tick_value"])
            bought = _weighted(state, account, instrument["base"], bid * instrument["lot_quanta"], INITIAL)
            initial += max(0, paid - bought)
    margin_equity = sum(_weighted(state, account, asset, amount, MAINTENANCE) for asset, amount in enumerate(balances))
    under_initial = sum(_weighted(state, account, asset, amount, INITIAL) for asset, amount in enumerate(counted))
    return Figures(
        margin_equity=margin_equity,
        net_equity=sum(_value(state, asset, amount) for asset, amount in enumerate(balances)),
        maintenance=maintenance,
        initial=initial + margin_equity - under_initial,
    )


def assess_portfolio(state: State, risk: Any, account: int) -> Figures:
    """The same in portfolio mode without resting orders: the worst scenario over linear positions, plus charges.

    Float sums in another order than the engine's: right to a quantum or two.
    """
    plain = assess(state, account)
    needed = []
    for rule in risk.rules:
        losses: dict[int, list[float]] = {}
        charges = 0.0
        for book, instrument in enumerate(state.instruments):
            lots = state.positions[account][book]["lots"]
            if instrument["kind"] == 0 and rule["spot_offset"]:
                owned, base = state.cash[account][instrument["base"]], state.assets[instrument["base"]]
                if owned < 0 or base["haircut"] < 1_000_000:
                    lots = owned // instrument["lot_quanta"]
            if lots == 0:
                continue
            quote = state.assets[instrument["quote"]]
            value = instrument["mark"] * instrument["tick_value"] * quote["price"] * quote["multiplier"]
            value = value / quote["divisor"]
            underlying = int(risk.books["underlying"][book])
            row = losses.setdefault(underlying, [0.0] * len(risk.scenarios))
            for number, shock in enumerate(risk.scenarios):
                gain = lots * value * (float(risk.moves[number, underlying]) - 1.0) * float(shock["weight"])
                row[number] -= gain
            charges += abs(lots) * value * float(risk.books["gross_rate"][book]) * float(rule["linear_multiple"])
            charges += max(0.0, abs(lots) * value - rule["concentration_start"]) * float(rule["concentration_rate"])
        apart = sum(max(0.0, *row) for row in losses.values())
        together = max([0.0, *(sum(column) for column in zip(*losses.values(), strict=True))])
        loss = float(rule["offset"]) * together + (1.0 - float(rule["offset"])) * apart
        needed.append(ceil(float(rule["factor"]) * loss + charges))
    under_initial = plain.margin_equity - plain.initial + _cross_initial(state, account)
    return Figures(
        margin_equity=plain.margin_equity,
        net_equity=plain.net_equity,
        maintenance=needed[0],
        initial=needed[1] + plain.margin_equity - under_initial,
    )


def _cross_initial(state: State, account: int) -> int:
    """Initial margin of the positions alone, taken one by one."""
    held = ((book, state.positions[account][book]["lots"]) for book in _derivatives(state))
    return sum(_requirement(state, book, lots, INITIAL) for book, lots in held if lots)
