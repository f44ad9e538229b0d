"""Figures of causes: accounts and the assets they held, who paid, and losses from asset to asset, as plotly data."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.contagion.store import Saved
from experiments.report.theme import Figure, axis, layout
from experiments.report.words import money

MOST_ACCOUNTS = 40
"""Liquidated accounts shown by themselves in the exposure network; in the picture of who paid, a quarter of them."""
_PAYERS = {
    "fund": "insurance fund",
    "adl": "winning accounts (ADL)",
    "socialised": "all customers",
    "uncovered": "nobody",
}
_COLOURS = {"fund": "@blue", "adl": "@orange", "socialised": "@purple", "uncovered": "@vermillion"}


def exposure_figure(saved: Saved) -> tuple[Figure, str]:
    """(accounts left, assets right, lines by what was held when the claim opened; what it shows and leaves out)."""
    held = np.column_stack([saved.liquidations[f"exposure_{symbol}_usd"] for symbol in saved.symbols])
    gross = np.abs(held).sum(axis=1)
    order = np.argsort(-gross, kind="stable")[:MOST_ACCOUNTS]
    shown = [column for column in range(len(saved.symbols)) if (np.abs(held[order, column]) > 0.0).any()]
    left = np.linspace(0.0, 1.0, max(len(order), 2))
    right = (np.arange(len(shown)) + 0.5) / max(len(shown), 1)
    widest = max(float(np.abs(held[order]).max(initial=0.0)), 1e-9)
    lines: list[dict[str, Any]] = []
    for place, row in enumerate(order.tolist()):
        for slot, column in enumerate(shown):
            usd = float(held[row, column])
            if abs(usd) >= 0.005 * widest:
                colour = "@blue" if usd > 0.0 else "@vermillion"
                lines.append(_line(left[place], right[slot], 1.0 + 5.0 * abs(usd) / widest, f"{colour}/0.45"))
    names = saved.liquidations["account"].to_numpy()[order]
    total = np.abs(held[order][:, shown]).sum(axis=0)
    nodes = _dots(
        x=[0.0] * len(order) + [1.0] * len(shown),
        y=[*left[: len(order)].tolist(), *right.tolist()],
        size=[9.0] * len(order) + [22.0] * len(shown),
        text=[""] * len(order) + [saved.symbols[column] for column in shown],
        hover=[f"{name}: {money(float(usd))}" for name, usd in zip(names, gross[order], strict=True)]
        + [f"{saved.symbols[column]}: {money(float(usd))}" for column, usd in zip(shown, total, strict=True)],
    )
    figure: Figure = {
        "data": [*lines, nodes],
        "layout": layout(
            hovermode="closest",
            margin={"l": 8, "r": 8, "t": 8, "b": 8},
            xaxis={"visible": False, "range": [-0.08, 1.25]},
            yaxis={"visible": False, "range": [1.04, -0.04]},
        ),
        "times": {},
    }
    some = f"the {len(order)} largest of {len(gross):,}" if len(order) < len(gross) else f"all {len(gross):,}"
    return figure, (
        f"Left, liquidations ({some}); right, the assets they held when their claim opened. Blue: owned or long; red: "
        "owed or short. Width by USD."
    )


def _line(start: float, end: float, width: float, colour: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "x": [0.0, 1.0], "y": [start, end],
        "line": {"width": width, "color": colour}, "hoverinfo": "skip",
    }  # fmt: skip


def _dots(**columns: Any) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers+text", "x": columns["x"], "y": columns["y"], "text": columns["text"],
        "textposition": "middle right", "hovertext": columns["hover"], "hoverinfo": "text",
        "textfont": {"color": "@ink", "size": 13},
        "marker": {"size": columns["size"], "color": "@ink/0.85"},
    }  # fmt: skip


def payer_figure(saved: Saved) -> Figure | None:
    """Bad debt from the accounts that left it to those who bore it; None when there was none."""
    losses = saved.losses
    if losses.empty or float(losses["bad_debt_usd"].sum()) <= 0.0:
        return None
    by_account = losses.groupby("account")[[f"{payer}_usd" for payer in _PAYERS]].sum()
    by_account = by_account.loc[by_account.sum(axis=1).sort_values(ascending=False).index]
    most = MOST_ACCOUNTS // 4
    rows = [(str(name), row) for name, row in by_account.head(most).iterrows()]
    if len(by_account) > most:
        rows.append((f"{len(by_account) - most:,} others", by_account.iloc[most:].sum()))
    payers = [payer for payer in _PAYERS if float(by_account[f"{payer}_usd"].sum()) > 0.0]
    links = [
        (place, len(rows) + slot, float(row[f"{payer}_usd"]), f"{_COLOURS[payer]}/0.4")
        for place, (_, row) in enumerate(rows)
        for slot, payer in enumerate(payers)
        if float(row[f"{payer}_usd"]) > 0.0
    ]
    sums = [float(by_account[f"{payer}_usd"].sum()) for payer in payers]
    return {
        "data": [
            {
                "type": "sankey",
                "arrangement": "snap",
                "valueformat": ",.0f",
                "valuesuffix": " USD",
                "node": {
                    "label": [name for name, _ in rows]
                    + [f"{_PAYERS[payer]}, {money(usd)}" for payer, usd in zip(payers, sums, strict=True)],
                    "color": ["@muted"] * len(rows) + [_COLOURS[payer] for payer in payers],
                    "pad": 14,
                    "thickness": 14,
                    "line": {"width": 0},
                },
                "link": {
                    "source": [link[0] for link in links],
                    "target": [link[1] for link in links],
                    "value": [link[2] for link in links],
                    "color": [link[3] for link in links],
                },
            }
        ],
        "layout": layout(margin={"l": 8, "r": 8, "t": 12, "b": 12}),
        "times": {},
    }


def spill_figure(saved: Saved) -> Figure | None:
    """USD lost on the asset of the column because of forced sales of the asset of the row; None when there are none."""
    spill = saved.spill()
    shown = np.flatnonzero((spill != 0.0).any(axis=0) | (spill != 0.0).any(axis=1))
    if not len(shown):
        return None
    part = spill[np.ix_(shown, shown)]
    names = [saved.symbols[row] for row in shown.tolist()]
    return {
        "data": [
            {
                "type": "heatmap",
                "z": part.tolist(),
                "x": names,
                "y": names,
                "text": [[money(float(value)) if value else "" for value in row] for row in part],
                "texttemplate": "%{text}",
                "hovertemplate": "forced sales of %{y}: %{text} lost on %{x}<extra></extra>",
                "colorscale": [[0.0, "@panel"], [1.0, "@vermillion"]],
                "zmin": 0.0,
                "zmax": max(float(part.max()), 1e-9),
                "showscale": False,
                "xgap": 2,
                "ygap": 2,
            }
        ],
        "layout": layout(
            margin={"l": 8, "r": 12, "t": 8, "b": 44},
            xaxis=axis("lost on the price of", showgrid=False),
            yaxis=axis("forced sales of", autorange="reversed", showgrid=False),
        ),
        "times": {},
    }
