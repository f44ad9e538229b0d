"""Keepers: they see accounts below maintenance with latency and bid for the block space to close them.

A keeper calls only if the reward, reckoned against the book as it stands, exceeds its cost; it needs capital in
proportion to what it closes, and makes so many calls a second. It offers a share of the expected profit; the highest
bids fill the block, and every served bid is paid (`market/kernels/liquidation.py`). Where keepers seize collateral, its
capital is what it can repay, and the reward is the discount less the expected cost of selling (`agents/inventory.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from agents.kernels.keeper import OUTAGE, TRAITS, bid
from agents.kernels.seizure import bid_to_seize
from market.errors import InputError
from market.instruments import USD_QUANTA, Asset, Instrument, quanta
from market.kernels.records import BY_SEIZURE, KEEPER, PPM
from market.parameters import (
    Bps,
    Count,
    PerSecond,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Seconds,
    Share,
    Usd,
    parameters,
)
from market.world import MOST_BIDS, World

Floats = NDArray[np.float64]

_SHORTLIST_BLOCKS = 3
"""Blocks of claims that keepers look at beyond the one they bid for: several may want the same ones."""


@parameters
class KeeperOutage:
    """A time in which keepers are offline: a congested chain, a failed cloud region."""

    start_seconds: Seconds
    """First moment, from the start of the run."""
    end_seconds: PositiveSeconds
    """Moment at which it is over."""
    share: Share = 1.0
    """Part of the keepers that it hits, the fastest first."""

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"ends at {self.end_seconds:g} s, not after its start at {self.start_seconds:g} s")


@parameters
class Keepers:
    """Those who close accounts below maintenance, for a reward."""

    count: Count = 20
    """How many there are."""
    latency_seconds: Seconds = 0.5
    """Median time from the opening of a claim until a keeper can bid for it; rounded up to ticks."""
    latency_sigma: Ratio = 0.5
    """Spread of latencies: standard deviation of the logarithm."""
    capital_usd: PositiveUsd = 250_000.0
    """Median capital, in the first settlement asset."""
    capital_sigma: Ratio = 1.0
    """Spread of capitals: standard deviation of the logarithm."""
    carry: Share = 0.05
    """Part of the notional closed in a tick that must stand as capital."""
    calls_per_second: PerSecond = 2.0
    """Liquidation calls each can make."""
    cost_usd: Usd = 0.5
    """Cost of a call, whatever it earns."""
    min_profit_usd: Usd = 0.0
    """Least expected profit after cost for which a keeper calls."""
    bid_share: Share = 0.5
    """Mean part of the expected profit offered for block space."""
    bid_spread: Share = 0.1
    """Standard deviation of that part among keepers."""
    bid_noise: Share = 0.1
    """Half-width of its uniform variation from tick to tick."""
    attention: Share = 0.98
    """Chance that a keeper is online in a tick."""
    outages: tuple[KeeperOutage, ...] = ()
    """When many are offline at once."""
    capital_shares: dict[str, Share] = field(default_factory=dict)
    """Parts of the capital held in other assets, to repay debts in them; the rest is in the first settlement asset."""
    sale_cost_bps: Bps = 15.0
    """Where keepers seize collateral: what they expect to lose when they sell it, and lose without another outlet."""
    holding_seconds: Seconds = 12.0
    """Where keepers seize collateral: time until they sell it, a whole number of ticks and one at least."""

    def __post_init__(self) -> None:
        if self.count > MOST_BIDS:
            raise ValueError(f"count is {self.count}; at most {MOST_BIDS} keepers can bid in a round")
        if sum(self.capital_shares.values()) > 1.0 + 1e-9:
            raise ValueError("capital_shares add up to more than 1")

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each keeper."""
        del instruments
        return self.count

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> KeeperCohort:
        """Open and fund the keepers' accounts, the fastest first."""
        del instruments
        capital, share = self.drawn(self.count, world)[1:]
        records = np.zeros(self.count, KEEPER)
        self.write(records, world)
        for symbol in self.capital_shares:
            if symbol not in assets:
                raise InputError(f"agents.keepers.capital_shares: no asset {symbol!r}; assets are {', '.join(assets)}")
        symbol = next(symbol for symbol, asset in assets.items() if asset.settlement)
        first = 1.0 - sum(self.capital_shares.values())
        for rank in range(self.count):
            row = world.ledger.open(f"keeper-{rank + 1:02d}", role="keeper")
            world.ledger.deposit(row, world.asset(symbol), quanta(float(capital[rank]) * first, assets[symbol]))
            for other, part in self.capital_shares.items():
                asset = world.asset(other)
                world.ledger.deposit(row, asset, world.quanta_worth(float(capital[rank]) * part, asset))
            records["account"][rank] = row
        return KeeperCohort(self, records, share, world)

    def drawn(self, count: int, world: World) -> tuple[Floats, Floats, Floats]:
        """(latency in seconds, capital in USD, share of the profit that is bid) of so many, the fastest first."""
        draws = world.streams.generator("keepers").standard_normal((count, 3))
        latency = self.latency_seconds * np.exp(self.latency_sigma * draws[:, 0])
        capital = self.capital_usd * np.exp(self.capital_sigma * draws[:, 1])
        share = self.bid_share + self.bid_spread * draws[:, 2]
        order = np.argsort(latency, kind="stable")
        return latency[order], capital[order], share[order]

    def write(self, records: NDArray[np.void], world: World) -> None:
        """What KEEPER records say of these parameters."""
        latency = self.drawn(len(records), world)[0]
        records["latency"] = [world.ticks(seconds) for seconds in latency]
        records["carry"] = round(self.carry * PPM)
        records["cost"] = round(self.cost_usd * USD_QUANTA)


def _outages(outages: tuple[KeeperOutage, ...], count: int, world: World) -> NDArray[np.void]:
    """OUTAGE[n] of so many keepers."""
    records = np.zeros(len(outages), OUTAGE)
    for record, outage in zip(records, outages, strict=True):
        record["keepers"] = round(outage.share * count)
        record["start"], record["end"] = world.ticks(outage.start_seconds), world.ticks(outage.end_seconds)
    return records


class KeeperCohort:
    """All keepers of a run. `records` KEEPER[n], the fastest first."""

    def __init__(
        self, parameters: Keepers, records: NDArray[np.void], shares: NDArray[np.float64], world: World
    ) -> None:
        count = len(records)
        self.records = records
        traits = np.zeros(count, TRAITS)
        traits["bid_share"], traits["bid_noise"] = shares, parameters.bid_noise
        profits = np.zeros(len(world.claims), np.int64)
        self._stream = world.streams.stream("keepers", width=2 * count)
        self._own = (records, traits, _outages(parameters.outages, count, world), self._shortlist(world))
        self._write_traits(parameters, world)
        self._profits, self._claims = profits, world.claims
        self._seizes = bool(world.policy["route"][0] == BY_SEIZURE)
        n_assets = len(world.assets)
        self._sale = np.full(n_assets, round(parameters.sale_cost_bps * 100)), np.zeros(n_assets, np.int64)
        self._market = (
            world.bids, world.blocks, world.policy, world.scratch["limits"], world.windows, world.instruments,
            world.assets, world.margin, world.ledger.positions, world.ledger.cash, world.books.levels,
            world.books.occupied,
        )  # fmt: skip
        self.usual_sale_cost_bps = parameters.sale_cost_bps
        self._tick = -1

    def _shortlist(self, world: World) -> NDArray[np.int64]:
        wanted = _SHORTLIST_BLOCKS * int(world.policy["capacity"][0])
        return np.zeros(max(1, min(wanted, len(world.bids) // max(1, len(self.records)))), np.int64)

    def _write_traits(self, parameters: Keepers, world: World) -> None:
        traits, count = self._own[1], len(self.records)
        traits["calls_per_tick"] = parameters.calls_per_second * world.tick_seconds
        traits["least_profit"] = round(parameters.min_profit_usd * USD_QUANTA)
        traits["attention"] = 0.0
        active = np.rint(np.linspace(0, count - 1, min(parameters.count, count))).astype(np.int64)
        traits["attention"][active] = parameters.attention

    def retune(self, parameters: Keepers, world: World) -> None:
        """Act under other parameters from now on; capital stays what it is.

        Of fewer keepers than there are, those who stay are spread evenly from the fastest to the slowest; more than
        there are cannot act.
        """
        parameters.write(self.records, world)
        self._write_traits(parameters, world)
        self._own = (*self._own[:3], self._shortlist(world))

    def go_offline(self, outage: KeeperOutage, world: World) -> None:
        """Have one more outage."""
        records, traits, outages, shortlist = self._own
        more = _outages((outage,), len(records), world)
        self._own = (records, traits, np.concatenate([outages, more]), shortlist)

    def expect_sale_cost(self, asset: int, bps: float) -> None:
        """Reckon with such a cost of selling seized collateral of this kind from now on."""
        self._sale[0][asset] = round(bps * 100)

    def retire(self, accounts: Sequence[int]) -> None:
        """Keep the keepers with these ledger rows offline for good; the others' draws stay what they are."""
        self._own[1]["attention"][np.isin(self.records["account"], accounts)] = -1.0

    def bid(self, world: World, *, clock: int) -> int:
        """Write the keepers' offers of this round into `world.bids`; return how many."""
        tick = world.tick
        new_tick = tick != self._tick
        self._tick = tick
        begins = (tick, clock, new_tick, self._stream.row(tick), *self._own)
        count: int
        if self._seizes:
            count = bid_to_seize(
                *begins, *self._sale, self._claims, world.n_claims, world.bids, world.blocks, world.policy,
                world.assets, world.margin, world.ledger.cash,
            )  # fmt: skip
        else:
            count = bid(*begins, self._profits, self._claims, world.n_claims, *self._market, world.pool_arrays)
        return count
