"""Prices of one instrument with its forced trades, and the depth of its book below on the same time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frames import AWAY
from experiments.report.facts import Window
from experiments.report.series import bucket_edges, extreme_rows, extremes, milliseconds, packed, typical
from experiments.report.theme import Figure, above, axis, layout, note, time_axis
from experiments.report.words import Clock, count, money, span

MOST_DOTS = 400
"""Forced trades of one side drawn as dots of their own; more are summed over short intervals."""

AROUND = 0.5
"""What a close view shows on either side of the cascade, as a share of its length."""

ADL = "ADL"
DOTS = {
    "forced sales": ("@vermillion", "circle"),
    "forced purchases": ("@sky", "circle"),
    ADL: ("@purple", "diamond"),
}
LARGEST_DOT = 18.0
"""Diameter of the largest forced trade, pixels."""
LINES = (
    ("index", "index", {"color": "@purple", "width": 1.2, "dash": "dot"}),
    ("reference", "reference", {"color": "@muted", "width": 1.2}),
    ("twin", "mark without forced trades", {"color": "@blue", "width": 1.6, "dash": "dash"}),
    ("mark", "mark", {"color": "@ink", "width": 1.6}),
)
DISTANCES = ("100", "50", "10")
"""Basis points from the mark, the widest first: it is drawn at the back."""
STRENGTH = {"100": "0.22", "50": "0.35", "10": "0.8"}
SIDE_COLOUR = {"ask": "@orange", "bid": "@blue"}
SIDE_AXIS = {"ask": "y2", "bid": "y3"}


def market_figure(
    *,
    prices: pd.DataFrame,
    twin: pd.DataFrame | None,
    depth: pd.DataFrame,
    fills: pd.DataFrame,
    clock: Clock,
    window: Window | None,
    decimals: int,
    quote: str,
) -> Figure:
    """All tables hold one instrument only; `decimals` are those of its price, which is in `quote`."""
    seconds = prices["seconds"].to_numpy(np.float64)
    paths = {name: prices[name].to_numpy(np.float64) for name in ("mark", "reference", "index")}
    if twin is not None:
        paths["twin"] = twin["mark"].to_numpy(np.float64)
    near = close_view(seconds, window)
    edges = bucket_edges(seconds, near)
    times = {"prices": milliseconds(typical(seconds, edges), clock.origin_ms)}
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": label,
            "x": "prices",
            "y": packed(typical(paths[name], edges)),
            "line": line,
            "legendrank": rank,
            "hovertemplate": f"%{{y:,.{decimals}f}}",
        }
        for rank, (name, label, line) in zip(range(2 * len(LINES) - 2, -1, -2), LINES, strict=True)
        if name in paths
    ]
    dots, moments = _dots(fills, decimals)
    times |= {name: milliseconds(found, clock.origin_ms) for name, found in moments.items()}
    areas, sampled, height = _depth(depth, near)
    times["depth"] = milliseconds(sampled, clock.origin_ms)
    return {
        "data": [*_band(paths["mark"], edges), *dots, *lines, *areas],
        "layout": _layout(clock, decimals, height, f"price, {quote}"),
        "times": times,
        "views": _views(seconds, [*paths.values()], fills, near, clock),
    }


def _band(mark: NDArray[np.float64], edges: NDArray[np.int64]) -> list[dict[str, Any]]:
    """From the lowest to the highest mark of every bucket: where it jumps from tick to tick, a line scribbles."""
    common = {"type": "scatter", "mode": "lines", "x": "prices", "line": {"width": 0}, "hoverinfo": "skip"}
    low, high = extremes(mark, edges)
    return [
        {**common, "name": "lowest mark", "y": packed(low), "showlegend": False},
        {
            **common,
            "name": "its range",
            "legendrank": 1,
            "y": packed(high),
            "fill": "tonexty",
            "fillcolor": "@ink/0.22",
        },
    ]


def close_view(seconds: NDArray[np.float64], window: Window | None) -> Window | None:
    """The time around the cascade; None when it is most of the run."""
    if window is None:
        return None
    margin = max(AROUND * window.seconds, 60.0)
    start, end = max(float(seconds[0]), window.start - margin), min(float(seconds[-1]), window.end + margin)
    return Window(start=start, end=end) if end - start < 0.5 * (seconds[-1] - seconds[0]) else None


def _views(
    seconds: NDArray[np.float64],
    paths: Sequence[NDArray[np.float64]],
    fills: pd.DataFrame,
    near: Window | None,
    clock: Clock,
) -> dict[str, dict[str, list[float]]]:
    """Axis ranges: the whole run and, where there is one, the close view."""
    views = {"whole run": (float(seconds[0]), float(seconds[-1]))}
    if near is not None:
        views["around the cascade"] = (near.start, near.end)
    made = {}
    for name, (start, end) in views.items():
        inside = (seconds >= start) & (seconds <= end)
        shown_fills = fills["seconds"].between(start, end) & ~fills["kind"].isin(AWAY)
        traded = fills.loc[shown_fills, "price"].to_numpy(np.float64)
        shown = np.concatenate([*(path[inside] for path in paths), traded])
        low, high = float(shown.min()), float(shown.max())
        pad = 0.06 * (high - low) or 0.01 * high
        made[name] = {
            "xaxis": [clock.origin_ms + 1000.0 * start, clock.origin_ms + 1000.0 * end],
            "yaxis": [low - pad, high + pad],
        }
    return made


def _layout(clock: Clock, decimals: int, height: float, title: str) -> dict[str, Any]:
    below = {"xref": "paper", "yref": "y2 domain", "x": 0.004, "xanchor": "left"}
    reach = 1.05 * height or 1.0
    ticks = _ticks(height)
    return layout(
        showlegend=True,
        margin={"l": 8, "r": 12, "t": 26, "b": 44},
        hovermode="x unified",
        xaxis=time_axis(clock.title, dated=clock.start is not None, anchor="y2"),
        yaxis=axis(domain=[0.37, 1.0], tickformat=f",.{decimals}~f"),
        yaxis2=axis(domain=[0.0, 0.31], range=[-reach, reach], tickvals=ticks, tickformat="~s"),
        yaxis3=axis(overlaying="y2", range=[reach, -reach], tickvals=ticks[1:], tickformat="~s", showgrid=True),
        annotations=[
            above(title, "y"),
            above("resting orders, USD", "y2"),
            note("asks", y=0.98, yanchor="top", **below),
            note("bids", y=0.02, yanchor="bottom", **below),
        ],
    )


def _dots(fills: pd.DataFrame, decimals: int) -> tuple[list[dict[str, Any]], dict[str, NDArray[np.float64]]]:
    away = fills["kind"].isin(AWAY)
    deleveraged = fills[fills["kind"] == "adl"]
    groups = {
        "forced sales": fills[~away & (fills["side"] == "sell")],
        "forced purchases": fills[~away & (fills["side"] == "buy")],
        # At the bankruptcy price, which may be far away, they would be out of sight.
        ADL: deleveraged.assign(price=deleveraged["mark_before"]),
    }
    summed = {name: summed_fills(group) for name, group in groups.items() if len(group)}
    largest = max((float(found["usd"].max()) for name, found in summed.items() if name != ADL), default=1.0)
    traces, moments = [], {}
    for name, found in summed.items():
        colour, symbol = DOTS[name]
        usd = found["usd"].to_numpy(np.float64)
        moments[name] = found["seconds"].to_numpy(np.float64)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": name,
                "y": packed(found["price"].to_numpy(np.float64)),
                "text": [
                    f"{money(value)} in {count(n, 'trade')}"
                    for value, n in zip(usd.tolist(), found["n"].tolist(), strict=True)
                ],
                "hovertemplate": f"%{{text}} at %{{y:,.{decimals}f}}",
                "marker": {
                    "symbol": symbol,
                    "color": f"{colour}/0.4",
                    "line": {"color": f"{colour}/0.8", "width": 0.7},
                    "size": packed(np.minimum(usd, largest)),
                    "sizemode": "area",
                    "sizeref": 2.0 * max(largest, 1e-9) / LARGEST_DOT**2,
                    "sizemin": 2,
                },
            }
        )
    return traces, moments


def interval_of(fills: pd.DataFrame) -> float:
    """Seconds over which dots are summed; 0 when every fill has its own."""
    if len(fills) <= MOST_DOTS:
        return 0.0
    seconds = fills["seconds"].to_numpy(np.float64)
    return max(1.0, math.ceil(float(seconds[-1] - seconds[0]) / MOST_DOTS))


def summed_fills(fills: pd.DataFrame) -> pd.DataFrame:
    """Fills in order of time, neighbours in one interval summed: seconds, mean price, USD, n."""
    interval = interval_of(fills)
    seconds = fills["seconds"].to_numpy(np.float64)
    key = np.floor((seconds - seconds[0]) / interval) if interval else np.arange(len(fills))
    usd = fills["notional_usd"].to_numpy(np.float64)
    weight = np.maximum(usd, 1e-9)
    price = fills["price"].to_numpy(np.float64)
    table = pd.DataFrame({"usd": usd, "weight": weight, "at": weight * seconds, "paid": weight * price, "n": 1})
    found = table.groupby(key, sort=True).sum()
    return pd.DataFrame(
        {
            "seconds": found["at"] / found["weight"],
            "price": found["paid"] / found["weight"],
            "usd": found["usd"],
            "n": found["n"],
        }
    )


def _depth(depth: pd.DataFrame, window: Window | None) -> tuple[list[dict[str, Any]], NDArray[np.float64], float]:
    """Areas for asks and for bids (on an axis that points down), their times, and the largest depth."""
    sides = {side: depth[depth["side"] == side] for side in ("ask", "bid")}
    seconds = sides["ask"]["seconds"].to_numpy(np.float64)
    usd = {
        (side, distance): part[f"depth_{distance}bps_usd"].to_numpy(np.float64)
        for side, part in sides.items()
        for distance in DISTANCES
    }
    rows = extreme_rows([usd["ask", "50"], usd["bid", "50"]], bucket_edges(seconds, window))
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{side}s within {distance} bps",
            "x": "depth",
            "y": packed(values[rows]),
            "yaxis": SIDE_AXIS[side],
            "line": {"width": 0, "shape": "hv"},
            "fill": "tozeroy",
            "fillcolor": f"{SIDE_COLOUR[side]}/{STRENGTH[distance]}",
            "showlegend": False,
            "hovertemplate": "%{y:,.3s} USD",
        }
        for (side, distance), values in usd.items()
    ]
    return traces, seconds[rows], max(float(values.max(initial=0.0)) for values in usd.values())


def _ticks(height: float) -> list[float]:
    """Round values from 0 to `height`, two or three steps."""
    if height <= 0.0:
        return [0.0]
    scale = 10.0 ** math.floor(math.log10(height / 2.0))
    step = max(factor for factor in (1.0, 2.0, 2.5, 5.0) if factor * scale <= height / 2.0 * (1.0 + 1e-9)) * scale
    return [step * k for k in range(4) if step * k <= height * 1.001]


def market_caption(fills: pd.DataFrame, *, twin: bool) -> str:
    """What lines, marks and areas mean; `fills` of all instruments."""
    text = (
        "The shade is the range of the mark where it jumps from tick to tick. Below the prices: orders resting within "
        "10, 50 and 100 bps of the mark, asks up and bids down."
    )
    if twin:
        text = f"The dashed line is the same run on the same random numbers with forced trades switched off. {text}"
    forced = fills[~fills["kind"].isin(AWAY)]
    if forced.empty:
        return f"There was no forced trade on any instrument. {text}"
    groups = [group for _, group in forced.groupby(["instrument", "side"], observed=True)]
    interval = max(interval_of(group) for group in groups)
    largest = max(float(summed_fills(group)["usd"].max()) for group in groups)
    sums = f"; where they are dense, one dot sums {span(interval)}" if interval else ""
    adl = " Diamonds are auto-deleveraging (ADL), at the mark of then." if (fills["kind"] == "adl").any() else ""
    return f"Dots are forced trades, area by notional, the largest {money(largest)}{sums}.{adl} {text}"
