"""Slow twin of the assessment: exact fractions, one rounding per stated division, nothing shared with the kernels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
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


def _weighted(state: State, asset: int, amount: int) -> int:
    value = _value(state, asset, amount)
    record = state.assets[asset]
    weight = PPM - record["haircut"] if value >= 0 else record["liability_weight"]
    return floor(Fraction(value * weight, PPM))


def _requirement(state: State, book: int, lots: int, kind: str) -> int:
    """The sum over tiers of rate x the part of notional inside, the whole rounded up as the engine rounds it.

    The engine takes rate x notional less a deduction: the same but for the rounding of the deduction.
    """
    instrument = state.instruments[book]
    notional = _value(state, instrument["quote"], abs(lots) * instrument["mark"] * instrument["tick_value"])
    if instrument["kind"] == OPTION:
        if lots > 0:
            return ceil(Fraction(notional * (PPM - instrument["long_weight"]), PPM))
        return -lots * int(instrument[f"short_{kind}"])
    first = instrument["first_tier"]
    tiers = state.tiers[first : first + instrument["n_tiers"]]
    held = [tier for tier in tiers if tier["floor"] <= notional][-1]
    return ceil(Fraction(notional * held[kind], PPM)) - int(held[f"{kind}_deduction"])


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


def _derivatives(state: State) -> Iterable[int]:
    return (book for book, instrument in enumerate(state.instruments) if instrument["kind"] != SPOT)


def assess(state: State, account: int) -> Figures:
    """All four figures of one account."""
    balances = list(state.cash[account])
    maintenance = initial = 0
    for book in _derivatives(state):
        instrument, position = state.instruments[book], state.positions[account][book]
        lots = position["lots"]
        if lots:
            funding = lots * (instrument["funding_index"] - position["funding_index"])
            profit = lots * instrument["mark"] * instrument["tick_value"] - position["cost"] - funding
            balances[instrument["quote"]] += profit
            maintenance += _requirement(state, book, lots, "maintenance")
        worst = max(abs(lots + position["open_bid"]), abs(lots - position["open_ask"]))
        if instrument["kind"] == OPTION:
            worst = lots
        if worst:
            initial += _requirement(state, book, worst, "initial")
    for book, instrument in enumerate(state.instruments):
        bid = state.positions[account][book]["open_bid"]
        if instrument["kind"] == 0 and bid:
            paid = _value(state, instrument["quote"], bid * instrument["best_bid"] * instrument["tick_value"])
            initial += max(0, paid - _weighted(state, instrument["base"], bid * instrument["lot_quanta"]))
    return Figures(
        margin_equity=sum(_weighted(state, asset, amount) for asset, amount in enumerate(balances)),
        net_equity=sum(_value(state, asset, amount) for asset, amount in enumerate(balances)),
        maintenance=maintenance,
        initial=initial,
    )
