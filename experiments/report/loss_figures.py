"""Who paid for bad debt, and how close accounts stood to liquidation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.theme import Figure, axis, layout, note
from experiments.report.words import money, percent

PAYERS = {
    "fund": ("insurance fund", "@blue"),
    "adl": ("winning traders<br>(ADL)", "@orange"),
    "socialised": ("all customers<br>(socialised loss)", "@purple"),
    "uncovered": ("nobody<br>(uncovered)", "@vermillion"),
    "still_open": ("accounts still open", "@muted"),
}
"""Label and colour, in the order of the waterfall."""


def waterfall_figure(bad_debt_usd: float, paid_usd: Mapping[str, float]) -> Figure:
    """Gross bad debt, and below it, step by step, who bore it until nothing is left."""
    labels, lengths, bases, colours, texts = ["bad debt, gross"], [bad_debt_usd], [0.0], ["@ink"], [money(bad_debt_usd)]
    left = bad_debt_usd
    for name, (label, colour) in PAYERS.items():
        usd = paid_usd.get(name, 0.0)
        left -= usd
        labels.append(label)
        lengths.append(usd)
        bases.append(max(left, 0.0))
        colours.append(f"{colour}/0.85")
        texts.append(f"{money(usd)} ({percent(usd / bad_debt_usd)})" if usd > 0.0 else "0 USD")
    notes = [
        _label(text, label=label, base=base, end=base + length, whole=bad_debt_usd, first=row == 0)
        for row, (text, base, length, label) in enumerate(zip(texts, bases, lengths, labels, strict=True))
    ]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": labels,
        "x": lengths,
        "base": bases,
        "marker": {"color": colours},
        "customdata": texts,
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
    }
    return {
        "data": [bars],
        "layout": layout(
            bargap=0.35,
            margin={"l": 8, "r": 12, "t": 8, "b": 44},
            xaxis=axis("USD", tickformat="~s", rangemode="tozero"),
            yaxis=axis(autorange="reversed", showgrid=False, tickfont={"size": 12, "color": "@ink"}),
            annotations=notes,
        ),
        "times": {},
    }


def _label(text: str, *, label: str, base: float, end: float, whole: float, first: bool) -> dict[str, Any]:
    """Words on a bar: behind it where there is room, else before it, else on it."""
    if end <= 0.6 * whole:
        place: dict[str, Any] = {"x": end, "xanchor": "left", "xshift": 6}
    elif base >= 0.4 * whole:
        place = {"x": base, "xanchor": "right", "xshift": -6}
    else:
        place = {"x": base, "xanchor": "left", "xshift": 6}
    inside = end > 0.6 * whole and base < 0.4 * whole
    on_bar = "@paper" if first else "@dark"
    return note(text, y=label, font={"size": 12, "color": on_bar if inside else "@ink"}, **place)


def margin_figure(edges: NDArray[np.float64], counts: Sequence[NDArray[np.int64]], titles: Sequence[str]) -> Figure:
    """Accounts by margin ratio at several moments, one below the other.

    `edges` are the upper edges of the bins; each of `counts` has two more entries: beyond the last edge, and no
    margin equity left.
    """
    width = float(edges[0])
    centres = [*(edges - width / 2).tolist(), float(edges[-1]) + width, float(edges[-1]) + 2.5 * width]
    ranges = [
        *(f"{percent(edge - width)} to {percent(edge)}" for edge in edges.tolist()),
        f"over {percent(float(edges[-1]))}: below maintenance",
        "no margin equity left",
    ]
    colours = ["@blue/0.8"] * len(edges) + ["@vermillion", "@purple"]
    n = len(counts)
    height = 1.0 / n
    top = max((int(found.max()) for found in counts), default=1)
    data, notes = [], []
    plot = layout(bargap=0.0)
    for row, (found, title) in enumerate(zip(counts, titles, strict=True)):
        name = "" if row == 0 else str(row + 1)
        low = 1.0 - (row + 1) * height
        data.append(
            {
                "type": "bar",
                "x": centres,
                "y": found.tolist(),
                "width": [width * 0.9] * len(centres),
                "yaxis": f"y{name}",
                "marker": {"color": colours},
                "customdata": ranges,
                "hovertemplate": f"{title}<br>margin ratio %{{customdata}}: %{{y:,}} accounts<extra></extra>",
            }
        )
        plot[f"yaxis{name}"] = axis(
            domain=[low, low + 0.76 * height], type="log",
            range=[math.log10(0.6), math.log10(max(top, 10) * 1.5)], dtick=1, tickformat=",d",
        )  # fmt: skip
        below = int(found[len(edges) :].sum())
        notes.append(
            note(
                f"<b>{title}</b> · {below:,} of {int(found.sum()):,} over 100%",
                xref="paper",
                yref="paper",
                x=0,
                y=low + 0.78 * height,
                xanchor="left",
                yanchor="bottom",
                xshift=-30,
                font={"size": 11.5, "color": "@ink"},
            )
        )
    shown = [0.0, 0.25, 0.5, 0.75, 1.0, centres[-1]]
    words = ["0%", "25%", "50%", "75%", "100%", "insolvent"]
    plot["xaxis"] = axis(
        "margin ratio (maintenance ÷ margin equity)",
        tickvals=shown,
        ticktext=words,
        range=[-0.01, centres[-1] + width],
        anchor=f"y{n}" if n > 1 else "y",
    )
    plot["annotations"] = notes
    plot["shapes"] = [
        {
            "type": "line", "xref": "x", "yref": "paper", "x0": 1.0, "x1": 1.0, "y0": 0.0, "y1": 1.0,
            "line": {"color": "@vermillion", "width": 1, "dash": "dot"},
        }
    ]  # fmt: skip
    return {"data": data, "layout": plot, "times": {}}
