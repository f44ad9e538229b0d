"""SPAN-like risk arrays: profit of one long unit under each scenario, tabulated once, summed over a portfolio.

CME SPAN: 16 scenarios, price by 0, 1/3, 2/3 and 1 of its range either way with volatility up and down, and two extreme
moves of which a share counts. Entries are gains of one long unit.
"""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def scan_risk(arrays, sizes):
    """Worst loss over the scenarios, at least zero; `arrays[product, scenario]`, `sizes[product]` signed."""
    worst = 0.0
    for scenario in range(arrays.shape[1]):
        profit = 0.0
        for product in range(arrays.shape[0]):
            profit += sizes[product] * arrays[product, scenario]
        worst = max(worst, -profit)
    return worst


@kernel
def span_requirement(scan, intermonth, delivery, credit, short_minimum):
    """scan risk + intermonth spread charge + delivery charge - intercommodity credit, at least the short minimum."""
    return max(scan + intermonth + delivery - credit, short_minimum)
