"""Published results about making a market: Avellaneda and Stoikov's quotes and their simulated table."""

from __future__ import annotations

from agents.market_maker import quotes
from experiments.validation.case import Case, Check, Facts, near


def spreads(facts: Facts) -> list[Check]:
    """Without time left the spread is 2/g ln(1 + g/k); inventory and time left enter as the paper says."""
    decay = facts["inputs"]["k"]
    limits, reservations, widths, predicted, wide = [], [], [], [], []
    for risk_aversion, limit in zip(facts["inputs"]["gamma"], facts["expected"]["2/g ln(1+g/k)"], strict=True):
        common = {"price": 100.0, "risk_aversion": risk_aversion, "horizon": 1.0, "decay": decay}
        _, half = quotes(inventory=0.0, volatility=0.0, **common)
        limits.append(2 * half)
        reservation, half = quotes(inventory=3.0, volatility=2.0, **common)
        reservations.append(reservation)
        widths.append(2 * half)
        predicted.append(100.0 - 3.0 * risk_aversion * 4.0)
        wide.append(risk_aversion * 4.0 + limit)
    tolerance = facts["tolerance"]
    return [
        near("spread without time left", limits, facts["expected"]["2/g ln(1+g/k)"], tolerance=tolerance),
        near("reservation price at q = 3, sigma = 2", reservations, predicted, tolerance=tolerance),
        near("spread with time left 1", widths, wide, tolerance=tolerance),
    ]


CASES = (Case(name="AS-quotes", subject="reservation price and spread at three risk aversions", run=spreads),)
