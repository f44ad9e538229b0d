"""Depositors of a lending market: they supply one asset and run when they fear for it.

Everybody looks once per `look_seconds`, each at a time of their own, and asks for all the money back when utilisation,
the bad debt of the asset or its price passes a threshold of their own. Withdrawals are paid while liquidity lasts;
whoever comes later waits in a queue, first come, first served. What they take out raises utilisation, which others see.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import field

import numpy as np

from agents.inventory import lending_of
from agents.population import Floats, Integers, deposit, quanta_of
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.kernels.records import OUTSIDE
from market.parameters import Count, PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, parameters
from market.world import Inbox, World


@parameters
class Depositors:
    """Who supplies what others borrow."""

    count: Count = 0
    """How many there are."""
    deposits_usd: dict[str, PositiveUsd] = field(default_factory=dict)
    """What they supply together, by asset; their number is shared out in the same proportion."""
    most_utilisation: Share = 0.95
    """Largest share that is lent at the start: what they supply is raised where borrowers owe more."""
    deposit_sigma: Ratio = 1.8
    """Spread of deposits: standard deviation of the logarithm."""
    look_seconds: PositiveSeconds = 300.0
    """How often everybody looks."""
    loyal_share: Share = 0.3
    """Part of them that never runs."""
    utilisation: Share = 0.97
    """Mean utilisation from which one runs; nobody's threshold is above 1."""
    utilisation_spread: Share = 0.02
    """Standard deviation of that threshold."""
    bad_debt: Share = 0.01
    """Median bad debt that the fund has not paid, as a part of the deposits of the start, from which one runs."""
    price_fall: dict[str, Share] = field(default_factory=dict)
    """Median fall of the asset's reference price since the start from which one runs, by asset; left out: no fall."""
    threshold_sigma: Ratio = 0.5
    """Spread of the thresholds of bad debt and price: standard deviation of the logarithm."""
    delay_seconds: Seconds = 30.0
    """Time from the look to the withdrawal."""

    def __post_init__(self) -> None:
        if self.count and not self.deposits_usd:
            raise ValueError("deposits_usd needs an entry for every asset that is supplied")
        if self.most_utilisation <= 0.0:
            raise ValueError("most_utilisation: expected more than 0")

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each."""
        del instruments
        return self.count

    def join(
        self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
    ) -> DepositorCohort:
        """Open everybody's account with its deposit."""
        del instruments
        if self.count and world.lending is None:
            raise InputError('agents.depositors: venue.lending.kind = "pool" is needed')
        for name, table in (("deposits_usd", self.deposits_usd), ("price_fall", self.price_fall)):
            unknown = [symbol for symbol in table if symbol not in assets]
            if unknown:
                raise InputError(f"agents.depositors.{name}: no asset {unknown[0]!r}; assets are {', '.join(assets)}")
        n = self.count
        normals = world.streams.generator("depositors").standard_normal((n, 4))
        totals = np.array([max(usd, self._needed(world, symbol)) for symbol, usd in self.deposits_usd.items()])
        which = np.searchsorted(np.cumsum(totals)[:-1] / totals.sum(), (np.arange(n) + 0.5) / max(n, 1), side="right")
        sizes = np.exp(self.deposit_sigma * normals[:, 0])
        sizes *= (totals / np.maximum(np.bincount(which, weights=sizes, minlength=len(totals)), 1e-300))[which]
        rows = np.array([world.asset(symbol) for symbol in self.deposits_usd], np.int64)[which]
        accounts = np.array([world.ledger.open(f"depositor-{i:05d}", role="depositor") for i in range(1, n + 1)], int)
        if n:
            deposit(world, accounts=accounts, assets=rows, amounts=quanta_of(sizes, rows, world))
        return DepositorCohort(self, accounts, rows, normals[:, 1:], world)

    def _needed(self, world: World, symbol: str) -> float:
        """Deposits of an asset, USD, at which no more than `most_utilisation` of it is lent.

        Money that others brought, such as keepers' capital, is lent as well: with fewer of them these must bring more.
        """
        asset = world.asset(symbol)
        balances = np.delete(world.ledger.cash[:, asset], OUTSIDE)
        lent, there = -int(balances[balances < 0].sum()), int(balances[balances > 0].sum())
        if not lent:
            return 0.0
        return lending_of(world).usd(round(lent / self.most_utilisation) - there, asset)


class DepositorCohort:
    """All depositors of a run. `accounts` int64[n] are their ledger rows, `assets` int64[n] what they supply."""

    most_messages = 0

    def __init__(
        self, parameters: Depositors, accounts: Integers, assets: Integers, normals: Floats, world: World
    ) -> None:
        self.accounts, self.assets = accounts, assets
        self.refused_usd = 0.0
        """What was asked for and not paid out at once."""
        self.withdrawn_usd = 0.0
        self.most_queued_usd = 0.0
        n = len(accounts)
        draws = world.streams.generator("depositor behaviour").random((n, 2))
        median_fall = np.array([parameters.price_fall.get(symbol, np.inf) for symbol in world.asset_symbols])
        spread = np.exp(parameters.threshold_sigma * normals[:, 1:])
        self._utilisation = np.minimum(parameters.utilisation + parameters.utilisation_spread * normals[:, 0], 1.0)
        self._bad_debt = parameters.bad_debt * spread[:, 0]
        self._fall = median_fall[assets] * spread[:, 1]
        self._calm = draws[:, 0] >= parameters.loyal_share
        """bool[n]: may still run"""
        self._period = max(1, world.ticks(parameters.look_seconds))
        phase = np.floor(draws[:, 1] * self._period).astype(np.int64)
        self._order = np.argsort(phase, kind="stable")
        self._starts = np.searchsorted(phase[self._order], np.arange(self._period + 1))
        self._delay = world.ticks(parameters.delay_seconds)
        self._due: deque[tuple[int, int]] = deque()
        self._queues: tuple[deque[int], ...] = tuple(deque() for _ in world.asset_symbols)
        self._supplied = np.unique(assets).tolist()
        self._price = world.assets["reference"].astype(np.float64)
        self._deposits = np.bincount(assets, weights=world.ledger.cash[accounts, assets], minlength=len(world.assets))
        self._lost = np.zeros(len(world.assets))
        self._losses_seen = 0

    def decide(self, world: World, inbox: Inbox) -> None:
        """Those who look now decide; withdrawals that are due queue up; the queues are paid while liquidity lasts."""
        at = world.tick % self._period
        rows = self._order[self._starts[at] : self._starts[at + 1]]
        rows = rows[self._calm[rows]]
        if len(rows):
            self._look(world, rows)
        while self._due and self._due[0][0] <= world.tick:
            row = self._due.popleft()[1]
            queue = self._queues[int(self.assets[row])]
            queue.append(row)
            self._pay(world, queue)
            if queue:
                self.refused_usd += self._owed_usd(world, row)
        if any(self._queues):
            for queue in self._queues:
                self._pay(world, queue)
            self.most_queued_usd = max(self.most_queued_usd, self.queued_usd(world))

    def queued_usd(self, world: World) -> float:
        """What is asked for and not paid out yet, at the reference."""
        lending = lending_of(world)
        return sum(
            lending.usd(int(np.maximum(world.ledger.cash[self.accounts[list(queue)], asset], 0).sum()), asset)
            for asset, queue in enumerate(self._queues)
            if queue
        )

    def queue_length(self) -> int:
        """Depositors who wait for their money."""
        return sum(map(len, self._queues))

    def _look(self, world: World, rows: Integers) -> None:
        lending = lending_of(world)
        losses = world.losses[self._losses_seen : world.n_losses]
        self._losses_seen = world.n_losses
        np.add.at(self._lost, losses["asset"], losses["bad_debt"] - losses["fund"])
        used = np.zeros(len(world.assets))
        for asset in self._supplied:
            used[asset] = lending.utilisation(asset)
        fallen = 1.0 - world.assets["reference"] / self._price
        lost = self._lost / np.maximum(self._deposits, 1.0)
        own = self.assets[rows]
        afraid = (
            (used[own] >= self._utilisation[rows])
            | (lost[own] >= self._bad_debt[rows])
            | (fallen[own] >= self._fall[rows])
        )
        for row in rows[afraid].tolist():
            self._calm[row] = False
            self._due.append((world.tick + self._delay, row))

    def _pay(self, world: World, queue: deque[int]) -> None:
        """Pay whoever stands first, as long as there is something to pay with."""
        lending = lending_of(world)
        while queue:
            row = queue[0]
            account, asset = int(self.accounts[row]), int(self.assets[row])
            wanted = int(world.ledger.cash[account, asset])
            got = lending.withdraw(account, asset, wanted)
            self.withdrawn_usd += lending.usd(got, asset)
            if got < wanted:
                return
            queue.popleft()

    def _owed_usd(self, world: World, row: int) -> float:
        asset = int(self.assets[row])
        return lending_of(world).usd(max(0, int(world.ledger.cash[self.accounts[row], asset])), asset)
