"""Figures of a result for notebooks: `result.plot.price()`, `.depth()`, `.contagion()` ... as plotly figures.

They are ordinary `plotly.graph_objects.Figure` objects in the colours of the report, and can be changed like any other.
Prices are in quote units, money is in USD, times are seconds since the start.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from experiments.contagion import CAUSES
from experiments.recorder import DEPTH_BPS, MARGIN_RATIO_EDGES
from experiments.snapshots.numbers import kept_rows
from experiments.toml_tree import suggest
from market.errors import InputError

if TYPE_CHECKING:
    from experiments.result import Result

MOST_POINTS = 4_000
"""Points of one line; of more the lowest and highest of every bucket are kept."""
_LAYERS = ("fund", "adl", "socialised", "uncovered", "still_open")


@cache
def colours() -> dict[str, str]:
    """Name -> colour, as in the light scheme of the report."""
    css = (Path(__file__).parent / "report" / "page.css").read_text(encoding="utf-8")
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css.split("}")[0]))


def figure(title: str, x: str, y: str) -> go.Figure:
    """An empty figure in the colours of the report."""
    paint = colours()
    axis = {"gridcolor": paint["grid"], "linecolor": paint["line"], "zeroline": False, "automargin": True}
    return go.Figure(
        layout={
            "title": {"text": title},
            "paper_bgcolor": paint["paper"],
            "plot_bgcolor": paint["paper"],
            "font": {"color": paint["ink"]},
            "xaxis": {**axis, "title": {"text": x}},
            "yaxis": {**axis, "title": {"text": y}},
            "legend": {"orientation": "h", "y": -0.25, "yanchor": "top"},
            "margin": {"t": 60},
        }
    )


class Plots:
    """Figures of one result."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def price(self, instrument: str | None = None) -> go.Figure:
        """Mark, index and reference price of an instrument, and its forced fills, their area in USD.

        The main instrument of the run when none is named. Raises InputError for one that is not there.
        """
        symbol, paint = self._instrument(instrument), colours()
        rows = self._of(self._result.prices, symbol)
        kept = rows.iloc[kept_rows([rows["mark"].to_numpy(np.float64)], len(rows), MOST_POINTS)]
        quote = self._result.scenario.instruments[symbol].quote
        made = figure(f"{symbol}: price and forced fills", "seconds", quote)
        lines = (
            ("reference", paint["muted"], "dot"),
            ("index", paint["orange"], "solid"),
            ("mark", paint["blue"], "solid"),
        )
        for name, colour, dash in lines:
            made.add_scatter(
                x=kept["seconds"], y=kept[name], name=name, mode="lines", line={"color": colour, "dash": dash}
            )
        fills = self._of(self._result.liquidations, symbol)
        if len(fills):
            made.add_scatter(
                x=fills["seconds"],
                y=fills["price"],
                name="forced fills",
                mode="markers",
                text=fills["account"],
                customdata=fills[["notional_usd", "kind"]],
                hovertemplate="%{text}: %{customdata[0]:,.0f} USD, %{customdata[1]}<extra></extra>",
                marker={
                    "color": paint["vermillion"],
                    "opacity": 0.45,
                    "size": fills["notional_usd"],
                    "sizemode": "area",
                    "sizeref": max(float(fills["notional_usd"].max()), 1.0) / 24.0**2,
                    "sizemin": 2,
                },
            )
        return made

    def depth(self, instrument: str | None = None) -> go.Figure:
        """USD resting within 10, 50 and 100 basis points of the mark: bids up, asks down."""
        symbol, paint = self._instrument(instrument), colours()
        rows = self._of(self._result.depth, symbol)
        made = figure(f"{symbol}: depth, bids above and asks below", "seconds", "USD")
        for side, colour, sign in (("bid", paint["blue"], 1.0), ("ask", paint["orange"], -1.0)):
            own = rows[rows["side"] == side]
            for distance, width in zip(DEPTH_BPS, (3.0, 1.8, 1.0), strict=True):
                made.add_scatter(
                    x=own["seconds"],
                    y=sign * own[f"depth_{distance:g}bps_usd"],
                    name=f"{side}s within {distance:g} bps",
                    mode="lines",
                    line={"color": colour, "width": width},
                )
        return made

    def margin_ratios(self) -> go.Figure:
        """Accounts by margin ratio over time; above 100 % an account may be liquidated."""
        recorder, scenario = self._result.main.recorder, self._result.scenario
        counts = recorder.margin_counts[: recorder.n_margins]
        seconds = (recorder.margins_at[: recorder.n_margins] + 1) * scenario.tick_seconds
        names = [f"up to {round(100 * edge)} %" for edge in MARGIN_RATIO_EDGES.tolist()]
        made = figure("accounts by margin ratio", "seconds", "margin ratio")
        made.add_heatmap(
            x=seconds,
            y=[*names, "above 100 %", "no equity left"],
            z=np.log10(1.0 + counts.T),
            customdata=counts.T,
            hovertemplate="%{customdata} accounts<extra>%{y}</extra>",
            colorscale="Cividis",
            colorbar={"title": {"text": "accounts, log<sub>10</sub>(1 + n)"}},
        )
        return made

    def waterfall(self) -> go.Figure:
        """Gross bad debt, and who bore it."""
        kpis, paint = self._result.kpis, colours()
        parts = [float(kpis[f"bad_debt_{layer}_usd"] or 0.0) for layer in _LAYERS]
        made = figure("bad debt, and who bore it", "", "USD")
        made.add_waterfall(
            x=["bad debt", *(layer.replace("_", " ") for layer in _LAYERS)],
            y=[float(kpis["bad_debt_usd"] or 0.0), *(-part for part in parts)],
            measure=["absolute", *("relative" for _ in parts)],
            decreasing={"marker": {"color": paint["blue"]}},
            increasing={"marker": {"color": paint["vermillion"]}},
            totals={"marker": {"color": paint["vermillion"]}},
        )
        return made

    def contagion(self) -> go.Figure:
        """Liquidations by time and causal generation, each joined to the one whose forced orders cost it most."""
        found, paint = self._result.causes, colours()
        made = figure("contagion: who brought down whom", "seconds", "causal generation")
        seconds = (found.tick + 1) * self._result.scenario.tick_seconds
        # Liquidations of one generation lie beside each other, in the order of their numbers.
        height = found.generation + 0.7 * ((np.arange(found.n) * 0.6180339887498949) % 1.0 - 0.5)
        children = np.flatnonzero(found.parent >= 0)
        ends = np.column_stack([found.parent[children], children])
        made.add_scatter(
            x=_broken(seconds[ends]),
            y=_broken(height[ends]),
            mode="lines",
            name="cost it most",
            line={"color": paint["muted"], "width": 0.8},
            hoverinfo="skip",
        )
        names = np.array(self._result.main.built.world.ledger.names, dtype=object)
        usd = found.notional_usd
        made.add_scatter(
            x=seconds,
            y=height,
            mode="markers",
            name="liquidation",
            text=names[found.account],
            customdata=np.column_stack([usd, 100.0 * found.forced_share]),
            hovertemplate="%{text}: %{customdata[0]:,.0f} USD, %{customdata[1]:.0f} % by forced sales<extra></extra>",
            marker={
                "color": paint["vermillion"],
                "opacity": 0.6,
                "size": usd,
                "sizemode": "area",
                "sizeref": max(float(usd.max(initial=1.0)), 1.0) / 24.0**2,
                "sizemin": 3,
            },
        )
        return made

    def causes(self) -> go.Figure:
        """What the losses behind all liquidations were made of, USD; negative where something helped."""
        sums = self._result.causes.causes.sum(axis=0) / 1e6
        shown = np.flatnonzero(sums)
        order = shown[np.argsort(np.abs(sums[shown]))]
        made = figure("what brought margin excess down, all liquidations", "USD", "")
        names = [CAUSES[at].replace("_", " ") for at in order.tolist()]
        made.add_bar(x=sums[order], y=names, orientation="h", marker={"color": colours()["blue"]})
        return made

    def _instrument(self, symbol: str | None) -> str:
        known = [str(name) for name in self._result.scenario.instruments]
        if symbol is None:
            if not known:
                raise InputError("instrument: nothing is traded on a book in this scenario")
            return str(self._result.kpis["main_instrument"])
        if symbol not in known:
            raise InputError(f"instrument: no {symbol!r} in this run{suggest(symbol, known)}")
        return symbol

    @staticmethod
    def _of(table: pd.DataFrame, symbol: str) -> pd.DataFrame:
        rows: pd.DataFrame = table[table["instrument"] == symbol]
        return rows


def _broken(ends: NDArray[Any]) -> NDArray[np.float64]:
    """Lines between pairs, with gaps between them."""
    return np.column_stack([ends, np.full(len(ends), np.nan)]).ravel()


def html(result: Result) -> str:
    """What a notebook shows of a result: its headline, and the figures everybody wants first."""
    from html import escape

    from experiments.report.glossary import GROUPS, UNITS

    entries: dict[str, Any] = {key: entry for group in GROUPS.values() for key, entry in group.items()}
    keys = (
        "liquidated_account_count", "liquidation_count", "liquidated_notional_usd", "amplification",
        "largest_cascade_count", "bad_debt_usd", "bad_debt_fund_usd", "bad_debt_adl_usd", "adl_notional_usd",
        "keeper_profit_usd",
    )  # fmt: skip
    main = str(result.kpis.get("main_instrument", ""))
    # The story is about what is traded on books.
    told = escape(result.story.headline) if result.scenario.instruments else ""
    headline = f"<p><strong>{told}</strong></p>" if told else ""
    rows = []
    for key in keys:
        value = result.kpis.get(key)
        if not isinstance(value, int | float):
            continue
        entry = entries[key]
        unit = entry.unit or UNITS.get(key.rsplit("_", 1)[-1], "")
        number = f"{value:,.0f}" if abs(value) >= 100.0 or isinstance(value, int) else f"{value:,.2f}"
        label = escape(entry.label.replace("{main}", main))
        rows.append(f'<tr><td>{label}</td><td style="text-align:right">{number}</td><td>{escape(unit)}</td></tr>')
    return (
        f"<div>{headline}<p>{escape(result.scenario.summary)} Seed {result.seed}.</p>"
        f"<table><tbody>{''.join(rows)}</tbody></table>"
        "<p><code>result.plot.price()</code>, <code>.depth()</code>, <code>.contagion()</code>, "
        "<code>.causes()</code>, <code>.waterfall()</code>, <code>.margin_ratios()</code> draw; "
        "<code>result.save(DIR)</code> writes the report.</p></div>"
    )
