"""A liquidation policy of one's own: a call closes no larger share of an account than the book has kept of its depth.

python examples/new_liquidation_policy.py
"""

from __future__ import annotations

from dataclasses import replace

from experiments import Scenario
from experiments.result import Result
from experiments.run import Session
from market.kernels.records import BUY, PPM
from market.venue import CloseAll, CloseFactor, Sizing
from market.world import World


class DepthAware:
    """Sets the share of an account that one call closes: the bids near the mark now, over their usual amount."""

    least = 0.05
    """Share of an account that a call closes at least."""
    within_bps = 50.0
    """How near to the mark bids count."""

    def __init__(self, book: int) -> None:
        self.book = book
        self.usual = 0.0

    def adapt(self, world: World) -> None:
        """Change the rules for the next tick; `world.policy` is what the venue goes by (market/kernels/records.py)."""
        mark = float(world.instruments[self.book]["mark"])
        _, paid = world.books.depth_within(book=self.book, side=BUY, centre=mark, distances_bps=[self.within_bps])
        depth = float(paid[0])
        self.usual = max(depth, self.usual)
        share = min(max(depth / self.usual, self.least), 1.0) if self.usual else 1.0
        world.policy["close_factor"] = round(share * PPM)


def run(scenario: Scenario, sizing: Sizing, policy: DepthAware | None = None) -> Result:
    """One run under a sizing rule, which `policy` may change from tick to tick."""
    liquidation = replace(scenario.venue.liquidation, sizing=sizing)
    session = Session(replace(scenario, venue=replace(scenario.venue, liquidation=liquidation)), seed=7)
    while session.ticks_left:
        if policy:
            policy.adapt(session.built.world)
        session.advance()
    return Result.of(session.scenario, seed=7, main=session.trace(), twin=None)


def main() -> None:
    """Three policies, one crash."""
    scenario = Scenario.load("flash-crash", overrides=["hours=0.45", "population.count=2500"])
    print(f"{'one call closes':22}{'forced, USD':>14}{'fall of the mark, %':>22}{'bad debt, USD':>16}")
    for name, sizing, policy in (
        ("everything", CloseAll(), None),
        ("half", CloseFactor(share=0.5), None),
        ("what the book bears", CloseFactor(share=1.0), DepthAware(book=0)),
    ):
        figures = run(scenario, sizing, policy).kpis
        print(
            f"{name:22}{figures['liquidated_notional_usd']:>14,.0f}"
            f"{figures['total_drawdown_BTC-PERP_pct']:>22.2f}{figures['bad_debt_usd']:>16,.0f}"
        )


if __name__ == "__main__":
    main()
