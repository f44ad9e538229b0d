"""A run over several venues in a notebook: its headline and figures, and plotly figures of the whole.

Those of one venue are `result.venues[NAME].plot`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from experiments.contagion import FORCED
from experiments.plots import MOST_POINTS, colours, figure
from experiments.snapshots.numbers import kept_rows
from experiments.systems import story
from market.instruments import USD_QUANTA

if TYPE_CHECKING:
    from experiments.systems.result import SystemResult

_SHADES = ("blue", "orange", "green", "vermillion", "sky", "purple")
_LAYERS = ("fund", "adl", "socialised", "uncovered", "still_open")


class SystemPlots:
    """Figures of one result."""

    def __init__(self, result: SystemResult) -> None:
        self._result = result

    def price(self) -> go.Figure:
        """References of all assets that move, the start as 100, impact and shocks included."""
        recorder, symbols = self._result.main.recorder, self._result.main.built.system.claims.symbols
        made = figure("prices of the outside world", "seconds", "start = 100")
        for column, symbol in enumerate(symbols):
            path = recorder.reference[: recorder.n, column]
            if np.ptp(path) > 0.0:
                _line(made, 100.0 * path / path[0], symbol, self._result.scenario.tick_seconds)
        return made

    def claims(self) -> go.Figure:
        """What a unit of each claim is worth, in units of what it is a claim on."""
        recorder, claims = self._result.main.recorder, self._result.main.built.system.claims
        made = figure("claims", "seconds", "units of the underlying")
        for column in claims.rules:
            path = recorder.rates[: recorder.n, column]
            _line(made, path, claims.symbols[column], self._result.scenario.tick_seconds)
        return made

    def waterfall(self) -> go.Figure:
        """Gross bad debt of every venue by who bore it."""
        venues, paint = self._result.venues, colours()
        made = figure("bad debt by venue, and who bore it", "", "USD")
        for layer, shade in zip(_LAYERS, _SHADES, strict=False):
            parts = [float(one.kpis[f"bad_debt_{layer}_usd"] or 0.0) for one in venues.values()]
            made.add_bar(x=list(venues), y=parts, name=layer.replace("_", " "), marker={"color": paint[shade]})
        return made.update_layout(barmode="stack")

    def contagion(self) -> go.Figure:
        """USD of margin lost before liquidation on the venue of the column because of forced sales on, and claims on,
        the venue of the row; on the diagonal because of forced sales on the same venue."""
        matrix = self._result.causes.matrix()
        for name, own in self._result.causes.venues.items():
            elsewhere = self._result.causes.crossings
            foreign = elsewhere[(elsewhere["to_venue"] == name) & ~elsewhere["from_account"].str.startswith("claim ")]
            within = float(own.causes[:, FORCED].sum()) / USD_QUANTA
            matrix.loc[name, name] = within - float(foreign["loss_usd"].sum())
        names = list(matrix.columns)
        made = figure("what crossed between venues", "lost on", "because of")
        made.add_heatmap(
            x=names,
            y=names,
            z=matrix.to_numpy(),
            texttemplate="%{z:,.0f}",
            colorscale="Cividis",
            colorbar={"title": {"text": "USD"}},
            hovertemplate="%{y} cost %{x} %{z:,.0f} USD<extra></extra>",
        )
        return made


def _line(made: go.Figure, path: np.ndarray, name: str, tick_seconds: float) -> None:
    rows = kept_rows([path], len(path), MOST_POINTS)
    colour = colours()[_SHADES[len(made.data) % len(_SHADES)]]
    made.add_scatter(
        x=(rows + 1) * tick_seconds, y=path[rows], name=name, mode="lines", line={"color": colour, "width": 1.8}
    )


def html(result: SystemResult) -> str:
    """What a notebook shows of a result: its headline, a row for each venue, and the figures of the whole."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in story.VENUE_COLUMNS)
    rows = "".join(f"<tr>{_cells(row, story.NUMBERS)}</tr>" for row in story.venue_rows(result))
    figures = "".join(f"<tr>{_cells(row, (1,))}</tr>" for row in story.figure_rows(result.kpis))
    named = next(iter(result.venues))
    return (
        f"<div><p><strong>{escape(story.headline(result))}</strong></p>"
        f"<p>{escape(result.scenario.summary)} Seed {result.seed}.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<details><summary>figures of the whole</summary><table><tbody>{figures}</tbody></table></details>"
        "<p><code>result.plot.price()</code>, <code>.claims()</code>, <code>.waterfall()</code>, "
        "<code>.contagion()</code> draw the whole, "
        f"<code>result.venues[{escape(repr(named))}].plot</code> a venue; "
        "<code>result.save(DIR)</code> writes the report.</p></div>"
    )


def _cells(row: tuple[str, ...], right: tuple[int, ...]) -> str:
    return "".join(
        f'<td style="text-align:right">{escape(text)}</td>' if at in right else f"<td>{escape(text)}</td>"
        for at, text in enumerate(row)
    )
