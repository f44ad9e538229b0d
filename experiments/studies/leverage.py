"""What leverage does to returns: the funds of Thurner, Farmer and Geanakoplos.

Value funds buy what is below its value, with borrowed money up to a largest leverage; a lender makes them sell when it
is reached. With more leverage average volatility falls, since funds lean against the noise, and the tails grow fat,
since they must sell into falls. Source: S. Thurner, J. D. Farmer, J. Geanakoplos, "Leverage causes fat tails and
clustered volatility", Quantitative Finance 12 (2012).

The model clears one price a step, without a book, and is kept apart from the engine: it is the yardstick for leverage
cycles. All replications are stepped together.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.tails import excess_kurtosis, hill
from market.parameters import Count, Positive, PositiveCount, Ratio, Share, parameters
from market.streams import Streams

Floats = NDArray[np.float64]

FIRST_STEP = 0.002
"""First distance, in log price, at which a clearing price is looked for; every next one is 1.5 times as far."""
SEARCH_STEPS, ROOT_STEPS = 24, 26


@parameters
class FundMarket:
    """Noise traders, and funds that differ by how aggressively they buy."""

    noise_persistence: Share = 0.99
    """Autocorrelation rho of the log of what noise traders spend."""
    noise_volatility: Ratio = 0.035
    """Standard deviation sigma of its shocks."""
    shares: Positive = 1_000.0
    """Number N of shares."""
    value: Positive = 1.0
    """Value V of a share, known to the funds."""
    funds: Count = 10
    """Number of funds."""
    least_aggression: Positive = 5.0
    """Leverage per unit of mispricing, beta, of the most careful fund; that of the others is evenly spaced."""
    most_aggression: Positive = 50.0
    """That of the boldest fund."""
    largest_leverage: Positive = 7.5
    """Position over wealth that lenders allow, lambda_max."""
    first_wealth: Positive = 2.0
    """Wealth of a new fund."""
    default_share: Share = 0.1
    """A fund defaults when its wealth has fallen to this part of `first_wealth`."""
    revival_steps: PositiveCount = 100
    """A new fund takes its place so much later."""
    memory: Share = 0.1
    """Weight a of the newest return in the average by which investors judge a fund."""
    benchmark: Share = 0.005
    """Return r_b a step at which money neither comes nor goes."""
    flow: Ratio = 0.15
    """Money b that comes per unit of average return beyond the benchmark, as a share of wealth."""


class Market:
    """The state of `replications` markets; `price` float64[replications]."""

    def __init__(self, parameters: FundMarket, *, replications: int) -> None:
        self.parameters = parameters
        shape = (replications, parameters.funds)
        self.aggression = np.linspace(parameters.least_aggression, parameters.most_aggression, parameters.funds)
        self.log_noise = np.zeros(replications)
        self.price = np.full(replications, parameters.value)
        self.wealth = np.full(shape, parameters.first_wealth)
        self.shares = np.zeros(shape)
        self.inflow = np.zeros(shape)
        self.performance = np.zeros(shape)
        self.away = np.zeros(shape, np.int64)
        """Steps until a new fund takes the place of one that defaulted; 0 for those at work."""
        self.defaults = 0

    def step(self, shocks: Floats) -> None:
        """Move on by one step with these standard normal shocks, float64[replications]."""
        rules = self.parameters
        self.log_noise = rules.noise_persistence * self.log_noise + rules.noise_volatility * shocks
        before = self.price
        self.price = self._clear(np.exp(self.log_noise) * rules.value * rules.shares)
        gain = self.shares * (self.price - before)[:, None]
        returns = gain / np.where(self.wealth > 0.0, self.wealth, 1.0)
        self.performance += rules.memory * (returns - self.performance)
        wealth = self.wealth + self.inflow + gain
        at_work = self.away == 0
        ruined = at_work & (wealth <= rules.default_share * rules.first_wealth)
        revived = self.away == 1
        self.defaults += int(ruined.sum())
        self.away = np.where(ruined, rules.revival_steps, np.maximum(self.away - 1, 0))
        self.performance[ruined | revived] = 0.0
        self.wealth = np.where(revived, rules.first_wealth, np.where(self.away == 0, wealth, 0.0))
        self.shares = self.wealth * self._leverage(self.price) / self.price[:, None]
        self.inflow = np.maximum(rules.flow * (self.performance - rules.benchmark), -1.0) * self.wealth

    def _leverage(self, price: Floats) -> Floats:
        """Position over wealth that each fund wants: aggression x mispricing, as far as lenders allow, never short."""
        mispricing = (self.parameters.value - price)[:, None]
        return np.asarray(np.clip(self.aggression * mispricing, 0.0, self.parameters.largest_leverage))

    def _excess_demand(self, price: Floats, spent: Floats, rows: NDArray[np.int64]) -> Floats:
        """Money demanded less the value of all shares at a price, of the replications `rows`."""
        wealth = (self.wealth + self.inflow)[rows] + self.shares[rows] * (price - self.price[rows])[:, None]
        funds = (np.maximum(wealth, 0.0) * self._leverage(price)).sum(axis=1)
        return np.asarray(spent[rows] + funds - self.parameters.shares * price)

    def _clear(self, spent: Floats) -> Floats:
        """The first price, going from the last one the way excess demand points, at which demand meets supply.

        Where there are several such prices, this is the one a market that does not jump would find.
        """
        everybody = np.arange(len(spent))
        start = np.log(self.price)
        sign = np.where(self._excess_demand(self.price, spent, everybody) > 0.0, 1.0, -1.0)
        near, far = start.copy(), start.copy()
        distance, rows = FIRST_STEP, everybody
        for _ in range(SEARCH_STEPS):
            far[rows] = start[rows] + sign[rows] * distance
            same = self._excess_demand(np.exp(far[rows]), spent, rows) * sign[rows] > 0.0
            rows = rows[same]
            if len(rows) == 0:
                break
            near[rows] = far[rows]
            distance *= 1.5
        for _ in range(ROOT_STEPS):
            middle = 0.5 * (near + far)
            same = self._excess_demand(np.exp(middle), spent, everybody) * sign > 0.0
            near, far = np.where(same, middle, near), np.where(same, far, middle)
        return np.asarray(np.exp(0.5 * (near + far)))


@dataclass(frozen=True, kw_only=True)
class Returns:
    """Log returns float64[steps, replications] of a market after its burn-in, and what became of the funds."""

    returns: Floats
    defaults_per_fund_per_1000: float

    @property
    def volatility(self) -> float:
        """Standard deviation per step."""
        return float(self.returns.std())

    @property
    def excess_kurtosis(self) -> float:
        """Of all returns."""
        return excess_kurtosis(self.returns.ravel())

    def loss_tail(self, share: float) -> float:
        """Hill exponent of the largest `share` of losses."""
        return hill(-self.returns.ravel(), share=share)


def simulate(parameters: FundMarket, *, replications: int, steps: int, burn_in: int, seed: int = 1) -> Returns:
    """Returns of `replications` independent markets over `steps` steps after `burn_in`."""
    market = Market(parameters, replications=replications)
    generator = Streams(seed).generator("studies.leverage")
    prices = np.empty((steps + 1, replications))
    for step in range(-burn_in, steps + 1):
        if step == 0:
            market.defaults = 0
        market.step(generator.standard_normal(replications))
        if step >= 0:
            prices[step] = market.price
    periods = replications * max(parameters.funds, 1) * (steps + 1)
    return Returns(
        returns=np.diff(np.log(prices), axis=0), defaults_per_fund_per_1000=1_000.0 * market.defaults / periods
    )


def main() -> None:
    """Print volatility, tail and defaults by largest leverage."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.leverage")
    parser.add_argument("--leverage", type=float, nargs="+", default=[1.0, 2.0, 4.0, 7.5, 10.0])
    parser.add_argument("--replications", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2_000, help="of each replication [default: 2000]")
    parser.add_argument("--burn-in", type=int, default=4_000, help="steps left out before [default: 4000]")
    given = parser.parse_args()
    print("leverage  volatility  excess kurtosis  Hill exponent, worst 0.3 %  defaults per fund and 1,000 steps")
    for leverage in given.leverage:
        found = simulate(
            FundMarket(largest_leverage=leverage),
            replications=given.replications,
            steps=given.steps,
            burn_in=given.burn_in,
        )
        print(
            f"{leverage:<8g}  {found.volatility:10.4f}  {found.excess_kurtosis:15.2f}  {found.loss_tail(0.003):26.2f}"
            f"  {found.defaults_per_fund_per_1000:33.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
