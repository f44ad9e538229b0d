"""A lending market as part of a venue: interest by utilisation, liquidity, and the way money goes in and out.

A deposit is a positive balance, a loan a negative one. What of an asset can still be lent or withdrawn is what the
outside world has brought in and not taken out, `-cash[OUTSIDE, asset]`: deposits less loans. It is never lent or
withdrawn below zero.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.lending import GROWTH, accrue, most_out, move, totals
from market.kernels.records import BY_SEIZURE, OUTSIDE, PPM, SPOT
from market.kernels.rules.interest import kinked_rate
from market.margin.rules import chosen
from market.parameters import PerYear, PositiveAmount, PositiveSeconds, Share, parameters

if TYPE_CHECKING:
    from market.world import World

YEAR_SECONDS = 31_536_000
"""A year of interest: 365 days (Aave, Compound)."""


@parameters
class Reserve:
    """How one asset is lent: a kinked curve of interest by utilisation, and limits (Aave v3, Compound v3)."""

    base: PerYear = 0.0
    """Borrow rate at utilisation 0."""
    slope_below: PerYear = 0.04
    """What it rises by up to the optimal utilisation."""
    slope_above: PerYear = 0.6
    """What it rises by from there to utilisation 1."""
    optimal: Annotated[float, Field(gt=0.0, le=1.0, json_schema_extra={"unit": "share"})] = 0.9
    """Utilisation at the kink."""
    reserve_factor: Share = 0.1
    """Part of the interest that the treasury keeps."""
    supply_cap: PositiveAmount | None = None
    """Deposits are taken up to so much in all; without limit when left out."""
    borrow_cap: PositiveAmount | None = None
    """Loans are given up to so much in all."""
    frozen: bool = False
    """Whether nothing may be withdrawn or lent."""

    def rate(self, utilisation: float) -> float:
        """Borrow rate per year."""
        return float(kinked_rate(utilisation, self.base, self.slope_below, self.slope_above, self.optimal))


@parameters
class NoLending:
    """Balances bear no interest, and nothing is withdrawn."""

    kind: Literal["none"] = "none"
    """Name of the rule."""


@parameters
class LendingPool:
    """Deposits of all are lent to all against collateral, at interest that rises with utilisation."""

    kind: Literal["pool"] = "pool"
    """Name of the rule."""
    reserves: dict[str, Reserve] = field(default_factory=dict)
    """By asset; "default" is for all others. Without either an asset is collateral only and never lent."""
    accrual_seconds: PositiveSeconds = 60.0
    """How often interest is added to debts and deposits, each time at the rate of then."""


LendingRule = Annotated[NoLending | LendingPool, Field(discriminator="kind")]


class LendingMarket:
    """The lending market of one world; made by `lending_market`."""

    def __init__(self, rule: LendingPool, world: World) -> None:
        self.rule = rule
        self.reserves = tuple(chosen(rule.reserves, symbol) for symbol in world.asset_symbols)
        """One for each asset; None for what is not lent."""
        n = len(world.asset_symbols)
        self.frozen = np.array([reserve is not None and reserve.frozen for reserve in self.reserves])
        """bool[n_assets]: nothing may be withdrawn or lent, only paid in. May be set at any time."""
        self.interest = np.zeros(n, np.int64)
        """int64[n_assets]: interest paid by debtors so far, quanta."""
        self.kept = np.zeros(n, np.int64)
        """int64[n_assets]: what of it went to the treasury."""
        self._world = world

    def liquidity(self, asset: int) -> int:
        """Quanta of an asset that can be lent or withdrawn now."""
        return max(0, -int(self._world.ledger.cash[OUTSIDE, asset]))

    def deposits(self, asset: int) -> int:
        """Quanta of all customers' positive balances."""
        return int(totals(asset, self._world.ledger.accounts, self._world.ledger.cash)[0])

    def debts(self, asset: int) -> int:
        """Quanta of all customers' negative balances, >= 0."""
        return int(totals(asset, self._world.ledger.accounts, self._world.ledger.cash)[1])

    def utilisation(self, asset: int) -> float:
        """Debts over debts and liquidity, in [0, 1]; 0 without debts."""
        debts = self.debts(asset)
        return debts / (debts + self.liquidity(asset)) if debts else 0.0

    def borrow_rate(self, asset: int) -> float:
        """Interest per year at the utilisation of now; 0 for what is not lent."""
        reserve = self.reserves[asset]
        return 0.0 if reserve is None else reserve.rate(self.utilisation(asset))

    def usd(self, amount: int, asset: int) -> float:
        """What an amount is worth at the reference price, USD."""
        record = self._world.assets[asset]
        value = amount * int(record["reference"]) * int(record["multiplier"])
        return value / int(record["divisor"]) / USD_QUANTA

    def update(self, world: World) -> None:
        """Let interest accrue for the intervals that ended since the tick before."""
        if world.tick == 0:
            return
        seconds = self.rule.accrual_seconds
        intervals = int(world.seconds / seconds + 1e-9) - int((world.seconds - world.tick_seconds) / seconds + 1e-9)
        for asset, reserve in enumerate(self.reserves):
            if intervals and reserve is not None:
                self._accrue(asset, reserve, years=intervals * seconds / YEAR_SECONDS)

    def _accrue(self, asset: int, reserve: Reserve, *, years: float) -> None:
        world = self._world
        growth = min(math.ceil(self.borrow_rate(asset) * years * GROWTH - 1e-6), GROWTH)
        if growth <= 0:
            return
        interest, kept = accrue(
            asset, growth, round(reserve.reserve_factor * PPM), world.ledger.accounts, world.ledger.cash,
            world.watch.touched, world.watch.touched_mark, world.books.counters,
        )  # fmt: skip
        self.interest[asset] += interest
        self.kept[asset] += kept

    def deposit(self, account: int, asset: int, amount: int) -> int:
        """Bring up to `amount` quanta in, up to the cap beyond what repays a debt; return how many were taken."""
        debt = max(0, -int(self._world.ledger.cash[account, asset]))
        reserve = self.reserves[asset]
        if reserve is not None and reserve.supply_cap is not None:
            cap = math.floor(reserve.supply_cap / float(self._world.assets[asset]["quantum"]))
            amount = min(amount, debt + max(0, cap - self.deposits(asset)))
        return self._move(account, asset, -max(0, amount))

    def repay(self, account: int, asset: int, amount: int) -> int:
        """Bring in what repays up to `amount` quanta of a debt; return how much it was."""
        debt = max(0, -int(self._world.ledger.cash[account, asset]))
        return self._move(account, asset, -max(0, min(amount, debt)))

    def withdraw(self, account: int, asset: int, amount: int) -> int:
        """Take up to `amount` quanta of a deposit out; return how many: as liquidity and initial margin allow."""
        return self._take(account, asset, min(amount, int(self._world.ledger.cash[account, asset])))

    def borrow(self, account: int, asset: int, amount: int) -> int:
        """As `withdraw`, below a balance of zero: what is missing becomes a debt. 0 for what is not lent."""
        reserve = self.reserves[asset]
        if reserve is None:
            return 0
        if reserve.borrow_cap is not None:
            cap = math.floor(reserve.borrow_cap / float(self._world.assets[asset]["quantum"]))
            own = max(0, int(self._world.ledger.cash[account, asset]))
            amount = min(amount, own + max(0, cap - self.debts(asset)))
        return self._take(account, asset, amount)

    def _take(self, account: int, asset: int, amount: int) -> int:
        amount = min(amount, self.liquidity(asset))
        if amount <= 0 or self.frozen[asset]:
            return 0
        world, ledger = self._world, self._world.ledger
        allowed: int = most_out(
            account, asset, amount, ledger.accounts, world.instruments, world.assets, world.margin, ledger.positions,
            ledger.cash,
        )  # fmt: skip
        return self._move(account, asset, allowed)

    def _move(self, account: int, asset: int, amount: int) -> int:
        """Move `amount` quanta out, negative ones in; return their number."""
        world = self._world
        if amount:
            move(
                account, asset, amount, world.ledger.cash, world.watch.touched, world.watch.touched_mark,
                world.books.counters,
            )  # fmt: skip
        return abs(amount)

    def check(self) -> None:
        """Refuse a world that begins with more lent than there is, or whose positions no keeper could seize.

        Raises InputError.
        """
        world = self._world
        if world.policy["route"][0] == BY_SEIZURE and (world.instruments["kind"] != SPOT).any():
            raise InputError('venue.liquidation.route: "seize" is for venues where only spot instruments are traded')
        for asset, symbol in enumerate(world.asset_symbols):
            missing = int(world.ledger.cash[OUTSIDE, asset])
            if missing > 0:
                raise InputError(
                    f"venue.lending: loans of {symbol} exceed deposits by {self.usd(missing, asset):,.0f} USD at the "
                    "start, and nobody deposits it; lend less, or name it in agents.depositors.deposits_usd"
                )


def lending_market(rule: LendingPool | NoLending, world: World) -> LendingMarket | None:
    """The lending market under a venue's rule; None when it has none."""
    return LendingMarket(rule, world) if isinstance(rule, LendingPool) else None
