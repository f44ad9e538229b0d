"""What all figures share.

Colours are names ("@blue", "@blue/0.3") that page.js looks up in page.css, light or dark. The legend is the page's:
where `showlegend` is set, page.js makes it of the traces.
"""

from __future__ import annotations

from typing import Any

Figure = dict[str, Any]
"""A plotly figure as plain data: `data`, `layout`, `times` named by the traces' `x`, and `views`: axis ranges."""

CASCADE_COLOURS = ("@vermillion", "@blue", "@green", "@orange", "@purple", "@sky")
"""Colours told apart by everybody (Okabe and Ito 2008); everything else is "@muted"."""


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """A calm axis."""
    words = {"title": {"text": title, "font": {"size": 12, "color": "@muted"}, "standoff": 8}} if title else {}
    return {
        **words,
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zeroline": False,
        "tickfont": {"size": 11, "color": "@muted"},
        "automargin": True,
        **more,
    }


def time_axis(title: str, *, dated: bool, **more: Any) -> dict[str, Any]:
    """Simulated time; page.js turns milliseconds into dates, so that labels follow the zoom."""
    day = "%-d %b" if dated else "day %-j"
    stops = [
        {"dtickrange": [None, 30_000], "value": "%-H:%M:%S"},
        {"dtickrange": [30_000, 86_400_000], "value": "%-H:%M"},
        {"dtickrange": [86_400_000, None], "value": day},
    ]
    hover = "%-d %b %H:%M:%S" if dated else "%-H:%M:%S"
    spike = {"spikecolor": "@muted", "spikethickness": 1, "spikedash": "dot"}
    return axis(title, type="date", tickformatstops=stops, hoverformat=hover, **spike, **more)


def layout(**more: Any) -> dict[str, Any]:
    """Transparent ground, the page's own letters."""
    return {
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "@font", "color": "@ink", "size": 12},
        "margin": {"l": 8, "r": 12, "t": 26, "b": 44},
        "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@line", "font": {"color": "@ink", "size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@muted/0.6", "activecolor": "@ink"},
        "showlegend": False,
        **more,
    }


def above(text: str, axis_name: str) -> dict[str, Any]:
    """What a vertical axis shows, in words above it: on a phone a title beside it takes too much room."""
    place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": f"{axis_name} domain", "y": 1.0, "yanchor": "bottom"}
    return note(text, yshift=3, **place)


def note(text: str, **more: Any) -> dict[str, Any]:
    """Small words inside a figure."""
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": "@muted"}, **more}
