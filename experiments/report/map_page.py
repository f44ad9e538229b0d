"""The liquidation map as a page: what would break at which price, beside the depth below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.series import packed
from experiments.report.theme import Figure, axis, layout
from experiments.report.words import MISSING, count, money, percent, sentence

if TYPE_CHECKING:
    from experiments.liquidation_map import Curve, LiquidationMap

HEIGHT = 560


def map_page(found: LiquidationMap) -> Page:
    """The page of a map."""
    made = Page(title=f"Liquidation map: {found.scenario}")
    made.add(
        page.paragraph(f"Liquidation map · {found.scenario} Seed {found.seed}.", "kicker"),
        page.heading(headline(found)),
    )
    figures = {
        curve.target: _figure(curve) for curve in sorted(found.curves, key=lambda curve: curve.price is not None)
    }
    made.section(
        "map",
        "Liquidatable notional and depth by price",
        page.paragraph(
            "Prices move from where they stand, one asset alone or all together. Whoever falls below maintenance "
            "margin on the way counts, with what would then be sold (left of zero) or bought (right of zero) on the "
            "books of the assets that move. Depth is what rests on those books now, up to the moved price. Nothing is "
            "simulated: where the first line is above the second, forced orders would have to wait for new ones.",
            "caption",
        ),
        made.chart("map", figures, height=HEIGHT, label="Liquidatable notional and depth by price move"),
    )
    tables = [part for curve in found.curves for part in (page.subheading(_title(curve)), _table(found, curve).html())]
    made.section("figures", "Figures", *tables)
    if found.notes:
        made.section("notes", "Notes", page.bullets(found.notes))
    return made


def headline(found: LiquidationMap) -> str:
    """The smallest fall that asks for more than the books hold, of all assets together where there are several."""
    curve = found.curves[-1]
    who = "all prices fall" if curve.price is None else f"{curve.target} falls"
    at = curve.crossing(falling=True)
    if at is None:
        last = 0
        return sentence(
            f"if {who} by up to {percent(-float(curve.moves[last]))}, books hold more than would be liquidated: "
            f"{money(float(curve.liquidatable_usd[last]))} of {count(int(curve.accounts[last]), 'account')} against "
            f"bids of {money(float(curve.depth_usd[last]))}"
        )
    return sentence(
        f"if {who} by {percent(-float(curve.moves[at]))}, {count(int(curve.accounts[at]), 'account')} of "
        f"{found.population:,} would have to sell {money(float(curve.liquidatable_usd[at]))} into bids of "
        f"{money(float(curve.depth_usd[at]))}, more than the books hold"
    )


def _title(curve: Curve) -> str:
    return "All prices together" if curve.price is None else f"{curve.target} alone"


def _figure(curve: Curve) -> Figure:
    zero = int(np.searchsorted(curve.moves, 0.0))
    moves = 100.0 * np.insert(curve.moves, zero, 0.0)
    usd = np.insert(curve.liquidatable_usd, zero, np.nan)
    depth = np.insert(curve.depth_usd, zero, 0.0)
    names = [f"{move:+g}%".replace("-", "−") for move in moves.round(1).tolist()]
    if curve.price is not None:
        prices = np.insert(curve.price, zero, np.nan)
        names = [
            name if not np.isfinite(price) else f"{name}, {curve.target} at {money(price)}"
            for name, price in zip(names, prices.tolist(), strict=True)
        ]
    common = {"type": "scatter", "mode": "lines", "x": packed(moves), "text": names}
    hover = "%{text}<br>%{y:,.3s}"
    return {
        "data": [
            {
                **common, "name": "liquidatable", "y": packed(usd), "fill": "tozeroy", "fillcolor": "@vermillion/0.2",
                "line": {"color": "@vermillion", "width": 2},
                "hovertemplate": f"{hover} USD liquidatable<extra></extra>",
            },
            {
                **common, "name": "depth of the books up to there", "y": packed(depth),
                "line": {"color": "@blue", "width": 2}, "hovertemplate": f"{hover} USD of depth<extra></extra>",
            },
            {
                **common, "name": "accounts", "y": packed(np.insert(curve.accounts, zero, np.nan)), "yaxis": "y2",
                "showlegend": False, "line": {"color": "@ink", "width": 1.5},
                "hovertemplate": f"{hover} accounts<extra></extra>",
            },
        ],
        "layout": layout(
            showlegend=True,
            hovermode="closest",
            xaxis=axis("price move, %", anchor="y2", zeroline=True, zerolinecolor="@line", ticksuffix="%"),
            yaxis=axis("USD", domain=[0.36, 1.0], rangemode="tozero", tickformat="~s"),
            yaxis2=axis("accounts", domain=[0.0, 0.27], rangemode="tozero", tickformat=",d"),
        ),
        "times": {},
    }  # fmt: skip


def _table(found: LiquidationMap, curve: Curve) -> Table:
    rows = []
    for row in found.rows:
        if row["asset"] != curve.target:
            continue
        ratio, price = row["liquidatable_over_depth"], row["price_usd"]
        rows.append(
            (
                f"{row['move_pct']:+g}%".replace("-", "−"),
                MISSING if price is None else f"{price:,.6g}",
                f"{row['account_count']:,}",
                f"{row['liquidatable_usd']:,.0f}",
                f"{row['elsewhere_usd']:,.0f}",
                f"{row['depth_usd']:,.0f}",
                MISSING if ratio is None else f"{ratio:,.2f}",
            )
        )
    columns = (
        "move", "price, USD", "accounts", "liquidatable, USD", "closed elsewhere, USD", "depth, USD", "ratio",
    )  # fmt: skip
    return Table(columns=columns, rows=rows, right=range(7), minor=(4,))
