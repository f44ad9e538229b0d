"""Borrowers of a lending market: collateral, a loan against it, and what they do when it comes near liquidation.

Everybody looks at the account once per `look_seconds`, each at a time of their own. Who is called, which is when health
(weighted collateral over weighted debts) has fallen below a threshold of their own, holds, repays with money that
arrives later, or does not come to it. Loopers have borrowed to buy more of their collateral, whose price follows that
of the debt; they unwind: sell collateral outside and repay in one step, down to where they began.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.inventory import lending_of, press
from agents.kernels.borrower import look
from agents.kernels.population import initial_values
from agents.population import Floats, Integers, deposit, quanta_of
from agents.sale_routes import Route
from market.errors import InputError
from market.instruments import USD_QUANTA, Asset, Instrument
from market.kernels.records import PPM
from market.parameters import Bps, PositiveCount, PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, parameters
from market.world import Inbox, World

Health = Annotated[float, Field(ge=1.0, le=10.0, json_schema_extra={"unit": "x"})]
LimitUsed = Annotated[float, Field(gt=0.0, lt=1.0, json_schema_extra={"unit": "share"})]

_SLACK = 1e-6
"""Part of the limit left free for the rounding of balances."""


@parameters
class Loopers:
    """Holders of one asset who have borrowed another, whose price it follows, to hold more of it."""

    count: PositiveCount = 100
    """How many there are."""
    collateral: str
    """What they hold: a staked token."""
    debt: str
    """What they owe: the token that was staked."""
    debt_usd: PositiveUsd
    """What all of them owe together."""
    limit_used: LimitUsed = 0.92
    """Mean of what they owe, as a part of what they may borrow at most."""
    unwind_health: Health = 1.03
    """Median health below which they unwind."""
    sale_cost_bps: Bps = 10.0
    """What they lose, from the reference price, when they sell collateral to repay."""


@parameters
class Borrowers:
    """A generated population of a lending market."""

    kind: Literal["borrowers"] = "borrowers"
    """Tells the kinds of population apart."""
    count: PositiveCount = 2_000
    """How many borrowers, loopers beside."""
    collateral: dict[str, Ratio]
    """Weight of each asset as the main collateral."""
    debts_usd: dict[str, PositiveUsd]
    """What they owe together, by asset; their number is shared out in the same proportion."""
    debt_sigma: Ratio = 1.5
    """Spread of debts: standard deviation of the logarithm."""
    second_share: Share = 0.3
    """Part of them that has a second collateral asset; mean part of their collateral in it is a quarter."""
    limit_used: LimitUsed = 0.75
    """Mean of what one owes, as a part of what one may borrow at most: a power of a uniform draw."""
    most_limit_used: LimitUsed = 0.98
    """Nobody starts with more."""
    look_seconds: PositiveSeconds = 300.0
    """How often everybody looks at the account."""
    called_health: Health = 1.08
    """Median health below which one feels called."""
    called_sigma: Ratio = 0.3
    """Spread of that threshold: standard deviation of the logarithm of its distance from 1."""
    repay_share: Share = 0.5
    """Part of the population that repays when called; the rest holds."""
    repay_probability: Share = 0.5
    """Chance, at each look, that one who is called does so."""
    repay_delay_seconds: Seconds = 60.0
    """Time until the money arrives."""
    repay_health: Health = 1.25
    """Health that a repayment aims at."""
    outside_wealth: Ratio = 0.4
    """Mean money outside the venue that can still come in, as a multiple of the debt; exponentially distributed."""
    loopers: dict[str, Loopers] = field(default_factory=dict)
    """Loopers by any name."""

    def __post_init__(self) -> None:
        if not sum(self.collateral.values()) > 0.0 or not self.debts_usd:
            raise ValueError("collateral and debts_usd need an entry each, and weights of collateral a sum above 0")
        if self.repay_health <= self.called_health:
            raise ValueError("repay_health must be above called_health")

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each."""
        del instruments
        return self.count + sum(group.count for group in self.loopers.values())

    def join(
        self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
    ) -> BorrowerCohort:
        """Open everybody's account, with collateral and debt at the prices of now."""
        del instruments
        if world.lending is None:
            raise InputError('population.kind: "borrowers" needs venue.lending.kind = "pool"')
        self._check(assets)
        groups = [_Group.of_borrowers(self, world)]
        groups += [_Group.of_loopers(name, loopers, world) for name, loopers in self.loopers.items()]
        for group in groups:
            group.book(world)
        return BorrowerCohort(self, groups, world)

    def _check(self, assets: Mapping[str, Asset]) -> None:
        named = {"collateral": list(self.collateral), "debts_usd": list(self.debts_usd)}
        for name, group in self.loopers.items():
            named[f"loopers.{name}"] = [group.collateral, group.debt]
        for where, symbols in named.items():
            unknown = [symbol for symbol in symbols if symbol not in assets]
            if unknown:
                raise InputError(f"population.{where}: no asset {unknown[0]!r}; assets are {', '.join(assets)}")
        for name, group in self.loopers.items():
            if group.collateral == group.debt:
                raise InputError(f"population.loopers.{name}: collateral and debt are both {group.debt}")


@dataclass(kw_only=True)
class _Group:
    """n people alike, drawn; every array has one entry for each of them."""

    name: str
    debt_assets: Integers
    debts: Floats
    """USD"""
    assets: Integers
    """the main collateral"""
    others: Integers
    """the second one, where there is one"""
    other_part: Floats
    """part of the collateral in it; 0 without"""
    used: Floats
    """debt, as a part of the most that may be borrowed"""
    called: Floats
    """health below which one acts"""
    sale_cost: float | None
    """loopers: lost in a sale of collateral; None for those who repay with money from outside"""

    @classmethod
    def of_borrowers(cls, borrowers: Borrowers, world: World) -> _Group:
        n = borrowers.count
        uniforms = world.streams.generator("borrowers").random((n, 5))
        normals = world.streams.generator("borrower sizes").standard_normal((n, 2))
        totals = np.array(list(borrowers.debts_usd.values()))
        bounds = np.cumsum(totals)[:-1] / totals.sum()
        debt = np.searchsorted(bounds, (np.arange(n) + 0.5) / n, side="right")
        sizes = np.exp(borrowers.debt_sigma * normals[:, 0])
        sizes *= (totals / np.maximum(np.bincount(debt, weights=sizes, minlength=len(totals)), 1e-300))[debt]
        debt_assets = _rows(borrowers.debts_usd, world)[debt]
        main = _drawn(borrowers.collateral, uniforms[:, 0], debt_assets, world)
        second = _drawn(borrowers.collateral, uniforms[:, 1], debt_assets, world)
        mixed = (uniforms[:, 2] < borrowers.second_share) & (second != main)
        used = uniforms[:, 4] ** (1.0 / borrowers.limit_used - 1.0)
        return cls(
            name="borrower",
            debt_assets=debt_assets,
            debts=sizes,
            assets=main,
            others=second,
            other_part=np.where(mixed, 0.5 * uniforms[:, 3], 0.0),
            used=np.minimum(used, borrowers.most_limit_used),
            called=1.0 + (borrowers.called_health - 1.0) * np.exp(borrowers.called_sigma * normals[:, 1]),
            sale_cost=None,
        )

    @classmethod
    def of_loopers(cls, name: str, loopers: Loopers, world: World) -> _Group:
        n = loopers.count
        generator = world.streams.generator(f"loopers {name}")
        sizes, normals = np.exp(generator.standard_normal(n)), generator.standard_normal(n)
        uniforms = generator.random(n)
        # What is left of the limit is spread around its mean by a half either way.
        used = 1.0 - (1.0 - loopers.limit_used) * (0.5 + uniforms)
        return cls(
            name=f"looper-{name}",
            debt_assets=np.full(n, world.asset(loopers.debt)),
            debts=sizes / sizes.sum() * loopers.debt_usd,
            assets=np.full(n, world.asset(loopers.collateral)),
            others=np.full(n, world.asset(loopers.collateral)),
            other_part=np.zeros(n),
            used=used,
            called=1.0 + (loopers.unwind_health - 1.0) * np.exp(0.3 * normals),
            sale_cost=loopers.sale_cost_bps / 10_000.0,
        )

    def book(self, world: World) -> None:
        """Open the accounts and give everybody collateral for the debt; sets `accounts`."""
        n = len(self.debts)
        rows = [world.ledger.open(f"{self.name}-{number:05d}", role=self.role) for number in range(1, n + 1)]
        self.accounts = np.array(rows, np.int64)
        worth = self.debts / (self._limit_per_usd(world) * self.used * (1.0 - _SLACK))
        for assets, part in ((self.assets, 1.0 - self.other_part), (self.others, self.other_part)):
            deposit(world, accounts=self.accounts, assets=assets, amounts=quanta_of(worth * part, assets, world))
        deposit(
            world, accounts=self.accounts, assets=self.debt_assets,
            amounts=-quanta_of(self.debts, self.debt_assets, world),
        )  # fmt: skip

    @property
    def role(self) -> str:
        """Role of the accounts."""
        return "borrower" if self.sale_cost is None else "looper"

    def _limit_per_usd(self, world: World) -> Floats:
        """USD of the debt's asset that may be borrowed against one USD of the collateral mix, with the haircut that a
        holding as large as the debt has."""
        limit = np.zeros(len(self.debts))
        for assets, part in ((self.assets, 1.0 - self.other_part), (self.others, self.other_part)):
            worth = np.maximum(self.debts, 1.0)
            counted = np.zeros(len(worth), np.int64)
            within = _same_category(assets, self.debt_assets, world)
            initial_values(assets, within, quanta_of(worth, assets, world), counted, world.assets, world.tiers)
            limit += part * counted / USD_QUANTA / worth
        weight = _debt_weight(self.debt_assets, world, initial=True)
        if (limit <= 0.0).any():
            row = int(np.flatnonzero(limit <= 0.0)[0])
            symbol = world.asset_symbols[int(self.assets[row])]
            raise InputError(f"population: nothing can be borrowed against {symbol}; see its haircut")
        return np.asarray(limit / weight)


def _same_category(held: Integers, owed: Integers, world: World) -> NDArray[np.bool_]:
    """bool[n]: whether assets `held[n]` and `owed[n]` are in one category of correlated assets."""
    category = world.assets["category"]
    return np.asarray((category[held] != 0) & (category[held] == category[owed]))


def _debt_weight(owed: Integers, world: World, *, initial: bool) -> Floats:
    """float64[n]: what a debt of one dollar takes off margin equity, where the account has no other."""
    prefix = "initial_" if initial else ""
    assets = world.assets[owed]
    shared, own = assets[f"{prefix}category_liability_weight"], assets[f"{prefix}liability_weight"]
    return np.asarray(np.where(assets["category"] != 0, shared, own) / PPM)


def _records(world: World) -> tuple[NDArray[Any], ...]:
    """What an assessment of balances reads."""
    return world.instruments, world.assets, world.tiers, world.ledger.positions, world.ledger.cash


def _rows(symbols: Mapping[str, object], world: World) -> Integers:
    return np.array([world.asset(symbol) for symbol in symbols], np.int64)


def _drawn(weights: Mapping[str, float], uniforms: Floats, debts: Integers, world: World) -> Integers:
    """Rows of assets drawn by weight; nobody's collateral is the asset of the debt, unless there is no other."""
    rows = _rows(weights, world)
    table = np.array(list(weights.values()))[None, :] * (rows[None, :] != debts[:, None])
    table = np.where(table.sum(axis=1, keepdims=True) > 0.0, table, np.array(list(weights.values())))
    bounds = np.cumsum(table, axis=1) / table.sum(axis=1, keepdims=True)
    return np.asarray(rows[np.minimum((bounds < uniforms[:, None]).sum(axis=1), len(rows) - 1)])


class UnwindOutlet(Protocol):
    """Where loopers sell, on another venue."""

    def route(self, asset: int, debt: int) -> Route | None:
        """The way from collateral to debt; None when there is none."""

    def unwind(self, account: int, route: Route, amount: int) -> int:
        """Sell what was taken out; return what it brought."""


class BorrowerCohort:
    """All borrowers and loopers of a run. `accounts` int64[n] are their ledger rows."""

    most_messages = 0

    def __init__(self, parameters: Borrowers, groups: list[_Group], world: World) -> None:
        self.parameters = parameters
        joined = {
            name: np.concatenate([getattr(group, name) for group in groups])
            for name in ("accounts", "debt_assets", "assets", "called", "debts", "used")
        }
        self.accounts: Integers = joined["accounts"]
        self.outlet: UnwindOutlet | None = None
        """Where loopers sell; the outside world where it has no route."""
        self.unwound_usd = 0.0
        """Collateral that loopers sold, at the reference."""
        self.repaid_usd = 0.0
        """What borrowers repaid with money from outside, at the reference."""
        self._debt_assets, self._assets = joined["debt_assets"], joined["assets"]
        self._called, self._used = joined["called"], joined["used"]
        self._sale_cost = np.concatenate(
            [np.full(len(group.debts), -1.0 if group.sale_cost is None else group.sale_cost) for group in groups]
        )
        n = len(self.accounts)
        draws = world.streams.generator("borrower behaviour").random((n, 3))
        self._repays = draws[:, 0] < parameters.repay_share
        self._wealth = -np.log1p(-draws[:, 1]) * parameters.outside_wealth * joined["debts"]
        self._period = max(1, world.ticks(parameters.look_seconds))
        phase = np.floor(draws[:, 2] * self._period).astype(np.int64)
        self._order = np.argsort(phase, kind="stable")
        self._starts = np.searchsorted(phase[self._order], np.arange(self._period + 1))
        self._delay = world.ticks(parameters.repay_delay_seconds)
        self._due: deque[tuple[int, int]] = deque()
        self._waiting = np.zeros(n, np.bool_)
        most = int(np.diff(self._starts).max(initial=1))
        self._stream = world.streams.stream("borrowers", width=most)
        self._collateral, self._debts = np.zeros(most), np.zeros(most)

    def decide(self, world: World, inbox: Inbox) -> None:
        """Let money arrive that is due, as far as shared blocks take it; those who look now act."""
        chain = world.congestion
        most = len(self._due) if chain is None else chain.take_top_ups()
        while self._due and self._due[0][0] <= world.tick and most > 0:
            self._repay(world, self._due.popleft()[1])
            most -= 1
        at = world.tick % self._period
        rows = self._order[self._starts[at] : self._starts[at + 1]]
        if len(rows):
            self._look(world, rows)
        if chain is not None:
            chain.queue_top_ups(sum(due <= world.tick for due, _ in self._due))

    def _look(self, world: World, rows: Integers) -> None:
        held, owed = self._collateral[: len(rows)], self._debts[: len(rows)]
        look(rows, self.accounts, held, owed, *_records(world))
        called = (owed > 0.0) & (held < self._called[rows] * owed)
        if not called.any():
            return
        draws = self._stream.row(world.tick)
        for at in np.flatnonzero(called).tolist():
            row = int(rows[at])
            if self._sale_cost[row] >= 0.0:
                self._unwind(world, row, held=float(held[at]), owed=float(owed[at]))
            elif self._repays[row] and not self._waiting[row] and draws[at] < self.parameters.repay_probability:
                self._waiting[row] = True
                self._due.append((world.tick + self._delay, row))

    def _repay(self, world: World, row: int) -> None:
        """Pay in what brings health back, as far as the money goes, at the prices of now."""
        self._waiting[row] = False
        lending = lending_of(world)
        held, owed = np.zeros(1), np.zeros(1)
        look(np.array([row]), self.accounts, held, owed, *_records(world))
        asset = int(self._debt_assets[row])
        weight = float(_debt_weight(np.array([asset]), world, initial=False)[0])
        usd = min((float(owed[0]) - float(held[0]) / self.parameters.repay_health) / weight, float(self._wealth[row]))
        if usd <= 0.0:
            return
        paid = lending.repay(int(self.accounts[row]), asset, world.quanta_worth(usd, asset))
        self._wealth[row] -= lending.usd(paid, asset)
        self.repaid_usd += lending.usd(paid, asset)

    def _unwind(self, world: World, row: int, *, held: float, owed: float) -> None:
        """Repay with a flash loan, take out the collateral that pays it back, and sell that outside.

        Aims at the part of the limit that was used at the start, where the collateral taken out is the debt repaid plus
        the cost of the sale; less where the venue has not so much collateral to give out, nothing while it is frozen.
        """
        lending, account = lending_of(world), int(self.accounts[row])
        debt, asset = int(self._debt_assets[row]), int(self._assets[row])
        own, due = int(world.ledger.cash[account, asset]), -int(world.ledger.cash[account, debt])
        if own <= 0 or due <= 0 or lending.frozen[asset]:
            return
        worth, loan = lending.usd(own, asset), lending.usd(due, debt)
        shared = bool(_same_category(np.array([asset]), np.array([debt]), world)[0])
        counted = 1.0 - float(world.assets["initial_category_haircut" if shared else "initial_haircut"][asset]) / PPM
        limit = self._used[row] * counted / float(_debt_weight(np.array([debt]), world, initial=True)[0])
        paid_per_usd = 1.0 + self._sale_cost[row]
        route = None if self.outlet is None else self.outlet.route(asset, debt)
        if route is not None:
            # The pools' own price, for about what will be sold.
            paid_per_usd = 1.0 / max(1.0 - route.cost(loan - limit * worth), 1e-3)
        # (loan - x) = limit * (worth - x * paid_per_usd)
        usd = (loan - limit * worth) / max(1.0 - limit * paid_per_usd, 1e-9)
        usd = min(usd, loan, worth / paid_per_usd, lending.usd(lending.liquidity(asset), asset) / paid_per_usd)
        if usd <= 0.0:
            return
        amount = int(usd / lending.usd(1, debt))
        before = int(world.ledger.cash[account, debt])
        repaid = lending.repay(account, debt, amount)
        wanted: int | None = int(lending.usd(repaid, debt) * paid_per_usd / lending.usd(1, asset))
        if route is not None:
            wanted = route.needed(repaid)
        taken = 0 if wanted is None else lending.withdraw(account, asset, wanted)
        if wanted is None or taken < wanted:
            # The flash loan could not be paid back: the whole step is undone.
            world.ledger.deposit(account, asset, taken)
            world.ledger.deposit(account, debt, before - int(world.ledger.cash[account, debt]))
            return
        self.unwound_usd += lending.usd(taken, asset)
        if self.outlet is not None and route is not None:
            self.outlet.unwind(account, route, taken)
        else:
            press(world, asset, lending.usd(taken, asset))
