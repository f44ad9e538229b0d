"""The liquidation map as a page: what would break at which price, beside the depth below it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments import folder
from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.series import packed
from experiments.report.theme import Figure, above, axis, layout
from experiments.report.words import MISSING, count, money, percent, sentence
from market.errors import InputError

if TYPE_CHECKING:
    from experiments.liquidation_map import Curve, LiquidationMap

HEIGHT = 560
TITLE = "Liquidation map: "
"""How the title of such a page begins, by which an earlier one is known."""


def map_page(found: LiquidationMap) -> Page:
    """The page of a map."""
    made = Page(title=f"{TITLE}{found.scenario}")
    made.add(
        page.paragraph(f"Liquidation map · {found.scenario} Seed {found.seed}.", "kicker"),
        *page.headline(headline(found)),
    )
    figures = {
        curve.target: _figure(curve) for curve in sorted(found.curves, key=lambda curve: curve.price is not None)
    }
    made.section(
        "map",
        "What would be closed, and the depth for it",
        page.paragraph(
            "What if prices moved by so much from where they stand, one asset alone or all together? To be closed is "
            "what accounts that fall below maintenance margin on the way would have to sell (left of zero) or buy "
            "(right of zero) on the books of the assets that move. Depth is what rests on those books now, up to that "
            "price. Where more is to be closed than there is depth, the books run empty and forced orders wait for new "
            "ones. Nothing is simulated: no forced order moves a price here.",
            "caption",
        ),
        made.chart("map", figures, height=HEIGHT, label="Liquidatable notional and depth by price move"),
    )
    tables = [part for curve in found.curves for part in (page.subheading(title(curve)), table(found, curve).html())]
    elsewhere = page.paragraph(
        "Elsewhere: what would be closed along with it on the books of other assets, or in the other direction.",
        "caption",
    )
    made.section("figures", "Figures", elsewhere, *tables)
    if found.notes:
        made.section("notes", "Notes", page.bullets(found.notes))
    return made


def check_target(path: Path) -> None:
    """Make sure a page can be written to `path` and takes the place of nothing but such a page. Raises InputError."""
    folder.check_file(path)
    if not path.exists():
        return
    with path.open("rb") as stream:
        start = stream.read(2000)
    if f"<title>{TITLE}".encode() not in start:
        raise InputError(f"{path}: exists and is not a page of `cascade map`; choose another file")


def headline(found: LiquidationMap) -> str:
    """The smallest fall that asks for more than the books hold, of all assets together where there are several."""
    curve = found.curves[-1]
    who = "all prices fall" if curve.price is None else f"{curve.target} falls"
    at = curve.crossing(falling=True)
    if at is None:
        last = 0
        return sentence(
            f"even if {who} by {percent(-float(curve.moves[last]))}, the books hold enough: "
            f"{money(float(curve.liquidatable_usd[last]))} of {count(int(curve.accounts[last]), 'account')} to be "
            f"closed, and bids of {money(float(curve.depth_usd[last]))}"
        )
    return sentence(
        f"if {who} by {percent(-float(curve.moves[at]))}, {int(curve.accounts[at]):,} of "
        f"{count(found.population, 'account')} would be liquidated, with {money(float(curve.liquidatable_usd[at]))} to "
        f"sell and bids of only {money(float(curve.depth_usd[at]))} on the books"
    )


def title(curve: Curve) -> str:
    """Whose prices move, and from which move on that asks for more than the books hold."""
    who = "All prices together" if curve.price is None else f"{curve.target} alone"
    moves = [
        f"a {word} of {percent(abs(float(curve.moves[at])))}"
        for word in ("fall", "rise")
        if (at := curve.crossing(falling=word == "fall")) is not None
    ]
    if not moves:
        return f"{who}: the depth is enough for every move shown"
    return f"{who}: more to be closed than there is depth from {' or '.join(moves)} on"


def signed(move: float) -> str:
    """A move in percent with its sign."""
    return f"{100.0 * move:+.3g}%".replace("-", "−")


def _figure(curve: Curve) -> Figure:
    zero = int(np.searchsorted(curve.moves, 0.0))
    moves = 100.0 * np.insert(curve.moves, zero, 0.0)
    usd = np.insert(curve.liquidatable_usd, zero, np.nan)
    depth = np.insert(curve.depth_usd, zero, 0.0)
    names = [signed(move / 100.0) for move in moves.tolist()]
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
                **common, "name": "to be closed", "y": packed(usd), "fill": "tozeroy", "fillcolor": "@vermillion/0.2",
                "line": {"color": "@vermillion", "width": 2},
                "hovertemplate": f"{hover} USD to be closed<extra></extra>",
            },
            {
                **common, "name": "depth up to that price", "y": packed(depth),
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
            annotations=[above("USD", "y"), above("accounts liquidated", "y2")],
            yaxis=axis(domain=[0.36, 1.0], rangemode="tozero", tickformat="~s"),
            yaxis2=axis(domain=[0.0, 0.27], rangemode="tozero", tickformat=",d"),
        ),
        "times": {},
    }  # fmt: skip


def table(found: LiquidationMap, curve: Curve) -> Table:
    """A curve at the listed moves, amounts in millions."""
    rows: list[tuple[str, ...]] = []
    for row in found.rows_of(curve):
        ratio = row["liquidatable_over_depth"]
        amounts = [float(row[key] or 0.0) / 1e6 for key in ("liquidatable_usd", "depth_usd", "elsewhere_usd")]
        closed, depth, elsewhere = (f"{amount:,.1f}" for amount in amounts)
        cells = (
            signed(float(row["move_pct"] or 0.0) / 100.0),
            *(() if row["price_usd"] is None else (f"{row['price_usd']:,.6g}",)),
            f"{row['account_count']:,}",
            closed,
            depth,
            MISSING if ratio is None else f"{ratio:,.2f}",
            elsewhere,
        )
        rows.append(cells)
    price = ("price, USD",) if curve.price is not None else ()
    columns = ("move", *price, "accounts", "to close, M USD", "depth, M USD", "to close / depth", "elsewhere, M USD")
    return Table(columns=columns, rows=rows, right=range(len(columns)), minor=(len(columns) - 1,))
