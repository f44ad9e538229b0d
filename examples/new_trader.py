"""A trader of one's own: it buys dips with leverage, in the built-in crash, with and without Mesa.

python examples/new_trader.py
"""

from __future__ import annotations

from agents.strategy_orders import Order
from agents.strategy_view import View
from experiments import CascadeModel, Scenario, Strategy, simulate


class DipBuyer(Strategy):
    """Buys what fell furthest from its high, once it is `dip` below, and sells when half of that is regained."""

    collateral = {"USDC": 50_000.0}
    every_seconds = 5.0

    def __init__(self, *, dip: float, leverage: float) -> None:
        self.dip, self.leverage = dip, leverage
        self.highs: dict[str, float] = {}

    def act(self, view: View) -> list[Order]:
        perpetuals = [view[symbol] for symbol in view.instruments if symbol.endswith("-PERP")]
        for book in perpetuals:
            self.highs[book.symbol] = max(book.mark, self.highs.get(book.symbol, 0.0))
        if view.positions:
            regained = (book for book in perpetuals if book.mark > self.highs[book.symbol] * (1.0 - self.dip / 2.0))
            return [book.close() for book in regained if book.position > 0.0]
        cheapest = min(perpetuals, key=lambda book: book.mark / self.highs[book.symbol])
        if cheapest.mark > self.highs[cheapest.symbol] * (1.0 - self.dip):
            return []
        return [cheapest.buy(usd=self.leverage * view.free_margin_usd)]


def main() -> None:
    """Two of them in one crash, then the same run through Mesa."""
    scenario = Scenario.load("flash-crash", overrides=["hours=0.45", "population.count=2500"])
    traders = [DipBuyer(dip=0.02, leverage=leverage) for leverage in (2.0, 10.0)]
    result = simulate(scenario, seed=7, twin=False, strategies=traders)
    table = result.accounts[result.accounts["role"] == "strategy"]
    print(table[["account", "net_equity_before_usd", "net_equity_after_usd", "forced_notional_usd"]].to_string())

    model = CascadeModel(scenario, rng=7, strategies=traders)
    model.run_model()
    same = model.result().kpis == result.kpis
    print(f"through Mesa: {model.figures['liquidation_count']} liquidations, {'the same' if same else 'other'} figures")


if __name__ == "__main__":
    main()
